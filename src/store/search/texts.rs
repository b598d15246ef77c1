//! The texts in a payload, for a search for words: what is text in it, also inside multiparts, attached messages and message/cpim. Header
//! lines of parts are none of it.

use tracing::warn;

use crate::{
    imap::{Item, Lane, SectionName, response::BodyStructure},
    message::{self, ContentType, TransferEncoding},
    store::{Account, Error, locate::Located, parts::encoding_of, structure::Structure},
};

/// Octets, as stored, that are read of one payload.
const MOST: u64 = 1 << 20;
/// Texts of one multipart.
const TEXTS: usize = 1000;
/// Texts of one command.
const AT_ONCE: usize = 64;
/// How deep parts are looked for.
const DEEPEST: usize = 100;

/// A text in a multipart.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    path: Vec<u32>,
    encoding: TransferEncoding,
    charset: Option<String>,
    octets: u64,
}

impl Account {
    /// The texts of an object, as far as they are read; none when it is gone or cannot be read.
    pub(super) async fn texts(
        &self,
        located: &mut Located,
        structure: &Structure,
    ) -> Result<Vec<String>, Error> {
        let read = match ContentType::parse(&structure.content_type) {
            Some(kind) if is_text(&kind.text) => {
                self.only_text(located, structure, kind.parameter("charset"))
                    .await
            }
            Some(kind) if kind.is("message/cpim") => self.wrapped_texts(located, structure).await,
            _ => self.texts_of_parts(located, structure).await,
        };
        match read {
            Ok(texts) => Ok(texts),
            Err(error) if error.is_for_now() => Err(error),
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => {
                warn!(%error, "texts of a message cannot be read");
                Ok(Vec::new())
            }
        }
    }

    /// The first octets of a payload, decoded.
    async fn payload_text(
        &self,
        located: &mut Located,
        structure: &Structure,
    ) -> Result<Vec<u8>, Error> {
        let stored = &structure.stored;
        let length = stored.octets.map_or(MOST, |octets| octets.min(MOST));
        if length == 0 {
            return Ok(Vec::new());
        }
        // Once as it is stored, and once decoded.
        let _room = self.room(2 * length).await?;
        let bytes = self
            .window(located, &stored.section, stored.start, length)
            .await?;
        Ok(message::decode(structure.encoding, &bytes))
    }

    async fn only_text(
        &self,
        located: &mut Located,
        structure: &Structure,
        charset: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let bytes = self.payload_text(located, structure).await?;
        Ok(vec![message::text(&bytes, charset)])
    }

    async fn wrapped_texts(
        &self,
        located: &mut Located,
        structure: &Structure,
    ) -> Result<Vec<String>, Error> {
        let bytes = self.payload_text(located, structure).await?;
        let text = |part: &message::CpimPart| {
            let kind = ContentType::parse(&part.content_type)?;
            if !is_text(&kind.text) {
                return None;
            }
            let end = part.range.end.min(bytes.len());
            let bytes = bytes.get(part.range.start..end)?;
            let decoded = message::decode(part.encoding, bytes);
            Some(message::text(&decoded, kind.parameter("charset")))
        };
        Ok(structure.wrapped.iter().filter_map(text).collect())
    }

    async fn texts_of_parts(
        &self,
        located: &mut Located,
        structure: &Structure,
    ) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        match &structure.body {
            Some(BodyStructure::Multipart { parts, .. }) => add_parts(parts, &[], &mut texts),
            Some(leaf @ BodyStructure::Leaf(_)) => add(leaf, vec![1], &mut texts),
            None => {}
        }
        let mut room = MOST;
        texts.retain(|text| {
            let fits = text.octets > 0 && text.octets <= room;
            room -= if fits { text.octets } else { 0 };
            fits
        });
        // Once as they are stored, and once decoded.
        let _room = self.room(2 * (MOST - room)).await?;
        let mut read = Vec::with_capacity(texts.len());
        for some in texts.chunks(AT_ONCE) {
            read.extend(self.read_texts(located, some).await?);
        }
        Ok(read)
    }

    async fn read_texts(
        &self,
        located: &mut Located,
        texts: &[Text],
    ) -> Result<Vec<String>, Error> {
        let section = |text: &Text| SectionName::Part(text.path.clone());
        let item = |text: &Text| Item::Partial(section(text), 0, text.octets);
        let items = std::iter::once(Item::Fixed("UID")).chain(texts.iter().map(item));
        let fetch = self.fetch_from(Lane::Bulk, located, items.collect());
        let fetch = fetch.await??.ok_or(Error::NotFound)?;
        let read = |text: &Text| {
            let bytes = fetch.section(&section(text), 0)?.bytes.as_ref()?;
            let decoded = message::decode(text.encoding, bytes);
            Some(message::text(&decoded, text.charset.as_deref()))
        };
        Ok(texts.iter().filter_map(read).collect())
    }
}

fn is_text(media_type: &str) -> bool {
    media_type
        .get(..5)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("text/"))
}

/// RFC 9051 §6.4.5.1: the parts of a multipart are numbered from 1.
fn add_parts(parts: &[BodyStructure], path: &[u32], texts: &mut Vec<Text>) {
    for (number, part) in (1..).zip(parts) {
        add(part, [path, &[number]].concat(), texts);
    }
}

fn add(part: &BodyStructure, path: Vec<u32>, texts: &mut Vec<Text>) {
    if path.len() > DEEPEST || texts.len() >= TEXTS {
        return;
    }
    match part {
        BodyStructure::Multipart { parts, .. } => add_parts(parts, &path, texts),
        BodyStructure::Leaf(leaf) => match &leaf.message {
            Some(BodyStructure::Multipart { parts, .. }) => add_parts(parts, &path, texts),
            // A message that is no multipart has one part.
            Some(inner @ BodyStructure::Leaf(_)) => add(inner, [&path[..], &[1]].concat(), texts),
            None if leaf.media_type.eq_ignore_ascii_case("text") => {
                let charset = leaf.parameters.iter().find(|(name, _)| name == "charset");
                texts.push(Text {
                    path,
                    encoding: encoding_of(leaf),
                    octets: leaf.octets,
                    charset: charset.map(|(_, value)| value.clone()),
                });
            }
            None => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::response::Leaf;

    fn leaf(media_type: &str, message: Option<BodyStructure>) -> BodyStructure {
        BodyStructure::Leaf(Box::new(Leaf {
            media_type: media_type.to_owned(),
            message,
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
    fn texts_are_found_at_any_depth_and_in_messages_too() {
        let attached = leaf(
            "message",
            Some(multipart(vec![leaf("image", None), leaf("text", None)])),
        );
        let plain = leaf("message", Some(leaf("text", None)));
        let parts = [
            leaf("text", None),
            multipart(vec![leaf("image", None), leaf("text", None)]),
            attached,
            plain,
        ];
        let mut texts = Vec::new();
        add_parts(&parts, &[], &mut texts);
        let paths: Vec<Vec<u32>> = texts.into_iter().map(|text| text.path).collect();
        assert_eq!(paths, [vec![1], vec![2, 2], vec![3, 2], vec![4, 1]]);
    }
}
