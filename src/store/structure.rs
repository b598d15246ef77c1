//! What never changes about an object: header, structure, text. Read once, then kept (RFC 9051 §2.3.1.1: a UID's message
//! is immutable).

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};

use super::{
    Account, Error,
    beginning::Beginning,
    id::{MailboxKey, ObjectId},
    locate::Located,
    measure::asked,
    parts::{Part, content_type_of, encoding_of, virtual_part},
    payload::Stored,
};
use crate::{
    imap::{
        Command, Completion, Item, UidSet,
        fetched::by_uid,
        response::{BodyStructure, Fetch},
    },
    message::{self, Attribute, ContentType, Cpim, CpimPart, Header, TransferEncoding},
};

/// Octets of a message/cpim that are searched for the parts of a wrapped multipart.
const CPIM_MOST: u64 = 8 << 20;
/// Octets of one read.
const WINDOW: u64 = 1 << 20;

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
    /// Where the payload is.
    pub(super) stored: Stored,
    /// What can be fetched, beyond what is listed.
    pub(super) body: Option<BodyStructure>,
    /// The wrapped entity of a message/cpim, in decoded octets.
    pub(super) wrapped: Vec<CpimPart>,
    /// Whether there are more octets than those in which it was found: it ends where they do.
    pub(super) wrapped_is_cut: bool,
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
        let parts: usize = self.parts.iter().map(Part::weight).sum();
        let body = self.body.as_ref().map_or(0, leaves);
        let more = self.wrapped.len() * 400 + body * 300;
        500 + attributes + parts + more
    }
}

/// Everything a cold object needs in one command.
pub(super) fn everything(mod_seq: bool) -> Arc<[Item]> {
    changing(mod_seq)
        .into_iter()
        .chain([
            Item::Fixed("INTERNALDATE RFC822.SIZE BODYSTRUCTURE"),
            Beginning::item(),
        ])
        .collect()
}

/// What changes.
pub(super) fn changing(mod_seq: bool) -> Vec<Item> {
    std::iter::once(Item::Fixed("UID FLAGS"))
        .chain(mod_seq.then_some(Item::ModSeq))
        .collect()
}

/// What changes, in the session at hand.
///
/// # Errors
/// [`Error::NotFound`] when there is no such message, [`Error::Upstream`] when the store speaks of it, but does not say that.
pub(super) fn seen(completion: Completion, uid: u32, items: &[Item]) -> Result<Seen, Error> {
    Seen::of(by_uid(completion.untagged, &[uid], items)?.remove(&uid))
}

/// The command for it.
pub(super) fn flags_only(located: &Located, items: &[Item]) -> Command {
    Command::new("UID FETCH")
        .uids(&UidSet::one(located.uid))
        .items(items)
}

impl Seen {
    /// `None` when nothing was said of flags.
    pub(super) fn new(mut fetch: Fetch) -> Option<Self> {
        Some(Self {
            flags: fetch.flags.take()?,
            mod_seq: fetch.mod_seq,
            fetch,
        })
    }

    /// What a message has said that was asked for its flags.
    pub(super) fn of(fetch: Option<Fetch>) -> Result<Self, Error> {
        let flagless = || Error::Upstream("FETCH data without FLAGS".to_owned());
        Self::new(fetch.ok_or(Error::NotFound)?).ok_or_else(flagless)
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
                    .get(&self.structure_key(&object))
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
        let (mut located, fetch) = self.read_object(id, everything(mod_seq)).await?;
        let mut seen = Seen::of(fetch)?;
        let fetch = std::mem::take(&mut seen.fetch);
        let structure = self.structure_of(&mut located, fetch).await?;
        Ok((located, structure, seen))
    }

    /// The structure of an object, from the cache alone.
    pub(super) async fn known_structure(
        &self,
        key: &MailboxKey,
        uid: u32,
    ) -> Option<Arc<Structure>> {
        let key = self.structure_key(&self.id_of(self.place_at(key, uid)));
        let known = self.store.structures.get(&key).await;
        asked("structures", known.is_some());
        known
    }

    /// The structure of a message that was fetched with [`everything`]; kept from now on.
    pub(super) async fn structure_of(
        &self,
        located: &mut Located,
        fetch: Fetch,
    ) -> Result<Arc<Structure>, Error> {
        let structure = Arc::new(Box::pin(self.read_structure(located, fetch)).await?);
        let key = self.structure_key(&located.id);
        self.store
            .structures
            .insert(key, Arc::clone(&structure))
            .await;
        Ok(structure)
    }

