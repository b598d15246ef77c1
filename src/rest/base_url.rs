//! The base of the URLs in an answer: what the client, or the proxy before it, called this service.

use std::net::SocketAddr;

use http::{header, request::Parts};

use super::{Settings, error::Failure};

/// `{scheme}://{authority}{base_path}` of the URLs in an answer.
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
    let forwarded = |name: &str| {
        let value = trusted.then(|| request.headers.get(name)).flatten()?;
        Some(value.to_str().ok()?.split(',').next()?.trim().to_owned())
    };
    let scheme = match forwarded("x-forwarded-proto").as_deref() {
        Some("https") => "https",
        Some("http") => "http",
        _ if secure => "https",
        _ => "http",
    };
    let own = || request.uri.authority().map(ToString::to_string);
    let host = || {
        request
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .map(str::to_owned)
    };
    let authority = forwarded("x-forwarded-host")
        .or_else(own)
        .or_else(host)
        .ok_or_else(|| Failure::invalid("Host"))?;
    // RFC 3986 §3.2: a name or address and a port; anything else would end up in every URL of the answer.
    let valid = !authority.is_empty()
        && authority.len() <= 255
        && authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    if valid {
        Ok(format!("{scheme}://{authority}{}", settings.base_path))
    } else {
        Err(Failure::invalid("Host"))
    }
}
