//! Receiving an object or many: the document, and the attachments that wait in the spool (contract §3).
//!
//! * What the head of the request forbids is said before a byte of the body is asked for ([`Form::new`]): a client that sent
//!   `Expect: 100-continue` sends nothing then.
//! * The document is read as soon as it is there, so that a mistake in it is not answered after a hundred megabytes.
//! * In memory are at most `limits.body` of document, as much of part headers, and the spool's share of attachments.
//! * An attachment whose length is known is handed on while it is still coming in, with nothing kept.

use std::{
    io,
    ops::Range,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, header};
use hyper::body::Body as HttpBody;

use super::{
    BodyError,
    error::Failure,
    http::Pieces,
    multipart::{self, Fields, Parts, Role},
    negotiation,
};
use crate::{
    config::LimitsConfig,
    nms::encode::Format,
    spool::{Blob, Spool, SpoolWriter},
};

/// A request whose head is that of an upload.
pub(super) struct Form<'a> {
    parts: Parts,
    limits: &'a LimitsConfig,
    spool: &'a Spool,
}

/// What a client sent.
pub(super) struct Upload<R, S> {
    /// What the document was written in.
    pub(super) format: Format,
    /// The document, read.
    pub(super) root: R,
    /// In their order; none for an object without payload.
    pub(super) attachments: Vec<Attachment<S>>,
}

/// One `attachments` part.
pub(super) struct Attachment<S> {
    /// Its own header.
    pub(super) header: Fields,
    pub(super) content: Content<S>,
}

/// The octets of an attachment.
pub(super) enum Content<S> {
    Received(Received<S>),
    /// Still on their way; only the one attachment of a request, and only if it is larger than what memory may hold.
    Incoming(Box<Incoming>),
}

/// Octets that are here.
pub(super) struct Received<S> {
    pub(super) blob: Blob,
    /// SHA-256 of them.
    pub(super) digest: [u8; 32],
    /// What has seen them all.
    pub(super) scan: S,
}

/// Octets of known number that the client is still sending.
pub(super) struct Incoming {
    parts: Parts,
    length: u64,
    left: u64,
}

/// Sees the octets of one attachment as they come, so that they need not be read again to know what they are.
pub(super) trait Observer {
    /// The next octets; cut anywhere.
    fn push(&mut self, octets: &[u8]);
}

impl<'a> Form<'a> {
    /// Looks at the head alone.
    ///
    /// # Errors
    /// 415 and 400 for a wrong `Content-Type`, 415 for a compressed body, 413 for a body that is announced to be too large.
    pub(super) fn new<B>(
        headers: &HeaderMap,
        body: B,
        limits: &'a LimitsConfig,
        spool: &'a Spool,
    ) -> Result<Self, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        negotiation::form(headers)?;
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .ok_or_else(|| Failure::unsupported_media_type("Content-Type"))?;
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        let boundary = multipart::boundary(&content_type);
        let boundary = boundary.ok_or_else(|| Failure::invalid("Content-Type"))?;
        let pieces = Pieces::new(body, limits.upload, limits.body_timeout, "attachments")?;
        Ok(Self {
            parts: Parts::new(&boundary, pieces),
            limits,
            spool,
        })
    }

    /// Receives the whole, or all up to an attachment that can be handed on as it comes. `read` reads the document, `scan`
    /// makes what is to see an attachment with this header.
    ///
    /// # Errors
    /// What `read` says; 400 for a form that is malformed, has no document, breaks off or has too many parts; 408 for a client that
    /// stalls; 413 for too much; 503 for a full disk.
    pub(super) async fn receive<R, S: Observer>(
        mut self,
        read: impl Fn(Format, &[u8]) -> Result<R, Failure>,
        scan: impl Fn(&[(String, String)]) -> S,
    ) -> Result<Upload<R, S>, Failure> {
        let mut root = None;
        let mut received = Vec::new();
        let mut run = self.spool.writer();
        let mut headers = self.limits.body;
        while let Some((role, header)) = self.parts.next().await? {
            let size = header
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            headers = headers.checked_sub(size).ok_or_else(Failure::too_large)?;
            match role {
                Role::Root if root.is_some() => return Err(Failure::invalid("root-fields")),
                Role::Root => {
                    let (format, document) = self.document(&header).await?;
                    root = Some((format, read(format, &document)?));
                }
                Role::Attachment if received.len() == self.limits.bulk => {
                    return Err(Failure::invalid("attachments"));
                }
                Role::Attachment => {
                    if received.is_empty()
                        && let Some(length) = self.worth_streaming(&header)
                        && let Some(root) = root
                    {
                        return Ok(self.incoming(root, header, length));
                    }
                    let content = take(&mut self.parts, &mut run, scan(&header)).await?;
                    received.push((header, content));
                }
            }
        }
        let (format, root) = root.ok_or_else(|| Failure::invalid("root-fields"))?;
        let whole = run.finish().await?;
        let attachments = received.into_iter().map(|(header, content)| Attachment {
            header,
            content: Content::Received(content.of(&whole)),
        });
        Ok(Upload {
            format,
            root,
            attachments: attachments.collect(),
        })
    }

    /// The document, which memory must hold.
    async fn document(&mut self, header: &Fields) -> Result<(Format, BytesMut), Failure> {
        let content_type = multipart::field(header, "Content-Type").unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        // Programs that send forms write all sorts of types for what is JSON, but not this one.
        let says_xml = essence.to_ascii_lowercase().ends_with("xml");
        let mut document = BytesMut::new();
        while let Some(bytes) = self.parts.content().await? {
            if document.len() + bytes.len() > self.limits.body {
                return Err(Failure::too_large());
            }
            document.extend_from_slice(&bytes);
        }
        let format = if says_xml {
            Format::Xml
        } else {
            Format::of(&document)
        };
        Ok((format, document))
    }

    /// The length of the attachment that has just begun, if it is known and memory is not the better place for it.
    fn worth_streaming(&self, header: &Fields) -> Option<u64> {
        let length = self.parts.known_length(header)?;
        let memory = u64::try_from(self.spool.memory_limit()).unwrap_or(u64::MAX);
        (length > memory).then_some(length)
    }

    fn incoming<R, S>(
        self,
        (format, root): (Format, R),
        header: Fields,
        length: u64,
    ) -> Upload<R, S> {
        let content = Content::Incoming(Box::new(Incoming {
            parts: self.parts,
            length,
            left: length,
        }));
        Upload {
            format,
            root,
            attachments: vec![Attachment { header, content }],
        }
    }
}