    /// Where an object is, and what changes about it.
    pub(super) async fn seen(&self, id: &str) -> Result<(Located, Seen), Error> {
        let items = changing(self.pool.capabilities()?.mod_seq()).into();
        let (located, fetch) = self.read_object(id, items).await?;
        Ok((located, Seen::of(fetch)?))
    }

    /// By what it is known by, which a move leaves as it is.
    fn structure_key(&self, id: &ObjectId) -> (String, MailboxKey, u32) {
        (self.login.clone(), id.mailbox.clone(), id.uid)
    }

    async fn read_structure(
        &self,
        located: &mut Located,
        mut fetch: Fetch,
    ) -> Result<Structure, Error> {
        // One that cannot be read is none: everything else about the message is still known.
        let body = fetch.body_structure.take().and_then(Result::ok);
        let beginning = self.beginning(located, &fetch).await?;
        let header = beginning.header();
        let entity = Entity::new(&header, beginning.header_is_cut(), body.as_ref());
        let stored = beginning.stored(body.as_ref());
        let empty = stored.octets == Some(0);
        let content = self.content(located, &beginning, &entity, &stored);
        let Content {
            text,
            cpim,
            bytes,
            cut,
        } = content.await?;
        let wrapped = cpim
            .as_ref()
            .map_or_else(Vec::new, |cpim| found_whole(cpim, bytes.len(), cut));
        let inlined = entity.is("text/plain") && text.is_some();
        let parts = match (&cpim, &body) {
            _ if inlined || empty => Some(Vec::new()),
            (Some(_), _) => Some(virtual_parts(&wrapped, &bytes, cut)),
            (None, Some(BodyStructure::Multipart { parts, .. })) if entity.is_multipart() => {
                let boundary = entity.parameter("boundary");
                self.parts(located, &beginning, boundary, parts).await?
            }
            // A multipart in which the store has found no parts.
            (None, _) if entity.is_multipart() => None,
            (None, _) => Some(Vec::new()),
        };
        let internal_date = fetch.internal_date.as_deref().and_then(internal_date);
        let mut attributes =
            message::attributes(&header, internal_date, cpim.as_ref(), text.as_deref());
        entity.show(&mut attributes);
        Ok(Structure {
            attributes,
            correlation_id: header.correlation_id(),
            correlation_tag: header.correlation_tag(),
            length: entity.length(&beginning, &stored),
            content_type: entity.content_type,
            encoding: entity.encoding,
            has_payload: !inlined && !empty,
            stored,
            body: body.filter(|_| parts.is_some()),
            parts: parts.unwrap_or_default(),
            wrapped,
            wrapped_is_cut: cut,
        })
    }

    /// What is shown of a body: the text of a short one, what a message/cpim wraps.
    async fn content(
        &self,
        located: &mut Located,
        beginning: &Beginning,
        entity: &Entity,
        stored: &Stored,
    ) -> Result<Content, Error> {
        let most = self.store.objects.text_content_max;
        let mut content = Content::default();
        if entity.is("text/plain") {
            // RFC 2045 §6.7: at worst three octets, and a soft line break each 76, stand for one.
            let encoded_most = u64::try_from(most).unwrap_or(u64::MAX).saturating_mul(4);
            let short = stored.octets.is_some_and(|octets| octets <= encoded_most);
            if beginning.is_whole() || short {
                let bytes = self
                    .decoded(located, beginning, entity, stored, encoded_most)
                    .await?;
                content.text = (bytes.len() <= most)
                    .then(|| message::text(&bytes, entity.parameter("charset")))
                    .filter(|text| !text.is_empty());
            }
        } else if entity.is("message/cpim") {
            content.cut = stored.octets.is_none_or(|octets| octets > CPIM_MOST);
            content.bytes = self
                .decoded(located, beginning, entity, stored, CPIM_MOST)
                .await?;
            content.cpim = Cpim::parse(&content.bytes);
            content.text = content
                .cpim
                .as_ref()
                .and_then(Cpim::text_content)
                .filter(|text| !content.cut && !text.is_empty() && text.len() <= most);
        }
        Ok(content)
    }

