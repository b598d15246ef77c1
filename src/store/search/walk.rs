//! One page of objects, in either of two ways.
//!
//! * Without a sort the folders are taken one after the other, and the walk ends with the page: the rest is not looked into.
//! * With a sort all candidates are put in order first, by dates that are known or by what is shown of them, and then looked at from
//!   where the page begins.
//! * Either way a request looks at so many messages only, and then the page ends early: the cursor stands behind the last one looked at,
//!   be it shown or not.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    criteria::Query,
    folder::Folder,
    look::Hit,
    matching::{Known, is_meant},
    order::{Cursor, Key, Position, by_date, keys},
    passed::{Passed, left},
};
use crate::{
    config::DeletedObjects,
    store::{Account, Error},
};

/// Messages that one request looks at.
const MOST_LOOKED_AT: usize = 2000;
/// Folders that one request opens in vain.
const MOST_FOLDERS: usize = 500;
/// Messages whose dates one walk without a sort reads ahead.
const DATES_AHEAD: usize = 2000;
/// Candidates of an order that takes more of them than their dates.
pub(super) const MOST_SORTED: usize = 5000;
/// How long a walk goes on that has looked at something.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages looked at together when not all of them may be meant.
const TOGETHER: usize = 32;

/// Part of a result.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) hits: Vec<Hit>,
    /// The last one looked at, when there may be more behind it.
    pub(super) next: Option<Position>,
    /// The folders behind that, where these have an order of their own.
    pub(super) passed: Option<Passed>,
}

/// What a request may still look at.
#[derive(Debug)]
struct Allowance {
    messages: usize,
    folders: usize,
    until: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            messages: MOST_LOOKED_AT,
            folders: MOST_FOLDERS,
            until: Instant::now() + PATIENCE,
        }
    }

    fn is_used_up(&self) -> bool {
        self.messages == 0 || self.folders == 0 || Instant::now() >= self.until
    }

    fn looked_at(&mut self, messages: usize) {
        self.messages = self.messages.saturating_sub(messages);
    }
}

/// A candidate; the first in the order is the least.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: Key,
    /// Its folder, as they are in the order of paths.
    folder: usize,
    uid: Reverse<u32>,
}

impl Entry {
    /// Where a position stands among the candidates of these folders.
    fn of(query: &Query, folders: &[Folder], position: &Position) -> Self {
        let before = |folder: &Folder| folder.path < position.path;
        let folder = folders.partition_point(before);
        let same = folders
            .get(folder)
            .is_some_and(|folder| folder.path == position.path);
        Self {
            key: Key::of(&query.sort, position),
            folder,
            // Before all of the next folder, where its own is gone.
            uid: Reverse(if same { position.uid } else { u32::MAX }),
        }
    }

    fn position(&self, query: &Query, folders: &[Folder]) -> Position {
        let folder = folders.get(self.folder);
        Position {
            keys: self.key.to_values(&query.sort),
            path: folder.map_or_else(String::new, |folder| folder.path.clone()),
            uid: self.uid.0,
        }
    }
}

impl Account {
    /// Objects in the order of folders.
    pub(super) async fn walk(
        &self,
        query: &Query,
        folders: Vec<Folder>,
        cursor: Option<&Cursor>,
        room: usize,
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut allowance = Allowance::new();
        let after = cursor.map(|cursor| &cursor.position);
        let passed = cursor.and_then(|cursor| cursor.passed.as_ref());
        let left = left(folders, after, passed);
        let mut left = left.filter(|(folder, _)| folder.may_have(query)).peekable();
        // Without a cursor there is nothing behind; with one that does not say what is, nobody knows.
        let mut behind = match (after, passed) {
            (None, _) => Some(Passed::default()),
            (Some(_), passed) => passed.cloned(),
        };
        while let Some((mut folder, below)) = left.next() {
            let stopped = self
                .walk_in(
                    query,
                    &mut folder,
                    below,
                    room,
                    &mut allowance,
                    &mut page.hits,
                )
                .await?;
            let more = left.peek().is_some();
            if let Some(stopped) = stopped {
                let more = more || stopped.left;
                page.next = more.then(|| at(&folder.path, stopped.last));
                page.passed = behind.and_then(|behind| behind.stop(&folder));
                return Ok(page);
            }
            allowance.folders -= 1;
            if allowance.is_used_up() && more {
                page.next = Some(at(&folder.path, 0));
                page.passed = behind.and_then(|behind| behind.stop(&folder));
                return Ok(page);
            }
            if let Some(behind) = &mut behind {
                behind.pass(&folder);
            }
        }
        Ok(page)
    }