impl Incoming {
    /// Octets, all of them.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Receives it like any other attachment, for those who need to know it before they use it.
    ///
    /// # Errors
    /// As for [`Form::receive`].
    pub(super) async fn receive<S: Observer>(
        mut self,
        spool: &Spool,
        scan: S,
    ) -> Result<Received<S>, Failure> {
        let mut run = spool.writer();
        let taken = take(&mut self.parts, &mut run, scan).await?;
        if self.parts.next().await?.is_some() {
            return Err(Failure::invalid("attachments"));
        }
        Ok(taken.of(&run.finish().await?))
    }

    /// Its octets as they come, asked of the client as fast as they are taken. The last piece comes only when the closing
    /// delimiter was where it had to be, so that nobody takes a cut attachment for a whole one. What ends the stream in an error is in
    /// the cell for who answers the client.
    pub(super) fn stream(
        self,
    ) -> (
        BoxStream<'static, io::Result<Bytes>>,
        Arc<OnceLock<Failure>>,
    ) {
        let failure = Arc::new(OnceLock::new());
        let cell = Arc::clone(&failure);
        let pieces = stream::try_unfold(self, move |mut incoming| {
            let cell = Arc::clone(&cell);
            async move {
                match incoming.next().await {
                    Ok(piece) => Ok(piece.map(|piece| (piece, incoming))),
                    Err(failure) => {
                        let _ = cell.set(failure);
                        Err(io::Error::other("the upload broke off"))
                    }
                }
            }
        });
        (pieces.boxed(), failure)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        let other_length = || Failure::invalid("attachments");
        let piece = self.parts.content().await?.ok_or_else(other_length)?;
        let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(octets).ok_or_else(other_length)?;
        if self.left == 0 {
            let whole = self.parts.content().await?.is_none() && self.parts.next().await?.is_none();
            return whole.then_some(Some(piece)).ok_or_else(other_length);
        }
        Ok(Some(piece))
    }
}

/// An attachment that is in the run, which is not finished yet.
struct Taken<S> {
    range: Range<u64>,
    digest: [u8; 32],
    scan: S,
}

/// Takes the content of the part that has just begun.
async fn take<S: Observer>(
    parts: &mut Parts,
    run: &mut SpoolWriter,
    mut scan: S,
) -> Result<Taken<S>, Failure> {
    let start = run.len();
    let mut context = Context::new(&SHA256);
    while let Some(bytes) = parts.content().await? {
        context.update(&bytes);
        scan.push(&bytes);
        run.push(&bytes).await?;
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Taken {
        range: start..run.len(),
        digest,
        scan,
    })
}

impl<S> Taken<S> {
    fn of(self, whole: &Blob) -> Received<S> {
        Received {
            blob: whole.slice(self.range),
            digest: self.digest,
            scan: self.scan,
        }
    }
}

#[cfg(test)]
mod tests;
