//! What a run of bytes holds, found while they come in: what `compose` has to know before the first of them is written.
//!
//! - The answer is the same for any cutting of the bytes.
//! - Memory is bounded, whatever comes (see [`MultipartScan`]).

mod multipart;

pub use multipart::{FoundMultipart, MultipartScan};
pub(crate) use multipart::{Kind, Piece};

use super::encoding::{Decoder, TransferEncoding};
use super::parameters::ContentType;

/// RFC 5322 §2.1.1: octets a line may hold, its CRLF excluded.
pub(crate) const LONGEST_LINE: usize = 998;

/// What the boundaries of our own multiparts begin with. RFC 2045 §6.7: `=_` can be in no base64 and no quoted-printable body.
const OWN_BOUNDARY: &str = "=_nms-part-";

/// The boundaries of our own multiparts, one for each bit of [`Found::own_boundaries`].
pub(crate) fn own_boundary(digit: u32) -> String {
    format!("{OWN_BOUNDARY}{digit:x}")
}

/// What some bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Octets, as they came.
    pub octets: u64,
    /// Octets once `encoding` is taken off.
    pub decoded: u64,
    /// What the scan was told the bytes are encoded in.
    pub encoding: TransferEncoding,
    /// Whether they can be part of a message as they are: no NUL, CR and LF only as CRLF, no line over 998 octets.
    pub safe: bool,
    /// Whether an octet is above 127.
    pub eight_bit: bool,
    /// Which of our own boundaries they hold, a bit for each of the sixteen digits; all of them when `safe`.
    pub(crate) own_boundaries: u16,
}

/// What one entity (an attachment, or one of several) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundOf {
    /// Anything but a multipart.
    Leaf(Found),
    /// A multipart and the parts in it.
    Multipart(FoundMultipart),
    /// So many octets nobody has looked at yet; only for an entity that [needs no scan](needs_scan).
    Unread(u64),
}

impl FoundOf {
    /// Octets of the entity's body, as they came.
    #[must_use]
    pub fn octets(&self) -> u64 {
        match self {
            Self::Leaf(found) => found.octets,
            Self::Multipart(found) => found.whole.octets,
            Self::Unread(octets) => *octets,
        }
    }
}

/// Looks at the body of one entity, as its header fields ask for.
#[derive(Debug)]
pub enum EntityScan {
    /// Anything but a multipart.
    Leaf(Scan),
    /// A multipart.
    Multipart(Box<MultipartScan>),
}

impl EntityScan {
    /// A scan at the beginning of the body behind these header fields (names in any case, values as they came).
    #[must_use]
    pub fn new(header: &[(String, String)]) -> Self {
        match content_type(header).filter(ContentType::is_multipart) {
            Some(content_type) => {
                let boundary = content_type.parameter("boundary").unwrap_or_default();
                Self::Multipart(Box::new(MultipartScan::new(boundary)))
            }
            None => Self::Leaf(Scan::new(transfer_encoding(header))),
        }
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Leaf(scan) => scan.push(bytes),
            Self::Multipart(scan) => scan.push(bytes),
        }
    }

    /// The end of the entity.
    #[must_use]
    pub fn finish(self) -> FoundOf {
        match self {
            Self::Leaf(scan) => FoundOf::Leaf(scan.finish()),
            Self::Multipart(scan) => FoundOf::Multipart(scan.finish()),
        }
    }
}

/// Whether an entity with these header fields must be scanned before it can be written. What need not be may be given to
/// `compose` as [`FoundOf::Unread`] and is then written in base64, whatever it holds.
#[must_use]
pub fn needs_scan(header: &[(String, String)]) -> bool {
    // RFC 2046 §5.2.1: message types are not encoded unless there is no other way; whether there is, the bytes tell.
    let structured = content_type(header).is_some_and(|content_type| {
        content_type.is_multipart() || content_type.media_type.starts_with("message/")
    });
    structured || transfer_encoding(header) != TransferEncoding::Identity
}

