//! The sections beside `[[stores]]`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
};

use serde::Deserialize;

use super::{Error, Network, Origin};

/// The service's own listener (`[http]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// `scheme://authority` of every URL sent out, and a path in front of `base_path` if a proxy takes one away;
    /// without it the request's Host counts. Has no final slash.
    pub public_url: Option<String>,
    /// Path in front of `/nms`; empty, or with a slash at its beginning and none at its end.
    pub base_path: String,
    /// Whose `X-Forwarded-Proto` and `X-Forwarded-Host` are believed.
    pub trusted_proxies: Vec<Network>,
    /// HTTPS instead of HTTP.
    pub tls: Option<ServerTls>,
    /// Which web applications may ask.
    pub cors: CorsConfig,
    /// Directory for uploads that do not fit into memory; see [`Config::spool_directory`](super::Config::spool_directory).
    pub spool_dir: Option<PathBuf>,
    /// Seconds that running requests get at the end.
    pub drain: u64,
}

/// Web applications of other origins (`http.cors`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Their origins; none of them unless listed.
    pub origins: Vec<Origin>,
}

/// The server's certificate (`http.tls`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
}

/// The operators' listener (`[admin]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Where `/livez` and `/readyz` are; port 0 for any free one.
    pub listen: SocketAddr,
}

/// How callers prove who they are (`[auth]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The caller's password is passed through to IMAP. The only way in so far.
    pub basic: bool,
}

/// What outlives a request and is not mail (`[state]`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// Where it is kept.
    pub url: StateUrl,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum StateUrl {
    /// `memory:`, as long as the process.
    #[default]
    Memory,
    /// `file:PATH`.
    File(PathBuf),
}

/// How objects are shown (`[objects]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

/// How searches are read (`[search]`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// What becomes of a search for a preset that is not known.
    pub unknown_preset: UnknownPreset,
}

/// What becomes of a search for a preset that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPreset {
    /// Everything is meant.
    #[default]
    MatchAll,
    /// The search is refused.
    Refuse,
}

/// The limits a client can run into (`[limits]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Most client connections at a time.
    pub connections: usize,
    /// JSON and XML bodies, bytes.
    pub body: usize,
    /// A whole multipart request, bytes.
    pub upload: u64,
    /// All request headers, bytes.
    pub header: usize,
    /// Seconds to send a request's headers.
    pub header_timeout: u64,
    /// Seconds without a byte of a body.
    pub body_timeout: u64,
    /// Seconds in which a client takes nothing of an answer.
    pub send_timeout: u64,
    /// Octets of payloads in memory at a time, all clients and stores together.
    pub payload_memory: u64,
    /// Largest `maxEntries` granted.
    pub page: usize,
    /// Items in one bulk request: paths, objects, attachments.
    pub bulk: usize,
    /// Notification channels of one box at a time.
    pub channels_per_box: usize,
    /// Subscriptions of one box at a time.
    pub subscriptions_per_box: usize,
    /// Events kept for one subscription; then they become one `resetBox`.
    pub queue: usize,
}

/// What is logged, and how (`[log]`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// From which level on there are lines.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// From which level on there are log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed and needs someone.
    Error,
    /// What may.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// How.
    Debug,
    /// In every detail.
    Trace,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            base_path: String::new(),
            trusted_proxies: Vec::new(),
            tls: None,
            cors: CorsConfig::default(),
            spool_dir: None,
            drain: 10,
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { basic: true }
    }
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            deleted: DeletedObjects::Show,
            text_content_max: 8192,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 10_000,
            body: 1_048_576,
            upload: 268_435_456,
            header: 32_768,
            header_timeout: 10,
            body_timeout: 30,
            send_timeout: 60,
            payload_memory: 67_108_864,
            page: 500,
            bulk: 1000,
            channels_per_box: 32,
            subscriptions_per_box: 64,
            queue: 10_000,
        }
    }
}

