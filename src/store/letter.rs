//! What is sent to the store for a new object: the message that `message` composes, its octets from where the upload keeps them.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{Error, create::Creation, flags};
use crate::{
    clock,
    imap::{Flag, connection::Message},
    message::{
        Attribute,
        compose::{Composed, Draft, Encoder, Entity, Segment, compose},
    },
    nms,
    spool::Blob,
};

pub use crate::message::scan::{EntityScan, FoundOf, needs_scan};

/// Octets that come, in order.
pub type Octets = BoxStream<'static, io::Result<Bytes>>;

/// An entity that a client has sent, or is still sending.
#[derive(Debug)]
pub struct Attachment {
    /// Its MIME header fields, in order.
    pub header: Vec<(String, String)>,
    /// What its bytes hold.
    pub found: FoundOf,
    /// SHA-256 of its bytes; anything while they are still coming.
    pub digest: [u8; 32],
    /// Its bytes.
    pub bytes: AttachmentBytes,
}

/// Where the bytes of an attachment are.
pub enum AttachmentBytes {
    /// Kept, and read as often as it takes.
    Kept(Blob),
    /// Still coming, and read once. Only as the one attachment of a creation without a key.
    Passing(Octets),
}

impl fmt::Debug for AttachmentBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kept(_) => "Kept",
            Self::Passing(_) => "Passing",
        })
    }
}

/// A message to be stored.
pub(super) struct Letter {
    pub(super) flags: Vec<Flag>,
    pub(super) internal_date: DateTime<FixedOffset>,
    pub(super) octets: u64,
    /// Value of the header by which it is found again; no other message has it.
    pub(super) nonce: String,
    header: Bytes,
    body: Arc<[Segment]>,
    source: Source,
}

/// The bytes that the segments are stretches of.
enum Source {
    Kept(Arc<[Blob]>),
    Passing(Option<Octets>),
}

impl Letter {
    /// Composes the message.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the member that no message can be made of.
    pub(super) fn new(creation: Creation, nonce: &str) -> Result<Self, Error> {
        let Creation {
            object,
            attachments,
            ..
        } = creation;
        let flags = flags::to_append(&object.flags.flag)?;
        let Composed {
            header,
            body,
            internal_date,
        } = composed(&object, &attachments, nonce)?;
        let internal_date = holdable(internal_date);
        let octets = body
            .iter()
            .map(Segment::octets)
            .fold(header.len() as u64, u64::saturating_add);
        Ok(Self {
            flags,
            internal_date,
            octets,
            nonce: nonce.to_owned(),
            header: header.into(),
            body: body.into(),
            source: Source::new(attachments),
        })
    }

    /// The message, ready to be sent; `None` when its bytes have passed already.
    pub(super) fn message(&mut self) -> Option<Message> {
        let header = stream::once(std::future::ready(Ok(self.header.clone())));
        let body = match &mut self.source {
            Source::Kept(blobs) => kept(Arc::clone(&self.body), Arc::clone(blobs)),
            Source::Passing(octets) => passing(&self.body, octets.take()?),
        };
        Some(Message {
            flags: self.flags.clone(),
            internal_date: self.internal_date,
            octets: self.octets,
            body: header.chain(body).boxed(),
        })
    }

    /// Whether it can be sent (again).
    pub(super) fn is_there(&self) -> bool {
        match &self.source {
            Source::Kept(_) => true,
            Source::Passing(octets) => octets.is_some(),
        }
    }
}

impl Source {
    fn new(attachments: Vec<Attachment>) -> Self {
        let mut blobs = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            match attachment.bytes {
                AttachmentBytes::Kept(blob) => blobs.push(blob),
                AttachmentBytes::Passing(octets) => return Self::Passing(Some(octets)),
            }
        }
        Self::Kept(blobs.into())
    }
}

/// The date, or the nearest that any store can hold: Dovecot, Cyrus and Courier count seconds from 1970, and not all of them beyond 2038.
/// The message's own Date says what it is.
fn holdable(date: DateTime<FixedOffset>) -> DateTime<FixedOffset> {
    // A day from either end, for the year is that of the date's own time zone.
    const DAY: i64 = 86_400;
    let seconds = date.timestamp().clamp(DAY, i64::from(i32::MAX) - DAY);
    match DateTime::from_timestamp(seconds, 0) {
        Some(holdable) if seconds != date.timestamp() => holdable.fixed_offset(),
        Some(_) | None => date,
    }
}

fn composed(
    object: &nms::NewObject,
    attachments: &[Attachment],
    nonce: &str,
) -> Result<Composed, Error> {
    let attributes: Vec<Attribute> = object
        .attributes
        .attribute
        .iter()
        .map(|attribute| Attribute {
            name: attribute.name.clone(),
            values: attribute.value.clone(),
        })
        .collect();
    let draft = Draft {
        attributes: &attributes,
        correlation_id: object.correlation_id.as_deref(),
        correlation_tag: object.correlation_tag.as_deref(),
        nonce,
        now: clock::now(),
    };
    let entities: Vec<Entity<'_>> = attachments
        .iter()
        .map(|attachment| Entity {
            header: &attachment.header,
            found: &attachment.found,
        })
        .collect();
    compose(&draft, &entities).map_err(|invalid| Error::InvalidInput(invalid.0.to_owned()))
}

/// The body from kept bytes, segment after segment.
fn kept(body: Arc<[Segment]>, blobs: Arc<[Blob]>) -> Octets {
    let segments = stream::iter(0..body.len());
    segments
        .flat_map(move |index| match body.get(index) {
            Some(segment) => segment_of(segment, &blobs),
            None => stream::empty().boxed(),
        })
        .boxed()
}

fn segment_of(segment: &Segment, blobs: &[Blob]) -> Octets {
    let (blob, range) = match segment {
        Segment::Bytes(bytes) => return piece(bytes.clone()),
        Segment::Identity { blob, range } | Segment::Base64 { blob, range, .. } => (blob, range),
    };
    let Some(blob) = blobs.get(*blob) else {
        return missing();
    };
    let octets = blob.read(range.clone()).boxed();
    match segment {
        Segment::Base64 { encoding, .. } => encoded(octets, Encoder::new(*encoding)),
        Segment::Bytes(_) | Segment::Identity { .. } => octets,
    }
}

/// The body from bytes that come only once: one segment of them, and bytes of our own around it.
fn passing(body: &[Segment], octets: Octets) -> Octets {
    let mut octets = Some(octets);
    let pieces: Vec<Octets> = body
        .iter()
        .map(|segment| match segment {
            Segment::Bytes(bytes) => piece(bytes.clone()),
            Segment::Identity { .. } => octets.take().unwrap_or_else(missing),
            Segment::Base64 { encoding, .. } => match octets.take() {
                Some(octets) => encoded(octets, Encoder::new(*encoding)),
                None => missing(),
            },
        })
        .collect();
    stream::iter(pieces).flatten().boxed()
}

fn encoded(octets: Octets, encoder: Encoder) -> Octets {
    let state = Some((octets, encoder));
    stream::unfold(state, |state| async move {
        let (mut octets, mut encoder) = state?;
        match octets.next().await {
            Some(Ok(bytes)) => {
                let lines = Bytes::from(encoder.push(&bytes));
                Some((Ok(lines), Some((octets, encoder))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Ok(Bytes::from(encoder.finish())), None)),
        }
    })
    .boxed()
}

fn piece(bytes: Vec<u8>) -> Octets {
    stream::once(std::future::ready(Ok(Bytes::from(bytes)))).boxed()
}

fn missing() -> Octets {
    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
    stream::once(std::future::ready(Err(error))).boxed()
}
