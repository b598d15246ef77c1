//! The configuration file: its sections, defaults and validation.

use std::path::PathBuf;

use serde::Deserialize;

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
        }
    }
}
