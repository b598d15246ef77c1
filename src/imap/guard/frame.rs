//! Finds where a response ends: at a line end that announces no literal (RFC 9051 §4.3).
//!
//! Invariants: no byte is looked at twice, whatever the pieces it comes in; a buffer grows with what came, by doubling, and one
//! that held a large response is not kept.

use bytes::{Buf, Bytes, BytesMut};

use super::super::parse;
use super::super::response::{Response, Untagged};
use super::search::SearchLine;
use super::{Bound, Limits, READ_SIZE, Violation};

/// The first and the smallest buffer: most connections are idle most of the time.
pub(super) const SMALLEST_READ: usize = 4 * 1024;
/// Bytes within which the name of an untagged response stands, spaces included.
const NAME_WITHIN: usize = 64;

/// A response, and how many bytes it took.
pub(super) struct Framed {
    pub(super) response: Response,
    pub(super) size: usize,
}

/// See the module.
pub(super) struct Framer {
    limits: Limits,
    /// Bytes from the start of the response at hand; of a SEARCH, from its first unread byte.
    input: BytesMut,
    state: State,
    /// How much to read next.
    window: usize,
    /// How much room the last read found.
    offered: usize,
}

enum State {
    /// Before a response, or so short into it that its kind is not known.
    Start,
    /// Looking for the end of a line.
    Line {
        /// Where the line starts: after the last literal.
        start: usize,
        /// Where to look on.
        scanned: usize,
        /// Bytes outside literals before `start`.
        before: usize,
        /// Whether it is a kind that [`Limits::search`] holds for.
        long: bool,
    },
    /// Waiting for the bytes of a literal.
    Literal {
        /// Where it ends.
        end: usize,
        /// Bytes outside literals up to its start.
        before: usize,
        /// As in `Line`.
        long: bool,
    },
    /// Reading numbers as they come.
    Search(SearchLine),
}

/// What the name of a response says about how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SEARCH or SORT: numbers start here.
    Numbers(usize),
    /// A line that grows with the mailbox.
    Long,
    Ordinary,
}

impl Framer {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: BytesMut::new(),
            state: State::Start,
            window: SMALLEST_READ,
            offered: 0,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether every byte that came belongs to a response that was given out.
    pub(super) fn is_between_responses(&self) -> bool {
        self.input.is_empty() && matches!(self.state, State::Start)
    }

    /// Gives its room back until something comes; only between responses.
    pub(super) fn rest(&mut self) {
        debug_assert!(self.is_between_responses());
        self.input = BytesMut::new();
    }

