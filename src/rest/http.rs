//! Bodies in and out, request ids.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};

use super::error::{Failure, RETRY_AFTER};
use crate::{nms::encode::Format, store};

/// What an answer's body may fail with: the connection is cut then.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Mail boxes are nobody else's business, and change under every cache; 204 too would be kept (RFC 9110 §15.3.5).
const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");
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
    let mut response = Response::new(full(format.write(root, value)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    });
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
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

/// A payload on its way; a failure of the store half-way cuts the connection, so that nobody takes a piece for the whole.
pub(super) fn payload(payload: store::Payload) -> Response<Body> {
    let store::Payload {
        content_type,
        length,
        chunks,
    } = payload;
    let body = Body::new(Chunks {
        chunks,
        left: length,
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(&content_type).ok();
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    // A part is whatever its sender wrote: browsers shall not guess, nor run it.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// The answer to HEAD: that to GET without its bytes. Content-Length is that of GET, so it is absent where GET would not
/// know it, and never part of a 204 (RFC 9110 §8.6).
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && parts.status != StatusCode::NO_CONTENT
    {
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    Response::from_parts(parts, full(Vec::new()))
}

/// Bytes as a body.
pub(super) fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The address of the request without what it names, for logs.
pub(super) fn method_of<T>(request: &Request<T>) -> Method {
    request.method().clone()
}

/// The receiving end of a payload as a body.
struct Chunks {
    chunks: mpsc::Receiver<Result<Bytes, store::Error>>,
    /// Octets that are still to come, when known.
    left: Option<u64>,
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.chunks.poll_recv(context).map(|chunk| match chunk {
            Some(Ok(bytes)) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.left = match self.left {
                    Some(left) if left < length => {
                        return Some(Err("longer than announced".into()));
                    }
                    left => left.map(|left| left - length),
                };
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "payload cut off");
                Some(Err(error.into()))
            }
            None if self.left.is_some_and(|left| left > 0) => {
                Some(Err("shorter than announced".into()))
            }
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(length: Option<u64>, chunks: Vec<Result<Bytes, store::Error>>) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(8);
        for chunk in chunks {
            sender.try_send(chunk).unwrap();
        }
        payload(store::Payload {
            content_type: "image/png".to_owned(),
            length,
            chunks: receiver,
        })
    }

    async fn read(response: Response<Body>) -> Result<Bytes, String> {
        let body = response.into_body().collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_payload_that_is_not_what_was_announced_fails() {
        let bytes = || Ok(Bytes::from_static(b"12345"));
        assert_eq!(read(stream(Some(5), vec![bytes()])).await.unwrap(), "12345");
        assert_eq!(read(stream(None, vec![bytes()])).await.unwrap(), "12345");
        assert!(read(stream(Some(6), vec![bytes()])).await.is_err());
        assert!(read(stream(Some(4), vec![bytes()])).await.is_err());
        let broken = vec![bytes(), Err(store::Error::Timeout)];
        assert!(read(stream(None, broken)).await.is_err());
    }

    #[tokio::test]
    async fn head_has_the_length_of_get_and_no_bytes() {
        let length = |response: &Response<Body>| {
            let value = response.headers().get(header::CONTENT_LENGTH);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let bytes = || vec![Ok(Bytes::from_static(b"12345"))];
        for (get, expected) in [
            (
                document(Format::Json, StatusCode::NOT_FOUND, "empty", &()),
                Some("14"),
            ),
            (no_content(), None),
            (stream(Some(5), bytes()), Some("5")),
            (stream(None, bytes()), None),
        ] {
            let head = without_body(get);
            assert_eq!(length(&head).as_deref(), expected);
            assert_eq!(read(head).await.unwrap(), "");
        }
    }
}
