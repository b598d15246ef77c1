//! Transfer encodings taken off (RFC 2045 §6), in pieces and in constant memory.
//!
//! - The output is the same for any cutting of the input.
//! - Garbage is passed over (base64) or kept as it is (quoted-printable), never an error.

/// What `Content-Transfer-Encoding` asks a reader to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, and whatever is not known: the bytes are the content.
    #[default]
    Identity,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
}

impl TransferEncoding {
    /// The encoding a field value names, in any case, with or without quotes or a comment after it.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let token = value
            .trim_start_matches(|character: char| {
                character.is_whitespace() || "\"'”“".contains(character)
            })
            .split(|character: char| character.is_whitespace() || "\"'”“;(".contains(character))
            .next()
            .unwrap_or_default();
        if token.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if token.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }
}

/// Decodes what it is pushed; what it holds back never exceeds one line of quoted-printable white space.
#[derive(Debug)]
pub struct Decoder(State);

#[derive(Debug)]
enum State {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl Decoder {
    /// A decoder at the start of an entity.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self(match encoding {
            TransferEncoding::Identity => State::Identity,
            TransferEncoding::Base64 => State::Base64(Base64::default()),
            TransferEncoding::QuotedPrintable => State::QuotedPrintable(QuotedPrintable::default()),
        })
    }

    /// The next encoded bytes; returns what is decoded for certain.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        match &mut self.0 {
            State::Identity => bytes.to_vec(),
            State::Base64(base64) => {
                let mut output = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
                base64.bytes(bytes, &mut output);
                output
            }
            State::QuotedPrintable(quoted) => {
                let mut output = Vec::with_capacity(bytes.len());
                quoted.bytes(bytes, &mut output);
                output
            }
        }
    }

    /// The end of the entity; returns what was held back.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut output = Vec::new();
        match self.0 {
            State::Identity => {}
            State::Base64(mut base64) => base64.flush(&mut output),
            State::QuotedPrintable(quoted) => quoted.finish(&mut output),
        }
        output
    }
}

/// Decodes an entity that is in memory.
#[must_use]
pub fn decode(encoding: TransferEncoding, bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(encoding);
    let mut output = decoder.push(bytes);
    output.extend(decoder.finish());
    output
}

#[derive(Debug, Default)]
struct Base64 {
    quantum: [u8; 4],
    filled: usize,
    ended: bool,
}

impl Base64 {
    fn bytes(&mut self, mut bytes: &[u8], output: &mut Vec<u8>) {
        while !self.ended {
            if self.filled == 0 {
                bytes = quanta(bytes, output);
            }
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            self.byte(*first, output);
            bytes = rest;
        }
    }

    fn byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        // RFC 2045 §6.8: characters outside the alphabet are ignored.
        let value = SEXTETS[usize::from(byte)];
        if value == NO_SEXTET {
            // RFC 2045 §6.8: padding is evidence that the data have ended.
            if byte == b'=' && self.filled >= 2 {
                self.flush(output);
                self.ended = true;
            }
            return;
        }
        self.quantum[self.filled] = value;
        self.filled += 1;
        if self.filled == 4 {
            self.flush(output);
        }
    }

    fn flush(&mut self, output: &mut Vec<u8>) {
        let [a, b, c, d] = self.quantum;
        let octets = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        // Without padding two characters still hold one octet, three hold two; one alone holds none.
        output.extend_from_slice(&octets[..self.filled.saturating_sub(1)]);
        self.filled = 0;
    }
}

/// Decodes quanta as long as they have nothing between, a few at most; returns the rest.
fn quanta<'a>(bytes: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
    let mut room = [[0; 3]; 32];
    let mut taken = 0;
    for (quantum, octets) in bytes.as_chunks::<4>().0.iter().zip(&mut room) {
        let [a, b, c, d] = quantum.map(|character| SEXTETS[usize::from(character)]);
        if a | b | c | d == NO_SEXTET {
            break;
        }
        *octets = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        taken += 1;
    }
    output.extend_from_slice(room[..taken].as_flattened());
    &bytes[taken * 4..]
}

const NO_SEXTET: u8 = u8::MAX;

