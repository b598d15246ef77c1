//! A message header from its bytes (RFC 5322 §2.2), however broken.
//!
//! - Only what has a name, a colon and a value is a field; other lines are skipped with their continuations.
//! - Text that comes out is decoded and holds no control other than TAB.

use chrono::{DateTime, Datelike, FixedOffset};

use super::encoding::TransferEncoding;
use super::parameters::{self, ContentType};
use super::text::text;
use super::words;

/// Bytes of a header that are read; what lies beyond is ignored.
const LONGEST_HEADER: usize = 1 << 20;
/// Fields of a header that are kept.
const MOST_FIELDS: usize = 4096;

/// The fields of a message or part, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    /// Unfolded, trimmed text, still with encoded words.
    raw: String,
}

impl Header {
    /// Reads the bytes of `BODY[HEADER]`; stops at the first empty line.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::split(bytes).0
    }

    /// The header at the start of an entity, and where the entity's body begins.
    pub(crate) fn split(bytes: &[u8]) -> (Self, usize) {
        let mut fields = Vec::new();
        let mut current: Option<(&str, Vec<u8>)> = None;
        let mut at = 0;
        while at < bytes.len() {
            let end = line_end(bytes, at);
            let line = trim_line_end(&bytes[at..end]);
            let within = at < LONGEST_HEADER;
            at = end;
            if line.is_empty() {
                break;
            }
            if !within {
                continue;
            }
            // RFC 5322 §2.2.3: unfolding takes the line break out and leaves the white space.
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if let Some((_, value)) = &mut current {
                    value.extend_from_slice(line);
                }
                continue;
            }
            fields.extend(current.take().map(Field::new));
            if fields.len() == MOST_FIELDS {
                continue;
            }
            current = named(line).map(|(name, value)| (name, value.to_vec()));
        }
        fields.extend(current.map(Field::new));
        (Self { fields }, at)
    }

    /// Where the body of an entity begins that starts with these bytes; `None` when the empty line before it is not among
    /// them.
    #[must_use]
    pub fn end(bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            let end = line_end(bytes, at);
            let line = &bytes[at..end];
            // A CR at the end may be the first half of a line break.
            if line.ends_with(b"\n") && trim_line_end(line).is_empty() {
                return Some(end);
            }
            at = end;
        }
        None
    }

    /// The first field of that name (in any case), decoded.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<String> {
        self.raw(name).map(|raw| decode(name, raw))
    }

    /// Names as written and decoded values, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, String)> {
        self.raw_fields()
            .map(|(name, raw)| (name, decode(name, raw)))
    }

    /// The instant of the Date field if it is one by RFC 5322 §3.3; a wrong day name is forgiven, as IMAP servers do.
    #[must_use]
    pub fn date(&self) -> Option<DateTime<FixedOffset>> {
        date(self.raw("Date")?)
    }

    /// The media type, when the field names one.
    #[must_use]
    pub fn content_type(&self) -> Option<ContentType> {
        ContentType::parse(self.raw("Content-Type")?)
    }

    /// The transfer encoding of the body.
    #[must_use]
    pub fn transfer_encoding(&self) -> TransferEncoding {
        self.raw("Content-Transfer-Encoding")
            .map_or(TransferEncoding::Identity, TransferEncoding::parse)
    }

    /// The client's own id, else the IMDN message id; never the Message-ID, which changes when a message is stored again.
    #[must_use]
    pub fn correlation_id(&self) -> Option<String> {
        self.non_empty("X-NMS-Correlation-Id")
            .or_else(|| self.non_empty("IMDN-Message-ID"))
    }

    /// The client's own tag.
    #[must_use]
    pub fn correlation_tag(&self) -> Option<String> {
        self.non_empty("X-NMS-Correlation-Tag")
    }

    /// Names and unfolded values that still hold their encoded words, in order.
    pub(crate) fn raw_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|field| (field.name.as_str(), field.raw.as_str()))
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.raw_fields()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, raw)| raw)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn non_empty(&self, name: &str) -> Option<String> {
        self.first(name).filter(|value| !value.is_empty())
    }
}

