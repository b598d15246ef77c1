//! What a request demands of the representation it is about: entity tags (RFC 9110 §13) and ranges (§14).
//!
//! * A tag is `"{revision}-{check value}"`, or the check value alone where there is no revision to go by. Each form and each
//!   encoding of a document has its own check value, so the tags are strong; the revision is that of all of them.
//! * If-Match compares what is before the dash: who has seen a revision may change it, in whichever form it was seen. It compares
//!   strongly: what somebody on the way has marked as weak is no evidence.
//! * If-None-Match compares the whole tag, weakly.
//! * A range that is malformed, of other units than bytes, or one of several, is ignored; a condition that is malformed is not.

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::Failure;
use crate::store::{Precondition, Revisions};

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    weak: bool,
    /// Between the quotes.
    opaque: Vec<u8>,
}

/// Tags as a header lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    Listed(Vec<Tag>),
}

/// A range of bytes (RFC 9110 §14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRange {
    /// From the first to the last, or to the end.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

/// The conditions of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    range: Option<ByteRange>,
    /// The tag of If-Range; inside, `None` for what can equal no tag: a date, or garbage.
    if_range: Option<Option<Tag>>,
}

/// What is to be done with a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// How much of a representation is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// 206; never empty.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
}

impl Tag {
    /// Of a document in one form: its revision, if there is one, and a check value of its octets.
    pub(super) fn of_document(revision: Option<u64>, octets: &[u8], compressed: bool) -> Self {
        let check = check_value(&[octets]);
        let mut opaque =
            revision.map_or_else(|| check.clone(), |number| format!("{number}-{check}"));
        if compressed {
            opaque.push_str("-gzip");
        }
        Self::strong(opaque)
    }

    /// Of a payload or, with its name, of a part: neither ever changes.
    pub(super) fn of_payload(object: &str, part: &str) -> Self {
        Self::strong(check_value(&[object.as_bytes(), b"/", part.as_bytes()]))
    }

    fn strong(opaque: String) -> Self {
        Self {
            weak: false,
            opaque: opaque.into_bytes(),
        }
    }

    /// As a header has it.
    pub(super) fn to_header(&self) -> Option<HeaderValue> {
        let weak: &[u8] = if self.weak { b"W/" } else { b"" };
        HeaderValue::from_bytes(&[weak, b"\"", &self.opaque, b"\""].concat()).ok()
    }

    /// What says which revision it is.
    fn before_dash(&self) -> &[u8] {
        let mut pieces = self.opaque.split(|octet| *octet == b'-');
        pieces.next().unwrap_or_default()
    }

    /// The revision, if it is a number.
    fn revision(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.before_dash()).ok()?;
        let number: u64 = text.parse().ok()?;
        // One spelling of each.
        (number.to_string() == text).then_some(number)
    }

    /// One at the beginning of a text, and what follows it.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let (weak, text) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let text = text.strip_prefix(b"\"")?;
        let end = text.iter().position(|octet| *octet == b'"')?;
        let opaque = text[..end].to_vec();
        let valid = opaque.iter().all(|octet| *octet > b' ' && *octet != 0x7f);
        valid.then_some((Self { weak, opaque }, &text[end + 1..]))
    }
}

impl Tags {
    /// All lines of a header; `None` when there is none.
    ///
    /// # Errors
    /// 400 with its name when it is malformed.
    fn read(headers: &HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<Self>, Failure> {
        let mut lines = headers.get_all(name).iter().peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        let text = lines.join(&b","[..]);
        Self::parse(text.trim_ascii())
            .map(Some)
            .ok_or_else(|| Failure::invalid(shown))
    }

    fn parse(mut text: &[u8]) -> Option<Self> {
        if text == b"*" {
            return Some(Self::Any);
        }
        let mut listed = Vec::new();
        loop {
            // RFC 9110 §5.6.1.2: empty elements are nothing.
            text = text.trim_ascii_start();
            if let Some(rest) = text.strip_prefix(b",") {
                text = rest;
                continue;
            }
            if text.is_empty() {
                break;
            }
            let (tag, rest) = Tag::read(text)?;
            listed.push(tag);
            text = rest.trim_ascii_start();
            if !text.is_empty() && !text.starts_with(b",") {
                return None;
            }
        }
        (!listed.is_empty()).then_some(Self::Listed(listed))
    }

    /// The revisions that are meant; with strong comparison weak tags mean none.
    fn revisions(&self, strongly: bool) -> Revisions {
        match self {
            Self::Any => Revisions::Any,
            Self::Listed(tags) => {
                let counted = tags.iter().filter(|tag| !(strongly && tag.weak));
                Revisions::Listed(counted.filter_map(Tag::revision).collect())
            }
        }
    }

    fn has(&self, equals: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(equals),
        }
    }
}

