//! `check-config --connect`: whether the stores can be reached, and a box logged in to. Changes nothing in a store.

use std::{fmt::Write, sync::Arc};

use crate::{
    config::{Config, StoreConfig},
    identity::{Credentials, Secret},
    imap::Capabilities,
    state::MemoryState,
    store::{Budget, Store},
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// A line for each store, and one for each login.
    pub text: String,
    /// Whether all of it can be used.
    pub well: bool,
}

/// Whose box is logged in to, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Its box id.
    pub box_id: &'a str,
    /// Its owner's password; without it the operators of the stores log in. The box has to exist: some stores make one of any name
    /// that an operator presents.
    pub password: Option<&'a Secret>,
}

/// Asks each store for its greeting and capabilities, and logs in to the box where the store serves it.
///
/// # Errors
/// Files that cannot be used.
pub async fn connect(config: &Config, login: Option<Login<'_>>) -> anyhow::Result<Report> {
    let mut report = Report {
        text: String::new(),
        well: true,
    };
    let mut served = false;
    for settings in &config.stores {
        let state = Arc::new(MemoryState::new());
        let budget = Budget::new(config.limits.payload_memory);
        let store = Store::new(settings, &config.objects, &config.search, state, budget)?;
        let name = store.name();
        let greeting = store.health().await;
        report.well &= greeting.is_ok();
        match &greeting {
            Ok(found) => report.line(&format!("store/{name} ok: {}", listed(found))),
            Err(reason) => report.line(&format!("store/{name} down: {reason}")),
        }
        let Some(login) = login else {
            continue;
        };
        let Some(outcome) = Box::pin(log_in(&store, settings, login)).await? else {
            continue;
        };
        served = true;
        report.well &= outcome.is_ok();
        let who = match login.password {
            Some(_) => "login",
            None => "operator login",
        };
        match outcome {
            Ok(()) => report.line(&format!("store/{name} {who} ok")),
            Err(reason) => report.line(&format!("store/{name} {who} failed: {reason}")),
        }
    }
    if let Some(Login { box_id, .. }) = login.filter(|_| !served) {
        report.well = false;
        report.line(&format!("no store serves the box {box_id}"));
    }
    Ok(report)
}

/// `None` when the store does not serve the box.
async fn log_in(
    store: &Arc<Store>,
    settings: &StoreConfig,
    wanted: Login<'_>,
) -> anyhow::Result<Option<Result<(), String>>> {
    let Some((box_id, login)) = settings.box_rules()?.accept(wanted.box_id) else {
        return Ok(None);
    };
    let outcome = match wanted.password {
        Some(password) => {
            let password = password.clone();
            store.open(&box_id, Credentials { login, password }).await
        }
        None if !store.has_operator() => {
            let reason = "the store has no operator, and no password is given";
            return Ok(Some(Err(reason.to_owned())));
        }
        None => store.open_outside(&box_id, &login).await,
    };
    Ok(Some(outcome.map(|_| ()).map_err(|error| error.to_string())))
}

impl Report {
    fn line(&mut self, text: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{text}");
    }
}

fn listed(capabilities: &Capabilities) -> String {
    capabilities.names().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str =
        "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"off\"\n";

    #[tokio::test]
    async fn a_store_that_is_down_is_said_to_be() {
        let config = Config::from_toml(DOWN).unwrap();
        let report = connect(&config, None).await.unwrap();
        assert!(report.text.starts_with("store/cpm down: "), "{report:?}");
        assert!(!report.well);
    }

    #[tokio::test]
    async fn a_box_that_no_store_serves_is_said_to_be() {
        let config = Config::from_toml(DOWN).unwrap();
        let password = Secret::new("hunter2");
        let login = Login {
            box_id: "sip:ana@a.test",
            password: Some(&password),
        };
        let report = connect(&config, Some(login)).await.unwrap();
        assert!(
            report
                .text
                .ends_with("no store serves the box sip:ana@a.test\n"),
            "{report:?}"
        );
        assert!(!report.text.contains("hunter2"));
    }

    #[tokio::test]
    async fn a_box_without_password_and_operator_is_not_logged_in_to() {
        let config = Config::from_toml(DOWN).unwrap();
        let login = Login {
            box_id: "tel:+15550100",
            password: None,
        };
        let report = connect(&config, Some(login)).await.unwrap();
        assert!(
            report
                .text
                .contains("operator login failed: the store has no operator"),
            "{report:?}"
        );
        assert!(!report.well);
    }
}