impl HttpConfig {
    pub(super) fn validate(&mut self) -> Result<(), Error> {
        if let Some(url) = &mut self.public_url {
            *url = public_url(url).map_err(|reason| Error::value("http.public_url", reason))?;
        }
        self.base_path = base_path(&self.base_path)
            .ok_or_else(|| Error::value("http.base_path", "expected a path such as /prefix"))?;
        within("http.drain", self.drain, 0..=3600)?;
        if self
            .spool_dir
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            return Err(Error::value("http.spool_dir", "expected a directory"));
        }
        let origins = &self.cors.origins;
        if origins.len() > 1 && origins.contains(&Origin::Any) {
            return Err(Error::value(
                "http.cors.origins",
                "* is everybody already: nothing can be listed beside it",
            ));
        }
        if let Some(tls) = &self.tls {
            for (key, path) in [("certificate", &tls.certificate), ("key", &tls.key)] {
                if path.as_os_str().is_empty() {
                    return Err(Error::value(
                        format!("http.tls.{key}"),
                        "missing: the name of a PEM file",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl AuthConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.basic {
            return Ok(());
        }
        Err(Error::value(
            "auth.basic",
            "must be true: there is no other way in yet",
        ))
    }
}

impl StateConfig {
    /// The directory of the file it is kept in, if it is.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let StateUrl::File(file) = &self.url else {
            return None;
        };
        // A bare name has an empty parent, which is no directory that can be opened.
        file.parent().map(|parent| {
            if parent.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                parent.to_owned()
            }
        })
    }
}

impl TryFrom<String> for StateUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        let path = url
            .strip_prefix("file:")
            .filter(|path| !path.is_empty() && !path.contains('\0'))
            .ok_or("expected memory: or file: and a path")?;
        // RFC 8089 §2: between two slashes and a third there is a host.
        if path.starts_with("//") && !path.starts_with("///") {
            return Err("expected a path after file:, not a host");
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

impl ObjectsConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        within(
            "objects.text_content_max",
            self.text_content_max,
            0..=1_048_576,
        )
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        within("limits.connections", self.connections, 1..=1_000_000)?;
        within("limits.body", self.body, 1024..=1 << 30)?;
        within("limits.upload", self.upload, 1024..=1 << 40)?;
        // hyper cannot work with a smaller buffer.
        within("limits.header", self.header, 8192..=1 << 20)?;
        within("limits.header_timeout", self.header_timeout, 1..=3600)?;
        within("limits.body_timeout", self.body_timeout, 1..=3600)?;
        within("limits.send_timeout", self.send_timeout, 1..=3600)?;
        let payload_memory = 65_536..=1 << 40;
        within("limits.payload_memory", self.payload_memory, payload_memory)?;
        within("limits.page", self.page, 1..=10_000)?;
        within("limits.bulk", self.bulk, 1..=100_000)?;
        let per_box = 1..=10_000;
        within(
            "limits.channels_per_box",
            self.channels_per_box,
            per_box.clone(),
        )?;
        within(
            "limits.subscriptions_per_box",
            self.subscriptions_per_box,
            per_box,
        )?;
        within("limits.queue", self.queue, 10..=1_000_000)
    }
}

/// Names the key of a number that is out of its range.
pub(super) fn within<N: PartialOrd + std::fmt::Display>(
    key: impl Into<String>,
    value: N,
    range: RangeInclusive<N>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::value(
        key,
        format!("{value} is not within {} to {}", range.start(), range.end()),
    ))
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let url: http::Uri = text
        .parse()
        .map_err(|_| "expected a URL such as https://nms.example.net")?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("expected a URL that begins with http:// or https://");
    }
    // http::Uri drops a fragment, so it is looked for in the text.
    let plain_authority = url
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if !plain_authority || url.query().is_some() || text.contains('#') {
        return Err("expected scheme, host, port and path only");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Segments of unreserved characters (RFC 3986 §2.3), so that nothing in it needs an escape.
fn base_path(text: &str) -> Option<String> {
    let path = text.trim_end_matches('/');
    if path.is_empty() {
        return Some(String::new());
    }
    let unreserved =
        |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    let segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(unreserved);
    path.strip_prefix('/')?
        .split('/')
        .all(segment)
        .then(|| path.to_owned())
}
