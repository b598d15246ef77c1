//! What a client demands of an object before it is changed (RFC 9110 §13.1; product: conditional requests).
//!
//! It is judged by what the session that writes sees just before. Where the store has CONDSTORE the write itself is
//! conditional on that (RFC 7162 §3.1.3), so that nothing comes between.

use super::{Account, Error, locate::Located, structure::Seen};

/// Values of `lastModSeq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revisions {
    /// Whatever there is.
    Any,
    /// These; none at all, if need be.
    Listed(Vec<u64>),
}

/// What `lastModSeq` has to be, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition {
    /// One of these.
    pub is: Option<Revisions>,
    /// None of these.
    pub is_not: Option<Revisions>,
}

impl Revisions {
    fn hold(&self, last_mod_seq: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.contains(&last_mod_seq),
        }
    }
}

impl Precondition {
    /// Whether nothing is demanded.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it depends on what the object is by now.
    pub(super) fn depends(&self) -> bool {
        [&self.is, &self.is_not]
            .into_iter()
            .flatten()
            .any(|revisions| *revisions != Revisions::Any)
    }

    fn holds(&self, last_mod_seq: u64) -> bool {
        let held = |revisions: &Revisions| revisions.hold(last_mod_seq);
        self.is.as_ref().is_none_or(held) && !self.is_not.as_ref().is_some_and(held)
    }
}

impl Account {
    /// That an object is as a client demands; what the write that follows is conditional on, where the store can do that.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`].
    pub(super) async fn as_demanded(
        &self,
        precondition: &Precondition,
        located: &Located,
        seen: &Seen,
    ) -> Result<Option<u64>, Error> {
        if precondition.is_empty() {
            return Ok(None);
        }
        let last_mod_seq = self.last_mod_seq(located, seen).await?;
        if !precondition.holds(last_mod_seq) {
            return Err(Error::PreconditionFailed);
        }
        Ok(seen.mod_seq.filter(|_| precondition.depends()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_demanded_and_what_is_excluded_both_count() {
        let listed = |listed: &[u64]| Some(Revisions::Listed(listed.to_vec()));
        let any = || Some(Revisions::Any);
        for (is, is_not, holds, depends) in [
            (None, None, true, false),
            (any(), None, true, false),
            (None, any(), false, false),
            (listed(&[4, 5]), None, true, true),
            (listed(&[4]), None, false, true),
            (listed(&[]), None, false, true),
            (None, listed(&[4]), true, true),
            (None, listed(&[4, 5]), false, true),
            (listed(&[5]), any(), false, true),
            (any(), listed(&[6]), true, true),
        ] {
            let precondition = Precondition { is, is_not };
            assert_eq!(precondition.holds(5), holds, "{precondition:?}");
            assert_eq!(precondition.depends(), depends, "{precondition:?}");
        }
    }
}
