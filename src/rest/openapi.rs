//! The description of the surface for clients and their tools: `openapi.yaml`, as it is in the source. It is about no box,
//! so it is below the base path alone and anybody may read it.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::http::{Body, full};

/// Below the base path.
pub(super) const PATH: &str = "/openapi.yaml";
/// HEAD and OPTIONS beside them, as everywhere.
pub(super) const METHODS: &[&str] = &["GET"];
/// Name in logs.
pub(super) const NAME: &str = "openapi";

const DOCUMENT: &str = include_str!("../../openapi.yaml");
/// It changes with the version only, but who runs which version is not the cache's to know: seconds.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// Check value of the document.
static ENTITY_TAG: LazyLock<String> = LazyLock::new(|| {
    let hash = digest::digest(&digest::SHA256, DOCUMENT.as_bytes());
    let hex = hash.as_ref().iter().take(12);
    format!(
        "\"{}\"",
        hex.map(|octet| format!("{octet:02x}")).collect::<String>()
    )
});

/// The document, or 304 to who has it.
pub(super) fn answer(headers: &HeaderMap) -> Response<Body> {
    let known = is_known(headers);
    let bytes = if known { "" } else { DOCUMENT };
    let mut response = Response::new(full(bytes.as_bytes().to_vec()));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let media_type = HeaderValue::from_static("application/yaml");
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHED);
    if let Ok(tag) = HeaderValue::from_str(&ENTITY_TAG) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// RFC 9110 §13.1.2: any of the tags, compared weakly, or `*`.
fn is_known(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == *ENTITY_TAG)
}

/// The operation in metrics.
pub(super) fn operation(method: &Method) -> &'static str {
    if matches!(*method, Method::GET | Method::HEAD) {
        "get_openapi"
    } else {
        "other"
    }
}
