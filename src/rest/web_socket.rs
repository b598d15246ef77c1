//! WebSockets (contract §8.4): the handshake (RFC 6455 §4.2), and who may make it.
//!
//! * Browsers cannot set `Authorization`: the same credentials may be in the query or in a subprotocol, which is never echoed.
//! * Browsers let any page connect to any site, and add what credentials they keep for it. So an `Origin` must be this service's own or
//!   a listed one; where anybody's is, the page must bring the credentials itself.

mod frames;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header,
    request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::{Instrument, Span, debug};

use self::frames::Frames;
use super::{
    Arriving, Connection, cors,
    error::Failure,
    http::{Body, failure, full, query},
    negotiation,
};
use crate::nms::{Fault, encode::Format};

/// The subprotocol.
const PROTOCOL: &str = "notificationchannel-netapi-rest.openmobilealliance.org";
/// Begins a subprotocol that is none: the pair of Basic credentials follows, in base64url without padding.
const CREDENTIALS: &str = "authorization.basic.";
/// Parameter of the query with the same pair, in base64 or base64url.
const TOKEN: &str = "access_token";
/// The version of RFC 6455, of which there is one.
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Credentials that a page brings itself, as the `Authorization` header they stand for.
///
/// # Errors
/// 400 with the place of two that differ.
pub(super) fn explicit_authorization(parts: &Parts) -> Result<Option<HeaderValue>, Failure> {
    let offered = elements(&parts.headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.filter_map(|protocol| protocol.strip_prefix(CREDENTIALS));
    if let Some(encoded) = only(offered, "Sec-WebSocket-Protocol")? {
        return Ok(basic(&encoded));
    }
    let query = query(parts);
    let tokens = query.iter().filter(|(name, _)| name == TOKEN);
    let token = only(tokens.map(|(_, value)| value.as_str()), TOKEN)?;
    Ok(token.and_then(|encoded| basic(&encoded)))
}

/// The header for a pair in either base64; what is none is refused as any wrong header is.
fn basic(encoded: &str) -> Option<HeaderValue> {
    let encoded = encoded.replace('-', "+").replace('_', "/");
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The one value of what may be said once.
fn only<'a>(
    mut values: impl Iterator<Item = &'a str>,
    part: &str,
) -> Result<Option<String>, Failure> {
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Failure::invalid(part));
    }
    Ok(Some(first.to_owned()))
}

/// The row of `channelURL` for WebSockets.
pub(super) async fn open(
    mut arriving: Arriving<'_>,
    body: Incoming,
    id: String,
) -> Result<Response<Body>, Failure> {
    let handshake = match Handshake::read(&arriving.parts) {
        Ok(handshake) => handshake,
        Err(refused) => return Ok(refused.answer(&arriving.parts.headers)),
    };
    let explicit = explicit_authorization(&arriving.parts)?.is_some();
    let own = arriving.channel_urls.channels();
    if !cors::may_connect(
        &arriving.settings.cors,
        &arriving.parts.headers,
        &own,
        explicit,
    ) {
        return Err(Failure::forbidden("Origin"));
    }
    let extensions = &mut arriving.parts.extensions;
    let upgrade = extensions.remove::<OnUpgrade>();
    let connection = extensions.get::<Connection>().cloned();
    let (Some(upgrade), Some(connection)) = (upgrade, connection) else {
        return Err(Failure::invalid("Upgrade"));
    };
    let format = arriving.wanted.unwrap_or(Format::Json);
    let call = arriving.without_document(body).await?;
    let socket = call.notifications.socket(&call.box_id, &id, format)?;
    let conversation = async move {
        match upgrade.await {
            Ok(upgraded) => socket.serve(Frames::new(upgraded).await).await,
            Err(error) => debug!(%error, "connection ended before its upgrade"),
        }
    };
    connection.goes_on(Box::pin(conversation.instrument(Span::current())));
    Ok(handshake.answer())
}

/// What a client says to open a WebSocket.
#[derive(Debug)]
struct Handshake {
    accept: String,
    /// Whether it has offered the subprotocol.
    protocol: bool,
}

/// Why it cannot.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// It does not ask for it at all.
    NoUpgrade,
    /// It asks for another version.
    Version,
    /// This is wrong.
    Part(&'static str),
}