    /// Takes what was read into room of somebody else's, at most [`SMALLEST_READ`].
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.room().extend_from_slice(octets);
        self.offered = SMALLEST_READ;
        self.has_read(octets.len());
    }

    /// A buffer with room for the next read.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let spare = self.input.capacity() - self.input.len();
        if spare < SMALLEST_READ / 2 && !self.input.try_reclaim(self.window) {
            let length = self.input.len();
            let more = match self.state {
                // Room for the literal and a little of what follows it, and no more than doubles what came.
                State::Literal { end, .. } => {
                    (end.saturating_sub(length) + SMALLEST_READ).min(length.max(READ_SIZE))
                }
                State::Start | State::Line { .. } | State::Search(_) => length.max(self.window),
            };
            let mut larger = BytesMut::with_capacity(length + more);
            larger.extend_from_slice(&self.input);
            self.input = larger;
        }
        self.offered = (self.input.capacity() - self.input.len()).min(READ_SIZE);
        &mut self.input
    }

    /// Notes how much was read: a full buffer means that there is more.
    pub(super) fn has_read(&mut self, read: usize) {
        if read >= self.offered {
            self.window = (self.window * 2).min(READ_SIZE);
        } else if read < self.window / 4 {
            self.window = (self.window / 2).max(SMALLEST_READ);
        }
    }

    /// The next response, if it is all there. Of a SEARCH, the next piece.
    pub(super) fn next(&mut self) -> Result<Option<Framed>, Violation> {
        loop {
            match self.state {
                State::Start => match classify(&self.input) {
                    None => return Ok(None),
                    Some(Kind::Numbers(start)) => {
                        self.input.advance(start);
                        self.state = State::Search(SearchLine::new(start));
                    }
                    Some(kind) => {
                        self.state = State::Line {
                            start: 0,
                            scanned: 0,
                            before: 0,
                            long: kind == Kind::Long,
                        }
                    }
                },
                State::Line { .. } => {
                    let Some(line_end) = self.find_line_end()? else {
                        return Ok(None);
                    };
                    if self.announces_literal(line_end)? {
                        continue;
                    }
                    return self.complete(line_end).map(Some);
                }
                State::Literal { end, .. } if self.input.len() < end => return Ok(None),
                State::Literal { end, before, long } => {
                    self.state = State::Line {
                        start: end,
                        scanned: end,
                        before,
                        long,
                    };
                }
                State::Search(_) => return self.search(),
            }
        }
    }

    /// Where the line at hand ends, behind its LF.
    fn find_line_end(&mut self) -> Result<Option<usize>, Violation> {
        let State::Line {
            start,
            ref mut scanned,
            before,
            long,
        } = self.state
        else {
            return Ok(None);
        };
        let unseen = self.input.get(*scanned..).unwrap_or_default();
        let line_end = unseen
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|length| *scanned + length + 1);
        *scanned = line_end.unwrap_or(self.input.len());
        let (limit, what) = if long {
            (self.limits.search, Bound::Search)
        } else {
            (self.limits.line, Bound::Line)
        };
        if before + (*scanned - start) > limit {
            return Err(Violation { what });
        }
        if !long && *scanned > self.limits.response {
            return Err(Violation {
                what: Bound::Response,
            });
        }
        Ok(line_end)
    }

    /// Whether the line that ends here goes on with a literal, which is waited for then.
    fn announces_literal(&mut self, line_end: usize) -> Result<bool, Violation> {
        let State::Line {
            start,
            before,
            long,
            ..
        } = self.state
        else {
            return Ok(false);
        };
        let line = self.input.get(start..line_end - 1).unwrap_or_default();
        let Some(size) = parse::literal_size(line) else {
            return Ok(false);
        };
        if start == 0 && parse::ends_in_text(line) {
            return Ok(false);
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.limits.literal)
            .ok_or(Violation {
                what: Bound::Literal,
            })?;
        if line_end + size > self.limits.response {
            return Err(Violation {
                what: Bound::Response,
            });
        }
        self.state = State::Literal {
            end: line_end + size,
            before: before + (line_end - start),
            long,
        };
        Ok(true)
    }

    fn complete(&mut self, end: usize) -> Result<Framed, Violation> {
        let frame: Bytes = self.input.split_to(end).freeze();
        self.state = State::Start;
        if end > READ_SIZE {
            // Its bytes may be kept by the response, so what follows gets a buffer of its own.
            self.input = BytesMut::from(&self.input[..]);
        }
        Ok(Framed {
            response: parse::response(&frame, &self.limits)?,
            size: end,
        })
    }

    fn search(&mut self) -> Result<Option<Framed>, Violation> {
        let State::Search(line) = &mut self.state else {
            return Ok(None);
        };
        let chunk = line.feed(&mut self.input);
        if line.size() > self.limits.search {
            return Err(Violation {
                what: Bound::Search,
            });
        }
        let Some(chunk) = chunk else { return Ok(None) };
        if chunk.is_last {
            self.state = State::Start;
        }
        let size = size_of_val(chunk.numbers.as_slice());
        Ok(Some(Framed {
            response: Response::Untagged(Untagged::Search {
                numbers: chunk.numbers,
                mod_seq: chunk.mod_seq,
            }),
            size,
        }))
    }
}