impl ByteRange {
    /// `bytes=0-499`, `bytes=500-`, `bytes=-500`; `None` for all that is to be ignored.
    fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            // More than there can be is as much as there can be.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first, last) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    fn within(self, length: u64) -> Extent {
        let range = match self {
            Self::From(first, last) => {
                let end = last.map_or(length, |last| last.saturating_add(1).min(length));
                first..end
            }
            Self::Last(octets) => length.saturating_sub(octets)..length,
        };
        if range.is_empty() {
            Extent::Unsatisfiable
        } else {
            Extent::Part(range)
        }
    }
}

impl Conditions {
    /// Of a request.
    ///
    /// # Errors
    /// 400 `If-Match`, `If-None-Match` for lists that are none: what they demand is not known, so nothing is done.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        let range = single(headers, &header::RANGE);
        let if_range = headers.get(header::IF_RANGE).map(|value| {
            let (tag, rest) = Tag::read(value.as_bytes().trim_ascii())?;
            rest.is_empty().then_some(tag)
        });
        Ok(Self {
            if_match: Tags::read(headers, &header::IF_MATCH, "If-Match")?,
            if_none_match: Tags::read(headers, &header::IF_NONE_MATCH, "If-None-Match")?,
            range: range.and_then(ByteRange::parse),
            if_range,
        })
    }

    /// What is to be true of an object's revision before it is changed.
    pub(super) fn precondition(&self) -> Precondition {
        Precondition {
            is: self.if_match.as_ref().map(|tags| tags.revisions(true)),
            is_not: self
                .if_none_match
                .as_ref()
                .map(|tags| tags.revisions(false)),
        }
    }

    /// What is to be done with a representation of this tag that is read (RFC 9110 §13.2.2).
    pub(super) fn verdict(&self, own: &Tag) -> Verdict {
        let same_revision = |tag: &Tag| !tag.weak && tag.before_dash() == own.before_dash();
        let same = |tag: &Tag| tag.opaque == own.opaque;
        if self
            .if_match
            .as_ref()
            .is_some_and(|tags| !tags.has(same_revision))
        {
            Verdict::Failed
        } else if self
            .if_none_match
            .as_ref()
            .is_some_and(|tags| tags.has(same))
        {
            Verdict::NotModified
        } else {
            Verdict::Send
        }
    }

    /// How much is to be sent of a representation of this tag and length (RFC 9110 §14.2, §13.1.5).
    pub(super) fn extent(&self, own: &Tag, length: u64) -> Extent {
        let still_the_same = match &self.if_range {
            None => true,
            Some(tag) => tag.as_ref().is_some_and(|tag| !tag.weak && tag == own),
        };
        match self.range {
            Some(range) if still_the_same => range.within(length),
            Some(_) | None => Extent::Whole,
        }
    }
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Sixteen hexadecimal digits of SHA-256: no dash is among them.
fn check_value(pieces: &[&[u8]]) -> String {
    let digest = match pieces {
        [octets] => digest(&SHA256, octets),
        pieces => digest(&SHA256, &pieces.concat()),
    };
    digest.as_ref()[..8]
        .iter()
        .fold(String::with_capacity(16), |mut text, octet| {
            for digit in [octet >> 4, octet & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(HeaderName, &str)]) -> Result<Conditions, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        Conditions::read(&headers)
    }

    fn own() -> Tag {
        Tag::strong("5-abc".to_owned())
    }

    #[test]
    fn if_none_match_compares_whole_tags_weakly() {
        for (lines, verdict) in [
            (&["\"5-abc\""][..], Verdict::NotModified),
            (&["W/\"5-abc\""], Verdict::NotModified),
            (&["\"4-x\" , ,\"5-abc\","], Verdict::NotModified),
            (&["\"a,b\"", "\"5-abc\""], Verdict::NotModified),
            (&["*"], Verdict::NotModified),
            (&["\"5-abd\""], Verdict::Send),
            (&["\"5-abc-gzip\""], Verdict::Send),
            (&["\"5\""], Verdict::Send),
        ] {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| (header::IF_NONE_MATCH, *line))
                .collect();
            assert_eq!(read(&lines).unwrap().verdict(&own()), verdict, "{lines:?}");
        }
    }

    #[test]
    fn if_match_compares_revisions_strongly_and_comes_first() {
        for (value, verdict) in [
            ("\"5-abc\"", Verdict::Send),
            ("\"5-of-another-form\"", Verdict::Send),
            ("\"5\"", Verdict::Send),
            ("*", Verdict::Send),
            ("W/\"5-abc\"", Verdict::Failed),
            ("\"4-abc\"", Verdict::Failed),
            ("\"\"", Verdict::Failed),
        ] {
            let conditions = read(&[(header::IF_MATCH, value)]).unwrap();
            assert_eq!(conditions.verdict(&own()), verdict, "{value}");
        }
        let both = [
            (header::IF_MATCH, "\"4-x\""),
            (header::IF_NONE_MATCH, "\"5-abc\""),
        ];
        assert_eq!(read(&both).unwrap().verdict(&own()), Verdict::Failed);
    }

    #[test]
    fn a_change_depends_on_the_revisions_of_the_tags() {
        let precondition = |name, value| read(&[(name, value)]).unwrap().precondition();
        let listed = |numbers: &[u64]| Some(Revisions::Listed(numbers.to_vec()));
        for (value, is) in [
            ("*", Some(Revisions::Any)),
            ("\"5-abc\", \"7\", W/\"6-x\"", listed(&[5, 7])),
            (
                "\"05-abc\", \"+5\", \"five\", \"-5\", \"99999999999999999999-a\"",
                listed(&[]),
            ),
        ] {
            assert_eq!(precondition(header::IF_MATCH, value).is, is, "{value}");
        }
        let is_not = precondition(header::IF_NONE_MATCH, "W/\"6-x\"").is_not;
        assert_eq!(is_not, listed(&[6]));
    }

    #[test]
    fn malformed_conditions_name_their_header() {
        for value in [
            "",
            ",",
            "5-abc",
            "\"5-abc",
            "\"a\"\"b\"",
            "\"a\" b",
            "w/\"a\"",
            "*, \"a\"",
            "\"a b\"",
        ] {
            let refused = |name, shown: &str| {
                assert_eq!(
                    read(&[(name, value)]),
                    Err(Failure::invalid(shown)),
                    "{value}"
                );
            };
            refused(header::IF_MATCH, "If-Match");
            refused(header::IF_NONE_MATCH, "If-None-Match");
        }
    }

    #[test]
    fn one_range_of_bytes_is_served_and_others_are_ignored() {
        let extent = |value: &str| read(&[(header::RANGE, value)]).unwrap().extent(&own(), 10);
        for (value, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("Bytes = 2-4 ", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=9-99999999999999999999", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
        ] {
            assert_eq!(extent(value), Extent::Part(part), "{value}");
        }
        for value in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(extent(value), Extent::Unsatisfiable, "{value}");
        }
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=1--2",
            "bytes=1-2-3",
        ] {
            assert_eq!(extent(value), Extent::Whole, "{value}");
        }
        let twice = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=0-1")];
        assert_eq!(read(&twice).unwrap().extent(&own(), 10), Extent::Whole);
        let of_nothing = read(&[(header::RANGE, "bytes=0-")]).unwrap();
        assert_eq!(of_nothing.extent(&own(), 0), Extent::Unsatisfiable);
    }

    #[test]
    fn a_range_of_what_has_changed_is_the_whole() {
        for (value, part) in [
            ("\"5-abc\"", true),
            ("\"5-abd\"", false),
            ("W/\"5-abc\"", false),
            ("\"5-abc\", \"5-abc\"", false),
            ("Sat, 29 Oct 1994 19:43:31 GMT", false),
            ("", false),
        ] {
            let conditions =
                read(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, value)]).unwrap();
            let whole = conditions.extent(&own(), 10) == Extent::Whole;
            assert_eq!(!whole, part, "{value}");
        }
    }

    #[test]
    fn each_form_of_a_document_has_a_tag_and_all_have_one_revision() {
        let tags = [
            Tag::of_document(Some(7), b"{}", false),
            Tag::of_document(Some(7), b"{}", true),
            Tag::of_document(Some(7), b"<x/>", false),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert_eq!(tag.revision(), Some(7));
            assert!(!tags[..index].contains(tag), "{tag:?}");
        }
        let shown = tags[1].to_header().unwrap();
        assert_eq!(shown, "\"7-44136fa355b3678a-gzip\"");
        assert_ne!(Tag::of_payload("a", "1"), Tag::of_payload("a", ""));
    }
}
