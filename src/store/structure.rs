//! What never changes about an object: header, structure, text. Read once, then kept (RFC 9051 §2.3.1.1: a UID's message
//! is immutable).

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};

use super::{Account, Error, locate::Located, measure::asked};
use crate::{
    imap::{
        Command, Completion, Item, SectionName, UidSet,
        fetched::by_uid,
        response::{BodyStructure, Fetch, Leaf, Section},
    },
    message::{self, Attribute, Cpim, Header, TransferEncoding},
};

/// Octets of a header that are read; what lies beyond is not shown.
pub(super) const HEADER_MOST: u64 = 256 << 10;
/// Octets of the body read along with the header: enough for nearly all texts and CPIM headers.
pub(super) const BODY_FIRST: u64 = 12 << 10;
/// Octets of a message/cpim that are searched for the parts of a wrapped multipart.
const CPIM_MOST: u64 = 8 << 20;
/// Octets of one read.
const WINDOW: u64 = 1 << 20;
/// Parts whose size after decoding is asked for.
const SIZES_MOST: usize = 200;

/// What is kept of one message.
#[derive(Debug)]
pub(super) struct Structure {
    pub(super) attributes: Vec<Attribute>,
    pub(super) correlation_id: Option<String>,
    pub(super) correlation_tag: Option<String>,
    /// Media type of the payload, as in the header.
    pub(super) content_type: String,
    /// What is removed from the payload before it is served.
    pub(super) encoding: TransferEncoding,
    /// Octets of the payload as served, when known exactly.
    pub(super) length: Option<u64>,
    /// Whether there is a payload to point to.
    pub(super) has_payload: bool,
    /// What is listed.
    pub(super) parts: Vec<Part>,
    /// What can be fetched, beyond what is listed.
    pub(super) body: Option<BodyStructure>,
    /// The wrapped entity of a message/cpim, in decoded octets.
    pub(super) wrapped: Vec<message::CpimPart>,
}

/// A part as an object lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) content_type: String,
    pub(super) content_id: Option<String>,
    pub(super) content_location: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) size: Option<u64>,
}

/// What one FETCH brought about one object.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) flags: Vec<String>,
    pub(super) mod_seq: Option<u64>,
    pub(super) fetch: Fetch,
}

impl Structure {
    /// How much memory this takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|attribute| {
                96 + attribute.name.len()
                    + attribute
                        .values
                        .iter()
                        .map(|value| 24 + value.len())
                        .sum::<usize>()
            })
            .sum();
        let parts = (self.parts.len() + self.wrapped.len()) * 400
            + self.body.as_ref().map_or(0, |body| 300 * leaves(body));
        500 + attributes + parts
    }
}

/// Everything a cold object needs in one command.
fn everything(mod_seq: bool) -> Arc<[Item]> {
    Arc::new([
        changing(mod_seq),
        Item::Fixed("INTERNALDATE RFC822.SIZE BODYSTRUCTURE"),
        Item::Partial(SectionName::Header, 0, HEADER_MOST),
        Item::Partial(SectionName::Text, 0, BODY_FIRST),
    ])
}

/// What changes.
pub(super) fn changing(mod_seq: bool) -> Item {
    Item::Fixed(if mod_seq {
        "UID FLAGS MODSEQ"
    } else {
        "UID FLAGS"
    })
}

/// What changes, in the session at hand.
pub(super) fn flags_only(located: &Located, mod_seq: bool) -> Command {
    Command::new("UID FETCH")
        .uids(&UidSet::one(located.uid))
        .items(&[changing(mod_seq)])
}

/// The message of that UID among the untagged data. `None` when it does not exist.
pub(super) fn seen(completion: Completion, uid: u32) -> Option<Seen> {
    by_uid(completion.untagged, &[uid])
        .remove(&uid)
        .and_then(Seen::new)
}

impl Seen {
    /// `None` when flags are missing: then nothing was said of the message itself.
    pub(super) fn new(mut fetch: Fetch) -> Option<Self> {
        Some(Self {
            flags: fetch.flags.take()?,
            mod_seq: fetch.mod_seq,
            fetch,
        })
    }
}