/// The kind of response that starts here; `None` until its name is all there.
fn classify(input: &[u8]) -> Option<Kind> {
    let head = input.get(..NAME_WITHIN).unwrap_or(input);
    let undecided = (head.len() == NAME_WITHIN).then_some(Kind::Ordinary);
    if head.first()? != &b'*' {
        return Some(Kind::Ordinary);
    }
    let spaces = head[1..].iter().position(|byte| *byte != b' ');
    let Some(spaces) = spaces else {
        return undecided;
    };
    let start = 1 + spaces;
    let name = head.get(start..).unwrap_or_default();
    let Some(length) = name
        .iter()
        .position(|byte| matches!(byte, b' ' | b'(' | b'\r' | b'\n'))
    else {
        return undecided;
    };
    let is = |known: &[u8]| spaces > 0 && name[..length].eq_ignore_ascii_case(known);
    Some(if is(b"SEARCH") || is(b"SORT") {
        Kind::Numbers(start + length)
    } else if is(b"ESEARCH") || is(b"VANISHED") {
        Kind::Long
    } else {
        Kind::Ordinary
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces through `room` and `has_read`, as the guard does.
    fn feed(framer: &mut Framer, bytes: &[u8]) -> Result<usize, Violation> {
        let mut count = 0;
        for piece in bytes.chunks(READ_SIZE) {
            let mut rest = piece;
            while !rest.is_empty() {
                let room = framer.room();
                let spare = (room.capacity() - room.len()).min(READ_SIZE);
                let (now, later) = rest.split_at(spare.min(rest.len()));
                room.extend_from_slice(now);
                framer.has_read(now.len());
                rest = later;
                while framer.next()?.is_some() {
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    #[test]
    fn an_announced_size_reserves_nothing() {
        let mut framer = Framer::new(Limits::default());
        feed(&mut framer, b"* 1 FETCH (BODY[] {4000000}\r\nabc").unwrap();
        framer.room();
        assert!(
            framer.input.capacity() <= 2 * READ_SIZE,
            "{}",
            framer.input.capacity()
        );
    }

    #[test]
    fn a_large_literal_is_held_once() {
        let mut framer = Framer::new(Limits::default());
        let size = 4 * 1024 * 1024;
        feed(
            &mut framer,
            format!("* 1 FETCH (BODY[] {{{size}}}\r\n").as_bytes(),
        )
        .unwrap();
        feed(&mut framer, &vec![b'x'; size - 1]).unwrap();
        assert!(
            framer.input.capacity() <= size + 3 * READ_SIZE,
            "{}",
            framer.input.capacity()
        );
        assert_eq!(feed(&mut framer, b"x)\r\n"), Ok(1));
        // Nor is its buffer kept for what comes next.
        assert!(!framer.input.try_reclaim(size / 2));
    }

    #[test]
    fn an_idle_connection_holds_a_small_buffer() {
        let mut framer = Framer::new(Limits::default());
        for _ in 0..100 {
            assert_eq!(feed(&mut framer, b"* 3 EXISTS\r\n"), Ok(1));
        }
        framer.room();
        assert!(
            framer.input.capacity() <= 2 * SMALLEST_READ,
            "{}",
            framer.input.capacity()
        );
    }

    #[test]
    fn the_name_of_a_response_is_waited_for() {
        assert_eq!(classify(b""), None);
        assert_eq!(classify(b"* SEARC"), None);
        assert_eq!(classify(b"* SEARCH"), None);
        assert_eq!(classify(b"*   search\r"), Some(Kind::Numbers(10)));
        assert_eq!(classify(b"* SEARCHES "), Some(Kind::Ordinary));
        assert_eq!(classify(b"*SEARCH "), Some(Kind::Ordinary));
        assert_eq!(classify(&[b'*'; 200]), Some(Kind::Ordinary));
        assert_eq!(classify(b"A1"), Some(Kind::Ordinary));
    }
}
