//! Sets of UIDs as commands take them.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive};

/// UIDs in ascending order, written as ranges. Never empty on the wire: an empty set must not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidSet(Vec<RangeInclusive<u32>>);

impl UidSet {
    /// One UID.
    #[must_use]
    pub fn one(uid: u32) -> Self {
        Self(vec![uid..=uid])
    }

    /// All UIDs up to one.
    #[must_use]
    pub fn up_to(uid: u32) -> Self {
        Self(vec![1..=uid.max(1)])
    }

    /// All UIDs below one but these, which are in ascending order.
    #[must_use]
    pub fn between(uids: &[u32], below: u32) -> Self {
        let mut ranges = Vec::new();
        let mut next = 1;
        for uid in uids.iter().copied().chain([below]) {
            let end = uid.min(below).saturating_sub(1);
            if next <= end {
                ranges.push(next..=end);
            }
            next = next.max(uid.saturating_add(1));
        }
        Self(ranges)
    }

    /// All UIDs from one on. Its end is a number: `*` would mean the last message also when that comes before (RFC 9051 §9).
    #[must_use]
    pub fn from_on(uid: u32) -> Self {
        Self(vec![uid.max(1)..=u32::MAX])
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From ranges as a server or a file has them, in any order; 0 is no UID.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let mut ranges: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|range| ((*range.start()).max(1), *range.end()))
            .filter(|(start, end)| start <= end)
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(last) if start <= last.end().saturating_add(1) => {
                    *last = *last.start()..=end.max(*last.end());
                }
                Some(_) | None => merged.push(start..=end),
            }
        }
        Self(merged)
    }

    /// Its ranges, ascending and apart.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    /// How many UIDs there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let length = |range: &RangeInclusive<u32>| u64::from(range.end() - range.start()) + 1;
        self.0.iter().map(length).sum()
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.0.partition_point(|range| *range.end() < uid);
        self.0.get(at).is_some_and(|range| range.contains(&uid))
    }

    /// The UIDs that are not in another set, in ascending order. Done range by range: two sets of which each is one range
    /// take no time, however long that is.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut others = other.0.iter().peekable();
        for range in &self.0 {
            let (mut start, end) = (*range.start(), *range.end());
            let mut used_up = false;
            while let Some(taken) = others.peek().filter(|taken| *taken.start() <= end) {
                if *taken.end() >= start {
                    if *taken.start() > start {
                        left.push(start..=taken.start() - 1);
                    }
                    if *taken.end() >= end {
                        used_up = true;
                        break;
                    }
                    start = taken.end() + 1;
                }
                others.next();
            }
            if !used_up {
                left.push(start..=end);
            }
        }
        Self(left)
    }

    /// Its UIDs, in ascending order.
    pub fn uids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    /// Cuts the set into sets of at most `longest` bytes on the wire each; servers bound their command lines (Courier at 64 kB).
    #[must_use]
    pub fn split(self, longest: usize) -> Vec<Self> {
        let mut sets: Vec<Self> = Vec::new();
        let mut length = usize::MAX;
        for range in self.0 {
            let written = written_length(&range) + 1;
            if length.saturating_add(written) > longest {
                sets.push(Self::default());
                length = 0;
            }
            length += written;
            if let Some(last) = sets.last_mut() {
                last.0.push(range);
            }
        }
        sets
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        // 0 is no UID (RFC 9051 §2.3.1.1).
        for uid in uids
            .into_iter()
            .filter(|&uid| uid != 0)
            .collect::<BTreeSet<_>>()
        {
            match ranges.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(uid) => *last = *last.start()..=uid,
                Some(_) | None => ranges.push(uid..=uid),
            }
        }
        Self(ranges)
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            if range.start() == range.end() {
                write!(formatter, "{}", range.start())?;
            } else {
                write!(formatter, "{}:{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

fn written_length(range: &RangeInclusive<u32>) -> usize {
    let digits = |number: u32| number.checked_ilog10().map_or(1, |log| log as usize + 1);
    if range.start() == range.end() {
        digits(*range.start())
    } else {
        digits(*range.start()) + 1 + digits(*range.end())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_are_what_their_uids_are(
            one in prop::collection::btree_set(1_u32..60, 0..40),
            other in prop::collection::btree_set(1_u32..60, 0..40),
        ) {
            let set = |uids: &BTreeSet<u32>| uids.iter().copied().collect::<UidSet>();
            let ranges = one.iter().rev().map(|uid| *uid..=*uid);
            prop_assert_eq!(UidSet::from_ranges(ranges), set(&one));
            prop_assert_eq!(set(&one).count(), one.len() as u64);
            prop_assert!((0..70).all(|uid| set(&one).contains(uid) == one.contains(&uid)));
            let left: BTreeSet<u32> = one.difference(&other).copied().collect();
            prop_assert_eq!(set(&one).without(&set(&other)), set(&left));
        }
    }

    #[test]
    fn what_is_between_uids_is_what_they_are_not() {
        let between = |uids: &[u32], below| UidSet::between(uids, below).to_string();
        assert_eq!(between(&[2, 3, 7], 10), "1,4:6,8:9");
        assert_eq!(between(&[1, 2, 3], 4), "");
        assert_eq!(between(&[], 4), "1:3");
        assert_eq!(between(&[5, 9], 7), "1:4,6");
        assert_eq!(between(&[1, u32::MAX], u32::MAX), "2:4294967294");
        assert_eq!(between(&[], 0), "");
    }

    #[test]
    fn uid_sets_are_ordered_ranges_and_split_below_the_bound() {
        let set: UidSet = [9, 3, 4, 5, 1, 0, u32::MAX].into_iter().collect();
        assert_eq!(set.to_string(), "1,3:5,9,4294967295");
        let sparse: UidSet = (1..10_000).map(|uid| uid * 3).collect();
        let sets = sparse.clone().split(8000);
        assert!(
            sets.iter()
                .all(|set| set.to_string().len() <= 8000 && !set.is_empty())
        );
        let together: UidSet = sets
            .into_iter()
            .flat_map(|set| set.0.into_iter().flatten())
            .collect();
        assert_eq!(together, sparse);
    }
}