/// The first value of a header field.
pub(crate) fn value<'a>(header: &'a [(String, String)], name: &str) -> Option<&'a str> {
    header
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn content_type(header: &[(String, String)]) -> Option<ContentType> {
    ContentType::parse(value(header, "Content-Type")?)
}

fn transfer_encoding(header: &[(String, String)]) -> TransferEncoding {
    value(header, "Content-Transfer-Encoding")
        .map_or(TransferEncoding::Identity, TransferEncoding::parse)
}

/// Looks at bytes that are one entity's body.
#[derive(Debug)]
pub struct Scan {
    found: Found,
    decoder: Option<Decoder>,
    /// Octets of the line so far.
    column: usize,
    after_carriage_return: bool,
    /// The last octets that our boundaries begin with.
    alike: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self::new(TransferEncoding::Identity)
    }
}

impl Scan {
    /// A scan at the beginning of a body that is encoded so.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self {
            found: Found {
                octets: 0,
                decoded: 0,
                encoding,
                safe: true,
                eight_bit: false,
                own_boundaries: 0,
            },
            decoder: (encoding != TransferEncoding::Identity).then(|| Decoder::new(encoding)),
            column: 0,
            after_carriage_return: false,
            alike: 0,
        }
    }

    /// What bytes that are all at hand hold.
    pub(crate) fn of(bytes: &[u8]) -> Found {
        let mut scan = Self::default();
        scan.push(bytes);
        scan.finish()
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.found.octets += length(bytes);
        self.found.decoded += match &mut self.decoder {
            Some(decoder) => length(&decoder.push(bytes)),
            None => length(bytes),
        };
        self.found.eight_bit = self.found.eight_bit || !bytes.is_ascii();
        if self.found.safe {
            self.lines(bytes);
        }
    }

    /// The end of the body.
    #[must_use]
    pub fn finish(mut self) -> Found {
        if let Some(decoder) = self.decoder {
            self.found.decoded += length(&decoder.finish());
        }
        self.found.safe = self.found.safe && !self.after_carriage_return;
        self.found
    }

    fn lines(&mut self, mut bytes: &[u8]) {
        while let [first, after @ ..] = bytes {
            if self.after_carriage_return {
                if *first != b'\n' {
                    self.found.safe = false;
                    return;
                }
                (self.after_carriage_return, self.column, self.alike) = (false, 0, 0);
                bytes = after;
                continue;
            }
            let special = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0 | b'=');
            let end = bytes.iter().position(special).unwrap_or(bytes.len());
            let (text, rest) = bytes.split_at(end);
            self.text(text);
            match rest.split_first() {
                None => return,
                Some((b'=', rest)) => {
                    self.text(b"=");
                    self.alike = 1;
                    bytes = rest;
                }
                Some((b'\r', rest)) => {
                    self.after_carriage_return = true;
                    bytes = rest;
                }
                Some(_) => {
                    self.found.safe = false;
                    return;
                }
            }
        }
    }

    /// More of the line.
    fn text(&mut self, text: &[u8]) {
        for byte in text {
            match OWN_BOUNDARY.as_bytes().get(self.alike) {
                _ if self.alike == 0 => break,
                Some(expected) if expected == byte => self.alike += 1,
                Some(_) => self.alike = 0,
                None => {
                    let digit = char::from(*byte).to_digit(16);
                    self.found.own_boundaries |= digit.map_or(0, |digit| 1 << digit);
                    self.alike = 0;
                }
            }
        }
        self.column = self.column.saturating_add(text.len());
        self.found.safe = self.found.safe && self.column <= LONGEST_LINE;
    }
}

