//! What a multipart body holds (RFC 2046 §5.1), at every level, found while it comes in.
//!
//! - The pieces cover the body without a gap, in order. A multipart inside is opened, so that each leaf is judged alone.
//! - A missing close delimiter, LF line ends, a preamble, an epilogue and boundaries of dashes are taken as they come.
//! - Held in memory: a line as far as it may be a delimiter, and the part headers, at most 1 MiB of them in 1000 parts.
//!   What has more is only judged as a whole.

use std::ops::Range;

use super::{Found, LONGEST_LINE, Scan, length};
use crate::message::header::{Header, trim_line_end};
use crate::message::multipart::Delimiter;
use crate::message::parameters::ContentType;

/// Parts of all levels whose place is kept.
const MOST_PARTS: usize = 1000;
/// Levels of multiparts that are opened.
const DEEPEST: usize = 100;
/// Octets of one part's header.
const LONGEST_PART_HEADER: usize = 64 << 10;
/// Octets of all part headers.
const MOST_HEADERS: usize = 1 << 20;
/// RFC 2046 §5.1.1: characters of a boundary.
const LONGEST_BOUNDARY: usize = 70;

/// What a multipart body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMultipart {
    /// All of the body.
    pub whole: Found,
    /// What the delimiters of the first level hold behind their dashes; `None` when the body has no delimiter.
    pub boundary: Option<String>,
    /// What has to come before a close delimiter, where there is none.
    pub(crate) missing: Option<&'static str>,
    /// What the body consists of; `None` when that is more than is kept.
    pub(crate) pieces: Option<Vec<Piece>>,
}

/// A stretch of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<u64>,
    pub(crate) found: Found,
    pub(crate) kind: Kind,
}

/// What a stretch of a multipart body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Preamble or epilogue.
    Filler,
    /// A delimiter line, the line break before it included where that is its own.
    Delimiter(Vec<u8>),
    /// A part's header, the blank line behind it included where there is one.
    Header(Vec<u8>),
    /// The body of a part that is no multipart.
    Leaf,
    /// The body of a part that says it is a multipart and has no parts, or is nested too deep.
    Opaque,
}

/// Looks at a multipart body.
#[derive(Debug)]
pub struct MultipartScan {
    levels: Vec<Level>,
    place: Place,
    place_start: u64,
    /// Octets not given to the place yet: a line break that may belong to a delimiter, and the line behind it.
    held: Vec<u8>,
    /// How many of the held octets are the line break.
    line_break: usize,
    /// Whether the rest of the line is known to be no delimiter.
    passing: bool,
    /// Octets that came.
    octets: u64,
    /// Whether the last of them ended a line.
    after_line: bool,
    whole: Found,
    boundary: Option<String>,
    closed: bool,
    pieces: Option<Vec<Piece>>,
    parts: usize,
    headers: usize,
}

/// A multipart that is open.
#[derive(Debug)]
struct Level {
    boundary: Vec<u8>,
    /// Whether a delimiter of it has come.
    opened: bool,
}

/// What a line belongs to that is no delimiter.
#[derive(Debug)]
enum Place {
    Filler(Scan),
    Header(Vec<u8>),
    Leaf(Scan),
    Opaque(Scan),
}

