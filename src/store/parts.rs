//! The first level of a multipart, as an object lists it: types and names from the parts' own headers, sizes after decoding.
//!
//! A server's BODYSTRUCTURE is a reading of those headers: it adds a charset where there is none (Dovecot, Cyrus) and splits what
//! RFC 2231 has joined. So it only says how many parts there are, and how large.

use bytes::Bytes;

use super::{Account, Error, beginning::Beginning, locate::Located};
use crate::{
    imap::{
        self, Item, Lane, SectionName,
        response::{BodyStructure, Fetch, Leaf},
    },
    message::{self, ContentType, EntityPart, Header, TransferEncoding},
};

/// Parts whose headers are read; the others are listed as the store's structure has them.
const HEADERS_MOST: usize = 100;
/// Octets of a part's header that are read; a longer one is as good as none.
const HEADER: u64 = 4 << 10;
/// Octets of a message up to which its store is asked for sizes after decoding: it decodes all of it, some 10 ms a mebibyte.
const DECODED_MOST: u64 = 4 << 20;
/// Sizes that are asked for one by one when the store has not told them together.
const ONE_BY_ONE: usize = 16;

/// A part as an object lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) id: String,
    /// Media type with its parameters, decoded.
    pub(super) content_type: String,
    pub(super) content_id: Option<String>,
    pub(super) content_location: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) size: Option<u64>,
}

impl Part {
    /// How much memory this takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let texts = [
            &self.content_id,
            &self.content_location,
            &self.content_disposition,
        ];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        150 + self.id.len() + self.content_type.len() + texts
    }
}

/// What the store has said of the parts; fewer than there are where it was not asked about all.
#[derive(Debug, Default)]
struct Told {
    headers: Vec<Option<Header>>,
    sizes: Vec<(String, u64)>,
    /// Whether the only part has no octets, and no header either.
    nothing: bool,
}

impl Account {
    /// The parts of a multipart; `None` when it has none, whatever the structure says: its boundary never comes, or it is empty.
    pub(super) async fn parts(
        &self,
        located: &mut Located,
        beginning: &Beginning,
        boundary: Option<&str>,
        parts: &[BodyStructure],
    ) -> Result<Option<Vec<Part>>, Error> {
        if beginning.is_whole() {
            let boundary = boundary.unwrap_or_default();
            let entities = message::parts(beginning.body(), boundary, parts.len() + 1);
            if entities.is_empty() && are_nothing(parts) {
                return Ok(None);
            }
            if let Some(listed) = at_hand(&entities, parts) {
                return Ok(Some(listed));
            }
        }
        let told = self.told(located, beginning.size(), parts).await?;
        if told.nothing {
            return Ok(None);
        }
        let listed = (1_u32..)
            .zip(parts)
            .zip(told.headers.into_iter().chain(none()));
        let listed = listed.map(|((number, part), header)| {
            let id = number.to_string();
            let told = told.sizes.iter().find(|(section, _)| *section == id);
            let size = size_of(part, told.map(|(_, size)| *size));
            listed_part(id, part, header.as_ref(), size)
        });
        Ok(Some(listed.collect()))
    }

    /// Media type of a section with its parameters: from its own header, else as the structure has it.
    pub(super) async fn content_type(
        &self,
        located: &mut Located,
        path: Vec<u32>,
        part: &BodyStructure,
    ) -> Result<String, Error> {
        let section = SectionName::Mime(path);
        let items = [
            Item::Fixed("UID"),
            Item::Partial(section.clone(), 0, HEADER),
        ];
        let fetch = self
            .fetch_from(Lane::Small, located, items.into())
            .await??;
        let fetch = fetch.ok_or(Error::NotFound)?;
        Ok(type_of(part, header_in(&fetch, &section).as_ref()))
    }

