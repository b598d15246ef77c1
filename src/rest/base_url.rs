//! The base of the URLs in an answer: what the client, or the proxy before it, called this service.

use std::net::SocketAddr;

use http::{HeaderMap, header, request::Parts};

use super::{Settings, error::Failure};

/// Longest authority that is sent out, in bytes.
const LONGEST: usize = 255;

/// `{scheme}://{authority}{base_path}` of the URLs in an answer.
///
/// The configured one, else what a trusted proxy says (RFC 7239 `Forwarded`, or X-Forwarded-Proto and -Host), else what
/// the request itself says.
///
/// # Errors
/// 400 `Host` when there is no authority, more than one, or one that is none.
pub(super) fn base_url(
    settings: &Settings,
    request: &Parts,
    peer: SocketAddr,
    secure: bool,
) -> Result<String, Failure> {
    if let Some(url) = &settings.public_url {
        return Ok(format!("{url}{}", settings.base_path));
    }
    let trusted = settings
        .trusted_proxies
        .iter()
        .any(|proxy| proxy.contains(peer.ip()));
    let forwarded = if trusted {
        Forwarded::read(&request.headers)
    } else {
        Forwarded::default()
    };
    let scheme = match forwarded.scheme.as_deref() {
        Some(scheme @ ("http" | "https")) => scheme,
        _ if secure => "https",
        _ => "http",
    };
    let named = request.uri.authority().map(ToString::to_string);
    let authority = match forwarded.authority.or(named) {
        Some(authority) => authority,
        None => host(&request.headers)?,
    };
    // RFC 3986 §3.2: a name or address and a port; anything else would end up in every URL of the answer.
    let valid = !authority.is_empty()
        && authority.len() <= LONGEST
        && authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    if valid {
        Ok(format!("{scheme}://{authority}{}", settings.base_path))
    } else {
        Err(Failure::invalid("Host"))
    }
}

/// RFC 9112 §3.2: one Host, or the request is refused.
fn host(headers: &HeaderMap) -> Result<String, Failure> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) => host.to_str().ok().map(str::to_owned),
        _ => None,
    }
    .ok_or_else(|| Failure::invalid("Host"))
}

/// What a proxy says about the request it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    /// In lower case.
    scheme: Option<String>,
    authority: Option<String>,
}

impl Forwarded {
    /// Of several proxies the first, who met the client; the standard header before the others.
    fn read(headers: &HeaderMap) -> Self {
        let first = |name: &str| {
            let text = headers.get(name)?.to_str().ok()?;
            Some(text.split(',').next()?.trim().to_owned())
        };
        let element = first("forwarded").unwrap_or_default();
        // RFC 7239 §4: names have no case, values may be quoted.
        let parameter = |wanted: &str| {
            element.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                let value = value.trim_matches('"');
                (name.eq_ignore_ascii_case(wanted)).then(|| value.to_owned())
            })
        };
        Self {
            scheme: parameter("proto")
                .or_else(|| first("x-forwarded-proto"))
                .map(|scheme| scheme.to_ascii_lowercase()),
            authority: parameter("host").or_else(|| first("x-forwarded-host")),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn forwarded(headers: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let forwarded = Forwarded::read(&headers.collect());
        (forwarded.scheme, forwarded.authority)
    }

    fn said(scheme: &str, authority: &str) -> (Option<String>, Option<String>) {
        (Some(scheme.to_owned()), Some(authority.to_owned()))
    }

    #[test]
    fn a_proxy_is_understood_in_both_dialects() {
        let element = "for=192.0.2.60;Proto=HTTPS; host=\"nms.example.net:8443\";by=203.0.113.43";
        assert_eq!(
            forwarded(&[("forwarded", &format!("{element}, host=inner"))]),
            said("https", "nms.example.net:8443")
        );
        assert_eq!(
            forwarded(&[
                ("x-forwarded-proto", "https, http"),
                ("x-forwarded-host", "nms.example.net , inner"),
            ]),
            said("https", "nms.example.net")
        );
        assert_eq!(
            forwarded(&[
                ("forwarded", "host=standard"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "other"),
            ]),
            said("https", "standard")
        );
        assert_eq!(forwarded(&[("forwarded", "for=x;;=;proto")]), (None, None));
    }
}
