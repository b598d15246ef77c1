//! `[[stores]]`: one section for each IMAP store.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, OperatorConfig, sections::within};
use crate::identity::{BoxRules, Mistake};

/// Longest `{storeName}`, in characters.
const LONGEST_NAME: usize = 64;

/// One IMAP store (`[[stores]]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    /// Root folders, without slashes at their ends; empty for one root that is the personal namespace.
    pub roots: Vec<String>,
    /// Where an object without a parent goes; without slashes at its ends.
    pub default_folder: String,
    /// Who opens boxes for work outside a request, without their owners' passwords.
    pub operator: Option<OperatorConfig>,
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
            operator: None,
            max_connections_per_account: 4,
            max_connections: 1000,
            connect_timeout: 10,
            command_timeout: 30,
            pool_timeout: 10,
            idle_timeout: 300,
        }
    }
}

impl StoreConfig {
    /// Which boxes it serves and under which logins.
    ///
    /// # Errors
    /// Never for a store of a validated configuration.
    pub fn box_rules(&self) -> Result<BoxRules, Mistake> {
        BoxRules::new(&self.schemes, &self.domains, &self.login)
    }

    fn validate(&mut self, key: &str) -> Result<(), Error> {
        let mistake = |name: &str, reason: &str| Err(Error::value(format!("{key}.{name}"), reason));
        if !is_name(&self.name) {
            return mistake(
                "name",
                "expected 1 to 64 letters, digits, `-`, `.`, `_` or `~`",
            );
        }
        if self.host.is_empty()
            || self
                .host
                .chars()
                .any(|character| !character.is_ascii_graphic())
        {
            return mistake("host", "expected a host name or address");
        }
        if self.port == 0 {
            return mistake("port", "must not be 0");
        }
        if self
            .tls_ca
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            return mistake("tls_ca", "expected the name of a PEM file");
        }
        self.box_rules()
            .map_err(|wrong| Error::value(format!("{key}.{}", wrong.key), wrong.reason))?;
        self.validate_folders(key)?;
        if let Some(operator) = &self.operator {
            operator.validate(&format!("{key}.operator"), self.tls)?;
        }
        let within = |name: &str, value, most| within(format!("{key}.{name}"), value, 1..=most);
        within(
            "max_connections_per_account",
            self.max_connections_per_account as u64,
            1000,
        )?;
        within("max_connections", self.max_connections as u64, 1_000_000)?;
        within("connect_timeout", self.connect_timeout, 3600)?;
        within("command_timeout", self.command_timeout, 3600)?;
        within("pool_timeout", self.pool_timeout, 3600)?;
        within("idle_timeout", self.idle_timeout, 86_400)
    }

    fn validate_folders(&mut self, key: &str) -> Result<(), Error> {
        for index in 0..self.roots.len() {
            let key = format!("{key}.roots[{index}]");
            let root = folder(&self.roots[index])
                .ok_or_else(|| Error::value(key.as_str(), "expected the path of a folder"))?;
            let overlaps = |other: &String| is_within(&root, other) || is_within(other, &root);
            if let Some(other) = self.roots[..index].iter().find(|other| overlaps(other)) {
                let reason = format!("the same folders as under {other:?}");
                return Err(Error::value(key, reason));
            }
            self.roots[index] = root;
        }
        let key = format!("{key}.default_folder");
        self.default_folder = folder(&self.default_folder)
            .ok_or_else(|| Error::value(key.as_str(), "expected the path of a folder"))?;
        let reachable = self.roots.is_empty()
            || self
                .roots
                .iter()
                .any(|root| is_within(&self.default_folder, root));
        if !reachable {
            let reason = format!("{:?} is outside of `roots`", self.default_folder);
            return Err(Error::value(key, reason));
        }
        Ok(())
    }
}

/// Validates all stores and brings their folder names into one spelling.
pub(super) fn validate(stores: &mut [StoreConfig]) -> Result<(), Error> {
    if stores.is_empty() {
        return Err(Error::value(
            "stores",
            "none: at least one [[stores]] section is needed",
        ));
    }
    for index in 0..stores.len() {
        let key = format!("stores[{index}]");
        stores[index].validate(&key)?;
        let taken = stores[..index]
            .iter()
            .any(|other| other.name == stores[index].name);
        if taken {
            let reason = format!("{:?} is taken by another store", stores[index].name);
            return Err(Error::value(format!("{key}.name"), reason));
        }
    }
    Ok(())
}

/// RFC 3986 §2.3: unreserved characters, so that the name has one spelling in URLs; `.` and `..` would be path segments
/// that clients take away (RFC 3986 §5.2.4).
fn is_name(text: &str) -> bool {
    let unreserved =
        |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    !matches!(text, "" | "." | "..") && text.len() <= LONGEST_NAME && text.chars().all(unreserved)
}

/// A folder's path without the slashes at its ends; RFC 9051 §5.1: INBOX is so in any case.
fn folder(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    let level =
        |level: &str| !matches!(level, "" | "." | "..") && !level.chars().any(char::is_control);
    if !path.split('/').all(level) {
        return None;
    }
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    if first.eq_ignore_ascii_case("INBOX") {
        return Some(format!("INBOX{rest}"));
    }
    Some(path.to_owned())
}

/// Whether a path is the folder itself or below it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
