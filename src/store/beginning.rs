//! The first octets of a message, read along with all else about it: its header, and often all of its body.
//!
//! They are read as `BODY[]`, and so is the payload: of that Dovecot reads what is asked for, of `BODY[TEXT]` the whole
//! message each time. Where the header ends is found here; servers that see no end of it differ about what is text then.

use bytes::Bytes;

use super::{Account, Error, locate::Located, payload::Stored};
use crate::{
    imap::{
        Item, SectionName,
        response::{BodyStructure, Fetch},
    },
    message::Header,
};

/// Octets of a message read along with its flags and structure: enough for nearly all headers with texts or CPIM headers.
const FIRST: u64 = 16 << 10;
/// Octets of a header that are read; what lies beyond is not shown.
const HEADER_MOST: u64 = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Beginning {
    bytes: Bytes,
    /// Where the body begins in them; `None` when that lies beyond.
    body_at: Option<usize>,
    /// Whether they are the whole message.
    whole: bool,
    /// Octets of the message.
    size: u64,
}

impl Beginning {
    /// What is fetched of it.
    pub(super) fn item() -> Item {
        Item::Partial(SectionName::Whole, 0, FIRST)
    }

    /// Whether the message has more to say about itself than is read.
    pub(super) fn header_is_cut(&self) -> bool {
        self.body_at.is_none()
    }

    /// The header, as much of it as was read.
    pub(super) fn header(&self) -> Header {
        let header = self.body_at.and_then(|end| self.bytes.get(..end));
        Header::parse(header.unwrap_or(&self.bytes))
    }

    /// The first octets of the body.
    pub(super) fn body(&self) -> &[u8] {
        self.body_at
            .and_then(|start| self.bytes.get(start..))
            .unwrap_or_default()
    }

    /// Whether that is the whole body.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Octets of the message.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Where the body stands.
    pub(super) fn stored(&self, structure: Option<&BodyStructure>) -> Stored {
        match self.body_at.and_then(|start| u64::try_from(start).ok()) {
            Some(start) => Stored {
                section: SectionName::Whole,
                start,
                octets: Some(self.size.saturating_sub(start)),
            },
            None => Stored {
                section: SectionName::Text,
                start: 0,
                octets: match structure {
                    Some(BodyStructure::Leaf(leaf)) => Some(leaf.octets),
                    Some(BodyStructure::Multipart { .. }) | None => None,
                },
            },
        }
    }
}

impl Account {
    /// The beginning of a message that was fetched with [`Beginning::item`]; the rest of its header is read if need be.
    pub(super) async fn beginning(
        &self,
        located: &mut Located,
        fetch: &Fetch,
    ) -> Result<Beginning, Error> {
        let part = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut bytes = window_of(fetch, &SectionName::Whole, 0, FIRST)?;
        let announced = fetch.size.unwrap_or_default();
        // A short answer is the end, whatever was announced: the octets that came are counted, not believed.
        let mut ended = part(&bytes) < FIRST || part(&bytes) == announced;
        if !ended && Header::end(&bytes).is_none() {
            let _room = self.room(HEADER_MOST).await?;
            let wanted = HEADER_MOST - FIRST;
            let more = self
                .window(located, &SectionName::Whole, FIRST, wanted)
                .await?;
            ended = part(&more) < wanted || HEADER_MOST == announced;
            bytes = [bytes, more].concat().into();
        }
        if !ended && part(&bytes) > announced {
            let what = "a message is longer than its RFC822.SIZE";
            return Err(Error::Upstream(what.to_owned()));
        }
        let end = ended.then_some(bytes.len());
        Ok(Beginning {
            body_at: Header::end(&bytes).or(end),
            whole: ended,
            size: end
                .and_then(|end| u64::try_from(end).ok())
                .unwrap_or(announced),
            bytes,
        })
    }
}

/// What came of a section: no more than was asked for, and not NIL.
///
/// # Errors
/// [`Error::Upstream`].
pub(super) fn window_of(
    fetch: &Fetch,
    section: &SectionName,
    offset: u64,
    length: u64,
) -> Result<Bytes, Error> {
    let bytes = fetch
        .section(section, offset)
        .and_then(|section| section.bytes.clone())
        .ok_or_else(|| Error::Upstream("a section without its octets".to_owned()))?;
    if u64::try_from(bytes.len()).is_ok_and(|got| got <= length) {
        Ok(bytes)
    } else {
        Err(Error::Upstream(
            "more octets than were asked for".to_owned(),
        ))
    }
}
