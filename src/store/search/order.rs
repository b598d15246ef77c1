//! The order of a search (product: order) and where in it a page ends: keys first, then the folder's path, then the newest UID. Total, so
//! that a page can go on behind the last one looked at, whatever has come and gone since.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

use super::{
    created::Snapshot,
    criteria::{Sort, SortKind, folded, shown_second},
    passed::Passed,
};
use crate::{
    message::Attribute,
    store::{Error, id::Seal},
};

/// What an object is ordered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Value {
    Date(i64),
    Text(String),
}

/// A place in the order: that of an object, or the end of a folder (UID 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// One for each sort criterion; none for an object that does not have it.
    pub(super) keys: Vec<Option<Value>>,
    pub(super) path: String,
    pub(super) uid: u32,
}

impl Position {
    /// Which of two comes first.
    pub(super) fn compare(&self, other: &Self, sort: &[Sort]) -> Ordering {
        let keys = self.keys.iter().zip(&other.keys).zip(sort);
        let keys = keys.map(|((one, other), sort)| compare(one.as_ref(), other.as_ref(), sort));
        keys.fold(Ordering::Equal, Ordering::then)
            .then_with(|| self.path.cmp(&other.path))
            .then_with(|| other.uid.cmp(&self.uid))
    }
}

/// What does not have the key comes last in both directions.
fn compare(one: Option<&Value>, other: Option<&Value>, sort: &Sort) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) if sort.descending => other.cmp(one),
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// The keys of an object, made so that the first in the order is the least.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The only key is a date: whether there is none, and its place among the others.
    Date(bool, i64),
    Values(Vec<Ranked>),
}

/// One of several keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ranked {
    Ascending(Value),
    Descending(Reverse<Value>),
    Missing,
}

impl Key {
    /// Of a date, where nothing else counts.
    pub(super) fn date(sort: &[Sort], date: Option<i64>) -> Self {
        let descending = sort.first().is_some_and(|sort| sort.descending);
        // The complement turns the order round, and every number has one.
        let place = |date: i64| if descending { !date } else { date };
        Self::Date(date.is_none(), date.map_or(0, place))
    }

    /// Of values, one for each sort criterion.
    pub(super) fn values(sort: &[Sort], values: Vec<Option<Value>>) -> Self {
        let ranked = values
            .into_iter()
            .zip(sort)
            .map(|(value, sort)| match value {
                None => Ranked::Missing,
                Some(value) if sort.descending => Ranked::Descending(Reverse(value)),
                Some(value) => Ranked::Ascending(value),
            });
        Self::Values(ranked.collect())
    }

    /// Of a position, as the others of its order have it.
    pub(super) fn of(sort: &[Sort], position: &Position) -> Self {
        if by_date(sort) {
            let date = match position.keys.first() {
                Some(Some(Value::Date(date))) => Some(*date),
                Some(Some(Value::Text(_)) | None) | None => None,
            };
            return Self::date(sort, date);
        }
        Self::values(sort, position.keys.clone())
    }

    /// Back to what a position holds.
    pub(super) fn to_values(&self, sort: &[Sort]) -> Vec<Option<Value>> {
        match self {
            Self::Date(true, _) => vec![None; sort.len()],
            Self::Date(false, place) => {
                let descending = sort.first().is_some_and(|sort| sort.descending);
                let date = if descending { !place } else { *place };
                vec![Some(Value::Date(date)); sort.len()]
            }
            Self::Values(ranked) => ranked
                .iter()
                .map(|ranked| match ranked {
                    Ranked::Ascending(value) | Ranked::Descending(Reverse(value)) => {
                        Some(value.clone())
                    }
                    Ranked::Missing => None,
                })
                .collect(),
        }
    }
}

/// Whether dates are all that is sorted by.
pub(super) fn by_date(sort: &[Sort]) -> bool {
    sort.iter().all(|sort| sort.kind == SortKind::Date)
}

/// The keys of what is shown so.
pub(super) fn keys(sort: &[Sort], attributes: &[Attribute]) -> Vec<Option<Value>> {
    let first = |name: &str| {
        let own = |attribute: &&Attribute| attribute.name.eq_ignore_ascii_case(name);
        attributes.iter().find(own)?.values.first()
    };
    let key = |sort: &Sort| match &sort.kind {
        SortKind::Date => shown_second(first("Date")?).map(Value::Date),
        SortKind::Attribute(name) => {
            let value = first(name)?;
            // Contract §4.2: these are compared in any case.
            Some(Value::Text(match name.as_str() {
                "direction" | "message-context" => folded(value),
                _ => value.clone(),
            }))
        }
    };
    sort.iter().map(key).collect()
}

/// Where a search goes on, and what it was told at its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last one looked at.
    pub(super) position: Position,
    /// The folders behind it, where these have an order of their own.
    pub(super) passed: Option<Passed>,
    /// What was there when the search began; only for a search for what was created.
    pub(super) snapshot: Option<Snapshot>,
}

