//! Where the parts of a multipart body lie (RFC 2046 §5.1).

use std::ops::Range;

use super::header::{Header, line_end, trim_line_end};

/// One entity of a multipart: its header, and its body as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityPart<'a> {
    /// Its own header.
    pub header: Header,
    /// Still encoded.
    pub body: &'a [u8],
}

/// The parts of a whole multipart body, at most `most`; none where the boundary never comes.
#[must_use]
pub fn parts<'a>(body: &'a [u8], boundary: &str, most: usize) -> Vec<EntityPart<'a>> {
    entities(body, boundary, most)
        .into_iter()
        .map(|range| {
            let entity = &body[range];
            let (header, start) = Header::split(entity);
            EntityPart {
                header,
                body: &entity[start..],
            }
        })
        .collect()
}

/// The entities, header and body, between the delimiters of `body`; at most `most`. A missing close delimiter ends the
/// last one at the end of the bytes; a boundary that never comes gives none.
pub(crate) fn entities(body: &[u8], boundary: &str, most: usize) -> Vec<Range<usize>> {
    // RFC 2046 §5.1.1: a boundary does not end in white space, that was added on the way.
    let boundary = boundary.trim_end().as_bytes();
    let mut entities = Vec::new();
    if boundary.is_empty() {
        return entities;
    }
    let mut start = None;
    let mut at = 0;
    while at < body.len() && entities.len() < most {
        let end = line_end(body, at);
        if let Some(delimiter) = Delimiter::read(trim_line_end(&body[at..end]), boundary) {
            if let Some(start) = start {
                entities.push(start..before_line(body, start, at));
            }
            if delimiter == Delimiter::Close {
                return entities;
            }
            start = Some(end);
        }
        at = end;
    }
    if let Some(start) = start
        && entities.len() < most
    {
        entities.push(start..body.len());
    }
    entities
}

/// What a line between parts says.
#[derive(PartialEq, Eq)]
pub(crate) enum Delimiter {
    Open,
    Close,
}

impl Delimiter {
    /// Reads a line without its line break.
    pub(crate) fn read(line: &[u8], boundary: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
        let (rest, kind) = match rest.strip_prefix(b"--") {
            Some(rest) => (rest, Self::Close),
            None => (rest, Self::Open),
        };
        // RFC 2046 §5.1.1: only padding may follow; anything else is another boundary that begins alike.
        rest.trim_ascii().is_empty().then_some(kind)
    }
}

/// RFC 2046 §5.1.1: the line break before a delimiter belongs to the delimiter.
fn before_line(body: &[u8], start: usize, line: usize) -> usize {
    let end = start + trim_line_end(&body[start..line]).len();
    end.max(start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bodies<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
        entities(body.as_bytes(), boundary, 1000)
            .into_iter()
            .map(|range| &body[range])
            .collect()
    }

    #[test]
    fn entities_lie_between_delimiters() {
        let body = "preamble\r\n--b\r\nA: 1\r\n\r\none\r\n\r\n--b  \r\n\r\ntwo\r\n--bb\r\n--b--\r\nepilogue\r\n--b\r\nno";
        assert_eq!(
            bodies(body, "b"),
            ["A: 1\r\n\r\none\r\n", "\r\ntwo\r\n--bb"]
        );
    }

    #[test]
    fn broken_multiparts_give_what_they_have() {
        assert_eq!(
            bodies("--b\n\none\n--b\n\ntwo\n", "b "),
            ["\none", "\ntwo\n"]
        );
        assert_eq!(bodies("--b\r\n--b\r\n--b--", "b"), ["", ""]);
        assert!(bodies("no delimiter", "b").is_empty());
        assert!(bodies("--\r\nx\r\n----", "").is_empty());
        assert_eq!(bodies("--b", "b"), [""]);
    }

    #[test]
    fn parts_are_headers_and_bodies() {
        let body = b"--b\r\nA: 1\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\n";
        let parts = parts(body, "b", 10);
        assert_eq!(parts[0].header.first("A").as_deref(), Some("1"));
        assert_eq!(parts[0].body, b"one\r\n");
        assert!(parts[1].header.is_empty());
        assert_eq!(parts[1].body, b"two");
    }

    #[test]
    fn the_number_of_entities_has_a_bound() {
        assert_eq!(entities(&b"--b\r\n".repeat(50), "b", 10).len(), 10);
    }

    proptest! {
        #[test]
        fn any_body_gives_ranges_inside_it(pieces in proptest::collection::vec(
            proptest::sample::select(vec!["--", "b", "\r", "\n", "\r\n", "x", ": ", " "]), 0..60)) {
            let body = pieces.concat();
            let mut last = 0;
            for range in entities(body.as_bytes(), "b", 20) {
                prop_assert!(last <= range.start && range.start <= range.end && range.end <= body.len());
                last = range.end;
            }
        }
    }
}
