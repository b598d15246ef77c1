//! What is composed is read back: by our own reader, and by another.

use chrono::{DateTime, FixedOffset, Utc};

use super::super::Attribute;
use super::super::fixtures::{Reading, read};
use super::super::scan::{EntityScan, FoundOf, Scan};
use super::*;

mod fields;
mod multiparts;
mod payloads;
mod round;

/// Fields of an attachment and its body.
type Attachment<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

pub(super) fn attributes(list: &[(&str, &[&str])]) -> Vec<Attribute> {
    let owned = |values: &&[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    list.iter()
        .map(|(name, values)| Attribute {
            name: (*name).to_owned(),
            values: owned(values),
        })
        .collect()
}

pub(super) fn draft(attributes: &[Attribute]) -> Draft<'_> {
    Draft {
        attributes,
        correlation_id: None,
        correlation_tag: None,
        nonce: "nonce-1",
        now: DateTime::<Utc>::from_timestamp(1_780_309_230, 999_000_000).unwrap(),
    }
}

/// A message as the store would get it, and its INTERNALDATE.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) internal_date: DateTime<FixedOffset>,
}

impl Sent {
    pub(super) fn header(&self) -> String {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        String::from_utf8(self.bytes[..end.unwrap() + 2].to_vec()).unwrap()
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.header().len() + 2..]
    }

    /// The value of a field as it stands, unfolded.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let header = self.header().replace("\r\n ", " ");
        let line = header
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
        Some(line.to_owned())
    }

    pub(super) fn read(&self) -> Reading {
        read(&self.bytes, self.internal_date)
    }

    pub(super) fn values(&self, name: &str) -> Vec<String> {
        let all = self.read().attributes.into_iter();
        all.filter(|attribute| attribute.name == name)
            .flat_map(|attribute| attribute.values)
            .collect()
    }
}

pub(super) fn found(header: &[(String, String)], bytes: &[u8]) -> FoundOf {
    let mut scan = EntityScan::new(header);
    for piece in bytes.chunks(7) {
        scan.push(piece);
    }
    scan.finish()
}

/// Composes, and checks what holds for every message.
pub(super) fn send(draft: &Draft<'_>, attachments: &[Attachment<'_>]) -> Result<Sent, Invalid> {
    let owned = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let headers: Vec<_> = attachments
        .iter()
        .map(|(fields, _)| owned(fields))
        .collect();
    let found: Vec<FoundOf> = headers
        .iter()
        .zip(attachments)
        .map(|(header, (_, bytes))| found(header, bytes))
        .collect();
    let entities: Vec<Entity<'_>> = headers
        .iter()
        .zip(&found)
        .map(|(header, found)| Entity { header, found })
        .collect();
    let composed = compose(draft, &entities)?;
    let blobs: Vec<&[u8]> = attachments.iter().map(|(_, bytes)| *bytes).collect();
    Ok(written(&composed, &blobs))
}

pub(super) fn written(composed: &Composed, blobs: &[&[u8]]) -> Sent {
    let stretch = |blob: usize, range: &std::ops::Range<u64>| {
        &blobs[blob][usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    };
    assert!(composed.header.is_ascii() && composed.header.ends_with(b"\r\n\r\n"));
    let mut bytes = composed.header.clone();
    for segment in &composed.body {
        let before = bytes.len();
        match segment {
            Segment::Bytes(own) => bytes.extend(own),
            Segment::Identity { blob, range } => bytes.extend(stretch(*blob, range)),
            Segment::Base64 {
                blob,
                range,
                encoding,
                ..
            } => {
                let mut encoder = Encoder::new(*encoding);
                for piece in stretch(*blob, range).chunks(11) {
                    bytes.extend(encoder.push(piece));
                }
                bytes.extend(encoder.finish());
            }
        }
        assert_eq!(
            segment.octets(),
            u64::try_from(bytes.len() - before).unwrap()
        );
    }
    assert_eq!(composed.octets(), u64::try_from(bytes.len()).unwrap());
    assert!(Scan::of(&bytes).safe, "{}", String::from_utf8_lossy(&bytes));
    Sent {
        bytes,
        internal_date: composed.internal_date,
    }
}