    /// The objects of one folder; where it stopped, when the page is full or nothing more may be looked at.
    async fn walk_in(
        &self,
        query: &Query,
        folder: &mut Folder,
        below: Option<u32>,
        room: usize,
        allowance: &mut Allowance,
        found: &mut Vec<Hit>,
    ) -> Result<Option<Stopped>, Error> {
        let candidates = self.candidates(folder, query, below).await?;
        let mut left = &candidates.uids[..];
        while !left.is_empty() {
            let want = room - found.len();
            let together = if candidates.exact {
                want
            } else {
                want.max(TOGETHER)
            };
            let ahead = left.split_at(left.len().min(DATES_AHEAD.max(together))).0;
            let some = self.worth_a_look(query, folder, ahead, together).await?;
            let mut last = some.last;
            let hits = self.look_at(folder, &some.uids).await?;
            allowance.looked_at(some.uids.len().max(1));
            for mut hit in hits {
                let uid = hit.located.uid;
                if self.is_hit(query, &folder.path, &mut hit).await? {
                    found.push(hit);
                    if found.len() == room {
                        last = uid;
                        break;
                    }
                }
            }
            left = &left[left.partition_point(|uid| *uid >= last)..];
            let stops = allowance.is_used_up() && !left.is_empty();
            if found.len() == room || stops {
                let left = !left.is_empty();
                return Ok(Some(Stopped { last, left }));
            }
        }
        Ok(None)
    }

    /// The first candidates whose dates do not speak against them, where the query asks for dates.
    pub(super) async fn worth_a_look(
        &self,
        query: &Query,
        folder: &mut Folder,
        ahead: &[u32],
        most: usize,
    ) -> Result<Promising, Error> {
        if !query.asks_for_dates() {
            let uids = ahead[..ahead.len().min(most)].to_vec();
            let last = uids.last().copied().unwrap_or_default();
            return Ok(Promising { uids, last });
        }
        let dates = self.dates(folder, ahead).await?;
        let mut some = Promising {
            uids: Vec::new(),
            last: 0,
        };
        for uid in ahead {
            some.last = *uid;
            let (key, made) = self.born(query, folder, *uid);
            let mut known = Known::new(&folder.path, &key, made);
            known.date = dates.of(*uid);
            if known.date.is_some() && is_meant(query, &known) != Some(false) {
                some.uids.push(*uid);
                if some.uids.len() == most {
                    break;
                }
            }
        }
        Ok(some)
    }

    /// Objects in the order asked for.
    pub(super) async fn walk_sorted(
        &self,
        query: &Query,
        mut folders: Vec<Folder>,
        after: Option<&Position>,
        room: usize,
    ) -> Result<Page, Error> {
        folders.retain(|folder| folder.may_have(query));
        let by_date = by_date(&query.sort);
        let after = after.map(|after| Entry::of(query, &folders, after));
        let mut entries = Vec::new();
        let mut candidates = 0;
        for (at, folder) in folders.iter_mut().enumerate() {
            let mut own = if by_date {
                self.dated(query, folder, at).await?
            } else {
                self.shown_keys(query, folder, at, &mut candidates).await?
            };
            if let Some(after) = &after {
                own.retain(|entry| entry > after);
            }
            entries.append(&mut own);
        }
        self.page_of(query, &mut folders, entries, room).await
    }

    /// What a folder has, with dates as keys.
    async fn dated(
        &self,
        query: &Query,
        folder: &mut Folder,
        at: usize,
    ) -> Result<Vec<Entry>, Error> {
        let alone = query.needs_dates_alone();
        let hides = self.store.objects.deleted != DeletedObjects::Show;
        let known = if alone && !hides {
            self.known_dates(folder).await
        } else {
            None
        };
        let (uids, dates) = match known {
            Some(known) => known,
            None => {
                let found = self.candidates(folder, query, None).await?;
                let dates = self.dates(folder, &found.uids).await?;
                if alone && !hides && found.all {
                    self.are_all(folder, &found.uids, &dates).await;
                }
                (found.uids, dates)
            }
        };
        let entry = |uid: u32| {
            let (key, made) = self.born(query, folder, uid);
            let mut known = Known::new(&folder.path, &key, made);
            known.date = dates.of(uid);
            // None: gone since it was found.
            let date = known.date?;
            (is_meant(query, &known) != Some(false)).then(|| Entry {
                key: Key::date(&query.sort, date),
                folder: at,
                uid: Reverse(uid),
            })
        };
        Ok(uids.into_iter().filter_map(entry).collect())
    }

