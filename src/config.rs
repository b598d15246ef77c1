//! The configuration file: its sections, defaults and validation.
//!
//! The file is parsed first, so that its errors have lines; then the environment is laid over it; then everything is
//! validated, each error with the key it is about.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::identity::BoxRules;

/// Prefix of the environment variables that are laid over the file: `CPM_BRIDGE__HTTP__LISTEN`, `CPM_BRIDGE__STORES__0__HOST`.
const PREFIX: &str = "CPM_BRIDGE__";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or has unknown keys or values of the wrong type; the text names line and column.
    #[error("{0}")]
    Parse(String),
    /// A value that cannot be: the key and what is wrong with it.
    #[error("{key}: {reason}")]
    Invalid {
        /// Path of the key, `stores[0].login`.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The REST listener.
    pub http: HttpConfig,
    /// The listener for operators.
    pub admin: AdminConfig,
    /// The IMAP stores.
    pub stores: Vec<StoreConfig>,
    /// How callers prove who they are.
    pub auth: AuthConfig,
    /// Where what outlives a request is kept.
    pub state: StateConfig,
    /// How objects are shown.
    pub objects: ObjectsConfig,
    /// What a client can run into.
    pub limits: LimitsConfig,
    /// Logging.
    pub log: LogConfig,
}

/// The REST listener (`[http]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Base of every URL sent out; default: from the request's Host.
    pub public_url: Option<String>,
    /// Prefix of all paths, before `/nms`.
    pub base_path: String,
    /// Proxies whose X-Forwarded-Proto and X-Forwarded-Host are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Certificate and key for HTTPS.
    pub tls: Option<HttpTlsConfig>,
    /// Seconds that running requests have to finish after SIGTERM.
    pub drain: u64,
}

/// Certificate and key of the REST listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTlsConfig {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            base_path: String::new(),
            trusted_proxies: Vec::new(),
            tls: None,
            drain: 10,
        }
    }
}

/// The listener for operators (`[admin]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port of /livez and /readyz.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

/// How callers prove who they are (`[auth]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Basic, the password passed through to the store's LOGIN. The only way of this release.
    pub basic: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { basic: true }
    }
}

/// Where what outlives a request is kept (`[state]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// `memory:`, the only kind of this release.
    pub url: String,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            url: "memory:".to_owned(),
        }
    }
}

