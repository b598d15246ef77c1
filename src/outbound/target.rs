//! What a URL names: where to connect, and what to ask there.

use std::fmt;

use bytes::Bytes;
use http::{Request, Uri, header, uri::PathAndQuery};
use http_body_util::Full;

use crate::config::{Host, Ports};

/// Longest URL, in characters.
const LONGEST: usize = 2048;

const USER_AGENT: &str = concat!("cpm-bridge/", env!("CARGO_PKG_VERSION"));

/// Why a URL may not be called, or named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is longer than 2048 characters.
    #[error("the URL is too long")]
    TooLong,
    /// It is no absolute URL (RFC 3986 §4.3), or its host or port is none.
    #[error("no absolute URL with a host")]
    Malformed,
    /// Its scheme is another than `http` and `https`.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// It has user information (RFC 3986 §3.2.1).
    #[error("the URL holds user information")]
    UserInformation,
    /// It has a fragment.
    #[error("the URL has a fragment")]
    Fragment,
    /// Host and port are not listed.
    #[error("host and port are not among those that may be called")]
    NotListed,
}

/// A URL that can be called. Shown as host and port.
pub(super) struct Target {
    pub(super) secure: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    path: PathAndQuery,
}

impl Target {
    pub(super) fn of(url: &str) -> Result<Self, Refused> {
        if url.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        // http::Uri drops a fragment and takes octets beyond ASCII, so both are looked for in the text.
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refused::Malformed);
        }
        if url.contains('#') {
            return Err(Refused::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| Refused::Malformed)?;
        let scheme = uri.scheme_str().ok_or(Refused::Malformed)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(Refused::Scheme),
        };
        let authority = uri.authority().ok_or(Refused::Malformed)?.as_str();
        if authority.contains('@') {
            return Err(Refused::UserInformation);
        }
        let (host, port) = Host::and_port(authority).map_err(|_| Refused::Malformed)?;
        let port = match port {
            // RFC 3986 §6.2.3: an empty port is that of the scheme.
            None | Some("") => port_of_scheme(secure),
            Some(port) => Ports::number(port).ok_or(Refused::Malformed)?,
        };
        let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = PathAndQuery::try_from(format!("{slash}{path}"));
        Ok(Self {
            secure,
            host,
            port,
            path: path.map_err(|_| Refused::Malformed)?,
        })
    }

    pub(super) fn port_of_scheme(&self) -> u16 {
        port_of_scheme(self.secure)
    }

    /// The request, for a connection that is used once.
    pub(super) fn post(
        &self,
        content_type: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let host = if self.port == self.port_of_scheme() {
            self.host.to_string()
        } else {
            self.to_string()
        };
        // RFC 9112 §3.2.1: the path alone; hyper adds Content-Length.
        Request::post(Uri::from(self.path.clone()))
            .header(header::HOST, host)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

const fn port_of_scheme(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<(String, bool, String), Refused> {
        let target = Target::of(url)?;
        Ok((target.to_string(), target.secure, target.path.to_string()))
    }

    #[test]
    fn a_url_says_where_and_what() {
        for (url, at, secure, path) in [
            ("http://a.example", "a.example:80", false, "/"),
            ("https://a.example", "a.example:443", true, "/"),
            ("HTTPS://A.Example.:443/P", "a.example:443", true, "/P"),
            (
                "http://a.example:8080/p?q=1&r",
                "a.example:8080",
                false,
                "/p?q=1&r",
            ),
            ("http://a.example:/p", "a.example:80", false, "/p"),
            ("http://a.example?q", "a.example:80", false, "/?q"),
            (
                "http://a.example//b.example/p",
                "a.example:80",
                false,
                "//b.example/p",
            ),
            (
                "http://a.example/@b:1/%40",
                "a.example:80",
                false,
                "/@b:1/%40",
            ),
            ("http://[::1]:8080/p", "[::1]:8080", false, "/p"),
            ("http://[0:0::1]", "[::1]:80", false, "/"),
            ("http://[::ffff:127.0.0.1]", "127.0.0.1:80", false, "/"),
        ] {
            let expected = (at.to_owned(), secure, path.to_owned());
            assert_eq!(target(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_called_says_why() {
        let long = format!("http://a.example/{}", "p".repeat(LONGEST));
        for (url, expected) in [
            (long.as_str(), Refused::TooLong),
            ("", Refused::Malformed),
            ("/p", Refused::Malformed),
            ("a.example", Refused::Malformed),
            ("a.example:80", Refused::Malformed),
            ("//a.example/p", Refused::Malformed),
            ("http:a.example", Refused::Malformed),
            ("http:///p", Refused::Malformed),
            ("http://", Refused::Malformed),
            ("http://:80/", Refused::Malformed),
            ("http://a.example:0/", Refused::Malformed),
            ("http://a.example:65536/", Refused::Malformed),
            ("http://a.example:+80/", Refused::Malformed),
            ("http://a.example:80:80/", Refused::Malformed),
            ("http://a example/", Refused::Malformed),
            (" http://a.example/", Refused::Malformed),
            ("http://a.example/ HTTP/1.1", Refused::Malformed),
            ("http://a.example/\r\nX: y", Refused::Malformed),
            ("http://a.example/\u{fc}", Refused::Malformed),
            ("http://b\u{fc}cher.example/", Refused::Malformed),
            ("http://\u{2460}27.0.0.1/", Refused::Malformed),
            ("http://%6cocalhost/", Refused::Malformed),
            ("http://127.1/", Refused::Malformed),
            ("http://0x7f000001/", Refused::Malformed),
            ("http://2130706433/", Refused::Malformed),
            ("http://0177.0.0.1/", Refused::Malformed),
            ("http://[::1%25lo]/", Refused::Malformed),
            ("http://[::1/", Refused::Malformed),
            ("http://::1/", Refused::Malformed),
            ("http://a.example\\@b.example/", Refused::Malformed),
            ("ftp://a.example/", Refused::Scheme),
            ("file://a.example/p", Refused::Scheme),
            ("ws://a.example/", Refused::Scheme),
            ("http://u@a.example/", Refused::UserInformation),
            ("http://u:p@a.example/", Refused::UserInformation),
            ("http://a.example@b.example/", Refused::UserInformation),
            ("http://a.example/#f", Refused::Fragment),
            ("http://a.example#@b.example/", Refused::Fragment),
        ] {
            assert_eq!(target(url), Err(expected), "{url}");
        }
    }

    #[test]
    fn the_request_names_the_host_and_asks_for_the_path_alone() {
        for (url, host, path) in [
            ("https://A.example:443/p?q", "a.example", "/p?q"),
            ("https://a.example:80/p", "a.example:80", "/p"),
            ("http://[::1]:8080", "[::1]:8080", "/"),
            (
                "http://a.example//b.example/p",
                "a.example",
                "//b.example/p",
            ),
        ] {
            let target = Target::of(url).unwrap();
            let request = target.post("application/json", Bytes::new()).unwrap();
            assert_eq!(request.headers()[header::HOST], host);
            assert_eq!(request.uri().to_string(), path);
            assert!(request.uri().authority().is_none());
        }
    }
}