/// RFC 2045 §6.8, table 1: what each character stands for.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NO_SEXTET; 256];
    let mut value: u8 = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// A run of white space longer than a line may be is content, not padding (RFC 5322 §2.1.1).
const LONGEST_RUN: usize = 998;

#[derive(Debug, Default)]
struct QuotedPrintable {
    /// White space, or an equals sign and what followed it, whose meaning the next byte decides.
    held: Vec<u8>,
}

impl QuotedPrintable {
    fn bytes(&mut self, mut bytes: &[u8], output: &mut Vec<u8>) {
        loop {
            if self.held.is_empty() {
                let special = |byte: &u8| matches!(byte, b'=' | b' ' | b'\t' | b'\r' | b'\n');
                let plain = bytes.iter().position(special).unwrap_or(bytes.len());
                output.extend_from_slice(&bytes[..plain]);
                bytes = &bytes[plain..];
            }
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            self.byte(*first, output);
            bytes = rest;
        }
    }

    fn byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        if self.held.first() == Some(&b'=') {
            self.after_equals(byte, output);
        } else {
            self.plain(byte, output);
        }
    }

    fn plain(&mut self, byte: u8, output: &mut Vec<u8>) {
        match byte {
            b' ' | b'\t' if self.held.last() != Some(&b'\r') && self.held.len() < LONGEST_RUN => {
                self.held.push(byte);
            }
            b'\r' if self.held.last() != Some(&b'\r') => self.held.push(byte),
            b'\n' => {
                // RFC 2045 §6.7 rule 3: white space at the end of a line was added on the way.
                if self.held.last() == Some(&b'\r') {
                    output.push(b'\r');
                }
                output.push(b'\n');
                self.held.clear();
            }
            b' ' | b'\t' | b'\r' => {
                self.release(output);
                self.held.push(byte);
            }
            b'=' => {
                self.release(output);
                self.held.push(byte);
            }
            _ => {
                self.release(output);
                output.push(byte);
            }
        }
    }

    fn after_equals(&mut self, byte: u8, output: &mut Vec<u8>) {
        match (self.held.as_slice(), byte) {
            // RFC 2045 §6.7 rule 5: a soft line break, white space before its end allowed for.
            (_, b'\n') => self.held.clear(),
            ([b'='], _) if byte.is_ascii_hexdigit() => self.held.push(byte),
            ([b'=', high], _) if high.is_ascii_hexdigit() && byte.is_ascii_hexdigit() => {
                output.push(nibble(*high) << 4 | nibble(byte));
                self.held.clear();
            }
            ([b'=', .., b'\r'], _) => self.literal(byte, output),
            ([b'=', rest @ ..], b' ' | b'\t' | b'\r')
                if rest.len() < LONGEST_RUN && !rest.iter().any(u8::is_ascii_hexdigit) =>
            {
                self.held.push(byte);
            }
            _ => self.literal(byte, output),
        }
    }

    /// The equals sign began nothing: it and what was held with it are content.
    fn literal(&mut self, byte: u8, output: &mut Vec<u8>) {
        // White space held behind the sign may still be the end of a line.
        let held = std::mem::take(&mut self.held);
        let content = held
            .iter()
            .position(|byte| b" \t\r".contains(byte))
            .unwrap_or(held.len());
        output.extend_from_slice(&held[..content]);
        for &again in held[content..].iter().chain(&[byte]) {
            self.plain(again, output);
        }
    }

    fn release(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.held);
    }

    fn finish(mut self, output: &mut Vec<u8>) {
        match self.held.as_slice() {
            // A soft line break, or the white space of one, at the very end; likewise padding of the last line.
            [b'=', rest @ ..] if !rest.iter().any(u8::is_ascii_hexdigit) => {}
            [b'=', ..] => self.release(output),
            [.., b'\r'] => output.push(b'\r'),
            _ => {}
        }
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    fn any_encoding() -> impl Strategy<Value = TransferEncoding> {
        prop_oneof![
            Just(TransferEncoding::Identity),
            Just(TransferEncoding::Base64),
            Just(TransferEncoding::QuotedPrintable),
        ]
    }

    fn quoted(text: &str) -> String {
        String::from_utf8(decode(TransferEncoding::QuotedPrintable, text.as_bytes())).unwrap()
    }

    fn based(text: &str) -> String {
        String::from_utf8(decode(TransferEncoding::Base64, text.as_bytes())).unwrap()
    }

    #[test]
    fn field_values_name_encodings_in_any_dress() {
        for value in ["base64", "BASE64", " \"Base64\" ", "base64;", "base64 (x)"] {
            assert_eq!(
                TransferEncoding::parse(value),
                TransferEncoding::Base64,
                "{value}"
            );
        }
        assert_eq!(
            TransferEncoding::parse("Quoted-Printable"),
            TransferEncoding::QuotedPrintable
        );
        for value in ["", "7bit", "8BIT", "binary", "x-uuencode", "base 64"] {
            assert_eq!(
                TransferEncoding::parse(value),
                TransferEncoding::Identity,
                "{value}"
            );
        }
    }

    #[test]
    fn base64_passes_over_garbage_and_stops_at_padding() {
        assert_eq!(based("aGVs\r\nbG8="), "hello");
        assert_eq!(based("aG!Vs bG8"), "hello");
        assert_eq!(based("=aGVsbG8=aGVsbG8="), "hello");
        assert_eq!(based("aGVsb"), "hel");
        assert_eq!(based(""), "");
    }

    #[test]
    fn quoted_printable_follows_its_rules_and_keeps_what_breaks_them() {
        assert_eq!(quoted("caf=C3=A9 =e2=82=ac"), "café €");
        assert_eq!(quoted("one=\r\ntwo=\nthree= \t\r\nfour"), "onetwothreefour");
        assert_eq!(quoted("padded  \t\r\nnext \nlast "), "padded\r\nnext\nlast");
        assert_eq!(quoted("a=ZZ =4 =\tb 1=1"), "a=ZZ =4 =\tb 1=1");
        assert_eq!(quoted("==41=4=41="), "=A=4A");
        assert_eq!(quoted("a\rb\r\r\nc\r"), "a\rb\r\r\nc\r");
        assert_eq!(quoted("=4"), "=4");
        assert_eq!(quoted("=\rX=  X"), "=\rX=  X");
    }

    #[test]
    fn endless_white_space_is_not_held_back() {
        for start in ["", "="] {
            let mut decoder = Decoder::new(TransferEncoding::QuotedPrintable);
            let mut out = decoder.push(start.as_bytes()).len();
            for _ in 0..100 {
                out += decoder.push(&[b' '; 1000]).len();
            }
            assert!(out > 98_000, "{out} came out");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_bytes(
            encoding in any_encoding(),
            bytes in proptest::collection::vec(prop_oneof![
                any::<u8>(), Just(b'='), Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'A'), Just(b'4')
            ], 0..200),
            cuts in proptest::collection::vec(0..200usize, 0..8),
        ) {
            let whole = decode(encoding, &bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut decoder = Decoder::new(encoding);
            let (mut pieces, mut from) = (Vec::new(), 0);
            for cut in cuts {
                pieces.extend(decoder.push(&bytes[from..cut]));
                from = cut;
            }
            pieces.extend(decoder.finish());
            prop_assert_eq!(&pieces, &whole);
            prop_assert!(whole.len() <= bytes.len());
        }

        #[test]
        fn base64_of_any_bytes_decodes_to_them(bytes in proptest::collection::vec(any::<u8>(), 0..200), width in 1..80usize) {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let lines: Vec<String> = encoded.as_bytes().chunks(width)
                .map(|line| String::from_utf8_lossy(line).into_owned()).collect();
            prop_assert_eq!(decode(TransferEncoding::Base64, lines.join("\r\n").as_bytes()), bytes);
        }

        #[test]
        fn quoted_printable_of_any_bytes_decodes_to_them(bytes in proptest::collection::vec(any::<u8>(), 0..200), width in 1..20usize) {
            let lines: Vec<String> = bytes.chunks(width)
                .map(|line| line.iter().map(|byte| format!("={byte:02X}")).collect()).collect();
            prop_assert_eq!(decode(TransferEncoding::QuotedPrintable, lines.join("=\r\n").as_bytes()), bytes);
        }
    }
}
