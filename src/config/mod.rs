//! The configuration file: its sections, defaults and validation.
//!
//! * The file is parsed first, so that its mistakes are reported by line and column; then the environment
//!   (`CPM_BRIDGE__HTTP__LISTEN`, `CPM_BRIDGE__STORES__0__HOST`) is laid over it; then the whole is validated.
//! * An unknown key is a mistake: a misspelt limit must not become its default in silence.
//! * A [`Config`] that exists is valid, its paths absolute or relative to the file's directory, its folder and host
//!   names in one spelling. Nothing reads the file or the environment later.
//!
//! Deliberately absent: keys of things that are not there yet. They are unknown keys like any other.

mod callback;
mod environment;
mod error;
mod network;
mod notifications;
mod operator;
mod origin;
mod sections;
mod stores;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use callback::{CallbackTarget, Host, Malformed as MalformedTarget, Ports};
pub use error::Error;
pub use network::Network;
pub use notifications::NotificationsConfig;
pub use operator::{OperatorConfig, OperatorMethod};
pub use origin::Origin;
pub use sections::{
    AdminConfig, AuthConfig, CorsConfig, DeletedObjects, HttpConfig, LimitsConfig, LogConfig,
    LogFormat, LogLevel, ObjectsConfig, SearchConfig, ServerTls, StateConfig, StateUrl,
    UnknownPreset,
};
pub use stores::{StoreConfig, TlsMode};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The service's own listener.
    pub http: HttpConfig,
    /// The operators' listener.
    pub admin: AdminConfig,
    /// The IMAP stores; at least one.
    pub stores: Vec<StoreConfig>,
    /// How callers prove who they are.
    pub auth: AuthConfig,
    /// What outlives a request and is not mail.
    pub state: StateConfig,
    /// How objects are shown.
    pub objects: ObjectsConfig,
    /// How searches are read.
    pub search: SearchConfig,
    /// How clients hear of changes.
    pub notifications: NotificationsConfig,
    /// The limits a client can run into.
    pub limits: LimitsConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

impl Config {
    /// Reads a file, lays the environment over it and validates the whole.
    ///
    /// # Errors
    /// The first mistake found, with where it is.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| Error::Unreadable {
            reason: error.to_string(),
        })?;
        let mut config = Self::assemble(&text, environment::variables()?)?;
        config.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads a text as if it were the file, without the environment.
    ///
    /// # Errors
    /// The first mistake found, with where it is.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::assemble(text, Vec::new())
    }

    /// Where uploads wait that do not fit into memory: `http.spool_dir`, else beside the state, else where the system keeps
    /// what is temporary.
    #[must_use]
    pub fn spool_directory(&self) -> PathBuf {
        let chosen = self.http.spool_dir.clone();
        chosen
            .or_else(|| self.state.directory())
            .unwrap_or_else(env::temp_dir)
    }

    /// Name of the store whose credentials open notification channels.
    #[must_use]
    pub fn channel_store(&self) -> &str {
        let chosen = self.notifications.channel_store.as_deref();
        let first = || self.stores.first().map(|store| store.name.as_str());
        chosen.or_else(first).unwrap_or_default()
    }

    /// Names of the stores whose boxes may use a channel of the same box id: those that ask the same server for the same login, so
    /// that whoever opens the channel opens the box.
    #[must_use]
    pub fn stores_of_channels(&self) -> Vec<String> {
        let name = self.channel_store();
        let Some(own) = self.stores.iter().find(|store| store.name == name) else {
            return Vec::new();
        };
        let shares = |store: &&StoreConfig| {
            store.name == name || (store.host == own.host && store.login == own.login)
        };
        let sharing = self.stores.iter().filter(shares);
        sharing.map(|store| store.name.clone()).collect()
    }

    fn assemble(text: &str, variables: Vec<environment::Variable>) -> Result<Self, Error> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| Error::in_file(text, &error))?;
        if !variables.is_empty() {
            let table = toml::from_str(text).map_err(|error| Error::in_file(text, &error))?;
            config = environment::overlay(table, variables)?;
        }
        config.validate()?;
        Ok(config)
    }

    fn validate(&mut self) -> Result<(), Error> {
        self.http.validate()?;
        self.auth.validate()?;
        self.objects.validate()?;
        self.limits.validate()?;
        stores::validate(&mut self.stores)?;
        self.notifications.validate(&self.stores)
    }

    /// Paths in the file are relative to the file, wherever the process was started.
    fn resolve_paths(&mut self, directory: &Path) {
        let resolve = |path: &mut PathBuf| *path = directory.join(&*path);
        if let Some(tls) = &mut self.http.tls {
            resolve(&mut tls.certificate);
            resolve(&mut tls.key);
        }
        self.http.spool_dir.iter_mut().for_each(resolve);
        if let StateUrl::File(path) = &mut self.state.url {
            resolve(path);
        }
        for store in &mut self.stores {
            store.tls_ca.iter_mut().for_each(resolve);
            let operator = store.operator.iter_mut();
            operator
                .flat_map(OperatorConfig::files_mut)
                .for_each(resolve);
        }
    }
}

#[cfg(test)]
mod tests;
