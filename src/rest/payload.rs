//! Payloads and their parts (contract §1.2 rows 5 and 6): octets as they are, whole or in ranges, with conditions.
//!
//! What is not sent is not read: HEAD and 304 ask the store for no octet of a payload, a range for no other.

use std::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

use super::{
    Call,
    conditions::{Extent, Tag, Verdict},
    error::Failure,
    http::{Body, BodyError, NO_CACHE, not_modified},
};
use crate::store;

type Answer = Result<Response<Body>, Failure>;

pub(super) async fn whole(call: Call, id: String) -> Answer {
    let found = call.account.payload(&id).await?;
    answer(&call, &Tag::of_payload(&id, ""), found).await
}

pub(super) async fn part(call: Call, id: String, part: String) -> Answer {
    let found = call.account.payload_part(&id, &part).await?;
    answer(&call, &Tag::of_payload(&id, &part), found).await
}

async fn answer(call: &Call, tag: &Tag, found: store::Payload) -> Answer {
    match call.conditions.verdict(tag) {
        Verdict::Send => {}
        Verdict::NotModified => return Ok(not_modified(tag)),
        Verdict::Failed => return Err(store::Error::PreconditionFailed.into()),
    }
    let (content_type, complete_length) = (found.content_type.clone(), found.length);
    let reads = call.method == Method::GET;
    // RFC 9110 §14.2: ranges are for GET.
    let extent = match complete_length.filter(|_| reads) {
        Some(length) => call.conditions.extent(tag, length),
        None => Extent::Whole,
    };
    let part = match extent {
        Extent::Whole => None,
        Extent::Part(range) => Some(range),
        Extent::Unsatisfiable => {
            let length = complete_length.unwrap_or_default();
            return Err(Failure::range_not_satisfiable(length));
        }
    };
    let chunks = if reads {
        found.read(part.clone()).await?
    } else {
        mpsc::channel(1).1
    };
    let mut response = payload(&content_type, complete_length, part, chunks);
    let tag = tag.to_header().map(|tag| (header::ETAG, tag));
    response.headers_mut().extend(tag);
    Ok(response)
}

/// A payload on its way, or part of it; a failure of the store half-way cuts the connection, so that nobody takes a piece for the
/// whole.
fn payload(
    content_type: &str,
    complete_length: Option<u64>,
    part: Option<Range<u64>>,
    chunks: mpsc::Receiver<Result<Bytes, store::Error>>,
) -> Response<Body> {
    let length = part.as_ref().map(|part| part.end - part.start);
    let left = length.or(complete_length);
    let mut response = Response::new(Chunks { chunks, left }.boxed_unsync());
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(content_type).ok();
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
    if let Some(left) = left {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    }
    if let Some(complete) = complete_length {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let range = part.and_then(|Range { start, end }| {
            HeaderValue::from_str(&format!("bytes {start}-{}/{complete}", end - 1)).ok()
        });
        headers.extend(range.map(|range| (header::CONTENT_RANGE, range)));
    }
    response
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
    use super::{super::http::without_body, *};

    fn stream(length: Option<u64>, chunks: Vec<Result<Bytes, store::Error>>) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(8);
        for chunk in chunks {
            sender.try_send(chunk).unwrap();
        }
        payload("image/png", length, None, receiver)
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
    async fn head_has_the_length_of_get_where_that_is_known() {
        for (length, expected) in [(Some(5), Some("5")), (None, None)] {
            let head = without_body(stream(length, Vec::new()));
            let shown = head.headers().get(header::CONTENT_LENGTH);
            let shown = shown.map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(shown.as_deref(), expected);
            assert_eq!(read(head).await.unwrap(), "");
        }
    }
}