    async fn told(
        &self,
        located: &mut Located,
        size: u64,
        parts: &[BodyStructure],
    ) -> Result<Told, Error> {
        let decodes = self.pool.capabilities()?.binary_sizes() && size <= DECODED_MOST;
        let mut mimes = Vec::new();
        let mut encoded = Vec::new();
        for (number, part) in (1..).zip(parts).take(HEADERS_MOST) {
            mimes.push(SectionName::Mime(vec![number]));
            if decodes && is_encoded(part) {
                encoded.push(SectionName::Part(vec![number]));
            }
        }
        let headers = mimes
            .iter()
            .map(|mime| Item::Partial(mime.clone(), 0, HEADER));
        let headers: Vec<Item> = std::iter::once(Item::Fixed("UID")).chain(headers).collect();
        let sizes = encoded.iter().cloned().map(Item::BinarySize);
        let together = headers.iter().cloned().chain(sizes);
        let together = together.collect();
        let (fetch, sizes) = match self.fetch_from(Lane::Small, located, together).await? {
            Ok(fetch) => (fetch, None),
            Err(error) if !encoded.is_empty() && is_refusal(&error) => {
                let headers = headers.into();
                let fetch = self.fetch_from(Lane::Small, located, headers).await??;
                // Who hung up once would do so again.
                let encoded = if error == imap::Error::Closed {
                    Vec::new()
                } else {
                    encoded
                };
                (fetch, Some(self.sizes(located, encoded).await?))
            }
            Err(error) => return Err(error.into()),
        };
        let fetch = fetch.ok_or(Error::NotFound)?;
        let headerless = |mime| octets_of(&fetch, mime).is_some_and(Bytes::is_empty);
        Ok(Told {
            nothing: are_nothing(parts) && mimes.first().is_some_and(headerless),
            headers: mimes.iter().map(|mime| header_in(&fetch, mime)).collect(),
            sizes: sizes.unwrap_or(fetch.binary_sizes),
        })
    }

    /// Sizes after decoding, each by a command of its own.
    async fn sizes(
        &self,
        located: &mut Located,
        sections: Vec<SectionName>,
    ) -> Result<Vec<(String, u64)>, Error> {
        let mut sizes = Vec::new();
        for section in sections.into_iter().take(ONE_BY_ONE) {
            let items = [Item::Fixed("UID"), Item::BinarySize(section)];
            match self.fetch_from(Lane::Small, located, items.into()).await? {
                Ok(fetch) => sizes.extend(fetch.ok_or(Error::NotFound)?.binary_sizes),
                Err(imap::Error::Closed) => break,
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sizes)
    }
}

/// RFC 3516 §4.3: a part that cannot be decoded has no size, and all that was asked for in one command is refused with it; some
/// servers even hang up. That is no fault of the object.
fn is_refusal(error: &imap::Error) -> bool {
    matches!(
        error,
        imap::Error::No { .. } | imap::Error::Bad(_) | imap::Error::Closed
    )
}

fn none() -> impl Iterator<Item = Option<Header>> {
    std::iter::repeat_with(|| None)
}

/// Whether there is but one part and nothing in it: what Dovecot and Cyrus say of a multipart without parts.
fn are_nothing(parts: &[BodyStructure]) -> bool {
    matches!(parts, [BodyStructure::Leaf(leaf)] if leaf.octets == 0)
}

fn octets_of<'a>(fetch: &'a Fetch, section: &SectionName) -> Option<&'a Bytes> {
    fetch.section(section, 0)?.bytes.as_ref()
}

/// A part's header, unless it goes on beyond what was read.
fn header_in(fetch: &Fetch, section: &SectionName) -> Option<Header> {
    let bytes = octets_of(fetch, section)?;
    let short = u64::try_from(bytes.len()).is_ok_and(|read| read < HEADER);
    (short || Header::end(bytes).is_some()).then(|| Header::parse(bytes))
}

