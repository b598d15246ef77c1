//! The description of the surface for clients and their tools: `openapi.yaml`, as it is in the source. It is about no box,
//! so it is below the base path alone and anybody may read it.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};

use super::{
    http::{Body, full},
    representation::{Document, Validator},
};

/// Below the base path.
pub(super) const PATH: &str = "/openapi.yaml";
/// HEAD and OPTIONS beside them, as everywhere.
pub(super) const METHODS: &[&str] = &["GET"];
/// Name in logs.
pub(super) const NAME: &str = "openapi";

const DOCUMENT: &str = include_str!("../../openapi.yaml");
/// It changes with the version only, but who runs which version is not the cache's to know: seconds.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// The document.
pub(super) fn answer() -> Response<Body> {
    let bytes = Bytes::from_static(DOCUMENT.as_bytes());
    let mut response = Response::new(full(bytes.clone()));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("application/yaml");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, CACHED);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response.extensions_mut().insert(Document {
        bytes,
        validator: Some(Validator::Whole),
    });
    response
}

/// The operation in metrics.
pub(super) fn operation(method: &Method) -> &'static str {
    if matches!(*method, Method::GET | Method::HEAD) {
        "get_openapi"
    } else {
        "other"
    }
}
