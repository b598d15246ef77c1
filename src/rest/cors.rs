//! Web applications of other origins (the CORS protocol of the Fetch standard).
//!
//! * Scripts bring the credentials themselves, in `Authorization`; what a browser keeps for a site (cookies, certificates) is never
//!   asked for, so `*` gives away no more than what anybody can ask without a browser.
//! * Who is not listed is answered as ever, and the browser keeps the answer from the script.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::http::Body;
use crate::config::{CorsConfig, Origin};

/// What scripts may send beside what they always may.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Accept, If-Match, If-None-Match, If-Range, Range, Idempotency-Key, X-Request-Id",
);
/// What scripts may see beside what they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, ETag, X-Request-Id, Retry-After, Content-Range, Accept-Ranges, Allow, WWW-Authenticate",
);
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    origin: Option<HeaderValue>,
    /// Whether a browser asks what its script may.
    preflight: bool,
}

impl Asking {
    /// Of a request.
    pub(super) fn read(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            origin: headers.get(header::ORIGIN).cloned(),
            preflight: method == Method::OPTIONS
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD),
        }
    }
}

/// Whether a page may open a WebSocket at a resource of this URL: browsers let every page do that, so the server has to look at its
/// `Origin` (RFC 6455 §10.2). Who sends none is no page. Where anybody's page may, it must not be with what the browser keeps.
pub(super) fn may_connect(
    cors: &CorsConfig,
    headers: &HeaderMap,
    own: &str,
    explicit: bool,
) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    if origins.next().is_some() {
        return false;
    }
    let rest = own
        .as_bytes()
        .get(..origin.len())
        .filter(|start| start.eq_ignore_ascii_case(origin.as_bytes()))
        .and_then(|_| own.get(origin.len()..));
    if rest.is_some_and(|rest| rest.starts_with('/')) {
        return true;
    }
    cors.origins.iter().any(|listed| match listed {
        Origin::Any => explicit,
        Origin::Exactly(listed) => listed.as_bytes() == origin.as_bytes(),
    })
}

/// Tells a browser what a script of the origin that asks may do with the resource, or with this answer.
pub(super) fn tell(cors: &CorsConfig, asking: &Asking, response: &mut Response<Body>) {
    let anybody = cors.origins.contains(&Origin::Any);
    let allowed = |origin: &&HeaderValue| {
        let listed = |listed: &Origin| match listed {
            Origin::Any => true,
            Origin::Exactly(listed) => listed.as_bytes() == origin.as_bytes(),
        };
        cors.origins.iter().any(listed)
    };
    let origin = asking.origin.as_ref().filter(allowed).cloned();
    let methods = response.headers().get(header::ALLOW).cloned();
    let status = response.status();
    let headers = response.headers_mut();
    if !anybody {
        // Also where there is no origin: a cache must not give that answer to who has one.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = origin else { return };
    let origin = if anybody {
        HeaderValue::from_static("*")
    } else {
        origin
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if !asking.preflight {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    } else if let Some(methods) = methods.filter(|_| status == StatusCode::NO_CONTENT) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}