/// Parts whose bytes are at hand, if they are those that the structure tells of.
fn at_hand(entities: &[EntityPart<'_>], parts: &[BodyStructure]) -> Option<Vec<Part>> {
    let same = |(entity, part): (&EntityPart<'_>, &BodyStructure)| match part {
        BodyStructure::Multipart { .. } => true,
        BodyStructure::Leaf(leaf) => {
            u64::try_from(entity.body.len()).is_ok_and(|octets| octets == leaf.octets)
        }
    };
    let all = entities.len() == parts.len() && entities.iter().zip(parts).all(same);
    let listed = (1_u32..).zip(entities.iter().zip(parts));
    let listed = listed.map(|(number, (entity, part))| {
        let size = match part {
            BodyStructure::Multipart { .. } => None,
            BodyStructure::Leaf(leaf) => {
                let decoded = message::decode(encoding_of(leaf), entity.body);
                u64::try_from(decoded.len()).ok()
            }
        };
        listed_part(number.to_string(), part, Some(&entity.header), size)
    });
    all.then(|| listed.collect())
}

fn listed_part(
    id: String,
    part: &BodyStructure,
    header: Option<&Header>,
    size: Option<u64>,
) -> Part {
    let told = match part {
        BodyStructure::Leaf(leaf) if header.is_none() => Some(leaf),
        BodyStructure::Leaf(_) | BodyStructure::Multipart { .. } => None,
    };
    let field = |name: &str| header?.first(name).filter(|value| !value.is_empty());
    let disposition = told
        .and_then(|leaf| leaf.disposition.as_ref())
        .map(|(kind, parameters)| {
            message::decoded_parameters(&with_parameters(kind.clone(), parameters))
        });
    let content_id = field("Content-ID").or_else(|| told?.id.clone());
    let location = field("Content-Location").or_else(|| told?.location.clone());
    Part {
        id,
        content_type: type_of(part, header),
        content_id: content_id.map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
        content_location: location,
        content_disposition: field("Content-Disposition").or(disposition),
        size,
    }
}

/// Media type with its parameters, decoded: from the part's header. Where that names none it is the structure's, which knows
/// what the part is in (RFC 2046 §5.1.5), without the parameters that it adds.
fn type_of(part: &BodyStructure, header: Option<&Header>) -> String {
    let Some(header) = header else {
        return message::decoded_parameters(&content_type_of(part));
    };
    let named = header
        .first("Content-Type")
        .filter(|text| ContentType::parse(text).is_some());
    named.unwrap_or_else(|| match part {
        BodyStructure::Multipart { .. } => content_type_of(part),
        BodyStructure::Leaf(leaf) => format!("{}/{}", leaf.media_type, leaf.subtype),
    })
}

/// Octets after decoding (product: exact where the encoding changes nothing; else as the store says, else estimated for base64
/// and left out for quoted-printable).
fn size_of(part: &BodyStructure, told: Option<u64>) -> Option<u64> {
    let BodyStructure::Leaf(leaf) = part else {
        return None;
    };
    // Decoding takes octets away, and not all of them: servers have said such things.
    let encoding = encoding_of(leaf);
    let most = match encoding {
        TransferEncoding::Base64 => leaf.octets / 4 * 3,
        TransferEncoding::Identity | TransferEncoding::QuotedPrintable => leaf.octets,
    };
    let told = told.filter(|size| (1..=most).contains(size));
    match encoding {
        TransferEncoding::Identity => Some(leaf.octets),
        _ if leaf.octets == 0 => Some(0),
        TransferEncoding::Base64 => {
            told.or(Some(base64_size(leaf.octets)).filter(|size| *size > 0))
        }
        TransferEncoding::QuotedPrintable => told,
    }
}

/// A part inside a message/cpim; its bytes are at hand, so its size is exact.
pub(super) fn virtual_part(part: &message::CpimPart, cpim: &[u8]) -> Part {
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

/// As for lines of 76 characters and CR LF (RFC 2045 §6.8): 57 octets each, and three for each four characters of the last.
fn base64_size(octets: u64) -> u64 {
    octets / 78 * 57 + octets % 78 / 4 * 3
}

/// Whether its size is another after decoding, and servers know which: of messages in messages they do not (RFC 2045 §6.4
/// forbids to encode them; Cyrus says the encoded size, Dovecot none).
fn is_encoded(part: &BodyStructure) -> bool {
    match part {
        BodyStructure::Multipart { .. } => false,
        BodyStructure::Leaf(leaf) => {
            leaf.media_type != "message" && encoding_of(leaf) != TransferEncoding::Identity
        }
    }
}

pub(super) fn encoding_of(leaf: &Leaf) -> TransferEncoding {
    TransferEncoding::parse(&leaf.encoding)
}

/// Media type with its parameters, as the structure has them.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(encoding: &str, octets: u64) -> BodyStructure {
        BodyStructure::Leaf(Box::new(Leaf {
            media_type: "image".to_owned(),
            subtype: "png".to_owned(),
            parameters: vec![("name*".to_owned(), "UTF-8''%c3%a4.png".to_owned())],
            id: Some("<a@b>".to_owned()),
            encoding: encoding.to_owned(),
            octets,
            disposition: Some((
                "attachment".to_owned(),
                vec![("filename*".to_owned(), "UTF-8''%c3%a4.png".to_owned())],
            )),
            ..Leaf::default()
        }))
    }

    #[test]
    fn base64_is_sized_as_lines_of_76_characters() {
        for (octets, size) in [
            (0, 0),
            (8, 6),
            (10, 6),
            (76, 57),
            (78, 57),
            (78 * 10 + 6, 573),
        ] {
            assert_eq!(base64_size(octets), size, "{octets}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_not_believed() {
        let size = |encoding, octets, told| size_of(&leaf(encoding, octets), told);
        // Dovecot 2.3.19 of a base64 message/rfc822, and of a part before one.
        assert_eq!(size("base64", 780, Some(0)), Some(570));
        assert_eq!(size("base64", 780, Some(u64::MAX - 20)), Some(570));
        assert_eq!(size("base64", 780, Some(569)), Some(569));
        // Cyrus of a base64 message/rfc822.
        assert_eq!(size("base64", 780, Some(780)), Some(570));
        assert_eq!(size("quoted-printable", 780, Some(781)), None);
        assert_eq!(size("quoted-printable", 780, Some(0)), None);
        assert_eq!(size("quoted-printable", 780, Some(500)), Some(500));
        assert_eq!(size("base64", 2, None), None);
        assert_eq!(size("base64", 0, Some(0)), Some(0));
        assert_eq!(size("8bit", 780, Some(3)), Some(780));
        assert_eq!(size("x-uuencode", 780, None), Some(780));
    }

    #[test]
    fn what_a_part_is_comes_from_its_header() {
        let header = Header::parse(
            b"Content-Type: Text/Plain\r\nContent-Location: a\r\nContent-Disposition: inline;\r\n filename*=utf-8''%C3%A9\r\n\r\n",
        );
        let part = listed_part("2".to_owned(), &leaf("7bit", 1), Some(&header), None);
        assert_eq!(part.content_type, "Text/Plain");
        assert_eq!(part.content_location.as_deref(), Some("a"));
        assert_eq!(part.content_id, None);
        let disposition = part.content_disposition.as_deref();
        assert_eq!(disposition, Some("inline; filename=\"é\""));
    }

    #[test]
    fn what_a_part_is_comes_from_the_structure_where_its_header_is_not_at_hand() {
        let part = listed_part("2".to_owned(), &leaf("7bit", 1), None, None);
        assert_eq!(part.content_type, "image/png; name=\"ä.png\"");
        assert_eq!(part.content_id.as_deref(), Some("a@b"));
        let disposition = part.content_disposition.as_deref();
        assert_eq!(disposition, Some("attachment; filename=\"ä.png\""));
    }

    #[test]
    fn a_part_without_a_type_has_that_of_its_place_and_no_parameters() {
        for header in ["\r\n", "Content-Type: image\r\n\r\n"] {
            let header = Header::parse(header.as_bytes());
            assert_eq!(type_of(&leaf("7bit", 1), Some(&header)), "image/png");
        }
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
