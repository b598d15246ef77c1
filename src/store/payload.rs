//! Payloads: the octets behind a message's header, or a part of them, decoded.
//!
//! The whole is read as `BODY[]` from where the header ends: as fast as `BODY[1]`, which is something else of a
//! message/rfc822 and of a broken multipart (Courier), and on Dovecot many times as fast as `BODY[TEXT]`.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Account, Error, beginning::window_of, locate::Located, parts::encoding_of, refusal::Patience,
    structure::Structure, transfer::Source,
};
use crate::{
    imap::{
        self, Item, Lane, SectionName,
        response::{BodyStructure, Code, Fetch},
    },
    message::{self, TransferEncoding},
};

/// Octets of one FETCH that hold nobody up.
pub(super) const SMALL_WINDOW: u64 = 64 << 10;
/// Octets before a window up to which it holds nobody up: a server may have to read them all, a millisecond or so a mebibyte.
const NEAR: u64 = 4 << 20;
/// Deepest part number.
const DEEPEST: usize = 100;

/// Where octets stand, as stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) section: SectionName,
    /// Octets of the section before them.
    pub(super) start: u64,
    /// How many there are, when known exactly.
    pub(super) octets: Option<u64>,
}

/// What is served, and as what.
struct Served {
    source: Source,
    content_type: String,
    /// Octets as served, when known exactly.
    length: Option<u64>,
}

/// A payload, or a part of one, that is there. Its octets have not been asked for.
#[derive(Debug)]
pub struct Payload {
    /// Media type with its parameters.
    pub content_type: String,
    /// Octets that will come, when known exactly.
    pub length: Option<u64>,
    account: Account,
    located: Located,
    source: Source,
}

impl Payload {
    /// Starts to read it, or these octets of one whose length is known. The first are there already, an error among the others ends
    /// them, and the answer must be cut off. The channel is bounded: who takes slowly slows the store.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Busy`] when too much is on its way to clients already.
    pub async fn read(
        self,
        range: Option<Range<u64>>,
    ) -> Result<mpsc::Receiver<Result<Bytes, Error>>, Error> {
        let source = match range {
            Some(range) => self.source.part(range),
            None => self.source,
        };
        self.account.transfer(self.located, source).await
    }
}

impl Account {
    /// The payload of an object: its entity without the message header.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn payload(&self, id: &str) -> Result<Payload, Error> {
        let (located, structure, seen) = self.structure(id).await?;
        self.visible(&seen.flags)?;
        Ok(self.served(located, whole(&structure)))
    }

    /// One part of a payload, decoded: a section number, or a virtual part of a message/cpim.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when the object has no such part.
    pub async fn payload_part(&self, id: &str, part: &str) -> Result<Payload, Error> {
        let (mut located, structure, seen) = self.structure(id).await?;
        self.visible(&seen.flags)?;
        let served = match wrapped(&structure, part) {
            Some(served) => served,
            None => self.section(&mut located, &structure, part).await?,
        };
        Ok(self.served(located, served))
    }

    fn served(&self, located: Located, served: Served) -> Payload {
        let content_type = message::in_ascii(&served.content_type);
        Payload {
            content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            length: served.length,
            account: self.clone(),
            located,
            source: served.source,
        }
    }

    /// `2`, `2.1`: a section of the MIME structure.
    async fn section(
        &self,
        located: &mut Located,
        structure: &Structure,
        part: &str,
    ) -> Result<Served, Error> {
        let path = part_numbers(part).ok_or(Error::NotFound)?;
        let body = structure.body.as_ref().ok_or(Error::NotFound)?;
        let found = find(body, &path).ok_or(Error::NotFound)?;
        // RFC 9051 §6.4.5.1: the only part of a message that is no multipart.
        if let (BodyStructure::Leaf(_), [1]) = (body, path.as_slice()) {
            return Ok(whole(structure));
        }
        let listed = structure.parts.iter().find(|listed| listed.id == part);
        let content_type = match listed {
            Some(listed) => listed.content_type.clone(),
            None => self.content_type(located, path.clone(), found).await?,
        };
        let (encoding, octets) = match found {
            BodyStructure::Multipart { .. } => (TransferEncoding::Identity, None),
            BodyStructure::Leaf(leaf) => (encoding_of(leaf), Some(leaf.octets)),
        };
        let stored = Stored {
            section: SectionName::Part(path),
            start: 0,
            octets: octets.filter(|_| encoding == TransferEncoding::Identity),
        };
        Ok(Served {
            content_type,
            length: stored.octets,
            source: Source::new(&stored, encoding),
        })
    }

    /// Octets of a section of one message; fewer than asked for at its end.
    pub(super) async fn window(
        &self,
        located: &mut Located,
        section: &SectionName,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, Error> {
        let items = [
            Item::Fixed("UID"),
            Item::Partial(section.clone(), offset, length),
        ];
        let lane = if length > SMALL_WINDOW || offset > NEAR {
            Lane::Bulk
        } else {
            Lane::Small
        };
        let fetch = self.fetch_from(lane, located, items.into()).await??;
        window_of(&fetch.ok_or(Error::NotFound)?, section, offset, length)
    }

    /// What a message says that was located a moment ago; `None` when it has gone. Where its mailbox is no longer there, but
    /// elsewhere, it is located again.
    ///
    /// # Errors
    /// Outside, that it cannot be located; inside, what the store did.
    pub(super) async fn fetch_from(
        &self,
        lane: Lane,
        located: &mut Located,
        items: Arc<[Item]>,
    ) -> Result<Result<Option<Fetch>, imap::Error>, Error> {
        let fetch = |located: Located| {
            let items = Arc::clone(&items);
            async move {
                let (mailbox, expected) = (&located.mailbox, &located.expected);
                self.pool
                    .fetch_alone(lane, mailbox, expected, located.uid, items)
                    .await
            }
        };
        let mut fetched = fetch(located.clone()).await;
        let mut turn = None;
        let mut patience = Patience::new(0);
        // Renamed since.
        while let Ok(None)
        | Err(imap::Error::No {
            command: "EXAMINE",
            code: None | Some(Code::NonExistent),
        }) = fetched
        {
            if turn.is_none() {
                // The bridge itself renames nothing meanwhile.
                turn = Some(self.turn_to_change().await?);
            } else if !patience.lag().await {
                break;
            }
            *located = self.located_again(located).await?;
            fetched = fetch(located.clone()).await;
        }
        drop(turn);
        let place = self.place_at(&located.key, located.uid);
        if matches!(fetched, Ok(Some(None))) && self.moved_since(&located.id, Some(&place)).await? {
            *located = self.located_again(located).await?;
            fetched = fetch(located.clone()).await;
        }
        Ok(fetched.map(Option::flatten))
    }
}