impl Field {
    fn new((name, value): (&str, Vec<u8>)) -> Self {
        Self {
            name: name.to_owned(),
            raw: text(value.trim_ascii(), None),
        }
    }
}

/// Where the line at `at` ends, its line feed included.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |found| at + found + 1)
}

/// A line without its CRLF or bare line feed.
pub(crate) fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Name and value of a field's first line.
fn named(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    // RFC 5322 §4.5: white space before the colon is obsolete, but was allowed.
    let name = line[..colon].trim_ascii_end();
    // RFC 5322 §2.2: a name is printable US-ASCII.
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    Some((std::str::from_utf8(name).ok()?, &line[colon + 1..]))
}

fn decode(name: &str, raw: &str) -> String {
    let structured = ["Content-Type", "Content-Disposition"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    let decoded = if structured {
        parameters::decoded(raw)
    } else {
        words::decode(raw)
    };
    without_controls(decoded)
}

/// Controls other than TAB, and what XML cannot carry, as U+FFFD.
pub(crate) fn without_controls(text: String) -> String {
    let bad = |character: char| {
        (character.is_control() && character != '\t')
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(bad) {
        text.replace(bad, "\u{fffd}")
    } else {
        text
    }
}

/// The instant that text names by RFC 5322 §3.3.
pub(crate) fn date(raw: &str) -> Option<DateTime<FixedOffset>> {
    let parsed = DateTime::parse_from_rfc2822(raw)
        .or_else(|_| DateTime::parse_from_rfc2822(without_day_name(raw)))
        .ok()?;
    whole_seconds(parsed)
}

/// The same instant without a fraction, if the contract's dateTimeStamp and a message header can both say it: no leap
/// second, and a year from 1900 to 9999.
pub(crate) fn whole_seconds(instant: DateTime<FixedOffset>) -> Option<DateTime<FixedOffset>> {
    let utc = DateTime::from_timestamp(instant.timestamp(), 0)?;
    (1900..=9999)
        .contains(&utc.year())
        .then(|| utc.with_timezone(instant.offset()))
}

fn without_day_name(raw: &str) -> &str {
    match raw.split_once(',') {
        Some((day, rest)) if is_day_name(day.trim()) => rest,
        _ => raw,
    }
}

fn is_day_name(day: &str) -> bool {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        .iter()
        .any(|name| day.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(bytes: &[u8], name: &str) -> Option<String> {
        Header::parse(bytes).first(name)
    }

    fn date(value: &str) -> Option<String> {
        Header::parse(format!("Date: {value}\r\n\r\n").as_bytes())
            .date()
            .map(|date| date.to_rfc3339())
    }

    #[test]
    fn names_have_any_case_and_values_are_unfolded() {
        let bytes = b"IMDN-message-ID: a\r\n b\n\tc\r\nSubject :  x  \nTo:y";
        assert_eq!(first(bytes, "Imdn-Message-Id").unwrap(), "a b\tc");
        assert_eq!(first(bytes, "subject").unwrap(), "x");
        assert_eq!(first(bytes, "To").unwrap(), "y");
    }

    #[test]
    fn lines_that_are_no_fields_are_skipped_with_their_continuations() {
        let bytes = b" lost\r\nFrom me at 10:20\r\n too\r\nno colon\r\n: x\r\n\0A: 1\r\nA: 2\r\n\r\nB: 3\r\n";
        let header = Header::parse(bytes);
        assert_eq!(header.fields().collect::<Vec<_>>(), [("A", "2".to_owned())]);
        assert_eq!(Header::split(bytes).1, bytes.len() - 6);
    }

    #[test]
    fn a_field_of_64_kilobytes_is_whole() {
        let long = "word\r\n ".repeat(10_000);
        let bytes = format!("Subject: {long}end\r\n\r\n");
        assert_eq!(first(bytes.as_bytes(), "Subject").unwrap().len(), 50_003);
    }

    #[test]
    fn eight_bit_values_and_controls_become_text() {
        assert_eq!(first(b"S: caf\xc3\xa9", "S").unwrap(), "café");
        assert_eq!(first(b"S: caf\xe9", "S").unwrap(), "café");
        assert_eq!(
            first(b"S: a\0b\rc\td", "S").unwrap(),
            "a\u{fffd}b\u{fffd}c\td"
        );
        assert_eq!(
            first(b"S: =?utf-8?q?a=0D=0AX:_b?=", "S").unwrap(),
            "a\u{fffd}\u{fffd}X: b"
        );
    }

    #[test]
    fn a_header_ends_behind_its_first_empty_line() {
        for (bytes, end) in [
            (&b"A: 1\r\n\r\nbody"[..], Some(8)),
            (b"A: 1\n\nbody\n\n", Some(6)),
            (b"\r\nbody", Some(2)),
            (b"A: 1\r\n\r", None),
            (b"A: 1\r\nB: 2\r\n", None),
            (b"", None),
        ] {
            assert_eq!(Header::end(bytes), end, "{bytes:?}");
        }
    }

    #[test]
    fn fields_and_bytes_have_a_bound() {
        assert_eq!(
            Header::parse(&b"A: 1\r\n".repeat(5000)).fields().count(),
            MOST_FIELDS
        );
        let mut bytes = b"A: 1\r\n ".repeat(200_000);
        bytes.extend(b"\r\nB: 2\r\n\r\nbody");
        assert_eq!(first(&bytes, "B"), None);
        assert_eq!(Header::split(&bytes).1, bytes.len() - 4);
    }

    #[test]
    fn dates_of_rfc_5322_are_valid() {
        for value in [
            "Mon, 1 Jun 2026 12:20:30 +0200",
            "1 Jun 2026 12:20:30 +0200 (CEST)",
            "Tue, 01 Jun 2026 12:20:30 +0200",
        ] {
            assert_eq!(date(value).unwrap(), "2026-06-01T12:20:30+02:00", "{value}");
        }
        assert_eq!(
            date("Wed, 31 Dec 2025 23:59:60 GMT").unwrap(),
            "2025-12-31T23:59:59+00:00"
        );
    }

    #[test]
    fn other_dates_are_not() {
        for value in [
            "",
            "mar., 29 09 2015 11:09:20.826 +0200",
            "2026-06-01T10:20:30Z",
            "30 Feb 2026 10:20:30 +0000",
            "1 Jun 2026 10:20:30",
            "1 Jun 20260 10:20:30 +0000",
            "Lun, 1 Jun 2026 12:20:30 +0200",
        ] {
            assert_eq!(date(value), None, "{value}");
        }
    }

    #[test]
    fn correlation_comes_from_the_client_or_the_imdn_but_not_the_message_id() {
        let correlation = |text: &str| Header::parse(text.as_bytes()).correlation_id();
        assert_eq!(
            correlation("IMDN-Message-ID: i\nX-NMS-Correlation-Id: c\n").unwrap(),
            "c"
        );
        assert_eq!(
            correlation("Imdn-message-id: i\nX-NMS-Correlation-Id:\n").unwrap(),
            "i"
        );
        assert_eq!(correlation("Message-ID: <m@x>\n"), None);
        let tag =
            Header::parse(b"X-NMS-Correlation-Tag: =?utf-8?q?_t=C3=A9?=\r\n").correlation_tag();
        assert_eq!(tag.unwrap(), " té");
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_header_without_controls(bytes in proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(b'\n'), Just(b':'), Just(b' '), Just(b'A'), Just(b'='), Just(b'?')], 0..300)) {
            let (header, body) = Header::split(&bytes);
            prop_assert!(body <= bytes.len());
            prop_assert!(Header::end(&bytes).is_none_or(|end| end == body));
            for (name, value) in header.fields() {
                prop_assert!(!name.is_empty());
                prop_assert!(!value.contains(|c: char| c.is_control() && c != '\t'));
            }
            let _ = (header.date(), header.content_type(), header.transfer_encoding(), header.correlation_id());
        }

        #[test]
        fn any_date_is_judged(value in "[A-Za-z0-9,:+. ()-]{0,40}") {
            if let Some(date) = date(&value) {
                let year: i32 = date[..4].parse().unwrap();
                prop_assert!((1899..=10_000).contains(&year), "{}", date);
                prop_assert!(value.bytes().any(|byte| byte.is_ascii_digit()));
            }
        }
    }
}
