//! What a walk in the order of folders has behind it. A place in that order would do if folders kept theirs: one that is renamed between
//! two pages would be passed over, or taken twice.

use std::collections::BTreeSet;

use super::{folder::Folder, order::Position};
use crate::store::id::fingerprint;

/// Most folders that a cursor remembers; a walk over more goes by their order alone.
const MOST: usize = 2000;

/// Folders by marks: parts of digests of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// The one in which the walk stopped.
    at: u32,
    behind: BTreeSet<u32>,
}

impl Passed {
    /// Goes on behind a folder.
    pub(super) fn pass(&mut self, folder: &Folder) {
        self.behind.insert(mark(folder));
    }

    /// Stops in a folder; `None` when there is too much to be remembered.
    pub(super) fn stop(mut self, folder: &Folder) -> Option<Self> {
        self.at = mark(folder);
        (self.behind.len() <= MOST).then_some(self)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let marks = [&self.at].into_iter().chain(&self.behind);
        marks.flat_map(|mark| mark.to_be_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (marks, rest) = bytes.as_chunks::<4>();
        let mut marks = marks.iter().map(|mark| u32::from_be_bytes(*mark));
        let at = marks.next().filter(|_| rest.is_empty())?;
        Some(Self {
            at,
            behind: marks.collect(),
        })
    }
}

/// What is left of a walk that has come so far: where it stopped, what comes after that, and at last what has come before it meanwhile;
/// with the UID below which it goes on in a folder.
pub(super) fn left(
    folders: Vec<Folder>,
    after: Option<&Position>,
    passed: Option<&Passed>,
) -> impl Iterator<Item = (Folder, Option<u32>)> {
    let mut parts = [const { Vec::new() }; 3];
    for folder in folders {
        let path = folder.path.as_str();
        let (part, below) = match (after, passed) {
            (None, _) => (Some(1), None),
            (Some(after), None) if path == after.path => (Some(0), Some(after.uid)),
            (Some(after), None) => ((*path > *after.path).then_some(1), None),
            (Some(after), Some(passed)) => {
                let mark = mark(&folder);
                if mark == passed.at {
                    (Some(0), Some(after.uid))
                } else if passed.behind.contains(&mark) {
                    (None, None)
                } else {
                    (Some(if *path > *after.path { 1 } else { 2 }), None)
                }
            }
        };
        if let Some(part) = part.and_then(|part: usize| parts.get_mut(part)) {
            part.push((folder, below));
        }
    }
    parts.into_iter().flatten()
}

fn mark(folder: &Folder) -> u32 {
    let [mark @ .., _, _, _, _] = fingerprint(folder.at.folder.as_bytes()).to_be_bytes();
    u32::from_be_bytes(mark)
}
