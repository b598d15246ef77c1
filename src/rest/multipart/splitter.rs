//! The delimiters of a multipart body (RFC 2046 §5.1), found while it comes in.
//!
//! * No I/O: octets are pushed, events are pulled. How the body is cut makes no difference to what it holds.
//! * Kept back is only what may yet turn out to be a delimiter, and the header of one part up to its bound.
//! * The first delimiter's own line end decides: after CRLF, a bare LF begins no delimiter; after LF, either does.
//! * The content of a part is opaque, also when it is a multipart itself.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memmem::Finder};

use super::header::{self, Fields};
use crate::nms::encode::Malformed;

/// Octets in the longest header of a part.
const HEADER: usize = 16 * 1024;
/// White space that may follow a boundary on its line (RFC 2046 §5.1.1), octets.
const PADDING: usize = 256;

/// What comes next in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins.
    Part(Fields),
    /// More of its content; never empty.
    Content(Bytes),
    /// The part is complete.
    End,
    /// So is the body; what follows does not count.
    Closed,
}

/// A multipart body on its way.
pub(super) struct Splitter {
    /// A line end, `--` and the boundary.
    line: Finder<'static>,
    /// Whether lines end in CRLF; unknown before the first delimiter.
    crlf: Option<bool>,
    buffer: BytesMut,
    /// Octets of complete lines in the header that is being read.
    lines: usize,
    /// Octets pushed so far.
    pushed: u64,
    ended: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Header,
    /// Behind the header: the buffer begins with the end of the blank line, this long.
    Blank(usize),
    Content,
    Closed,
}

enum Step {
    Event(Event),
    Again,
    /// More octets are needed.
    More,
}

/// What the octets behind a boundary make of it.
enum Tail {
    Delimiter(Delimiter),
    /// More octets are needed to say.
    Unknown,
    /// It is content that only begins like a delimiter.
    Content,
}

/// A delimiter line.
struct Delimiter {
    /// Where what follows begins.
    end: usize,
    /// Whether no part follows.
    close: bool,
}

impl Splitter {
    pub(super) fn new(boundary: &str) -> Self {
        Self {
            line: Finder::new(format!("\n--{boundary}").as_bytes()).into_owned(),
            crlf: None,
            // The first line begins like all others.
            buffer: BytesMut::from(&b"\r\n"[..]),
            lines: 0,
            pushed: 0,
            ended: false,
            state: State::Preamble,
        }
    }

    /// The body's next octets.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pushed += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.state != State::Closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The body has no more octets.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Octets of the body before the content of the part that has just begun; `None` at any other time.
    pub(super) fn before_content(&self) -> Option<u64> {
        let State::Blank(length) = self.state else {
            return None;
        };
        let ahead = self.buffer.len().checked_sub(length)?;
        self.pushed.checked_sub(u64::try_from(ahead).ok()?)
    }

    /// Octets behind a content when nothing follows but the closing delimiter: without and with an end to its line.
    pub(super) fn closing(&self) -> [u64; 2] {
        let end = if self.crlf == Some(false) { 1 } else { 2 };
        let dashed = u64::try_from(self.dashed().len()).unwrap_or(u64::MAX);
        [end + dashed + 2, end + dashed + 2 + end]
    }