impl Handshake {
    /// RFC 6455 §4.2.1.
    fn read(parts: &Parts) -> Result<Self, Refused> {
        let headers = &parts.headers;
        if parts.version != Version::HTTP_11 {
            return Err(Refused::Part("HTTP/1.1"));
        }
        let has = |name, wanted: &str| {
            elements(headers, name).any(|element| element.eq_ignore_ascii_case(wanted))
        };
        if parts.method != Method::GET || !has(&header::UPGRADE, "websocket") {
            return Err(Refused::NoUpgrade);
        }
        if !has(&header::CONNECTION, "upgrade") {
            return Err(Refused::Part("Connection"));
        }
        let version = one(headers, &header::SEC_WEBSOCKET_VERSION);
        if version != Some(&VERSION) {
            return Err(Refused::Version);
        }
        let key = one(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let key = key.ok_or(Refused::Part("Sec-WebSocket-Key"))?;
        Ok(Self {
            accept: derive_accept_key(key.as_bytes()),
            protocol: elements(headers, &header::SEC_WEBSOCKET_PROTOCOL)
                .any(|offered| offered == PROTOCOL),
        })
    }

    /// 101 (RFC 6455 §4.2.2).
    fn answer(&self) -> Response<Body> {
        let mut response = Response::new(full(Vec::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, WEBSOCKET);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::from_str(&self.accept).ok();
        headers.extend(accept.map(|accept| (header::SEC_WEBSOCKET_ACCEPT, accept)));
        if self.protocol {
            let protocol = HeaderValue::from_static(PROTOCOL);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

impl Refused {
    /// 400 with what is wrong; 426 with what is to be asked for instead (RFC 9110 §15.5.22, RFC 6455 §4.4).
    fn answer(&self, asked: &HeaderMap) -> Response<Body> {
        let (status, part) = match self {
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "Upgrade"),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version"),
            Self::Part(part) => (StatusCode::BAD_REQUEST, *part),
        };
        let refused = Failure::new(status, Fault::InvalidInput, &[part]);
        let mut response = failure(&refused, negotiation::for_failures(asked));
        if status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, WEBSOCKET);
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
        }
        response
    }
}

/// 16 octets (RFC 6455 §4.1).
fn is_key(value: &HeaderValue) -> bool {
    let nonce = BASE64_STANDARD.decode(value.as_bytes());
    nonce.is_ok_and(|nonce| nonce.len() == 16)
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The elements of a list header.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let elements = values.flat_map(|value| value.split(',')).map(str::trim);
    elements.filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/a?access_token=YTpi&x=y");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The good request with headers taken out and others added.
    fn but(without: &str, with: &[(&str, &str)]) -> Parts {
        let good = GOOD.into_iter().filter(|(name, _)| *name != without);
        parts(&good.chain(with.iter().copied()).collect::<Vec<_>>())
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted_as_it_says() {
        let handshake = Handshake::read(&parts(&GOOD)).unwrap();
        let response = handshake.answer();
        let headers = response.headers();
        assert_eq!(response.status(), 101);
        let accept = &headers[header::SEC_WEBSOCKET_ACCEPT];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn what_is_wrong_with_a_handshake_is_named() {
        let version = "Sec-WebSocket-Version";
        let key = "Sec-WebSocket-Key";
        for (request, refused) in [
            (but("Upgrade", &[]), Refused::NoUpgrade),
            (but("Upgrade", &[("Upgrade", "h2c")]), Refused::NoUpgrade),
            (but("Connection", &[]), Refused::Part("Connection")),
            (
                but("Connection", &[("Connection", "keep-alive")]),
                Refused::Part("Connection"),
            ),
            (but(version, &[]), Refused::Version),
            (but(version, &[(version, "8")]), Refused::Version),
            (but("", &[(version, "13")]), Refused::Version),
            (but(key, &[]), Refused::Part(key)),
            (but(key, &[(key, "c2hvcnQ=")]), Refused::Part(key)),
            (but(key, &[(key, "!")]), Refused::Part(key)),
            (
                but("", &[(key, "dGhlIHNhbXBsZSBub25jZQ==")]),
                Refused::Part(key),
            ),
        ] {
            let read = Handshake::read(&request);
            assert_eq!(read.map(|_| ()), Err(refused), "{request:?}");
        }
        let mut second = parts(&GOOD);
        second.version = Version::HTTP_2;
        let refused = Handshake::read(&second).unwrap_err();
        assert_eq!(refused, Refused::Part("HTTP/1.1"));
    }

    #[test]
    fn the_subprotocol_is_selected_and_credentials_are_not() {
        let offered = format!("other, authorization.basic.YTpi, {PROTOCOL}");
        let request = but("", &[("Sec-WebSocket-Protocol", &offered)]);
        let response = Handshake::read(&request).unwrap().answer();
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], PROTOCOL);
    }

    #[test]
    fn credentials_of_a_page_are_in_a_subprotocol_or_in_the_query() {
        let read = |parts: &Parts| explicit_authorization(parts).unwrap();
        assert_eq!(read(&parts(&[])).unwrap(), "Basic YTpi");
        let protocol = [(
            "Sec-WebSocket-Protocol",
            "authorization.basic.YTo_Pj8-, other",
        )];
        let authorization = read(&parts(&protocol)).unwrap();
        assert_eq!(authorization, "Basic YTo/Pj8+");
        assert!(authorization.is_sensitive());
        let twice = [(
            "Sec-WebSocket-Protocol",
            "authorization.basic.YTpi, authorization.basic.YTpj",
        )];
        let refused = explicit_authorization(&parts(&twice)).unwrap_err();
        assert_eq!(refused, Failure::invalid("Sec-WebSocket-Protocol"));
    }
}