/// Octets, as counted for what may be larger than memory.
pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(bytes: &[u8]) -> (bool, bool) {
        let found = Scan::of(bytes);
        assert_eq!(
            (found.octets, found.decoded),
            (length(bytes), length(bytes))
        );
        (found.safe, found.eight_bit)
    }

    fn header(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_crlf_ends_a_line() {
        for safe in [
            &b""[..],
            b"a",
            b"a\r\n",
            b"\r\n\r\na\r\n b",
            b"\x01\x1a\x7f",
        ] {
            assert_eq!(judged(safe), (true, false), "{safe:?}");
        }
        for not in [
            &b"a\n"[..],
            b"\n",
            b"a\r",
            b"a\rb",
            b"\r\r\n",
            b"a\r\nb\nc",
            b"a\0b",
        ] {
            assert_eq!(judged(not), (false, false), "{not:?}");
        }
        assert_eq!(judged("é\r\n".as_bytes()), (true, true));
        assert_eq!(judged("\né".as_bytes()), (false, true));
    }

    #[test]
    fn a_line_holds_998_octets() {
        let line = [b'a'; 998];
        assert!(Scan::of(&[&line[..], b"\r\n", &line, b"\r\n", &line].concat()).safe);
        assert!(!Scan::of(&[b"\r\n", &line[..], b"a"].concat()).safe);
        assert!(!Scan::of(&[&line[..], b"a\r\n"].concat()).safe);
    }

    #[test]
    fn our_own_boundaries_are_noted_wherever_they_are() {
        let noted = |text: &str| Scan::of(text.as_bytes()).own_boundaries;
        assert_eq!(noted(&own_boundary(0)), 1);
        assert_eq!(
            noted(&format!(
                "x\r\n--{}--\r\nx={}x",
                own_boundary(3),
                own_boundary(15)
            )),
            0x8008
        );
        assert_eq!(
            noted("=_nms-part-\r\n0=_nms-part-g=_nms-parts0=_=_nms-part="),
            0
        );
    }

    #[test]
    fn octets_are_counted_with_and_without_their_encoding() {
        let mut scan = EntityScan::new(&header(&[("content-transfer-encoding", "BASE64")]));
        scan.push(b"aGVs\nbG8");
        scan.push(b"=");
        let FoundOf::Leaf(found) = scan.finish() else {
            panic!("a leaf");
        };
        assert_eq!((found.octets, found.decoded, found.safe), (9, 5, false));
        assert_eq!(found.encoding, TransferEncoding::Base64);
    }

    #[test]
    fn multiparts_messages_and_what_is_encoded_need_a_scan() {
        for (needs, fields) in [
            (false, header(&[])),
            (
                false,
                header(&[
                    ("Content-Type", "image/jpeg"),
                    ("Content-Transfer-Encoding", "binary"),
                ]),
            ),
            (true, header(&[("content-type", "Multipart/Mixed")])),
            (true, header(&[("Content-Type", "message/cpim")])),
            (
                true,
                header(&[("Content-Transfer-Encoding", "quoted-printable")]),
            ),
        ] {
            assert_eq!(needs_scan(&fields), needs, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_finds_the_same(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "\r", "\n", "\r\n", "a", "é", "\0", "=_nms-part-", "3", "--", "=41", "QQ=="]), 0..40),
            encoding in proptest::sample::select(vec![TransferEncoding::Identity, TransferEncoding::Base64,
                TransferEncoding::QuotedPrintable]), cut in 1..7usize) {
            let bytes = pieces.concat().into_bytes();
            let mut whole = Scan::new(encoding);
            whole.push(&bytes);
            let mut cuts = Scan::new(encoding);
            for piece in bytes.chunks(cut) {
                cuts.push(piece);
            }
            let (whole, cuts) = (whole.finish(), cuts.finish());
            prop_assert_eq!(cuts.safe, whole.safe);
            prop_assert!(!whole.safe || cuts == whole);
            prop_assert_eq!(Found { own_boundaries: 0, ..cuts }, Found { own_boundaries: 0, ..whole });
            let text = String::from_utf8_lossy(&bytes);
            let bare = text.replace("\r\n", "");
            prop_assert_eq!(whole.safe, !bare.contains(['\r', '\n', '\0']));
            prop_assert_eq!(whole.decoded, length(&super::super::decode(encoding, &bytes)));
        }
    }
}
