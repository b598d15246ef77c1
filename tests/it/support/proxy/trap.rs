//! What a proxy can do to one command.

use super::{Fault, Way};

/// What happens to a command, and to all that passes on its connection from its first byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// Nothing: it is only looked at.
    Watch,
    /// As soon as so many bytes were sent to the server, the connection is cut.
    CutSaid(usize),
    /// So many bytes of the server's are passed on; when more come, the connection is cut.
    CutAnswered(usize),
    /// So many bytes are sent to the server; the rest waits until it is released, also when the bridge has gone by then.
    HoldSaid(usize),
    /// What comes up to a tagged OK is passed on; the tagged OK is not, nor what follows; the connection stays.
    DropTaggedOk,
    /// The command is sent, and nothing of the answer is passed on; the connection stays.
    DropAnswered,
}

/// What passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) said: Vec<u8>,
    pub(crate) answered: Vec<u8>,
}

/// A trap, laid or not, and the connection that is in it.
#[derive(Debug, Default)]
pub(super) struct Snare {
    laid: Option<(&'static str, Trap)>,
    caught: Option<usize>,
    /// The fault that comes when it springs.
    then: Option<Fault>,
    pub(super) seen: Seen,
}

/// What is done with some bytes.
#[derive(Debug)]
pub(super) struct Verdict {
    /// How many of them pass.
    pub(super) passes: usize,
    pub(super) then: Then,
    /// The fault that comes when they have passed: a trap has sprung.
    pub(super) springs: Option<Fault>,
}

/// What becomes of the connection when they have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// Nothing passes any more.
    Cut,
    /// It stays; the rest of the bytes never comes.
    Drop,
    /// The rest of the bytes, and all behind it, waits.
    Hold,
}

impl Verdict {
    /// Without a trap.
    pub(super) fn new(passes: usize, then: Then) -> Self {
        Self {
            passes,
            then,
            springs: None,
        }
    }
}

impl Snare {
    pub(super) fn new(command: &'static str, trap: Trap, then: Fault) -> Self {
        Self {
            laid: Some((command, trap)),
            then: Some(then),
            ..Self::default()
        }
    }

    /// A command begins on a connection.
    pub(super) fn meet(&mut self, connection: usize, command: &str) {
        if self.caught.is_none() && self.laid.is_some_and(|(laid, _)| laid == command) {
            self.caught = Some(connection);
        }
    }

    /// `None` for a connection that is in no trap.
    pub(super) fn verdict(&mut self, connection: usize, way: Way, piece: &[u8]) -> Option<Verdict> {
        if self.caught != Some(connection) {
            return None;
        }
        let (_, trap) = self.laid.as_mut()?;
        let (passes, then) = passing(trap, way, piece);
        let springs = match then {
            Then::GoOn => None,
            Then::Cut | Then::Drop | Then::Hold => self.then.take(),
        };
        let seen = match way {
            Way::ToServer => &mut self.seen.said,
            Way::ToBridge => &mut self.seen.answered,
        };
        seen.extend_from_slice(&piece[..passes]);
        Some(Verdict {
            passes,
            then,
            springs,
        })
    }
}

fn passing(trap: &mut Trap, way: Way, piece: &[u8]) -> (usize, Then) {
    let all = piece.len();
    match (&mut *trap, way) {
        (Trap::CutSaid(left), Way::ToServer) if all < *left => {
            *left -= all;
            (all, Then::GoOn)
        }
        (Trap::CutSaid(left), Way::ToServer) => (*left, Then::Cut),
        (Trap::HoldSaid(left), Way::ToServer) if all < *left => {
            *left -= all;
            (all, Then::GoOn)
        }
        (Trap::HoldSaid(left), Way::ToServer) => {
            let passes = *left;
            // What was held back passes when it is released, and all behind it.
            *trap = Trap::Watch;
            (passes, Then::Hold)
        }
        (Trap::CutAnswered(left), Way::ToBridge) if all > *left => (*left, Then::Cut),
        (Trap::CutAnswered(left), Way::ToBridge) => {
            *left -= all;
            (all, Then::GoOn)
        }
        (Trap::DropTaggedOk, Way::ToBridge) => match tagged_ok(piece) {
            Some(start) => {
                *trap = Trap::DropAnswered;
                (start, Then::Drop)
            }
            None => (all, Then::GoOn),
        },
        (Trap::DropAnswered, Way::ToBridge) => (0, Then::Drop),
        (Trap::Watch | Trap::DropTaggedOk | Trap::DropAnswered, _)
        | (Trap::CutSaid(_) | Trap::HoldSaid(_), Way::ToBridge)
        | (Trap::CutAnswered(_), Way::ToServer) => (all, Then::GoOn),
    }
}

/// Where the first line begins that is a tagged OK; servers write it in one piece with its line end.
pub(super) fn tagged_ok(piece: &[u8]) -> Option<usize> {
    let mut start = 0;
    for line in piece.split_inclusive(|byte| *byte == b'\n') {
        let mut words = line.split(|byte| *byte == b' ');
        let tag = words.next().unwrap_or_default();
        if tag != b"*" && tag != b"+" && words.next() == Some(b"OK") {
            return Some(start);
        }
        start += line.len();
    }
    None
}
