//! Origins of web applications (RFC 6454 §6.2), for lists of those that may ask.

use std::{fmt, str::FromStr};

use serde::{Deserialize, de};

/// Whose pages may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `*`: anybody's.
    Any,
    /// `scheme://host[:port]` as browsers write it: in lower case, without the port that the scheme has anyway.
    Exactly(String),
}

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct Malformed;

const EXPECTED: &str = "an origin such as https://app.example.net, or *";

impl FromStr for Origin {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(Malformed)?;
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are not that of a port.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        };
        let port = port.map(|port| port.parse::<u16>().map_err(|_| Malformed));
        let port = port.transpose()?;
        if !is_scheme(scheme) || !is_host(host) || port == Some(0) {
            return Err(Malformed);
        }
        let own = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self::Exactly(
            match port.filter(|port| Some(*port) != own) {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            },
        ))
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    let rest = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(rest)
}

/// A name or an address; international names as they are in DNS.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let inside = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
    !text.is_empty() && text.chars().all(inside)
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Origin;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Origin, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, expected) in [
            ("https://app.example.net", "https://app.example.net"),
            ("HTTPS://App.Example.net:443", "https://app.example.net"),
            ("http://app.example.net:80", "http://app.example.net"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://app.example.net:80", "https://app.example.net:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse(), Ok(Origin::Exactly(expected.to_owned())));
        }
        assert_eq!("*".parse(), Ok(Origin::Any));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "null",
            "app.example.net",
            "https://",
            "https://app.example.net/",
            "https://app.example.net/path",
            "https://*.example.net",
            "https://user@app.example.net",
            "https://app.example.net:",
            "https://app.example.net:0",
            "https://app.example.net:65536",
            "https://app example.net",
            "https://b\u{fc}cher.example",
            "http://[::1",
            "http://[::x]",
            "://app.example.net",
            "1http://app.example.net",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(Malformed), "{text}");
        }
    }
}
