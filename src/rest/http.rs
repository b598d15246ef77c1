//! Bodies in and out, request ids.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Incoming};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::time::timeout;

use super::{
    conditions::Tag,
    error::{Failure, RETRY_AFTER},
    representation::Document,
};
use crate::nms::encode::Format;

/// What an answer's body may fail with: the connection is cut then.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Mail boxes are nobody else's business, and change under every cache; 204 too would be kept (RFC 9110 §15.3.5).
pub(super) const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// What documents depend on beside their address.
const NEGOTIATED: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
/// Header of request ids, in and out.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// A request body as it comes, bounded in size and in the time between two of its pieces.
pub(super) struct Pieces {
    body: Body,
    /// Octets that may still come.
    left: u64,
    wait: Duration,
    /// What is at fault when the body breaks off.
    part: &'static str,
    ended: bool,
}

impl Pieces {
    /// A body of at most `limit` octets, with at most `wait` seconds of silence.
    ///
    /// # Errors
    /// 413 when it is announced to be larger.
    pub(super) fn new<B>(
        body: B,
        limit: u64,
        wait: u64,
        part: &'static str,
    ) -> Result<Self, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        if body.size_hint().lower() > limit {
            return Err(Failure::too_large());
        }
        Ok(Self {
            body: body.map_err(Into::into).boxed_unsync(),
            left: limit,
            wait: Duration::from_secs(wait),
            part,
            ended: false,
        })
    }

    /// Octets that are still to come, where the request says so.
    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; `None` at the end, as often as it is asked for.
    ///
    /// # Errors
    /// 408 for silence, 413 for too much, 400 for a body that breaks off.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while !self.ended {
            let frame = timeout(self.wait, self.body.frame())
                .await
                .map_err(|_| Failure::service(StatusCode::REQUEST_TIMEOUT))?;
            let Some(frame) = frame else {
                self.ended = true;
                break;
            };
            // The client broke off; as a rule nobody will read the answer.
            let frame = frame.map_err(|_| Failure::invalid(self.part))?;
            // Trailers are nothing to us.
            if let Ok(bytes) = frame.into_data() {
                let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.left = self
                    .left
                    .checked_sub(octets)
                    .ok_or_else(Failure::too_large)?;
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// A whole request body.
pub(super) async fn read_body(body: Incoming, limit: usize, wait: u64) -> Result<Bytes, Failure> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut pieces = Pieces::new(body, limit, wait, "body")?;
    let mut bytes = BytesMut::new();
    while let Some(piece) = pieces.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// The caller's request id if it is a sane one, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    let new = || {
        HeaderValue::from_str(&uuid::Uuid::new_v4().to_string())
            .unwrap_or(HeaderValue::from_static("-"))
    };
    headers
        .get(REQUEST_ID)
        .filter(sane)
        .cloned()
        .unwrap_or_else(new)
}

/// The pairs of a query, percent-decoded once. `+` is itself: telephone numbers begin with it, and this is a URI query, not a form.
pub(super) fn query(request: &Parts) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query = request.uri.query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// A document with a status.
pub(super) fn document<T: Serialize>(
    format: Format,
    status: StatusCode,
    root: &str,
    value: &T,
) -> Response<Body> {
    let bytes = Bytes::from(format.write(root, value));
    let mut response = Response::new(full(bytes.clone()));
    *response.status_mut() = status;
    response.extensions_mut().insert(Document {
        bytes,
        validator: None,
    });
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    });
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::VARY, NEGOTIATED);
    response
}

/// 204.
pub(super) fn no_content() -> Response<Body> {
    let mut response = Response::new(full(Vec::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_CACHE);
    response
}

/// 304, with what is said of the representation that the client has already (RFC 9110 §15.4.5).
pub(super) fn not_modified(tag: &Tag) -> Response<Body> {
    let mut response = no_content();
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.extend(tag.to_header().map(|tag| (header::ETAG, tag)));
    response
}

/// Adds the URL of what was made.
pub(super) fn located(mut response: Response<Body>, url: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A failure as the contract has it (contract §9.1), with the headers its status calls for.
pub(super) fn failure(failure: &Failure, format: Format) -> Response<Body> {
    let mut response = document(format, failure.status, "requestError", &failure.error);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(length) = failure.complete_length
        && let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}"))
    {
        headers.insert(header::CONTENT_RANGE, range);
    }
    match failure.status {
        StatusCode::UNAUTHORIZED => {
            let challenge =
                HeaderValue::from_static("Basic realm=\"cpm-bridge\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
            // What is left of the body is not read.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// The answer to HEAD: that to GET without its bytes. Content-Length is that of GET, so it is absent where GET would not
/// know it, and never part of a 204 (RFC 9110 §8.6).
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let has_length = !matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if let Some(length) = body.size_hint().exact()
        && has_length
    {
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    Response::from_parts(parts, full(Vec::new()))
}

/// Bytes as a body.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(response: Response<Body>) -> Result<Bytes, String> {
        let body = response.into_body().collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn head_has_the_length_of_get_and_no_bytes() {
        let length = |response: &Response<Body>| {
            let value = response.headers().get(header::CONTENT_LENGTH);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        for (get, expected) in [
            (
                document(Format::Json, StatusCode::NOT_FOUND, "empty", &()),
                Some("14"),
            ),
            (no_content(), None),
        ] {
            let head = without_body(get);
            assert_eq!(length(&head).as_deref(), expected);
            assert_eq!(read(head).await.unwrap(), "");
        }
    }
}