impl MultipartScan {
    /// A scan at the beginning of the body. Without a boundary (an empty one) it is taken from the body's first line.
    #[must_use]
    pub fn new(boundary: &str) -> Self {
        Self {
            // RFC 2046 §5.1.1: a boundary does not end in white space, that was added on the way.
            levels: vec![Level {
                boundary: boundary.trim_end().as_bytes().to_vec(),
                opened: false,
            }],
            place: Place::Filler(Scan::default()),
            place_start: 0,
            held: Vec::new(),
            line_break: 0,
            passing: false,
            octets: 0,
            after_line: false,
            whole: Scan::default().finish(),
            boundary: None,
            closed: false,
            pieces: Some(Vec::new()),
            parts: 0,
            headers: 0,
        }
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.octets += length(line);
            self.after_line = line.ends_with(b"\n");
            if self.passing {
                self.pass(line);
            } else {
                self.judge(line);
            }
        }
    }

    /// The end of the body.
    #[must_use]
    pub fn finish(mut self) -> FoundMultipart {
        if self.passing || !self.delimiter() {
            // A CR alone ends a header too, as the readers have it.
            if !self.passing && self.held.ends_with(b"\r") {
                self.line();
            }
            self.release(self.held.len());
        }
        // RFC 2046 §5.1.1: the line break before a delimiter belongs to it, and one more ends a header.
        let missing = match &self.place {
            Place::Header(_) if !self.after_line => "\r\n\r\n",
            Place::Header(_) | Place::Filler(_) | Place::Leaf(_) | Place::Opaque(_) => "\r\n",
        };
        self.leave(0, self.octets);
        FoundMultipart {
            whole: self.whole,
            boundary: self.boundary,
            missing: (!self.closed).then_some(missing),
            pieces: self.pieces,
        }
    }

    /// More of a line that may still be a delimiter, at most to its end.
    fn judge(&mut self, bytes: &[u8]) {
        if !matches!(self.place, Place::Header(_)) && !self.may_be_delimiter(bytes) {
            self.passing = true;
            self.pass(bytes);
            return;
        }
        self.held.extend_from_slice(bytes);
        if bytes.ends_with(b"\n") && !self.delimiter() {
            self.line();
        }
        self.bound();
    }

    /// Whether the held line together with these bytes still looks like a delimiter.
    fn may_be_delimiter(&mut self, bytes: &[u8]) -> bool {
        let held = &self.held[self.line_break..];
        let mut line = held.iter().chain(bytes);
        let alike = [line.next(), line.next()]
            .into_iter()
            .flatten()
            .all(|byte| *byte == b'-');
        let may_be = alike && held.len() + bytes.len() <= LONGEST_LINE + 2;
        if !may_be && self.is_unnamed() {
            self.levels.clear();
        }
        may_be && !self.levels.is_empty()
    }

    /// Whether the first line is to say what the boundary is.
    fn is_unnamed(&self) -> bool {
        self.levels
            .first()
            .is_some_and(|level| level.boundary.is_empty())
    }

    /// More of a line that is no delimiter, at most to its end.
    fn pass(&mut self, bytes: &[u8]) {
        let whole = bytes.ends_with(b"\n");
        // A CR at the end of what has come may be half of a line break.
        let text = if whole {
            trim_line_end(bytes)
        } else {
            bytes.strip_suffix(b"\r").unwrap_or(bytes)
        };
        if bytes != b"\n" || !self.held.ends_with(b"\r") {
            self.release(self.held.len());
        }
        self.give(text);
        self.held.extend_from_slice(&bytes[text.len()..]);
        if whole {
            self.passing = false;
            self.line_break = self.held.len();
        }
    }

    /// The held line is whole and no delimiter.
    fn line(&mut self) {
        let line = trim_line_end(&self.held[self.line_break..]);
        if let Place::Header(header) = &mut self.place
            && line.is_empty()
        {
            header.append(&mut self.held);
            self.line_break = 0;
            self.enter();
        } else {
            let text = self.line_break + line.len();
            self.release(text);
            self.line_break = self.held.len();
        }
    }

    /// Ends the place and begins the next one if the held line is a delimiter of a multipart that is open.
    fn delimiter(&mut self) -> bool {
        let line = trim_line_end(&self.held[self.line_break..]);
        if self.is_unnamed() {
            match line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end) {
                Some(named) if (1..=LONGEST_BOUNDARY).contains(&named.len()) => {
                    self.levels[0].boundary = named.to_vec();
                }
                Some(_) | None => self.levels.clear(),
            }
        }
        // RFC 2046 §5.1.2: the delimiter of a multipart further out ends those inside, whatever boundary they have.
        let read = |level: &Level| Delimiter::read(line, &level.boundary);
        let mut levels = self.levels.iter().enumerate();
        let found = levels.find_map(|(depth, level)| Some((depth, read(level)?)));
        let Some((depth, delimiter)) = found else {
            return false;
        };
        self.leave(depth, self.octets - length(&self.held));
        let held = std::mem::take(&mut self.held);
        self.line_break = 0;
        self.keep(self.octets, Scan::of(&held), Kind::Delimiter(held));
        if depth == 0 && self.boundary.is_none() {
            let boundary = String::from_utf8_lossy(&self.levels[0].boundary);
            self.boundary = Some(boundary.into_owned());
        }
        match delimiter {
            Delimiter::Open => {
                self.levels.truncate(depth + 1);
                self.levels[depth].opened = true;
                self.place = Place::Header(Vec::new());
                self.parts += 1;
            }
            Delimiter::Close => {
                self.levels.truncate(depth);
                self.closed = self.levels.is_empty();
            }
        }
        true
    }

    /// Ends the place before a delimiter of that depth, or at the end of all; a filler comes next.
    fn leave(&mut self, depth: usize, end: u64) {
        let place = std::mem::replace(&mut self.place, Place::Filler(Scan::default()));
        match place {
            Place::Header(header) => self.keep(end, Scan::of(&header), Kind::Header(header)),
            Place::Leaf(scan) => self.keep(end, scan.finish(), Kind::Leaf),
            Place::Opaque(scan) => self.keep(end, scan.finish(), Kind::Opaque),
            Place::Filler(scan) => {
                let unopened = self.levels.last().is_some_and(|level| !level.opened);
                let kind = if unopened && self.levels.len() > depth + 1 {
                    Kind::Opaque
                } else {
                    Kind::Filler
                };
                self.keep(end, scan.finish(), kind);
            }
        }
    }

    /// Begins what is behind a part's header.
    fn enter(&mut self) {
        let place = std::mem::replace(&mut self.place, Place::Filler(Scan::default()));
        let Place::Header(bytes) = place else {
            return;
        };
        let header = Header::split(&bytes).0;
        self.keep(self.octets, Scan::of(&bytes), Kind::Header(bytes));
        let Some(content_type) = header.content_type().filter(ContentType::is_multipart) else {
            self.place = Place::Leaf(Scan::new(header.transfer_encoding()));
            return;
        };
        let boundary = content_type
            .parameter("boundary")
            .unwrap_or_default()
            .trim_end();
        if boundary.is_empty() || self.levels.len() > DEEPEST {
            self.place = Place::Opaque(Scan::default());
        } else {
            self.levels.push(Level {
                boundary: boundary.as_bytes().to_vec(),
                opened: false,
            });
        }
    }

    /// Notes a piece that ends there.
    fn keep(&mut self, end: u64, found: Found, kind: Kind) {
        let range = self.place_start..end;
        self.place_start = end;
        self.whole.octets += found.octets;
        self.whole.decoded += found.octets;
        self.whole.safe &= found.safe;
        self.whole.eight_bit |= found.eight_bit;
        self.whole.own_boundaries |= found.own_boundaries;
        if let Kind::Header(header) = &kind {
            self.headers += header.len();
        }
        if self.parts > MOST_PARTS || self.headers > MOST_HEADERS {
            self.pieces = None;
        } else if let Some(pieces) = &mut self.pieces
            && !range.is_empty()
        {
            pieces.push(Piece { range, found, kind });
        }
    }

    /// A header that is too long is none.
    fn bound(&mut self) {
        if let Place::Header(header) = &self.place
            && header.len() + self.held.len() > LONGEST_PART_HEADER
        {
            let mut scan = Scan::default();
            scan.push(header);
            self.place = Place::Opaque(scan);
            self.pieces = None;
        }
    }

    /// Gives the first of the held octets to the place.
    fn release(&mut self, octets: usize) {
        let held = std::mem::take(&mut self.held);
        let (first, rest) = held.split_at(octets);
        self.give(first);
        self.held.extend_from_slice(rest);
        self.line_break = 0;
    }

    fn give(&mut self, bytes: &[u8]) {
        match &mut self.place {
            Place::Filler(scan) | Place::Leaf(scan) | Place::Opaque(scan) => scan.push(bytes),
            Place::Header(header) => header.extend_from_slice(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::multipart::entities;

    fn scan(body: &[u8], boundary: &str, cut: usize) -> FoundMultipart {
        let mut scan = MultipartScan::new(boundary);
        for piece in body.chunks(cut) {
            scan.push(piece);
        }
        scan.finish()
    }

    /// Each piece as its kind's letter and its text: `f`iller, `d`elimiter, `h`eader, `l`eaf, `o`paque.
    fn pieces(body: &str, boundary: &str) -> Vec<(char, String)> {
        let found = scan(body.as_bytes(), boundary, usize::MAX);
        let pieces = found.pieces.unwrap();
        let text = |piece: &Piece| {
            let range = usize::try_from(piece.range.start).unwrap()
                ..usize::try_from(piece.range.end).unwrap();
            body[range].to_owned()
        };
        pieces
            .iter()
            .map(|piece| {
                let letter = match &piece.kind {
                    Kind::Filler => 'f',
                    Kind::Delimiter(bytes) | Kind::Header(bytes) => {
                        assert_eq!(bytes, text(piece).as_bytes());
                        if matches!(piece.kind, Kind::Header(_)) {
                            'h'
                        } else {
                            'd'
                        }
                    }
                    Kind::Leaf => 'l',
                    Kind::Opaque => 'o',
                };
                (letter, text(piece))
            })
            .collect()
    }

    fn leaves(body: &str, boundary: &str) -> Vec<String> {
        let all = pieces(body, boundary).into_iter();
        all.filter(|(kind, _)| *kind == 'l')
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn a_body_is_taken_apart_without_a_gap() {
        let body = "pre\r\n--b\r\nA: 1\r\n\r\none\r\n\r\n--b  \r\n\r\ntwo\r\n--bb\r\n--b--\r\nepilogue\r\n--b\r\nno";
        let expected = [
            ('f', "pre"),
            ('d', "\r\n--b\r\n"),
            ('h', "A: 1\r\n\r\n"),
            ('l', "one\r\n"),
            ('d', "\r\n--b  \r\n"),
            ('h', "\r\n"),
            ('l', "two\r\n--bb"),
            ('d', "\r\n--b--\r\n"),
            ('f', "epilogue\r\n--b\r\nno"),
        ];
        assert_eq!(
            pieces(body, "b "),
            expected.map(|(kind, text)| (kind, text.to_owned()))
        );
        let found = scan(body.as_bytes(), "b", 5);
        assert_eq!(found.missing, None);
        assert_eq!(found.boundary.as_deref(), Some("b"));
        assert!(found.whole.safe);
        assert_eq!(found.whole.octets, length(body.as_bytes()));
    }

    #[test]
    fn multiparts_inside_are_opened() {
        let body = "--b\nContent-Type: multipart/alternative; boundary=\"b2\"\n\npre\n--b2\n\nx\n--b2--\npost\n--b\n\ny\n--b--\n";
        let expected = [
            ('d', "--b\n"),
            (
                'h',
                "Content-Type: multipart/alternative; boundary=\"b2\"\n\n",
            ),
            ('f', "pre"),
            ('d', "\n--b2\n"),
            ('h', "\n"),
            ('l', "x"),
            ('d', "\n--b2--\n"),
            ('f', "post"),
            ('d', "\n--b\n"),
            ('h', "\n"),
            ('l', "y"),
            ('d', "\n--b--\n"),
        ];
        assert_eq!(
            pieces(body, "b"),
            expected.map(|(kind, text)| (kind, text.to_owned()))
        );
        assert!(!scan(body.as_bytes(), "b", 1).whole.safe);
        // The outer delimiter ends what the inner close delimiter did not.
        let body = "--b\n\n1\n--b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\n2\n--b\n\n3\n--i\n4\n--b--";
        assert_eq!(leaves(body, "b"), ["1", "2", "3\n--i\n4"]);
    }

    #[test]
    fn a_multipart_without_parts_stays_shut() {
        for kind in ["multipart/mixed", "multipart/mixed; boundary=never"] {
            let body = format!("--b\r\nContent-Type: {kind}\r\n\r\nx\r\n--other\r\ny\r\n--b--\r\n");
            assert_eq!(
                pieces(&body, "b")[2],
                ('o', "x\r\n--other\r\ny".to_owned()),
                "{kind}"
            );
        }
        let found = scan(b"no delimiter\r\n--bb\r\n", "b", usize::MAX);
        assert_eq!(found.boundary, None);
    }

    #[test]
    fn boundaries_of_dashes_are_told_apart() {
        let body = "----\r\n\r\none\r\n---\r\n-----\r\n----\r\n\r\ntwo\r\n------\r\n";
        assert_eq!(leaves(body, "--"), ["one\r\n---\r\n-----", "two"]);
        let body = "----=-sep-=--\r\n\r\none\r\n--=-sep-=--\r\n----=-sep-=----\r\n";
        assert_eq!(leaves(body, "--=-sep-=--"), ["one\r\n--=-sep-=--"]);
    }

    #[test]
    fn without_a_boundary_the_first_line_says_it() {
        let body = "--b=1 \r\n\r\none\r\n--b=1--\r\n";
        assert_eq!(leaves(body, ""), ["one"]);
        assert_eq!(
            scan(body.as_bytes(), " ", 1).boundary.as_deref(),
            Some("b=1")
        );
        for body in ["x\r\n--b\r\n\r\none\r\n--b--\r\n", "--\r\n", "", "-"] {
            assert_eq!(scan(body.as_bytes(), "", 1).boundary, None, "{body}");
        }
    }

    #[test]
    fn what_a_close_delimiter_lacks_before_it_is_known() {
        for (body, missing) in [
            ("--b\r\n\r\none\r\n--b--", None),
            ("--b\r\n\r\none", Some("\r\n")),
            ("--b\r\n\r\none\r\n", Some("\r\n")),
            ("--b\r\n\r\n", Some("\r\n")),
            ("--b\r\nA: 1\r\n", Some("\r\n")),
            ("--b\r\nA: 1", Some("\r\n\r\n")),
            ("--b\r\n", Some("\r\n")),
            ("--b", Some("\r\n\r\n")),
            ("--b\r\n\r\none\r\n--b", Some("\r\n\r\n")),
            ("", Some("\r\n")),
        ] {
            for cut in 1..4 {
                assert_eq!(scan(body.as_bytes(), "b", cut).missing, missing, "{body:?}");
            }
        }
    }

    #[test]
    fn what_is_kept_has_a_bound_and_the_whole_is_judged_all_the_same() {
        let parts =
            |count: usize| [b"--b\r\n\r\nx\r\n".repeat(count), b"--b--\r\n".to_vec()].concat();
        assert!(scan(&parts(MOST_PARTS), "b", 100).pieces.is_some());
        for body in [
            parts(MOST_PARTS + 1),
            [
                b"--b\r\nA: ".to_vec(),
                b"x\r\n ".repeat(LONGEST_PART_HEADER / 4),
                b"\r\n\r\nx\r\n--b--".to_vec(),
            ]
            .concat(),
            [
                [
                    b"--b\r\n".to_vec(),
                    b"A: x\r\n".repeat(10_000),
                    b"\r\nx\r\n".to_vec(),
                ]
                .concat()
                .repeat(20),
                b"--b--".to_vec(),
            ]
            .concat(),
        ] {
            let found = scan(&body, "b", 1000);
            assert_eq!(found.pieces, None);
            assert_eq!((found.missing, found.whole.octets), (None, length(&body)));
            assert!(found.whole.safe);
            assert!(!scan(&[&body[..], b"\n"].concat(), "b", 1000).whole.safe);
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        for start in ["", "--b\r\n", "--b\r\n\r\n"] {
            let mut scan = MultipartScan::new("b");
            scan.push(start.as_bytes());
            for _ in 0..1000 {
                scan.push(&[b'-'; 1000]);
                assert!(scan.held.capacity() < 256 << 10);
            }
            assert_eq!(
                scan.finish().whole.octets,
                1_000_000 + length(start.as_bytes())
            );
        }
    }

    #[test]
    fn a_hundred_levels_are_opened_and_no_more() {
        let mut body = String::from("--b0\r\n");
        for level in 1..=DEEPEST + 1 {
            body.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
            ));
        }
        body.push_str("\r\nx");
        let kinds = pieces(&body, "b0");
        assert_eq!(kinds.last().unwrap().0, 'o');
        assert_eq!(
            kinds.iter().filter(|(kind, _)| *kind == 'd').count(),
            DEEPEST + 1
        );
    }

    fn any_body() -> impl Strategy<Value = String> {
        let pieces = vec![
            "--",
            "b",
            "--b",
            "--b--",
            "\r",
            "\n",
            "\r\n",
            "x",
            "A: 1",
            " ",
            "-",
            "\0",
            "é",
            "\r\n--b\r\n",
            "\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=c\r\n",
            "--c\r\n",
            "--c--\n",
        ];
        proptest::collection::vec(proptest::sample::select(pieces), 0..60)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cutting_finds_the_same(body in any_body(), boundary in "b?", cut in 1..9usize) {
            let whole = scan(body.as_bytes(), &boundary, usize::MAX);
            let mut cuts = scan(body.as_bytes(), &boundary, cut);
            // What begins like our delimiters does not matter once bytes are not safe.
            for (one, other) in cuts.pieces.iter_mut().flatten().zip(whole.pieces.iter().flatten()) {
                one.found.own_boundaries = other.found.own_boundaries;
            }
            prop_assert_eq!(&cuts, &whole);
            let mut at = 0;
            for piece in whole.pieces.iter().flatten() {
                prop_assert_eq!(piece.range.start, at);
                at = piece.range.end;
                let bytes = &body.as_bytes()[usize::try_from(piece.range.start).unwrap()..usize::try_from(at).unwrap()];
                prop_assert_eq!(piece.found.safe, Scan::of(bytes).safe);
                prop_assert_eq!(piece.found.eight_bit, !bytes.is_ascii());
            }
            prop_assert_eq!(at, length(body.as_bytes()));
            prop_assert_eq!(whole.whole.safe, Scan::of(body.as_bytes()).safe);
        }

        #[test]
        fn first_level_parts_are_those_the_reader_finds(body in any_body()) {
            let body = body.replace("multipart", "text");
            let mut expected = Vec::new();
            for entity in entities(body.as_bytes(), "b", 1000) {
                let (_, length) = Header::split(&body.as_bytes()[entity.clone()]);
                expected.push(body[entity.start + length..entity.end].to_owned());
            }
            expected.retain(|leaf| !leaf.is_empty());
            prop_assert_eq!(leaves(&body, "b"), expected);
        }
    }
}
