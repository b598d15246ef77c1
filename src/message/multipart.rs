//! Where the parts of a multipart body lie (RFC 2046 §5.1).

use std::ops::Range;

use super::header::{line_end, trim_line_end};

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

    fn parts<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
        entities(body.as_bytes(), boundary, 1000)
            .into_iter()
            .map(|range| &body[range])
            .collect()
    }

    #[test]
    fn entities_lie_between_delimiters() {
        let body = "preamble\r\n--b\r\nA: 1\r\n\r\none\r\n\r\n--b  \r\n\r\ntwo\r\n--bb\r\n--b--\r\nepilogue\r\n--b\r\nno";
        assert_eq!(parts(body, "b"), ["A: 1\r\n\r\none\r\n", "\r\ntwo\r\n--bb"]);
    }

    #[test]
    fn broken_multiparts_give_what_they_have() {
        assert_eq!(
            parts("--b\n\none\n--b\n\ntwo\n", "b "),
            ["\none", "\ntwo\n"]
        );
        assert_eq!(parts("--b\r\n--b\r\n--b--", "b"), ["", ""]);
        assert!(parts("no delimiter", "b").is_empty());
        assert!(parts("--\r\nx\r\n----", "").is_empty());
        assert_eq!(parts("--b", "b"), [""]);
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
