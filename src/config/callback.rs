//! Where a client may have its notifications sent: hosts and ports, for the list of those it may name.
//!
//! A host has one spelling here, and what a resolver could take for an address without looking like one (`127.1`,
//! `0x7f000001`, `2130706433`) is no host at all.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserializer, de};

/// Longest host name, in characters (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;

/// Longest part of one, in characters (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;

/// A host by its name or its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// As it is in DNS: ASCII, in lower case, without a final dot.
    Name(String),
    /// IPv4 written as IPv6 (`::ffff:192.0.2.1`) is IPv4.
    Address(IpAddr),
}

/// Ports of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// The one that the scheme has anyway.
    OfScheme,
    /// This one.
    Only(u16),
    /// Each of them.
    Any,
}

/// One entry of `notifications.callback_allow`: `app.example.net`, `app.example.net:8443`, `127.0.0.1:*`, `[::1]:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackTarget {
    /// The host; never all of a domain, and no address that is none of a host (unspecified, multicast, broadcast).
    pub host: Host,
    /// Its ports.
    pub ports: Ports,
}

/// A text that is no host, or no host with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct Malformed;

const EXPECTED: &str = "a host name or address and, if it is not the scheme's own, a port or * for all: app.example.net, \
                        app.example.net:8443, 127.0.0.1:*, [::1]:8080";

impl Host {
    /// The host, and what stands behind the colon after it, of the authority of a URL (RFC 3986 §3.2) without user
    /// information.
    ///
    /// # Errors
    /// [`Malformed`] when it does not begin with a host. What is behind the colon is not looked at.
    pub fn and_port(authority: &str) -> Result<(Self, Option<&str>), Malformed> {
        let colon = match authority.find(']') {
            Some(end) => end + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, rest) = authority.split_at(colon);
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => return Err(Malformed),
            port => port,
        };
        Ok((host.parse()?, port))
    }

    /// Whether it stands for this machine by its name (RFC 6761 §6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(_) => false,
        }
    }
}

impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(Malformed)?;
            let address: Ipv6Addr = inside.parse().map_err(|_| Malformed)?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(Malformed);
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            let address: Ipv4Addr = name.parse().map_err(|_| Malformed)?;
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(formatter),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What `inet_aton` takes for a part of an address. No name ends in one.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl Ports {
    /// Whether the port is one of them, in a URL whose scheme has `of_scheme`.
    #[must_use]
    pub fn contain(self, port: u16, of_scheme: u16) -> bool {
        match self {
            Self::OfScheme => port == of_scheme,
            Self::Only(only) => port == only,
            Self::Any => true,
        }
    }

    /// A port that can be connected to, written as in a URL (RFC 3986 §3.2.3).
    #[must_use]
    pub fn number(text: &str) -> Option<u16> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| digits && *port != 0)
    }
}

impl FromStr for CallbackTarget {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (host, port) = Host::and_port(text)?;
        let ports = match port {
            None => Ports::OfScheme,
            Some("*") => Ports::Any,
            Some(port) => Ports::Only(Ports::number(port).ok_or(Malformed)?),
        };
        match host {
            Host::Address(address) if !is_of_a_host(address) => Err(Malformed),
            Host::Name(_) | Host::Address(_) => Ok(Self { host, ports }),
        }
    }
}

fn is_of_a_host(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// The list, each mistake with the number of its entry.
pub(super) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<CallbackTarget>, D::Error> {
    struct List;
    impl<'de> de::Visitor<'de> for List {
        type Value = Vec<CallbackTarget>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of hosts and ports")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut targets = Vec::new();
            while let Some(target) = entries.next_element_seed(Entry(targets.len()))? {
                targets.push(target);
            }
            Ok(targets)
        }
    }
    deserializer.deserialize_seq(List)
}

/// The entry with this index.
struct Entry(usize);

impl<'de> de::DeserializeSeed<'de> for Entry {
    type Value = CallbackTarget;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Entry {
    type Value = CallbackTarget;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CallbackTarget, E> {
        let named = |mistake| {
            E::custom(format!(
                "notifications.callback_allow[{}]: {mistake}",
                self.0
            ))
        };
        text.parse().map_err(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<String, Malformed> {
        text.parse().map(|host: Host| host.to_string())
    }

    #[test]
    fn a_host_has_one_spelling() {
        for (text, expected) in [
            ("App.Example.NET", "app.example.net"),
            ("app.example.net.", "app.example.net"),
            ("localhost", "localhost"),
            ("my_app", "my_app"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("1and1.example", "1and1.example"),
            ("0xyz", "0xyz"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = format!("{}a", "a.".repeat(127));
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a.b..",
            "127.1",
            "127.0.0.01",
            "127.0.0.1.1",
            "127.0.0.256",
            "2130706433",
            "0x7f000001",
            "0X7F.0.0.1",
            "1.0x7f",
            "0x",
            "017700000001",
            "a.1",
            "\u{2460}27.0.0.1",
            "\u{ff11}27.0.0.1",
            "127\u{3002}0.0.1",
            "b\u{fc}cher.example",
            "a%2eexample",
            "%6cocalhost",
            "*.example.net",
            "-a.example",
            "a-.example",
            "a b",
            "a/b",
            "a@b",
            "a\0",
            "::1",
            "[::1",
            "::1]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[v1.a]",
            &long_label,
            &long_name,
        ] {
            assert_eq!(host(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn an_entry_is_a_host_and_its_ports() {
        for (text, host, ports) in [
            ("App.example.net", "app.example.net", Ports::OfScheme),
            ("app.example.net:8443", "app.example.net", Ports::Only(8443)),
            ("127.0.0.1:*", "127.0.0.1", Ports::Any),
            ("[::1]:8080", "[::1]", Ports::Only(8080)),
            ("[::1]", "[::1]", Ports::OfScheme),
            ("[::1]:*", "[::1]", Ports::Any),
        ] {
            let target: CallbackTarget = text.parse().unwrap();
            assert_eq!(
                (target.host.to_string().as_str(), target.ports),
                (host, ports)
            );
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in [
            "",
            "*",
            "*:443",
            "*.example.net",
            ":443",
            "app.example.net:",
            "app.example.net:0",
            "app.example.net:+1",
            "app.example.net:65536",
            "app.example.net:https",
            "app.example.net:1:2",
            "https://app.example.net",
            "app.example.net/path",
            "user@app.example.net",
            "10.0.0.0/8",
            "::1",
            "[::1]8080",
            "[::1]]",
            "0.0.0.0:80",
            "[::]:80",
            "[::ffff:0.0.0.0]:80",
            "224.0.0.1",
            "[ff02::1]",
            "255.255.255.255",
        ] {
            assert_eq!(text.parse::<CallbackTarget>(), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn an_entry_without_a_port_has_that_of_the_scheme() {
        assert!(Ports::OfScheme.contain(443, 443) && !Ports::OfScheme.contain(80, 443));
        assert!(Ports::Only(80).contain(80, 443) && !Ports::Only(80).contain(443, 443));
        assert!(Ports::Any.contain(1, 443));
    }
}
