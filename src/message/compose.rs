//! From an object's attributes and attachments to the message that is stored (contract §3, RFC 5322, RFC 2045).
//!
//! - What comes out holds no NUL, no CR or LF but CRLF, no line over 998 octets, and no octet above 127 in its header:
//!   every store takes it and gives it back as it was.
//! - Our own reader gives back every attribute that was accepted; what could not be read back is refused.
//! - The bodies are not needed, only what [`scan`](super::scan) found in them: the header and the exact size are known
//!   before the first octet is sent.

mod address;
mod attributes;
mod body;
mod date;
mod entity;
mod field;
mod multipart;

#[cfg(test)]
mod tests;

use chrono::{DateTime, FixedOffset, Utc};

pub use body::{Encoder, Segment, base64_octets};

use super::{Attribute, scan::FoundOf};
use body::Body;

/// Octets a header may have: what the reading side reads of one.
const LONGEST_HEADER: usize = 255 << 10;

/// What is said about an object that is to be created.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// In order; several of one name in any case are its values together. Those without a value are left out.
    pub attributes: &'a [Attribute],
    /// The client's id, kept verbatim; an empty one is none.
    pub correlation_id: Option<&'a str>,
    /// The client's tag, likewise.
    pub correlation_tag: Option<&'a str>,
    /// What finds the message again when the store's answer was lost.
    pub nonce: &'a str,
    /// The date of an object that names none.
    pub now: DateTime<Utc>,
}

/// An attachment.
#[derive(Debug, Clone, Copy)]
pub struct Entity<'a> {
    /// The fields of its own header, unfolded; names in any case.
    pub header: &'a [(String, String)],
    /// What its body holds.
    pub found: &'a FoundOf,
}

/// A message that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The header and the blank line behind it.
    pub header: Vec<u8>,
    /// The body, in order.
    pub body: Vec<Segment>,
    /// The object's date, in whole seconds, for IMAP's INTERNALDATE.
    pub internal_date: DateTime<FixedOffset>,
}

impl Composed {
    /// Octets of the message, exactly.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let body = self.body.iter().map(Segment::octets);
        body.fold(super::scan::length(&self.header), u64::saturating_add)
    }
}

/// A part of the request no message can be made of; named as the contract names it (`name`, `value`, `Date`, `Content-Type`,
/// `correlationId`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be put into a message")]
pub struct Invalid(pub &'static str);

/// Makes the message of an object with these attachments, in order.
///
/// None, or an empty one, is an object without a payload, or one whose TextContent is its payload. One is the payload. Of
/// several the payload is a multipart/mixed (contract §3.1 form d). Every field, line and header has a bound; what is beyond
/// it, cannot be read back, or is a multipart that is none, is [`Invalid`].
pub fn compose(draft: &Draft<'_>, entities: &[Entity<'_>]) -> Result<Composed, Invalid> {
    let date = attributes::date(draft)?;
    let mut header = attributes::fields(draft, date)?;
    header.push_str(&own_fields(draft)?);
    let body = match present(entities).as_slice() {
        [] => attributes::text_content(draft.attributes)?.map(entity::text),
        [(blob, only)] => Some(entity::payload(*blob, only, draft.attributes)?),
        several => Some(entity::mixed(several)?),
    };
    let mut segments = Vec::new();
    if let Some((fields, Body { segments: body, .. })) = body {
        header.push_str("MIME-Version: 1.0\r\n");
        header.push_str(&fields);
        segments = body;
    }
    header.push_str("\r\n");
    if header.len() > LONGEST_HEADER {
        return Err(Invalid("attributes"));
    }
    Ok(Composed {
        header: header.into_bytes(),
        body: segments,
        internal_date: date,
    })
}

/// The attachments that are there: an empty one is none, but an empty file beside others is one of them.
fn present<'a>(entities: &'a [Entity<'a>]) -> Vec<(usize, &'a Entity<'a>)> {
    let alone = entities.len() < 2;
    let typed = |entity: &Entity<'_>| super::scan::value(entity.header, "Content-Type").is_some();
    let present: Vec<_> = entities
        .iter()
        .enumerate()
        .filter(|(_, entity)| entity.found.octets() > 0 || (!alone && typed(entity)))
        .collect();
    match present.as_slice() {
        [(_, only)] if only.found.octets() == 0 => Vec::new(),
        _ => present,
    }
}

fn own_fields(draft: &Draft<'_>) -> Result<String, Invalid> {
    let fields = [
        (
            "X-NMS-Correlation-Id",
            draft.correlation_id,
            "correlationId",
        ),
        (
            "X-NMS-Correlation-Tag",
            draft.correlation_tag,
            "correlationTag",
        ),
        ("X-NMS-Nonce", Some(draft.nonce), "clientCorrelator"),
    ];
    let mut output = String::new();
    for (name, text, member) in fields {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            output.push_str(&field::text(name, text).ok_or(Invalid(member))?);
        }
    }
    Ok(output)
}