impl Account {
    /// The structure of an object, from the cache or from the store.
    pub(super) async fn structure(
        &self,
        id: &str,
    ) -> Result<(Located, Arc<Structure>, Seen), Error> {
        let known = match self.seal.read_object(id) {
            Some(object) => {
                self.store
                    .structures
                    .get(&self.structure_key(&object.mailbox, object.uid))
                    .await
            }
            None => return Err(Error::NotFound),
        };
        asked("structures", known.is_some());
        if let Some(structure) = known {
            let (located, seen) = self.seen(id).await?;
            return Ok((located, structure, seen));
        }
        let mod_seq = self.pool.capabilities()?.mod_seq();
        let (located, fetch) = self.read_object(id, everything(mod_seq)).await?;
        let seen = fetch.and_then(Seen::new).ok_or(Error::NotFound)?;
        let structure = Arc::new(self.read_structure(&located, &seen.fetch).await?);
        let shown = self.shown_key(&located.key);
        self.store
            .structures
            .insert(
                self.structure_key(&shown, located.uid),
                Arc::clone(&structure),
            )
            .await;
        Ok((located, structure, seen))
    }

    /// Where an object is, and what changes about it.
    pub(super) async fn seen(&self, id: &str) -> Result<(Located, Seen), Error> {
        let items = Arc::new([changing(self.pool.capabilities()?.mod_seq())]);
        let (located, fetch) = self.read_object(id, items).await?;
        let seen = fetch.and_then(Seen::new).ok_or(Error::NotFound)?;
        Ok((located, seen))
    }

    fn structure_key(
        &self,
        mailbox: &super::id::MailboxKey,
        uid: u32,
    ) -> (String, super::id::MailboxKey, u32) {
        (self.login.clone(), mailbox.clone(), uid)
    }

    async fn read_structure(&self, located: &Located, fetch: &Fetch) -> Result<Structure, Error> {
        let header_bytes = section(fetch, "HEADER").unwrap_or_default();
        let first = section(fetch, "TEXT").unwrap_or_default();
        let header = Header::parse(header_bytes);
        let content_type = header.content_type();
        let raw_type = content_type
            .as_ref()
            .map_or("text/plain".to_owned(), |media| media.text.clone());
        let essence = content_type
            .as_ref()
            .map_or("text/plain".to_owned(), |media| {
                media.media_type.to_ascii_lowercase()
            });
        let multipart = essence.starts_with("multipart/");
        let encoding = if multipart {
            TransferEncoding::Identity
        } else {
            header.transfer_encoding()
        };
        let octets = body_octets(fetch, header_bytes.len());

        let internal_date = fetch.internal_date.as_deref().and_then(internal_date);
        let mut text = None;
        let mut cpim = None;
        let mut cpim_bytes = Vec::new();
        if essence == "text/plain" {
            let charset = content_type
                .as_ref()
                .and_then(|media| media.parameter("charset"));
            text = self
                .text(located, first, octets, encoding)
                .await?
                .map(|bytes| message::text(&bytes, charset));
        } else if essence == "message/cpim" {
            cpim_bytes = self.cpim_bytes(located, first, octets, encoding).await?;
            let complete = octets.is_some_and(|octets| octets <= CPIM_MOST);
            cpim = Cpim::parse(&cpim_bytes);
            text = cpim
                .as_ref()
                .and_then(Cpim::text_content)
                .filter(|text| complete && text.len() <= self.store.objects.text_content_max);
        }
        let inlined = essence == "text/plain" && text.is_some();
        let empty = first.is_empty();
        let body = fetch.body_structure.clone();
        let wrapped = cpim
            .as_ref()
            .map_or_else(Vec::new, |cpim| cpim.parts().to_vec());
        let parts = match (&cpim, &body) {
            _ if inlined || empty => Vec::new(),
            (Some(_), _) => wrapped
                .iter()
                .filter(|part| part.first_level)
                .map(|part| virtual_part(part, &cpim_bytes))
                .collect(),
            (None, Some(BodyStructure::Multipart { parts, .. })) if multipart => {
                self.parts(located, parts).await?
            }
            _ => Vec::new(),
        };
        Ok(Structure {
            attributes: message::attributes(&header, internal_date, cpim.as_ref(), text.as_deref()),
            correlation_id: header.correlation_id(),
            correlation_tag: header.correlation_tag(),
            content_type: raw_type,
            encoding,
            length: payload_length(encoding, octets, first),
            has_payload: !inlined && !empty,
            parts,
            body,
            wrapped,
        })
    }