fn whole(structure: &Structure) -> Served {
    Served {
        source: Source::new(&structure.stored, structure.encoding),
        content_type: structure.content_type.clone(),
        length: structure.length,
    }
}

/// `1~1`, `1~1.2`: inside a message/cpim, in its decoded octets.
fn wrapped(structure: &Structure, part: &str) -> Option<Served> {
    let wrapped = structure
        .wrapped
        .iter()
        .find(|wrapped| wrapped.id == part)?;
    let start = u64::try_from(wrapped.range.start).ok()?;
    let end = u64::try_from(wrapped.range.end).ok()?;
    // What was not found to its end goes on to the end of what is stored.
    let end = Some(end).filter(|_| !(structure.wrapped_is_cut && wrapped.is_entity()));
    let exact = wrapped.encoding == TransferEncoding::Identity;
    let source = Source::new(&structure.stored, structure.encoding);
    Some(Served {
        source: source.within(start, end, wrapped.encoding),
        content_type: wrapped.content_type.clone(),
        length: end.filter(|_| exact).map(|end| end - start),
    })
}

/// Numbers from 1, without leading zeros or signs, joined by dots.
fn part_numbers(text: &str) -> Option<Vec<u32>> {
    let numbers: Option<Vec<u32>> = text
        .split('.')
        .map(|number| {
            let plain = !number.is_empty()
                && !number.starts_with('0')
                && number.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| number.parse().ok()).flatten()
        })
        .collect();
    numbers.filter(|numbers| numbers.len() <= DEEPEST)
}

/// RFC 9051 §6.4.5.1: numbers count the parts of a multipart; every other message has one part; a message/rfc822 goes on
/// with the numbers of the message in it.
fn find<'a>(body: &'a BodyStructure, path: &[u32]) -> Option<&'a BodyStructure> {
    let (&number, rest) = path.split_first()?;
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let found = match body {
        BodyStructure::Multipart { parts, .. } => parts.get(index)?,
        BodyStructure::Leaf(_) if index == 0 => body,
        BodyStructure::Leaf(_) => return None,
    };
    match (rest, found) {
        ([], _) => Some(found),
        (_, BodyStructure::Multipart { .. }) => find(found, rest),
        (_, BodyStructure::Leaf(leaf)) => find(leaf.message.as_ref()?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::response::Leaf;

    fn leaf(subtype: &str) -> BodyStructure {
        BodyStructure::Leaf(Box::new(Leaf {
            media_type: "text".to_owned(),
            subtype: subtype.to_owned(),
            ..Leaf::default()
        }))
    }

    fn multipart(parts: Vec<BodyStructure>) -> BodyStructure {
        BodyStructure::Multipart {
            subtype: "mixed".to_owned(),
            parameters: Vec::new(),
            parts,
        }
    }

    #[test]
    fn sections_are_found_by_their_numbers() {
        let inner = Leaf {
            message: Some(multipart(vec![leaf("deep")])),
            ..Leaf::default()
        };
        let body = multipart(vec![
            leaf("first"),
            multipart(vec![leaf("nested")]),
            BodyStructure::Leaf(Box::new(inner)),
        ]);
        let subtype = |part: &str| match find(&body, &part_numbers(part)?)? {
            BodyStructure::Leaf(leaf) => Some(leaf.subtype.clone()),
            BodyStructure::Multipart { subtype, .. } => Some(subtype.clone()),
        };
        assert_eq!(subtype("1").as_deref(), Some("first"));
        assert_eq!(subtype("2").as_deref(), Some("mixed"));
        assert_eq!(subtype("2.1").as_deref(), Some("nested"));
        assert_eq!(subtype("3.1").as_deref(), Some("deep"));
        assert_eq!(subtype("4"), None);
        assert_eq!(subtype("1.1"), None);
    }

    #[test]
    fn odd_part_names_are_no_parts() {
        for part in [
            "",
            "0",
            "01",
            "1.",
            ".1",
            "-1",
            "+1",
            "1.0",
            "TEXT",
            "4294967296",
            "1]",
        ] {
            assert_eq!(part_numbers(part), None, "{part}");
        }
        assert_eq!(part_numbers(&vec!["1"; 101].join(".")), None);
    }
}
