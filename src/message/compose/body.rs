//! The body of a composed message: stretches of what was uploaded, as they are or in base64, and bytes of our own between.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::encoding::{Decoder, TransferEncoding};
use super::super::scan::{Found, Scan, length};

/// RFC 2045 §6.8: a line has 76 characters at most, which stand for so many octets.
const LINE: usize = 57;
/// Such a line and its end.
const ENCODED_LINE: usize = 78;

/// A stretch of a message's body. A blob is the body of the entity with that index among those given to `compose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Octets of a blob as they are.
    Identity {
        /// Index of the entity.
        blob: usize,
        /// Octets of its body.
        range: Range<u64>,
    },
    /// Octets of a blob in base64; an [`Encoder`] makes it.
    Base64 {
        /// Index of the entity.
        blob: usize,
        /// Octets of its body.
        range: Range<u64>,
        /// What is taken off first.
        encoding: TransferEncoding,
        /// Octets that are left then.
        decoded: u64,
    },
}

impl Segment {
    /// Octets in the message, exactly.
    #[must_use]
    pub fn octets(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => length(bytes),
            Self::Identity { range, .. } => range.end.saturating_sub(range.start),
            Self::Base64 { decoded, .. } => base64_octets(*decoded),
        }
    }
}

/// A body while it is put together.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) segments: Vec<Segment>,
    /// Whether it has octets above 127.
    pub(super) eight_bit: bool,
    /// As in [`Found`], of all that is in it.
    pub(super) own_boundaries: u16,
}

impl Body {
    /// Adds whole lines of our own.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.note(&Scan::of(bytes));
        match self.segments.last_mut() {
            Some(Segment::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.segments.push(Segment::Bytes(bytes.to_vec())),
        }
    }

    /// Adds octets of a blob that are safe as they are.
    pub(super) fn identity(&mut self, blob: usize, range: Range<u64>, found: &Found) {
        self.note(found);
        match self.segments.last_mut() {
            Some(Segment::Identity {
                blob: last,
                range: before,
            }) if *last == blob && before.end == range.start => {
                before.end = range.end;
            }
            _ => self.segments.push(Segment::Identity { blob, range }),
        }
    }

    /// Adds octets of a blob in base64.
    pub(super) fn base64(&mut self, blob: usize, range: Range<u64>, found: &Found) {
        self.segments.push(Segment::Base64 {
            blob,
            range,
            encoding: found.encoding,
            decoded: found.decoded,
        });
    }

    /// Adds another body.
    pub(super) fn append(&mut self, other: Self) {
        self.segments.extend(other.segments);
        self.eight_bit |= other.eight_bit;
        self.own_boundaries |= other.own_boundaries;
    }

    /// RFC 2045 §6.2: what the body is as it stands.
    pub(super) fn encoding(&self) -> &'static str {
        if self.eight_bit { "8bit" } else { "7bit" }
    }

    fn note(&mut self, found: &Found) {
        self.eight_bit |= found.eight_bit;
        self.own_boundaries |= found.own_boundaries;
    }
}

/// Octets of so many octets in base64, in lines of 76 characters that each end in CRLF.
#[must_use]
pub fn base64_octets(decoded: u64) -> u64 {
    let line = length(&[0; LINE]);
    let characters = decoded.div_ceil(3).saturating_mul(4);
    characters.saturating_add(decoded.div_ceil(line).saturating_mul(2))
}

/// Base64 of what it is pushed, in lines of 76 characters that each end in CRLF; the output is the same for any cutting of
/// the input and as long as [`base64_octets`] says.
#[derive(Debug)]
pub struct Encoder {
    decoder: Option<Decoder>,
    /// Octets that do not fill a line yet.
    held: Vec<u8>,
}

impl Encoder {
    /// An encoder at the start of a [`Segment::Base64`] that has `encoding` to be taken off first.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self {
            decoder: (encoding != TransferEncoding::Identity).then(|| Decoder::new(encoding)),
            held: Vec::with_capacity(LINE),
        }
    }

    /// The next octets of the blob; returns the lines that are full.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        match &mut self.decoder {
            Some(decoder) => {
                let decoded = decoder.push(bytes);
                self.full_lines(&decoded)
            }
            None => self.full_lines(bytes),
        }
    }

    /// The end of the segment; returns what is left.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let last = self.decoder.take().map(Decoder::finish).unwrap_or_default();
        let mut output = self.full_lines(&last);
        line(&self.held, &mut output);
        output
    }

    fn full_lines(&mut self, bytes: &[u8]) -> Vec<u8> {
        let lines = (self.held.len() + bytes.len()) / LINE + 1;
        let mut output = Vec::with_capacity(lines * ENCODED_LINE);
        let (first, rest) = bytes.split_at(bytes.len().min(LINE - self.held.len()));
        self.held.extend_from_slice(first);
        if self.held.len() < LINE {
            return output;
        }
        line(&self.held, &mut output);
        let mut lines = rest.chunks_exact(LINE);
        for octets in lines.by_ref() {
            line(octets, &mut output);
        }
        self.held.clear();
        self.held.extend_from_slice(lines.remainder());
        output
    }
}

/// Writes so many octets as one line has, or fewer; none are no line.
fn line(octets: &[u8], output: &mut Vec<u8>) {
    let mut room = [0; ENCODED_LINE];
    // The room is that of a whole line, so it is enough.
    let length = STANDARD.encode_slice(octets, &mut room).unwrap_or_default();
    if length > 0 {
        output.extend_from_slice(&room[..length]);
        output.extend_from_slice(b"\r\n");
    }
}

/// What is all at hand in base64.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(TransferEncoding::Identity);
    let mut output = encoder.push(bytes);
    output.extend(encoder.finish());
    output
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::decode;
    use super::*;

    #[test]
    fn lines_of_base64_have_76_characters_and_an_end() {
        for (octets, length) in [(0, 0), (1, 6), (3, 6), (57, 78), (58, 84), (114, 156)] {
            assert_eq!(base64_octets(octets), length);
        }
        assert_eq!(
            base64(&[0; 58]),
            [&[b'A'; 76][..], b"\r\nAA==\r\n"].concat()
        );
        assert_eq!(base64_octets(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn any_cutting_encodes_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1..150usize) {
            let mut encoder = Encoder::new(TransferEncoding::Identity);
            let mut output = Vec::new();
            for piece in bytes.chunks(cut) {
                output.extend(encoder.push(piece));
            }
            output.extend(encoder.finish());
            prop_assert_eq!(&output, &base64(&bytes));
            prop_assert_eq!(length(&output), base64_octets(length(&bytes)));
            prop_assert!(Scan::of(&output).safe);
            prop_assert!(output.split(|byte| *byte == b'\n').all(|line| line.len() <= 77));
            prop_assert_eq!(decode(TransferEncoding::Base64, &output), bytes);
        }

        #[test]
        fn an_encoding_is_taken_off_first(text in "[a-zA-Z0-9=+/\n\r ]{0,300}", cut in 1..50usize,
            encoding in proptest::sample::select(vec![TransferEncoding::Base64, TransferEncoding::QuotedPrintable])) {
            let mut encoder = Encoder::new(encoding);
            let mut output = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                output.extend(encoder.push(piece));
            }
            output.extend(encoder.finish());
            prop_assert_eq!(output, base64(&decode(encoding, text.as_bytes())));
        }
    }
}