    /// The decoded octets of a text that is short enough to be shown; `None` for a longer one, or an empty one.
    async fn text(
        &self,
        located: &Located,
        first: &[u8],
        octets: Option<u64>,
        encoding: TransferEncoding,
    ) -> Result<Option<Vec<u8>>, Error> {
        let most = self.store.objects.text_content_max;
        let octets = octets.unwrap_or(u64::MAX);
        // RFC 2045 §6.7: at worst three octets, and a soft line break each 76, stand for one.
        let encoded_most = u64::try_from(most).unwrap_or(u64::MAX).saturating_mul(4);
        let bytes = if octets <= BODY_FIRST {
            message::decode(encoding, first)
        } else if octets > encoded_most {
            return Ok(None);
        } else {
            message::decode(encoding, &self.body(located, encoded_most).await?)
        };
        Ok((!bytes.is_empty() && bytes.len() <= most).then_some(bytes))
    }

    /// Decoded octets of a message/cpim: as much as finding its parts takes.
    async fn cpim_bytes(
        &self,
        located: &Located,
        first: &[u8],
        octets: Option<u64>,
        encoding: TransferEncoding,
    ) -> Result<Vec<u8>, Error> {
        if octets.is_some_and(|octets| octets <= BODY_FIRST) {
            return Ok(message::decode(encoding, first));
        }
        Ok(message::decode(
            encoding,
            &self.body(located, CPIM_MOST).await?,
        ))
    }

