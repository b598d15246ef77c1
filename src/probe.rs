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

/// Asks each store for its greeting and capabilities, and logs in as the owner of the box where the store serves it.
///
/// # Errors
/// Files that cannot be used.
pub async fn connect(config: &Config, login: Option<(&str, &Secret)>) -> anyhow::Result<Report> {
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
        let Some((box_text, password)) = login else {
            continue;
        };
        let Some(outcome) = Box::pin(log_in(&store, settings, box_text, password)).await? else {
            continue;
        };
        served = true;
        report.well &= outcome.is_ok();
        match outcome {
            Ok(()) => report.line(&format!("store/{name} login ok")),
            Err(reason) => report.line(&format!("store/{name} login failed: {reason}")),
        }
    }
    if let Some((box_text, _)) = login.filter(|_| !served) {
        report.well = false;
        report.line(&format!("no store serves the box {box_text}"));
    }
    Ok(report)
}

/// `None` when the store does not serve the box.
async fn log_in(
    store: &Arc<Store>,
    settings: &StoreConfig,
    box_text: &str,
    password: &Secret,
) -> anyhow::Result<Option<Result<(), String>>> {
    let Some((box_id, login)) = settings.box_rules()?.accept(box_text) else {
        return Ok(None);
    };
    let credentials = Credentials {
        login,
        password: password.clone(),
    };
    let outcome = store.open(&box_id, credentials).await;
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
        let report = connect(&config, Some(("sip:ana@a.test", &password)))
            .await
            .unwrap();
        assert!(
            report
                .text
                .ends_with("no store serves the box sip:ana@a.test\n"),
            "{report:?}"
        );
        assert!(!report.text.contains("hunter2"));
    }
}