    /// The next event; `None` when more octets are needed for it.
    ///
    /// # Errors
    /// A header that is malformed or too large; a body that ended early.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Malformed> {
        loop {
            let step = match self.state {
                State::Preamble => self.preamble(),
                State::Header => self.header()?,
                State::Blank(length) => self.blank(length),
                State::Content => self.content(),
                State::Closed => Step::Event(Event::Closed),
            };
            match step {
                Step::Event(event) => return Ok(Some(event)),
                Step::Again => {}
                Step::More if !self.ended => return Ok(None),
                Step::More if self.state == State::Preamble => {
                    return Err(header::malformed("root-fields"));
                }
                Step::More => return Err(header::malformed("attachments")),
            }
        }
    }

    /// `--` and the boundary.
    fn dashed(&self) -> &[u8] {
        self.line.needle().get(1..).unwrap_or_default()
    }

    fn preamble(&mut self) -> Step {
        match self.find() {
            (_, Some(delimiter)) => {
                let line = self.buffer.get(..delimiter.end).unwrap_or_default();
                self.crlf = Some(line.ends_with(b"\r\n"));
                self.pass(&delimiter);
                Step::Again
            }
            (before, None) => {
                self.buffer.advance(before);
                Step::More
            }
        }
    }

    fn header(&mut self) -> Result<Step, Malformed> {
        while let Some(length) = memchr(b'\n', &self.buffer[self.lines..]) {
            let blank = matches!(&self.buffer[self.lines..][..length], b"" | b"\r");
            if self.lines + length > HEADER {
                break;
            }
            if blank {
                let fields = header::parse(&self.buffer.split_to(self.lines))?;
                self.lines = 0;
                self.state = State::Blank(length + 1);
                return Ok(Step::Event(Event::Part(fields)));
            }
            self.lines += length + 1;
        }
        if self.buffer.len() > HEADER {
            return Err(header::malformed(header::DISPOSITION));
        }
        Ok(Step::More)
    }

    /// RFC 2046 §5.1.1: a part may have no content at all, and then the blank line's end is that before the delimiter.
    fn blank(&mut self, length: usize) -> Step {
        let behind = self.buffer.get(length..).unwrap_or_default();
        let dashed = self.dashed();
        if dashed.starts_with(behind) && behind.len() < dashed.len() {
            return Step::More;
        }
        let tail = if behind.starts_with(dashed) {
            self.tail(length + dashed.len())
        } else {
            Tail::Content
        };
        match tail {
            Tail::Delimiter(delimiter) => {
                self.pass(&delimiter);
                Step::Event(Event::End)
            }
            Tail::Unknown => Step::More,
            Tail::Content => {
                self.buffer.advance(length);
                self.state = State::Content;
                Step::Again
            }
        }
    }

    fn content(&mut self) -> Step {
        match self.find() {
            (0, Some(delimiter)) => {
                self.pass(&delimiter);
                Step::Event(Event::End)
            }
            (0, None) => Step::More,
            (before, _) => Step::Event(Event::Content(self.buffer.split_to(before).freeze())),
        }
    }

    fn pass(&mut self, delimiter: &Delimiter) {
        self.buffer.advance(delimiter.end);
        self.state = if delimiter.close {
            self.buffer.clear();
            State::Closed
        } else {
            State::Header
        };
    }

    /// How many octets are certainly before the next delimiter, and that delimiter if it is there.
    fn find(&self) -> (usize, Option<Delimiter>) {
        let mut from = 0;
        while let Some(found) = self.line.find(&self.buffer[from..]) {
            let at = from + found;
            let after_cr = at > 0 && self.buffer[at - 1] == b'\r';
            let before = at - usize::from(after_cr);
            from = at + 1;
            if !after_cr && self.crlf == Some(true) {
                continue;
            }
            match self.tail(at + self.line.needle().len()) {
                Tail::Delimiter(delimiter) => return (before, Some(delimiter)),
                Tail::Unknown => return (before, None),
                Tail::Content => {}
            }
        }
        // CR and all but the last octet of a line may be at the end.
        let kept = self.line.needle().len();
        (self.buffer.len().saturating_sub(kept), None)
    }

    /// What is behind a boundary that ends at `at` (RFC 2046 §5.1.1): `--` if it is the last, white space, the line's end.
    fn tail(&self, at: usize) -> Tail {
        let behind = self.buffer.get(at..).unwrap_or_default();
        let (close, line) = match behind {
            [] | [b'-'] => return Tail::Unknown,
            [b'-', b'-', line @ ..] => (true, line),
            line => (false, line),
        };
        let padding = line
            .iter()
            .take_while(|octet| matches!(octet, b' ' | b'\t'))
            .count();
        let end = match &line[padding..] {
            _ if padding > PADDING => return Tail::Content,
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            rest @ ([] | [b'\r']) if close && self.ended => rest.len(),
            [] | [b'\r'] => return Tail::Unknown,
            _ => return Tail::Content,
        };
        let start = self.buffer.len() - line.len();
        Tail::Delimiter(Delimiter {
            end: start + padding + end,
            close,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Header as `name: value|…`, and content, of each part; or what is to blame.
    type Parts = Result<Vec<(String, Vec<u8>)>, String>;

    /// Splits a body that comes in these pieces.
    fn split(boundary: &str, pieces: &[&[u8]]) -> Parts {
        let mut splitter = Splitter::new(boundary);
        let mut parts = Vec::new();
        for piece in pieces {
            splitter.push(piece);
            if drain(&mut splitter, &mut parts)? {
                return Ok(parts);
            }
            let most = HEADER + splitter.line.needle().len() + PADDING + piece.len();
            assert!(splitter.buffer.len() <= most);
        }
        splitter.end();
        assert!(
            drain(&mut splitter, &mut parts)?,
            "neither closed nor an error"
        );
        Ok(parts)
    }

    fn drain(splitter: &mut Splitter, parts: &mut Vec<(String, Vec<u8>)>) -> Result<bool, String> {
        while let Some(event) = splitter.next().map_err(|malformed| malformed.part)? {
            match event {
                Event::Part(fields) => {
                    let fields = fields
                        .iter()
                        .map(|(name, value)| format!("{name}: {value}"));
                    parts.push((fields.collect::<Vec<_>>().join("|"), Vec::new()));
                }
                Event::Content(bytes) => {
                    assert!(!bytes.is_empty());
                    parts.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
                Event::End => {}
                Event::Closed => return Ok(true),
            }
        }
        Ok(false)
    }

    fn contents(boundary: &str, body: &str) -> Result<Vec<String>, String> {
        let parts = split(boundary, &[body.as_bytes()])?;
        let content = |(_, content)| String::from_utf8(content).unwrap();
        Ok(parts.into_iter().map(content).collect())
    }

    #[test]
    fn parts_lie_between_delimiters() {
        let body = "preamble\r\n--bb\r\n--b\r\nA: 1\r\nB: 2\r\n\r\none\r\n\r\n--b \t \r\n\r\n\r\ntwo\r\n--bb\r\n--b--c\r\n--b-\r\n--b--\r\nepilogue\r\n--b\r\n";
        let parts = split("b", &[body.as_bytes()]).unwrap();
        let expected = [
            ("A: 1|B: 2", "one\r\n"),
            ("", "\r\ntwo\r\n--bb\r\n--b--c\r\n--b-"),
        ];
        let expected =
            expected.map(|(header, content)| (header.to_owned(), content.as_bytes().to_vec()));
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_part_may_be_empty_or_have_no_content_at_all() {
        for body in [
            "--b\r\nContent-Length: 0\r\n\r\n\r\n--b--",
            "--b\r\nContent-Length: 0\r\n\r\n--b--",
            "--b\r\n\r\n--b--\r\n",
            "--b\n\n--b--\n",
        ] {
            assert_eq!(contents("b", body).unwrap(), [""], "{body:?}");
        }
        let body = "--b\r\n\r\n--b\r\n\r\n\r\n--b\r\n\r\n--bx\r\n--b--";
        assert_eq!(contents("b", body).unwrap(), ["", "", "--bx"]);
    }

    #[test]
    fn line_ends_are_those_of_the_first_delimiter() {
        let body = "--b\nA: 1\n\none\n--b\r\n\r\ntwo\r\n--b--";
        assert_eq!(contents("b", body).unwrap(), ["one", "two"]);
        let body = "--b\r\n\r\none\n--b\n\r\n--b--";
        assert_eq!(contents("b", body).unwrap(), ["one\n--b\n"]);
    }

    #[test]
    fn boundaries_may_be_of_anything() {
        let dashes = "----\r\n\r\none\r\n---\r\n------\r\nepilogue";
        assert_eq!(contents("--", dashes).unwrap(), ["one\r\n---"]);
        let odd = "----=-sep-=--\r\n\r\none\r\n----=-sep-=----";
        assert_eq!(contents("--=-sep-=--", odd).unwrap(), ["one"]);
        let blank = "--a b\r\n\r\none\r\n--a\r\n--a b--";
        assert_eq!(contents("a b", blank).unwrap(), ["one\r\n--a"]);
    }

    #[test]
    fn an_inner_multipart_is_opaque() {
        let inner = "--Inner\r\nContent-Type: text/plain\r\n\r\nWe arrived.\r\n--Inner\r\n\r\n\0";
        for inner in [
            inner.to_owned(),
            format!("{inner}\r\n--Inner--"),
            format!("{inner}\r\n----"),
        ] {
            let body = format!("--Outer\r\n\r\n{inner}\r\n--Outer--\r\n");
            assert_eq!(contents("Outer", &body).unwrap(), [inner]);
        }
    }

    #[test]
    fn a_body_that_ends_early_is_none() {
        let whole = "--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--";
        for end in 0..whole.len() {
            let part = if end < "--b\r\n".len() {
                "root-fields"
            } else {
                "attachments"
            };
            assert_eq!(contents("b", &whole[..end]), Err(part.to_owned()), "{end}");
        }
        for behind in ["", " ", "\r", "\r\n", "\n", "\r\nepilogue"] {
            let body = format!("{whole}{behind}");
            assert_eq!(contents("b", &body).unwrap(), ["one", "two"]);
        }
    }

    #[test]
    fn headers_and_padding_have_bounds() {
        let header = |length: usize| {
            let filler = "x".repeat(length - "A: \r\n".len());
            contents("b", &format!("--b\r\nA: {filler}\r\n\n--b--"))
        };
        assert!(header(HEADER).is_ok());
        assert_eq!(header(HEADER + 1), Err(header::DISPOSITION.to_owned()));
        let endless = [&b"--b\r\n"[..], &vec![b'x'; HEADER + 1]].concat();
        assert_eq!(split("b", &[&endless]), Err(header::DISPOSITION.to_owned()));
        let padded = |length: usize| {
            let padding = " ".repeat(length);
            contents(
                "b",
                &format!("--b\r\n\r\none\r\n--b{padding}\r\n\r\ntwo\r\n--b--"),
            )
        };
        assert_eq!(padded(PADDING).unwrap().len(), 2);
        assert_eq!(padded(PADDING + 1).unwrap().len(), 1);
    }

    #[test]
    fn where_a_content_begins_is_known_at_its_header() {
        for (body, closings) in [
            ("pre\r\n--b\r\nA: 1\r\n\r\ncontent", [7_u64, 9]),
            ("--b\nA: 1\n\ncontent", [6, 7]),
        ] {
            for cut in 0..body.len() - "content".len() {
                let mut splitter = Splitter::new("b");
                splitter.push(&body.as_bytes()[..cut]);
                while splitter.next().unwrap().is_some() {}
                assert_eq!(splitter.before_content(), None);
                splitter.push(&body.as_bytes()[cut..]);
                assert!(matches!(splitter.next(), Ok(Some(Event::Part(_)))));
                let before = u64::try_from(body.len() - "content".len()).unwrap();
                assert_eq!(splitter.before_content(), Some(before));
                assert_eq!(splitter.closing(), closings);
            }
        }
    }

    /// What bodies are made of, and nearly.
    fn token() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "--b",
            "--b\r\n",
            "\r\n--b\r\n",
            "\r\n--b--",
            "\n--b\n",
            "\r\n\r\n",
            "\r",
            "\n",
            "-",
            "--",
            " ",
            "x",
            "b",
            "A: 1\r\n",
            "A: 1\r\n\r\n",
            ":",
            "\0",
            "é",
        ])
    }

    /// A cutting of a body: where, as shares of its length.
    fn pieces<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #[test]
        fn any_cutting_of_anything_gives_the_same(
            tokens in proptest::collection::vec(token(), 0..40),
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let body = tokens.concat().into_bytes();
            let whole = split("b", &[&body]);
            prop_assert_eq!(&split("b", &pieces(&body, &cuts)), &whole);
            let octets: Vec<&[u8]> = body.chunks(1).collect();
            prop_assert_eq!(split("b", &octets), whole);
        }

        #[test]
        fn what_was_put_in_comes_out(
            contents in proptest::collection::vec(proptest::collection::vec(token(), 0..20), 1..6),
            crlf: bool,
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            // The boundary is in none of them, but all it is made of is; with LF a CR before a delimiter is taken for its.
            let contents: Vec<String> = contents
                .iter()
                .map(|tokens| format!("{}x", tokens.concat().replace("--b", "--c")))
                .collect();
            let mut body = String::new();
            for content in &contents {
                body += &format!("--b{end}{end}{content}{end}");
            }
            body += "--b--";
            let parts = split("b", &pieces(body.as_bytes(), &cuts)).unwrap();
            let parts: Vec<String> = parts
                .into_iter()
                .map(|(_, content)| String::from_utf8(content).unwrap())
                .collect();
            prop_assert_eq!(parts, contents);
        }
    }
}