    /// The first octets of the body.
    async fn body(&self, located: &Located, most: u64) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        loop {
            let offset = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let length = WINDOW.min(most.saturating_sub(offset));
            if length == 0 {
                return Ok(body);
            }
            let window = self
                .window(located, &SectionName::Text, offset, length)
                .await?;
            body.extend_from_slice(&window);
            if u64::try_from(window.len()).is_ok_and(|got| got < length) {
                return Ok(body);
            }
        }
    }

    /// The first level of a multipart, with sizes after decoding (product: identity encodings exact; else BINARY.SIZE, else
    /// estimated for base64 and left out for quoted-printable).
    async fn parts(&self, located: &Located, parts: &[BodyStructure]) -> Result<Vec<Part>, Error> {
        let encoded: Vec<SectionName> = (1..)
            .zip(parts)
            .filter(|(_, part)| matches!(part, BodyStructure::Leaf(leaf) if encoding_of(leaf) != TransferEncoding::Identity))
            .map(|(number, _)| SectionName::Part(vec![number]))
            .take(SIZES_MOST)
            .collect();
        let mut sizes = Vec::new();
        if !encoded.is_empty() && self.pool.capabilities()?.binary() {
            let items = std::iter::once(Item::Fixed("UID"))
                .chain(encoded.into_iter().map(Item::BinarySize))
                .collect();
            let (mailbox, expected) = (&located.mailbox, &located.expected);
            match self.pool.fetch(mailbox, expected, located.uid, items).await {
                Ok(fetch) => {
                    let fetch = fetch.flatten();
                    sizes = fetch.map_or_else(Vec::new, |fetch| fetch.binary_sizes);
                }
                // RFC 3516 §4.3: a part whose encoding the server does not know has no size; that is no fault of the object.
                Err(crate::imap::Error::No { .. } | crate::imap::Error::Bad(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((1_u32..)
            .zip(parts)
            .map(|(number, part)| {
                let id = number.to_string();
                let size = sizes
                    .iter()
                    .find(|(section, _)| *section == id)
                    .map(|(_, size)| *size);
                listed_part(id, part, size)
            })
            .collect())
    }
}

/// Octets of a payload as it is served, when known exactly.
fn payload_length(encoding: TransferEncoding, octets: Option<u64>, first: &[u8]) -> Option<u64> {
    let octets = octets?;
    if encoding == TransferEncoding::Identity {
        return Some(octets);
    }
    // All of it may be at hand, and then so is its length after decoding.
    let whole = octets <= BODY_FIRST && u64::try_from(first.len()) == Ok(octets);
    whole
        .then(|| u64::try_from(message::decode(encoding, first).len()).ok())
        .flatten()
}

fn listed_part(id: String, part: &BodyStructure, size: Option<u64>) -> Part {
    match part {
        BodyStructure::Multipart { .. } => Part {
            id,
            content_type: content_type_of(part),
            content_id: None,
            content_location: None,
            content_disposition: None,
            size: None,
        },
        BodyStructure::Leaf(leaf) => Part {
            id,
            content_type: content_type_of(part),
            content_id: leaf
                .id
                .as_deref()
                .map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
            content_location: leaf.location.clone(),
            content_disposition: leaf
                .disposition
                .as_ref()
                .map(|(kind, parameters)| with_parameters(kind.clone(), parameters)),
            size: size.or(match encoding_of(leaf) {
                TransferEncoding::Identity => Some(leaf.octets),
                TransferEncoding::Base64 => Some(base64_size(leaf.octets)),
                TransferEncoding::QuotedPrintable => None,
            }),
        },
    }
}

/// A part inside a message/cpim; its bytes are at hand, so its size is exact.
fn virtual_part(part: &message::CpimPart, cpim: &[u8]) -> Part {
    let bytes = cpim.get(part.range.clone()).unwrap_or_default();
    Part {
        id: part.id.clone(),
        content_type: part.content_type.clone(),
        content_id: part.content_id.clone(),
        content_location: part.content_location.clone(),
        content_disposition: part.content_disposition.clone(),
        size: u64::try_from(message::decode(part.encoding, bytes).len()).ok(),
    }
}

/// As for lines of 76 characters and CR LF (RFC 2045 §6.8): 57 octets each.
fn base64_size(octets: u64) -> u64 {
    let rest = octets % 78;
    octets / 78 * 57 + rest.saturating_sub(if rest > 2 { 2 } else { rest }) / 4 * 3
}

/// Media type with its parameters, as a header would have it.
pub(super) fn content_type_of(part: &BodyStructure) -> String {
    match part {
        BodyStructure::Multipart {
            subtype,
            parameters,
            ..
        } => with_parameters(format!("multipart/{subtype}"), parameters),
        BodyStructure::Leaf(leaf) => with_parameters(
            format!("{}/{}", leaf.media_type, leaf.subtype),
            &leaf.parameters,
        ),
    }
}

fn with_parameters(mut text: String, parameters: &[(String, String)]) -> String {
    for (name, value) in parameters {
        // RFC 2045 §5.1: a token stands as it is, anything else is quoted.
        let token = !value.is_empty()
            && value
                .bytes()
                .all(|byte| matches!(byte, b'!'..=b'~') && !b"()<>@,;:\\\"/[]?=".contains(&byte));
        let value = if token {
            value.clone()
        } else {
            format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
        text.push_str(&format!("; {name}={value}"));
    }
    text
}

pub(super) fn encoding_of(leaf: &Leaf) -> TransferEncoding {
    TransferEncoding::parse(&leaf.encoding)
}

/// Octets of the body, exactly: of a leaf as its structure says, of a multipart what the header leaves of the whole.
fn body_octets(fetch: &Fetch, header: usize) -> Option<u64> {
    let header = u64::try_from(header)
        .ok()
        .filter(|header| *header < HEADER_MOST)?;
    fetch.size?.checked_sub(header)
}

/// The bytes of a section by its name.
fn section<'a>(fetch: &'a Fetch, name: &str) -> Option<&'a [u8]> {
    let section: &Section = fetch.sections.iter().find(|section| section.name == name)?;
    section.bytes.as_deref()
}

/// RFC 9051 §9, `date-time`: ` 1-Jul-2026 10:20:30 +0200`.
fn internal_date(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_str(text.trim(), "%e-%b-%Y %H:%M:%S %z").ok()
}

fn leaves(body: &BodyStructure) -> usize {
    match body {
        BodyStructure::Multipart { parts, .. } => 1 + parts.iter().map(leaves).sum::<usize>(),
        BodyStructure::Leaf(leaf) => 1 + leaf.message.as_ref().map_or(0, leaves),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_of_one_and_two_digits_are_read() {
        assert_eq!(
            internal_date(" 1-Jul-2026 10:20:30 +0200")
                .unwrap()
                .to_rfc3339(),
            "2026-07-01T10:20:30+02:00"
        );
        assert_eq!(
            internal_date("22-Nov-2026 13:44:29 +0000")
                .unwrap()
                .to_rfc3339(),
            "2026-11-22T13:44:29+00:00"
        );
    }

    #[test]
    fn base64_is_sized_as_lines_of_76_characters() {
        assert_eq!(base64_size(0), 0);
        assert_eq!(base64_size(78), 57);
        assert_eq!(base64_size(78 * 10 + 6), 573);
    }

    #[test]
    fn parameters_are_quoted_when_they_are_no_token() {
        let parameters = [
            ("name".to_owned(), "a \"b\".jpg".to_owned()),
            ("charset".to_owned(), "utf-8".to_owned()),
        ];
        assert_eq!(
            with_parameters("image/jpeg".to_owned(), &parameters),
            r#"image/jpeg; name="a \"b\".jpg"; charset=utf-8"#
        );
    }
}
