//! `check-config`: what is wrong with a file, and with `--connect` whether its stores can be reached.

use std::{fmt::Write, sync::Arc};

use crate::{
    config::Config,
    identity::{BoxRules, Credentials, Secret},
    imap::Capabilities,
    state::MemoryState,
    store::Store,
};

/// Asks each store for its greeting and capabilities, and logs in as the owner of `login.0` with the password `login.1`.
/// Returns a line per store, and whether all is well.
///
/// # Errors
/// Files that cannot be used.
pub async fn connect(
    config: &Config,
    login: Option<(&str, Secret)>,
) -> anyhow::Result<(String, bool)> {
    let mut report = String::new();
    let mut well = true;
    for settings in &config.stores {
        let rules = BoxRules::new(settings).map_err(anyhow::Error::msg)?;
        let store = Store::new(settings, &config.objects, Arc::new(MemoryState::new()))?;
        let greeting = store.health().await;
        well &= greeting.is_ok();
        let line = greeting.map_or_else(
            |reason| format!("down: {reason}"),
            |found| format!("ok: {}", listed(&found)),
        );
        let _ = writeln!(report, "store/{} {line}", settings.name);
        let Some((box_text, password)) = &login else {
            continue;
        };
        let outcome = match rules.accept(box_text) {
            None => Err("this box id is not accepted".to_owned()),
            Some((box_id, login)) => {
                let credentials = Credentials {
                    login,
                    password: password.clone(),
                };
                Box::pin(store.open(&box_id, credentials))
                    .await
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            }
        };
        well &= outcome.is_ok();
        let line = outcome.map_or_else(|reason| format!("failed: {reason}"), |()| "ok".to_owned());
        let _ = writeln!(report, "store/{} login {line}", settings.name);
    }
    Ok((report, well))
}

fn listed(capabilities: &Capabilities) -> String {
    capabilities.names().collect::<Vec<_>>().join(" ")
}