impl Cursor {
    /// Writes a cursor of the search with that digest.
    ///
    /// # Errors
    /// [`Error::Internal`], never seen.
    pub(super) fn write(&self, seal: &Seal, digest: u64) -> Result<String, Error> {
        let position = serde_json::to_vec(&self.position)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let passed = self.passed.as_ref().map(Passed::to_bytes);
        let passed = passed.unwrap_or_default();
        let snapshot = self.snapshot.as_ref().map(|snapshot| {
            let mut bytes = vec![1];
            bytes.extend(snapshot.to_bytes());
            bytes
        });
        let bytes = [
            &length(&position)[..],
            &position,
            &length(&passed),
            &passed,
            &snapshot.unwrap_or_default(),
        ];
        Ok(seal.write(&purpose(digest), &bytes.concat()))
    }

    /// Reads a cursor; one that is none of this search is invalid input.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] `fromCursor`.
    pub(super) fn read(text: &str, seal: &Seal, digest: u64, keys: usize) -> Result<Self, Error> {
        seal.read(&purpose(digest), text)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .filter(|cursor| cursor.position.keys.len() == keys)
            .ok_or_else(|| Error::InvalidInput("fromCursor".to_owned()))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = with_length(bytes)?;
        let (passed, rest) = with_length(rest)?;
        let passed = match passed {
            [] => None,
            passed => Some(Passed::from_bytes(passed)?),
        };
        let snapshot = match rest.split_first() {
            None => None,
            Some((_, bytes)) => Some(Snapshot::from_bytes(bytes)?),
        };
        Some(Self {
            position: serde_json::from_slice(position).ok()?,
            passed,
            snapshot,
        })
    }
}

/// What has its length in front of it, and what comes after that.
fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

fn purpose(digest: u64) -> String {
    format!("search cursor {digest:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(kind: SortKind, descending: bool) -> Sort {
        Sort { kind, descending }
    }

    fn position(key: Option<Value>, path: &str, uid: u32) -> Position {
        Position {
            keys: vec![key],
            path: path.to_owned(),
            uid,
        }
    }

    #[test]
    fn what_has_no_key_comes_last_in_both_directions_and_ties_are_newest_first() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for descending in [false, true] {
            let sort = [sort(SortKind::Attribute("subject".to_owned()), descending)];
            let mut all = [
                position(None, "/a", 9),
                position(text("a"), "/b", 1),
                position(text("a"), "/b", 2),
                position(text("b"), "/a", 3),
                position(text("B"), "/a", 4),
            ];
            all.sort_by(|one, other| one.compare(other, &sort));
            let uids: Vec<u32> = all.iter().map(|position| position.uid).collect();
            let expected = if descending {
                [3, 2, 1, 4, 9]
            } else {
                [4, 2, 1, 3, 9]
            };
            assert_eq!(uids, expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn keys_have_the_order_of_positions(one in proptest::option::of(-9_i64..9), other in proptest::option::of(-9_i64..9),
            descending: bool, text: bool) {
            let kind = if text { SortKind::Attribute("x".to_owned()) } else { SortKind::Date };
            let sort = [sort(kind, descending)];
            let value = |number: i64| if text { Value::Text(format!("{:02}", number + 20)) } else { Value::Date(number) };
            let positions = [one, other].map(|number| position(number.map(value), "/a", 1));
            let keys = [0, 1].map(|at: usize| Key::of(&sort, &positions[at]));
            proptest::prop_assert_eq!(keys[0].cmp(&keys[1]), positions[0].compare(&positions[1], &sort));
            proptest::prop_assert_eq!(keys[0].to_values(&sort), positions[0].keys.clone());
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_search() {
        let seal = Seal::new("cpm", "tel:+15550100");
        let mut snapshot = Snapshot::default();
        snapshot.add(&crate::store::id::MailboxKey::uid_validity(7), 12);
        let behind = Passed::from_bytes(&[0, 0, 0, 1, 0, 0, 0, 9, 255, 0, 0, 0]);
        assert!(behind.is_some());
        let passed = [None, Some(Passed::default()), behind];
        let snapshots = [None, Some(Snapshot::default()), Some(snapshot)];
        for (snapshot, passed) in snapshots.into_iter().zip(passed) {
            let cursor = Cursor {
                position: position(Some(Value::Date(-1)), "/ä", 7),
                passed,
                snapshot,
            };
            let text = cursor.write(&seal, 5).unwrap();
            assert_eq!(Cursor::read(&text, &seal, 5, 1), Ok(cursor));
            let invalid = Err(Error::InvalidInput("fromCursor".to_owned()));
            assert_eq!(Cursor::read(&text, &seal, 6, 1), invalid);
            assert_eq!(Cursor::read(&text, &seal, 5, 2), invalid);
            assert_eq!(Cursor::read(&text[1..], &seal, 5, 1), invalid);
        }
    }
}