    /// The decoded body, of at most so many octets encoded.
    async fn decoded(
        &self,
        located: &mut Located,
        beginning: &Beginning,
        entity: &Entity,
        stored: &Stored,
        most: u64,
    ) -> Result<Vec<u8>, Error> {
        if beginning.is_whole() {
            return Ok(message::decode(entity.encoding, beginning.body()));
        }
        let most = stored.octets.map_or(most, |octets| octets.min(most));
        // Once as it is stored, and once decoded.
        let _room = self.room(most.saturating_mul(2)).await?;
        let mut body = Vec::new();
        loop {
            let read = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let length = WINDOW.min(most.saturating_sub(read));
            if length == 0 {
                break;
            }
            let window = self
                .window(located, &stored.section, stored.start + read, length)
                .await?;
            body.extend_from_slice(&window);
            if u64::try_from(window.len()).is_ok_and(|got| got < length) {
                if stored.octets.is_some() {
                    return Err(Error::Upstream("a body is shorter than it was".to_owned()));
                }
                break;
            }
        }
        Ok(message::decode(entity.encoding, &body))
    }
}

/// What is shown of a body.
#[derive(Debug, Default)]
struct Content {
    text: Option<String>,
    cpim: Option<Cpim>,
    /// The decoded octets that were searched for it.
    bytes: Vec<u8>,
    /// Whether there are more.
    cut: bool,
}

/// What kind of entity a message is.
#[derive(Debug)]
struct Entity {
    /// Media type with its parameters, as in the header.
    content_type: String,
    media: Option<ContentType>,
    encoding: TransferEncoding,
    /// Whether the header does not say so as far as it was read.
    told_by_structure: bool,
}

impl Entity {
    /// From the header; where that was not read to its end and does not say, from the structure.
    fn new(header: &Header, cut: bool, structure: Option<&BodyStructure>) -> Self {
        let structure = structure.filter(|_| cut && header.first("Content-Type").is_none());
        let media = match structure {
            Some(structure) => ContentType::parse(&content_type_of(structure)),
            None => header.content_type(),
        };
        let encoding = match structure {
            Some(BodyStructure::Leaf(leaf)) => encoding_of(leaf),
            Some(BodyStructure::Multipart { .. }) | None => header.transfer_encoding(),
        };
        let multipart = media.as_ref().is_some_and(ContentType::is_multipart);
        Self {
            content_type: media
                .as_ref()
                .map_or("text/plain".to_owned(), |media| media.text.clone()),
            // RFC 2045 §6.4: a multipart has no transfer encoding to take off, whatever it claims.
            encoding: if multipart {
                TransferEncoding::Identity
            } else {
                encoding
            },
            media,
            told_by_structure: structure.is_some(),
        }
    }

    /// RFC 2045 §5.2: what has no type is plain text.
    fn is(&self, media_type: &str) -> bool {
        self.media
            .as_ref()
            .map_or(media_type == "text/plain", |media| media.is(media_type))
    }

    fn is_multipart(&self) -> bool {
        self.media.as_ref().is_some_and(ContentType::is_multipart)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.media.as_ref()?.parameter(name)
    }

    /// Shows the media type that the header did not show.
    fn show(&self, attributes: &mut Vec<Attribute>) {
        if self.told_by_structure {
            attributes.push(Attribute {
                name: "Content-Type".to_owned(),
                values: vec![message::decoded_parameters(&self.content_type)],
            });
        }
    }

    /// Octets of the payload as it is served, when known exactly.
    fn length(&self, beginning: &Beginning, stored: &Stored) -> Option<u64> {
        if self.encoding == TransferEncoding::Identity {
            return stored.octets;
        }
        // All of it may be at hand, and then so is its length after decoding.
        beginning
            .is_whole()
            .then(|| message::decode(self.encoding, beginning.body()).len())
            .and_then(|length| u64::try_from(length).ok())
    }
}

/// The wrapped entity, and the parts in it whose ends were found.
fn found_whole(cpim: &Cpim, octets: usize, cut: bool) -> Vec<CpimPart> {
    let parts = cpim.parts().iter();
    let found = parts.filter(|part| !cut || part.range.end < octets || part.is_entity());
    found.cloned().collect()
}

fn virtual_parts(wrapped: &[CpimPart], bytes: &[u8], cut: bool) -> Vec<Part> {
    let listed = wrapped.iter().filter(|part| part.first_level);
    let part = |part: &CpimPart| {
        let mut listed = virtual_part(part, bytes);
        if cut && part.is_entity() {
            listed.size = None;
        }
        listed
    };
    listed.map(part).collect()
}

/// RFC 9051 §9, `date-time`: ` 1-Jul-2026 10:20:30 +0200`.
pub(super) fn internal_date(text: &str) -> Option<DateTime<FixedOffset>> {
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
}