/// Logging (`[log]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// One line of text or of JSON.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// One line of text or of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads a file, lays the environment over it, and validates.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_toml(&text, std::env::vars())
    }

    /// The same from text and variables.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_toml(
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        // By itself first: errors of the file have lines, those of the mixture do not.
        let parsed: Self = toml::from_str(text).map_err(|error| Error::Parse(error.to_string()))?;
        let overlay: Vec<(String, String)> = variables
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let config = if overlay.is_empty() {
            parsed
        } else {
            let mut table: toml::Table =
                toml::from_str(text).map_err(|error| Error::Parse(error.to_string()))?;
            for (name, value) in overlay {
                lay_over(&mut table, &name, &value)?;
            }
            table
                .try_into()
                .map_err(|error: toml::de::Error| Error::Parse(format!("environment: {error}")))?
        };
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), Error> {
        let invalid = |key: &str, reason: &str| {
            Err(Error::Invalid {
                key: key.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if let Some(url) = &self.http.public_url
            && (!(url.starts_with("http://") || url.starts_with("https://")) || url.ends_with('/'))
        {
            return invalid(
                "http.public_url",
                "starts with http:// or https:// and has no final slash",
            );
        }
        let base = &self.http.base_path;
        if !base.is_empty()
            && (!base.starts_with('/')
                || base.ends_with('/')
                || base.contains(['{', '}', '?', '#', ' ']))
        {
            return invalid("http.base_path", "starts with a slash and has no final one");
        }
        if !self.auth.basic {
            return invalid(
                "auth.basic",
                "this release knows no other way, so it must be true",
            );
        }
        if self.state.url != "memory:" {
            return invalid(
                "state.url",
                "this release keeps state in memory only: \"memory:\"",
            );
        }
        if !["error", "warn", "info", "debug", "trace"].contains(&self.log.level.as_str()) {
            return invalid("log.level", "is one of error, warn, info, debug, trace");
        }
        if self.limits.page == 0
            || self.limits.bulk == 0
            || self.limits.connections == 0
            || self.limits.header < 8192
        {
            return invalid(
                "limits",
                "page, bulk and connections are at least 1, header at least 8192",
            );
        }
        if self.stores.is_empty() {
            return invalid("stores", "at least one [[stores]] is needed");
        }
        for (index, store) in self.stores.iter().enumerate() {
            let reason = store.problem().or_else(|| {
                let twice = self.stores[..index]
                    .iter()
                    .any(|other| other.name == store.name);
                twice.then(|| "name: used twice".to_owned())
            });
            if let Some(reason) = reason {
                return Err(Error::Invalid {
                    key: format!("stores[{index}]"),
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl StoreConfig {
    /// What is wrong with it, if anything is.
    fn problem(&self) -> Option<String> {
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !plain(&self.name) {
            return Some("name: needed, of letters, digits, - _ .".to_owned());
        }
        if self.host.is_empty() {
            return Some("host: needed".to_owned());
        }
        if self.port == 0 {
            return Some("port: from 1 to 65535".to_owned());
        }
        if self.max_connections_per_account == 0 || self.max_connections == 0 {
            return Some("max_connections, max_connections_per_account: at least 1".to_owned());
        }
        if [
            self.connect_timeout,
            self.command_timeout,
            self.pool_timeout,
            self.idle_timeout,
        ]
        .contains(&0)
        {
            return Some("timeouts: at least 1 second".to_owned());
        }
        let within = |root: &String| {
            let folder = self.default_folder.trim_matches('/');
            let root = root.trim_matches('/');
            folder == root
                || folder
                    .strip_prefix(root)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        if self
            .roots
            .iter()
            .any(|root| root.trim_matches('/').is_empty() || root.contains("//"))
        {
            return Some("roots: a root is the path of a folder".to_owned());
        }
        if !self.roots.is_empty() && !self.roots.iter().any(within) {
            return Some("default_folder: outside the roots".to_owned());
        }
        BoxRules::new(self).err()
    }
}

/// Puts one variable into the table; numbers in the name are places in an array.
fn lay_over(table: &mut toml::Table, name: &str, value: &str) -> Result<(), Error> {
    let invalid = || Error::Invalid {
        key: name.to_owned(),
        reason: "does not fit the file".to_owned(),
    };
    let path: Vec<String> = name[PREFIX.len()..]
        .split("__")
        .map(str::to_ascii_lowercase)
        .collect();
    let (first, rest) = path.split_first().ok_or_else(invalid)?;
    let mut place = table
        .entry(first.clone())
        .or_insert_with(|| empty_for(rest));
    for (index, key) in rest.iter().enumerate() {
        let below = &rest[index + 1..];
        place = match place {
            toml::Value::Table(table) => {
                table.entry(key.clone()).or_insert_with(|| empty_for(below))
            }
            toml::Value::Array(array) => {
                let at: usize = key.parse().map_err(|_| invalid())?;
                if at == array.len() {
                    array.push(empty_for(below));
                }
                array.get_mut(at).ok_or_else(invalid)?
            }
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => return Err(invalid()),
        };
    }
    *place = scalar(value);
    Ok(())
}

/// What a new place holds, by the key below it.
fn empty_for(below: &[String]) -> toml::Value {
    match below.first() {
        Some(key) if key.parse::<usize>().is_ok() => toml::Value::Array(Vec::new()),
        _ => toml::Value::Table(toml::Table::new()),
    }
}

/// A value as TOML would have it, else as it stands.
fn scalar(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// One IMAP store (`[[stores]]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `{storeName}` in URLs.
    pub name: String,
    /// Host name or address of the IMAP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// More certificate authorities (PEM) beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// IMAP login from the box id: `{box}` `{scheme}` `{user}` `{domain}`.
    pub login: String,
    /// Box id schemes accepted.
    pub schemes: Vec<String>,
    /// SIP hosts accepted; empty for any.
    pub domains: Vec<String>,
    /// Root folders; empty for one root that is the personal namespace.
    pub roots: Vec<String>,
    /// Where an object without a parent goes.
    pub default_folder: String,
    /// Most connections one account may hold.
    pub max_connections_per_account: usize,
    /// Most connections to this store.
    pub max_connections: usize,
    /// Seconds a TCP connect, TLS handshake and greeting may take.
    pub connect_timeout: u64,
    /// Seconds one IMAP command may take.
    pub command_timeout: u64,
    /// Seconds a request waits for a free connection.
    pub pool_timeout: u64,
    /// Seconds after which an unused connection is closed.
    pub idle_timeout: u64,
}

/// How an IMAP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// TLS from the first byte (port 993).
    #[default]
    Implicit,
    /// Plain text, then STARTTLS; refused when the server does not offer it.
    Starttls,
    /// Plain text; for loopback and protected networks only.
    Off,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            host: String::new(),
            port: 993,
            tls: TlsMode::Implicit,
            tls_ca: None,
            login: "{user}".to_owned(),
            schemes: vec!["tel".to_owned()],
            domains: Vec::new(),
            roots: Vec::new(),
            default_folder: "INBOX".to_owned(),
            max_connections_per_account: 4,
            max_connections: 1000,
            connect_timeout: 10,
            command_timeout: 30,
            pool_timeout: 10,
            idle_timeout: 300,
        }
    }
}

/// How objects are shown (`[objects]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectsConfig {
    /// What becomes of objects flagged `\Deleted`.
    pub deleted: DeletedObjects,
    /// Longest text, in bytes, that is shown as `TextContent`.
    pub text_content_max: usize,
}

/// What becomes of objects flagged `\Deleted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum DeletedObjects {
    /// Shown like any other, with the flag.
    #[default]
    Show,
    /// As if they were gone.
    Hide,
    /// As `hide`, and setting `\Deleted` through the bridge expunges that object.
    Purge,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            deleted: DeletedObjects::Show,
            text_content_max: 8192,
        }
    }
}

/// The limits a client can run into (`[limits]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// JSON and XML bodies, bytes.
    pub body: usize,
    /// All request headers, bytes.
    pub header: usize,
    /// Seconds to send a request's headers.
    pub header_timeout: u64,
    /// Seconds without a byte of a body.
    pub body_timeout: u64,
    /// Largest `maxEntries` granted.
    pub page: usize,
    /// Paths in one pathToId list.
    pub bulk: usize,
    /// HTTP connections at a time.
    pub connections: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            body: 1_048_576,
            header: 32_768,
            header_timeout: 10,
            body_timeout: 30,
            page: 500,
            bulk: 1000,
            connections: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\n";

    fn parse(text: &str) -> Result<Config, Error> {
        Config::from_toml(text, std::iter::empty())
    }

    fn reason(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_example_documents_every_key_with_its_default() {
        let example = parse(include_str!("../config.example.toml")).unwrap();
        let plain = parse("[[stores]]\nname = \"cpm\"\nhost = \"imap.example.net\"\n").unwrap();
        assert_eq!(format!("{example:?}"), format!("{plain:?}"));
    }

    #[test]
    fn unknown_keys_are_errors_with_their_line() {
        let reason = reason("[http]\n\nlistne = \"127.0.0.1:1\"\n");
        assert!(
            reason.contains("line 3") && reason.contains("listne"),
            "{reason}"
        );
    }

    #[test]
    fn values_that_cannot_be_name_their_key() {
        for (text, key) in [
            ("", "stores"),
            (
                "[[stores]]\nname = \"a/b\"\nhost = \"h\"\n",
                "stores[0]: name",
            ),
            (&format!("{STORE}login = \"x\""), "stores[0]: login"),
            (
                &format!("{STORE}roots = [\"Default\"]"),
                "stores[0]: default_folder",
            ),
            (&format!("{STORE}{STORE}"), "stores[1]: name"),
            (&format!("[state]\nurl = \"file:x\"\n{STORE}"), "state.url"),
        ] {
            assert!(reason(text).starts_with(key), "{text}: {}", reason(text));
        }
    }

    #[test]
    fn the_environment_is_laid_over_the_file() {
        let variable = |name: &str, value: &str| (format!("CPM_BRIDGE__{name}"), value.to_owned());
        let variables = [
            variable("HTTP__LISTEN", "127.0.0.1:8081"),
            variable("STORES__0__HOST", "imap.example.net"),
            variable("STORES__0__PORT", "143"),
            variable("STORES__1__NAME", "other"),
            variable("STORES__1__HOST", "h"),
            variable("LIMITS__PAGE", "7"),
        ];
        let config = Config::from_toml(STORE, variables.into_iter()).unwrap();
        assert_eq!(config.http.listen.port(), 8081);
        assert_eq!(
            (config.stores[0].host.as_str(), config.stores[0].port),
            ("imap.example.net", 143)
        );
        assert_eq!(
            (config.stores[1].name.as_str(), config.limits.page),
            ("other", 7)
        );
        let odd = [variable("LIMITS__PAEG", "7")];
        assert!(Config::from_toml(STORE, odd.into_iter()).is_err());
    }
}
