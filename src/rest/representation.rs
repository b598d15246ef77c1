//! What becomes of a document on its way out: its entity tag, whether the client has it already, and compression.
//!
//! Payloads are not documents: they are sent as they are.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::task::yield_now;
use tracing::error;

use super::{
    conditions::{Conditions, Tag, Verdict},
    error::Failure,
    http::{Body, failure, full, not_modified},
    negotiation,
};
use crate::{nms::encode::Format, store};

/// Octets from which on a document is worth compressing: below that it fits into one packet either way.
const LEAST: usize = 1024;
/// Octets that are compressed before others get their turn.
const PIECE: usize = 64 << 10;

/// A document as it was written.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) bytes: Bytes,
    /// What its tag says beside the check value; without it there is none.
    pub(super) validator: Option<Validator>,
}

/// What an entity tag is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validator {
    /// The revision of an object, and a check value of the document.
    Revision(u64),
    /// The check value.
    Whole,
}

/// What a request wants to be done with the document that answers it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The form of what says that something is wrong.
    pub(super) format: Format,
    /// Whether it is to be compressed.
    gzip: bool,
    conditions: Conditions,
}

impl Wanted {
    /// Of a request; one with malformed conditions has none, as far as it is answered at all.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        Self {
            format: negotiation::for_failures(headers),
            gzip: negotiation::gzip(headers),
            conditions: Conditions::read(headers).unwrap_or_default(),
        }
    }
}

/// The answer has a tag of this kind.
pub(super) fn validated(mut response: Response<Body>, validator: Validator) -> Response<Body> {
    if let Some(document) = response.extensions_mut().get_mut::<Document>() {
        document.validator = Some(validator);
    }
    response
}

/// The answer as it goes out; other answers than documents are that already.
pub(super) async fn finished(mut response: Response<Body>, wanted: &Wanted) -> Response<Body> {
    let Some(document) = response.extensions_mut().remove::<Document>() else {
        return response;
    };
    let compressed = wanted.gzip && document.bytes.len() >= LEAST;
    if let Some(validator) = document.validator {
        let revision = match validator {
            Validator::Revision(revision) => Some(revision),
            Validator::Whole => None,
        };
        let tag = Tag::of_document(revision, &document.bytes, compressed);
        match wanted.conditions.verdict(&tag) {
            Verdict::Send => {
                let tag = tag.to_header().map(|tag| (header::ETAG, tag));
                response.headers_mut().extend(tag);
            }
            Verdict::NotModified => {
                let mut answer = not_modified(&tag);
                for name in [header::CACHE_CONTROL, header::VARY] {
                    if let Some(value) = response.headers_mut().remove(&name) {
                        answer.headers_mut().insert(name, value);
                    }
                }
                return answer;
            }
            Verdict::Failed => {
                return failure(&store::Error::PreconditionFailed.into(), wanted.format);
            }
        }
    }
    if !compressed {
        return response;
    }
    match gzip(&document.bytes).await {
        Ok(bytes) => {
            let encoding = HeaderValue::from_static("gzip");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, encoding);
            response.map(|_| full(bytes))
        }
        // Memory does not fail to be written to.
        Err(error) => {
            error!(%error, "a document cannot be compressed");
            let failed = Failure::service(StatusCode::INTERNAL_SERVER_ERROR);
            failure(&failed, wanted.format)
        }
    }
}

/// Compressed for speed: a page of a folder is small again at once, and others wait meanwhile.
async fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity(bytes.len() / 4);
    let mut encoder = GzEncoder::new(room, Compression::fast());
    for (index, piece) in bytes.chunks(PIECE).enumerate() {
        if index > 0 {
            yield_now().await;
        }
        encoder.write_all(piece)?;
    }
    encoder.finish()
}
