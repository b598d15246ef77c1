//! Payloads: windows of a partial FETCH, decoded on the way, as fast as the client reads and no faster.
//!
//! Each window is a request of its own, so that a download holds no connection while its client is slow. The first window
//! is read before anything is answered; an error later on cuts the answer off.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Account, Error, Payload,
    locate::Located,
    structure::{Structure, content_type_of, encoding_of},
};
use crate::{
    imap::{self, Item, Lane, SectionName, response::BodyStructure},
    message::{Decoder, TransferEncoding},
    task,
};

/// Octets of one FETCH.
const WINDOW: u64 = 512 << 10;
/// Octets of one FETCH that hold nobody up.
const SMALL_WINDOW: u64 = 64 << 10;
/// Windows that wait for the client.
const AHEAD: usize = 1;
/// Deepest part number.
const DEEPEST: usize = 100;

/// What is read, and what is done to it.
#[derive(Debug, Clone)]
struct Source {
    section: SectionName,
    /// Removed first.
    outer: TransferEncoding,
    /// Cut out then: a part inside a message/cpim.
    range: Option<Range<u64>>,
    /// Removed last.
    inner: TransferEncoding,
    /// Octets on the wire, when known exactly.
    octets: Option<u64>,
}

impl Account {
    /// The payload of an object: its entity without the message header.
    ///
    /// # Errors
    /// [`Error::NotFound`]; an empty object has no payload.
    pub async fn payload(&self, id: &str) -> Result<Payload, Error> {
        let (located, structure, seen) = self.structure(id).await?;
        self.visible(&seen.flags)?;
        let octets = if structure.encoding == TransferEncoding::Identity {
            structure.length
        } else {
            None
        };
        let source = Source {
            section: SectionName::Text,
            outer: structure.encoding,
            range: None,
            inner: TransferEncoding::Identity,
            octets,
        };
        self.stream(
            located,
            source,
            structure.content_type.clone(),
            structure.length,
        )
        .await
    }

    /// One part of a payload, decoded: a section number, or a virtual part of a message/cpim.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the object has no such part.
    pub async fn payload_part(&self, id: &str, part: &str) -> Result<Payload, Error> {
        let (located, structure, seen) = self.structure(id).await?;
        self.visible(&seen.flags)?;
        let (source, content_type) = virtual_source(&structure, part)
            .or_else(|| section_source(&structure, part))
            .ok_or(Error::NotFound)?;
        let identity = source.outer == TransferEncoding::Identity
            && source.inner == TransferEncoding::Identity;
        let length = match &source.range {
            Some(range) if source.inner == TransferEncoding::Identity => {
                Some(range.end - range.start)
            }
            Some(_) => None,
            None if identity => source.octets,
            None => None,
        };
        self.stream(located, source, content_type, length).await
    }

    /// Starts the stream with its first window.
    async fn stream(
        &self,
        located: Located,
        source: Source,
        content_type: String,
        length: Option<u64>,
    ) -> Result<Payload, Error> {
        let mut reader = Reader::new(self.clone(), located, source);
        let first = reader.next().await?;
        let (sender, chunks) = mpsc::channel(AHEAD);
        if let Some(first) = first {
            // The channel has room for it.
            let _ = sender.try_send(Ok(first));
            task::spawn(Box::pin(async move {
                loop {
                    let chunk = match reader.next().await {
                        Ok(Some(chunk)) => Ok(chunk),
                        Ok(None) => return,
                        Err(error) => Err(error),
                    };
                    let failed = chunk.is_err();
                    // A closed channel: the client has gone.
                    if sender.send(chunk).await.is_err() || failed {
                        return;
                    }
                }
            }));
        }
        Ok(Payload {
            content_type,
            length,
            chunks,
        })
    }

