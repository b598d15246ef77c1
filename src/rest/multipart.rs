//! A form (`multipart/form-data`, RFC 7578) as it comes in: one part after the other, each a header and a content.
//!
//! Nothing is held but a piece at a time, and nothing is asked of the client before the one before was taken: TCP holds it back.

mod header;
mod splitter;

use bytes::Bytes;

pub(super) use self::header::{Fields, boundary, field};
use self::splitter::{Event, Splitter};
use super::{error::Failure, http::Pieces};

/// The parts of a form on their way.
pub(super) struct Parts {
    pieces: Pieces,
    splitter: Splitter,
    /// Octets of the whole body, where the request says so.
    announced: Option<u64>,
}

/// Which part of a form it is.
pub(super) enum Role {
    /// `root-fields`: the document.
    Root,
    /// `attachments`: the payload, or one of several.
    Attachment,
}

impl Parts {
    pub(super) fn new(boundary: &str, pieces: Pieces) -> Self {
        Self {
            announced: pieces.announced(),
            splitter: Splitter::new(boundary),
            pieces,
        }
    }

    /// The next part, when the content of the one before has been taken; `None` at the end of the whole body.
    ///
    /// # Errors
    /// A part that is neither of the two: dropping what a client sent would look like success. Otherwise as for
    /// [`Parts::content`], and 400 for a header that is malformed or too large.
    pub(super) async fn next(&mut self) -> Result<Option<(Role, Fields)>, Failure> {
        match self.event().await? {
            Event::Part(fields) => {
                let name = header::name(&fields).map(|name| name.to_ascii_lowercase());
                let role = match name.as_deref() {
                    Some("root-fields") => Role::Root,
                    Some("attachments") => Role::Attachment,
                    Some(_) | None => return Err(Failure::invalid(header::DISPOSITION)),
                };
                Ok(Some((role, fields)))
            }
            // What comes behind the last delimiter does not count, but it must come, or the next request cannot.
            Event::Closed => {
                while self.pieces.next().await?.is_some() {}
                Ok(None)
            }
            Event::Content(_) | Event::End => Err(Failure::invalid("attachments")),
        }
    }

    /// More of the part's content; `None` at its end.
    ///
    /// # Errors
    /// 400 for a body that ends early, 408 for one that stalls, 413 for one that is too large.
    pub(super) async fn content(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.event().await? {
            Event::Content(bytes) => Ok(Some(bytes)),
            Event::End => Ok(None),
            Event::Part(_) | Event::Closed => Err(Failure::invalid("attachments")),
        }
    }

    /// The octets of the content that has not been asked for yet, when they are known: the part's own `Content-Length`, if the
    /// request's leaves room behind it for nothing but the closing delimiter. Alone it proves nothing (contract §3.2).
    pub(super) fn known_length(&self, fields: &Fields) -> Option<u64> {
        let own: u64 = field(fields, "Content-Length")?.parse().ok()?;
        let left = self
            .announced?
            .checked_sub(self.splitter.before_content()?)?;
        let behind = left.checked_sub(own)?;
        self.splitter.closing().contains(&behind).then_some(own)
    }

    async fn event(&mut self) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.splitter.next()? {
                return Ok(event);
            }
            match self.pieces.next().await? {
                Some(bytes) => self.splitter.push(&bytes),
                None => self.splitter.end(),
            }
        }
    }
}