    /// What a folder has, with keys from what is shown.
    async fn shown_keys(
        &self,
        query: &Query,
        folder: &mut Folder,
        at: usize,
        candidates: &mut usize,
    ) -> Result<Vec<Entry>, Error> {
        let found = self.candidates(folder, query, None).await?.uids;
        let some = self
            .worth_a_look(query, folder, &found, found.len())
            .await?;
        *candidates += some.uids.len();
        if *candidates > MOST_SORTED {
            return Err(Error::Unsupported("sortCriteria".to_owned()));
        }
        let mut entries = Vec::new();
        for uids in some.uids.chunks(TOGETHER) {
            for mut hit in self.look_at(folder, uids).await? {
                if self.is_hit(query, &folder.path, &mut hit).await? {
                    let values = keys(&query.sort, &hit.structure.attributes);
                    entries.push(Entry {
                        key: Key::values(&query.sort, values),
                        folder: at,
                        uid: Reverse(hit.located.uid),
                    });
                }
            }
        }
        Ok(entries)
    }

    /// The first objects of an order that are meant.
    async fn page_of(
        &self,
        query: &Query,
        folders: &mut [Folder],
        entries: Vec<Entry>,
        room: usize,
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut allowance = Allowance::new();
        // Of many thousand only the first few are wanted in order.
        let mut left: BinaryHeap<Reverse<Entry>> = entries.into_iter().map(Reverse).collect();
        while !left.is_empty() {
            let want = (room - page.hits.len()).max(TOGETHER);
            let next = std::iter::from_fn(|| left.pop()).map(|Reverse(entry)| entry);
            let some: Vec<Entry> = next.take(want).collect();
            allowance.looked_at(some.len());
            let mut hits = self.look_at_entries(folders, &some).await?;
            for (looked_at, entry) in some.iter().enumerate() {
                let Some(mut hit) = hits.remove(&(entry.folder, entry.uid.0)) else {
                    continue;
                };
                let path = folders.get(entry.folder).map_or("", |folder| &folder.path);
                if self.is_hit(query, path, &mut hit).await? {
                    page.hits.push(hit);
                }
                if page.hits.len() == room {
                    let more = looked_at + 1 < some.len() || !left.is_empty();
                    page.next = more.then(|| entry.position(query, folders));
                    return Ok(page);
                }
            }
            if allowance.is_used_up() && !left.is_empty() {
                page.next = some.last().map(|entry| entry.position(query, folders));
                return Ok(page);
            }
        }
        Ok(page)
    }

    async fn look_at_entries(
        &self,
        folders: &mut [Folder],
        entries: &[Entry],
    ) -> Result<BTreeMap<(usize, u32), Hit>, Error> {
        let mut by_folder: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for entry in entries {
            let uids = by_folder.entry(entry.folder).or_default();
            uids.push(entry.uid.0);
        }
        let mut hits = BTreeMap::new();
        for (at, uids) in by_folder {
            let Some(folder) = folders.get_mut(at) else {
                continue;
            };
            let looked_at = self.look_at(folder, &uids).await?;
            hits.extend(
                looked_at
                    .into_iter()
                    .map(|hit| ((at, hit.located.uid), hit)),
            );
        }
        Ok(hits)
    }
}

/// Where the walk over a folder ended early.
struct Stopped {
    /// The last UID that was looked at.
    last: u32,
    /// Whether there are candidates behind it.
    left: bool,
}

/// Candidates that are looked at together.
pub(super) struct Promising {
    pub(super) uids: Vec<u32>,
    /// The last one that was considered.
    last: u32,
}

fn at(path: &str, uid: u32) -> Position {
    Position {
        keys: Vec::new(),
        path: path.to_owned(),
        uid,
    }
}
