//! The second that each object of a folder shows as its `Date`: the Date header if it is valid, else INTERNALDATE (product: Date). Servers
//! sort and search by dates as they read them; here they are read in one way.
//!
//! A date never changes (RFC 9051 §2.3.1.1), so it is read once, many by one command, and kept for as long as there is room.

use std::sync::Arc;

use super::folder::Folder;
use crate::{
    imap::{Item, SectionName, response::Fetch},
    message::Header,
    store::{Account, Error, measure::asked, structure::internal_date},
};

/// Messages of one command.
const AT_ONCE: usize = 2000;
/// Octets of the field; what is longer is no date.
const FIELD: u64 = 1024;
/// The field.
const DATE: SectionName = SectionName::Fields("DATE");

/// Dates of one folder by UID, both in order; a message without any has [`NONE`].
#[derive(Debug, Default)]
pub(in crate::store) struct Dates {
    uids: Vec<u32>,
    seconds: Vec<i64>,
}

/// No date at all.
const NONE: i64 = i64::MIN;

impl Dates {
    /// The date of a message, `None` inside for none; `None` when it is not known, or gone.
    pub(super) fn of(&self, uid: u32) -> Option<Option<i64>> {
        let at = self.uids.binary_search(&uid).ok()?;
        let second = *self.seconds.get(at)?;
        Some((second != NONE).then_some(second))
    }

    /// How much memory this takes.
    pub(in crate::store) fn weight(&self) -> usize {
        200 + 12 * self.uids.len()
    }

    /// With more of them.
    fn and(&self, mut more: Vec<(u32, i64)>) -> Self {
        more.extend(self.uids.iter().copied().zip(self.seconds.iter().copied()));
        more.sort_unstable();
        more.dedup_by_key(|(uid, _)| *uid);
        let (uids, seconds) = more.into_iter().unzip();
        Self { uids, seconds }
    }
}

impl Account {
    /// The dates of these messages, beside others of that folder; of what is gone nothing is said.
    pub(super) async fn dates(
        &self,
        folder: &mut Folder,
        uids: &[u32],
    ) -> Result<Arc<Dates>, Error> {
        let key = (self.login.clone(), folder.at.key.clone());
        let kept = self.store.dates.get(&key).await.unwrap_or_default();
        let mut missing: Vec<u32> = uids
            .iter()
            .copied()
            .filter(|uid| kept.of(*uid).is_none())
            .collect();
        asked("dates", missing.is_empty());
        if missing.is_empty() {
            return Ok(kept);
        }
        missing.sort_unstable();
        let items: Arc<[Item]> = Arc::from([
            Item::Fixed("UID INTERNALDATE"),
            Item::Partial(DATE, 0, FIELD),
        ]);
        let mut read = Vec::with_capacity(missing.len());
        let mut outcome = Ok(());
        for some in missing.chunks(AT_ONCE) {
            match self.fetch_in(folder, some, &items).await {
                Ok(fetched) => read.extend(
                    fetched
                        .into_iter()
                        .map(|(uid, fetch)| (uid, date_of(&fetch))),
                ),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        // What was read is kept, also when the rest could not be; and what others have read meanwhile.
        let kept = self.store.dates.get(&key).await.unwrap_or(kept);
        let dates = Arc::new(kept.and(read));
        self.store.dates.insert(key, Arc::clone(&dates)).await;
        outcome.map(|()| dates)
    }
}

fn date_of(fetch: &Fetch) -> i64 {
    let field = fetch
        .section(&DATE, 0)
        .and_then(|section| section.bytes.as_ref());
    let shown = field
        .and_then(|field| Header::parse(field).date())
        .or_else(|| internal_date(fetch.internal_date.as_deref()?));
    shown.map_or(NONE, |shown| shown.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_by_uid_and_each_is_kept_once() {
        let dates = Dates::default().and(vec![(7, 70), (3, NONE)]);
        let dates = dates.and(vec![(5, 50), (7, 70)]);
        let all: Vec<_> = [3, 4, 5, 7].map(|uid| dates.of(uid)).into();
        assert_eq!(all, [Some(None), None, Some(Some(50)), Some(Some(70))]);
        assert_eq!(dates.uids.len(), 3);
    }
}