    /// Octets of a section of one message; fewer than asked for at its end.
    pub(super) async fn window(
        &self,
        located: &Located,
        section: &SectionName,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, Error> {
        let name = section.to_string();
        let items = Arc::new([
            Item::Fixed("UID"),
            Item::Partial(section.clone(), offset, length),
        ]);
        let lane = if length > SMALL_WINDOW {
            Lane::Bulk
        } else {
            Lane::Small
        };
        let fetch = |located: Located, items| async move {
            let (mailbox, expected) = (&located.mailbox, &located.expected);
            self.pool
                .fetch_alone(lane, mailbox, expected, located.uid, items)
                .await
        };
        let fetched = match fetch(located.clone(), Arc::clone(&items) as _).await {
            // Renamed since it was located.
            Ok(None)
            | Err(imap::Error::No {
                command: "EXAMINE", ..
            }) => fetch(self.located_again(located).await?, items).await,
            fetched => fetched,
        };
        let fetch = fetched?.flatten().ok_or(Error::NotFound)?;
        let section = fetch
            .sections
            .into_iter()
            .find(|section| section.name == name && !section.binary);
        section
            .map(|section| section.bytes.unwrap_or_default())
            .ok_or(Error::NotFound)
    }
}

/// Reads a source window by window.
struct Reader {
    account: Account,
    located: Located,
    source: Source,
    offset: u64,
    ended: bool,
    /// Octets after the outer decoder that were passed on or skipped.
    decoded: u64,
    outer: Option<Decoder>,
    inner: Option<Decoder>,
}

impl Reader {
    fn new(account: Account, located: Located, source: Source) -> Self {
        // With an identity encoding the range can be fetched as such.
        let direct = source.outer == TransferEncoding::Identity;
        let offset = source
            .range
            .as_ref()
            .filter(|_| direct)
            .map_or(0, |range| range.start);
        let outer = (!direct).then(|| Decoder::new(source.outer));
        let inner =
            (source.inner != TransferEncoding::Identity).then(|| Decoder::new(source.inner));
        Self {
            account,
            located,
            offset,
            ended: false,
            decoded: offset,
            outer,
            inner,
            source,
        }
    }

    /// The next octets for the client; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let end = match (&self.source.range, &self.outer) {
                (Some(range), None) => Some(range.end),
                _ => self.source.octets,
            };
            let wanted = end.map_or(WINDOW, |end| WINDOW.min(end.saturating_sub(self.offset)));
            let window = if wanted == 0 {
                Bytes::new()
            } else {
                self.account
                    .window(&self.located, &self.source.section, self.offset, wanted)
                    .await?
            };
            let got = u64::try_from(window.len()).unwrap_or(u64::MAX);
            self.offset += got;
            self.ended = got < wanted || Some(self.offset) == end || wanted == 0;
            if self.ended && end.is_some_and(|end| self.offset < end) {
                // Shorter than the store has said: never a whole answer.
                return Err(Error::Upstream(
                    "a section is shorter than its structure says".to_owned(),
                ));
            }
            let bytes = self.decode(window);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn decode(&mut self, window: Bytes) -> Bytes {
        let ended = self.ended;
        let decoded = through(&mut self.outer, window, ended);
        let cut = match &self.source.range {
            None => decoded,
            Some(range) => {
                let start = self.decoded;
                let length = u64::try_from(decoded.len()).unwrap_or(u64::MAX);
                self.decoded += length;
                let within = |position: u64| {
                    usize::try_from(position.saturating_sub(start).min(length))
                        .unwrap_or(usize::MAX)
                };
                if self.decoded >= range.end {
                    self.ended = true;
                }
                decoded.slice(within(range.start)..within(range.end))
            }
        };
        let ended = self.ended;
        through(&mut self.inner, cut, ended)
    }
}

/// Through a decoder if there is one, and out of it at the end.
fn through(decoder: &mut Option<Decoder>, bytes: Bytes, ended: bool) -> Bytes {
    let Some(stage) = decoder else { return bytes };
    let mut decoded = stage.push(&bytes);
    if ended && let Some(stage) = decoder.take() {
        decoded.extend_from_slice(&stage.finish());
    }
    Bytes::from(decoded)
}

/// `1~1`, `1~1.2`: inside a message/cpim, in its decoded octets.
fn virtual_source(structure: &Structure, part: &str) -> Option<(Source, String)> {
    let wrapped = structure
        .wrapped
        .iter()
        .find(|wrapped| wrapped.id == part)?;
    let start = u64::try_from(wrapped.range.start).ok()?;
    let end = u64::try_from(wrapped.range.end).ok()?;
    let source = Source {
        section: SectionName::Text,
        outer: structure.encoding,
        range: Some(start..end),
        inner: wrapped.encoding,
        octets: None,
    };
    Some((source, wrapped.content_type.clone()))
}

/// `2`, `2.1`: a section of the MIME structure.
fn section_source(structure: &Structure, part: &str) -> Option<(Source, String)> {
    let path = part_numbers(part)?;
    let found = find(structure.body.as_ref()?, &path)?;
    let (encoding, octets) = match found {
        BodyStructure::Multipart { .. } => (TransferEncoding::Identity, None),
        BodyStructure::Leaf(leaf) => (encoding_of(leaf), Some(leaf.octets)),
    };
    let source = Source {
        section: SectionName::Part(path),
        outer: encoding,
        range: None,
        inner: TransferEncoding::Identity,
        octets: octets.filter(|_| encoding == TransferEncoding::Identity),
    };
    Some((source, content_type_of(found)))
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
