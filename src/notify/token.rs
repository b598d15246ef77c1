//! `restartToken`: where a box stands, for any subscription of it, now or after a restart (contract §7.2).
//!
//! It names a place in a journal, and holds a picture of the box where that is short: what the journal no longer knows, or no
//! journal any more, is found out from the store then. A box that is too large for that depends on the journal alone. Ids that live by
//! aliases end with a process that keeps them in memory: a picture that may have been shown with such ids says which process that was.

use std::collections::VecDeque;

use super::journal::JournalId;
use crate::store::{Picture, id::Seal};

/// Octets of the picture of a box that a token holds: with what else is in it, and as text, less than 4 kB.
pub(super) const MOST_PICTURE: usize = 2950;
/// Most of them: lists are made soon after a look.
const MOST_PICTURES: usize = 4;
/// Octets in front of the picture.
const MARK: usize = 8;
/// Longest token that is read.
const LONGEST: usize = 4096;
const PURPOSE: &str = "restart";
const VERSION: u8 = 2;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) journal: JournalId,
    pub(super) number: u64,
    /// The box as it was at that number: a [`sketch`].
    pub(super) picture: Option<Vec<u8>>,
}

/// Sketches that are kept of a box: of where its journal stood when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Pictures(VecDeque<(u64, Option<Vec<u8>>)>);

impl Pictures {
    /// The box at this number, of which there may have been another before.
    pub(super) fn add(&mut self, number: u64, picture: Option<Vec<u8>>) {
        self.0.retain(|(other, _)| *other != number);
        if self.0.len() >= MOST_PICTURES {
            self.0.pop_front();
        }
        self.0.push_back((number, picture));
    }

    /// The box as it was at a number, if that is known and short.
    pub(super) fn at(&self, number: u64) -> Option<&[u8]> {
        let of = self.0.iter().find(|(other, _)| *other == number);
        of.and_then(|(_, picture)| picture.as_deref())
    }
}

/// A picture as tokens hold it, if it is short, after what tells the aliases of the box (`State::aliases`).
pub(super) fn sketch(picture: &Picture, aliases: Option<u64>) -> Option<Vec<u8>> {
    let bytes = picture.to_bytes(MOST_PICTURE - MARK)?;
    Some([&aliases.unwrap_or(0).to_be_bytes()[..], &bytes].concat())
}

impl Token {
    pub(super) fn write(&self, seal: &Seal) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.journal);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.push(u8::from(self.picture.is_some()));
        bytes.extend_from_slice(self.picture.as_deref().unwrap_or_default());
        seal.write(PURPOSE, &bytes)
    }

    /// Reads a token; `None` for what is none of this box.
    pub(super) fn read(text: &str, seal: &Seal) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = seal.read(PURPOSE, text)?;
        let (version, rest) = bytes.split_first()?;
        let (journal, rest) = rest.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (has_picture, picture) = rest.split_first()?;
        if *version != VERSION {
            return None;
        }
        Some(Self {
            journal: *journal,
            number: u64::from_be_bytes(*number),
            picture: (*has_picture == 1).then(|| picture.to_vec()),
        })
    }

    /// The picture in it, unless what was shown by aliases then has other ids now.
    pub(super) fn picture(&self, aliases: Option<u64>) -> Option<Picture> {
        let (mark, bytes) = self.picture.as_deref()?.split_first_chunk::<MARK>()?;
        let mark = u64::from_be_bytes(*mark);
        if mark != 0 && aliases != Some(mark) {
            return None;
        }
        Picture::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_come_back_and_no_other_text_is_one(
            journal in any::<[u8; 16]>(),
            number in any::<u64>(),
            picture in prop::option::of(prop::collection::vec(any::<u8>(), 0..MOST_PICTURE)),
            at in any::<prop::sample::Index>(),
        ) {
            let seal = Seal::new("cpm", "tel:+1");
            let token = Token { journal, number, picture };
            let text = token.write(&seal);
            prop_assert!(text.len() < 4096);
            let read = Token::read(&text, &seal);
            prop_assert_eq!(read.as_ref(), Some(&token));
            prop_assert_eq!(Token::read(&text, &Seal::new("cpm", "tel:+2")), None);
            let mut changed = text.into_bytes();
            let at = at.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(Token::read(&changed, &seal).is_none_or(|read| read == token));
        }

        #[test]
        fn a_picture_shown_by_aliases_is_none_once_these_are_gone(mark in 1_u64..) {
            let of = |picture| Token { journal: [0; 16], number: 0, picture };
            let without = of(sketch(&Picture::default(), None));
            let with = of(sketch(&Picture::default(), Some(mark)));
            for aliases in [None, Some(mark), Some(mark ^ 1)] {
                prop_assert!(without.picture(aliases).is_some());
                prop_assert_eq!(with.picture(aliases).is_some(), aliases == Some(mark));
            }
        }

        #[test]
        fn no_text_does_harm(text in "\\PC{0,80}") {
            prop_assert_eq!(Token::read(&text, &Seal::new("cpm", "tel:+1")), None);
        }
    }
}
