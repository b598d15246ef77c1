//! One thing done to many objects (contract §5.1, §5.2): folder by folder, in a number of commands that follows the folders and
//! the length of command lines, not the objects.

use std::collections::HashMap;

use super::{
    Account, Error,
    flags::parse_all,
    id::{MailboxKey, ObjectId},
    marking::Marking,
    objects::finish,
    refusal::renamed_all_the_time,
    sets::{Open, Outcomes, all},
    tree::Tree,
};
use crate::{nms, task};

/// How often objects are looked for anew whose folder is not where it was a moment ago.
const MOST_MOVES: usize = 3;

/// Which objects.
#[derive(Debug, Clone)]
pub enum Objects {
    /// By name, in this order.
    Named(Vec<nms::Named>),
    /// All that match.
    Selected(nms::SelectionCriteria),
}

/// What is done to them.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Sets these flags.
    AddFlags(Vec<String>),
    /// Takes these flags away.
    RemoveFlags(Vec<String>),
    /// Takes the objects away for good.
    Delete,
}

/// The URL of an object that is as it should be now.
type Item = Result<String, Error>;

/// The same in the words of IMAP.
#[derive(Debug)]
enum Work {
    Mark(Marking),
    Remove,
}

/// One entry of the request.
#[derive(Debug, Clone)]
struct Entry {
    index: usize,
    /// As the box spells it.
    id: String,
    object: ObjectId,
}

/// Entries in one mailbox, each with its UID there.
#[derive(Debug)]
struct Group {
    key: MailboxKey,
    entries: Vec<(u32, Entry)>,
}

/// What has become of the entries so far.
struct Progress {
    items: Vec<Option<Item>>,
    /// Whether anything may have changed.
    began: bool,
}

impl Account {
    /// Does one thing to many objects; one outcome each, in their order. What is true already is a success.
    ///
    /// # Errors
    /// Of the whole, with nothing changed: [`Error::InvalidInput`] `flag`; what is wrong with the selection, which may have at most
    /// so many objects; that the store did not answer. Of each: [`Error::UnknownPath`] with the URL as it was named, for whatever
    /// is no object of this box; [`Error::InvalidInput`] `resourceURL` when it has none; else as for [`Self::put_flags`] and
    /// [`Self::delete_object`].
    pub async fn change_objects(
        &self,
        urls: &nms::Urls,
        objects: Objects,
        operation: Operation,
        most: usize,
    ) -> Result<Vec<Item>, Error> {
        let mark = |add, flags: &[String]| {
            let flags = parse_all(flags)?;
            Ok::<_, Error>(Work::Mark(Marking { add, flags }))
        };
        let work = match &operation {
            Operation::AddFlags(flags) => mark(true, flags)?,
            Operation::RemoveFlags(flags) => mark(false, flags)?,
            Operation::Delete => Work::Remove,
        };
        let named: Vec<Option<String>> = match objects {
            Objects::Named(named) => named.into_iter().map(|one| one.resource_url).collect(),
            Objects::Selected(criteria) => {
                let ids = Box::pin(self.selected(urls, &criteria, most)).await?;
                ids.iter().map(|id| Some(urls.object(id))).collect()
            }
        };
        let (account, urls) = (self.clone(), urls.clone());
        finish(task::spawn(async move {
            // What is on its way to another folder is changed there.
            account.settled().await?;
            Box::pin(account.change_named(&urls, &named, &work)).await
        }))
        .await
    }

    async fn change_named(
        &self,
        urls: &nms::Urls,
        named: &[Option<String>],
        work: &Work,
    ) -> Result<Vec<Item>, Error> {
        let mut progress = Progress {
            items: vec![None; named.len()],
            began: false,
        };
        let mut entries = Vec::with_capacity(named.len());
        for (index, url) in named.iter().enumerate() {
            match self.entry_of(urls, index, url.as_deref()) {
                Ok(entry) => entries.push(entry),
                Err(error) => progress.items[index] = Some(Err(error)),
            }
        }
        for _ in 0..MOST_MOVES {
            if entries.is_empty() {
                break;
            }
            entries = match self.change_entries(entries, work, &mut progress).await {
                Ok(moved) => moved,
                Err(error) if !progress.began => return Err(error),
                Err(error) => {
                    progress.fail_rest(&error);
                    break;
                }
            };
        }
        let moving = renamed_all_the_time();
        progress.fail_rest(&moving);
        Ok(progress.told(urls, named))
    }

    fn entry_of(&self, urls: &nms::Urls, index: usize, url: Option<&str>) -> Result<Entry, Error> {
        let url = url.ok_or_else(|| Error::InvalidInput("resourceURL".to_owned()))?;
        let id = urls.object_id(url).ok_or(Error::NotFound)?;
        let object = self.seal.read_object(&id).ok_or(Error::NotFound)?;
        Ok(Entry { index, id, object })
    }

    /// One round; the entries whose folder has moved meanwhile.
    ///
    /// # Errors
    /// When the store does not answer, or no longer knows the user, before anything was changed.
    async fn change_entries(
        &self,
        entries: Vec<Entry>,
        work: &Work,
        progress: &mut Progress,
    ) -> Result<Vec<Entry>, Error> {
        let mut moved = Vec::new();
        let mut away = None;
        for group in self.grouped_objects(entries, progress).await? {
            if let Some(error) = &away {
                // It would let each folder wait as long.
                progress.fail(&group, error);
                continue;
            }
            let Some((_, first)) = group.entries.first() else {
                continue;
            };
            let outcomes = match self.open_for(&first.id).await {
                Ok(open) if open.located.key == group.key => {
                    self.change_group(open, &group, work, progress).await
                }
                Ok(_) => {
                    moved.extend(group.entries.into_iter().map(|(_, entry)| entry));
                    continue;
                }
                Err(error) if progress.stands_for_all(&error) => return Err(error),
                Err(error) => all(group.uids(), &error),
            };
            away = progress.enter(&group, &outcomes);
        }
        Ok(moved)
    }

    async fn change_group(
        &self,
        open: Open,
        group: &Group,
        work: &Work,
        progress: &mut Progress,
    ) -> Outcomes {
        progress.began = true;
        let uids = group.uids();
        match work {
            Work::Mark(marking) => self.mark(&open, &uids, marking).await,
            Work::Remove => {
                let id = group.entries.first().map(|(_, first)| first.id.as_str());
                self.remove(id.unwrap_or_default(), open, &uids, None).await
            }
        }
    }

    /// Entries of one mailbox together, in the order of their first; those that are nowhere are told so.
    async fn grouped_objects(
        &self,
        entries: Vec<Entry>,
        progress: &mut Progress,
    ) -> Result<Vec<Group>, Error> {
        let mut groups = Groups::default();
        let mut nowhere = groups.add(self, &*self.tree().await?, entries);
        if !nowhere.is_empty() {
            nowhere = groups.add(self, &*self.fresh_tree().await?, nowhere);
        }
        if !nowhere.is_empty() {
            // In the middle of a RENAME a mailbox may be listed under neither name.
            let _turn = self.turn_to_change().await?;
            nowhere = groups.add(self, &*self.fresh_tree().await?, nowhere);
        }
        for entry in nowhere {
            progress.items[entry.index] = Some(Err(Error::NotFound));
        }
        Ok(groups.groups)
    }
}

#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
    by_key: HashMap<MailboxKey, usize>,
}

impl Groups {
    /// Adds the entries that are in a tree; the others.
    fn add(&mut self, account: &Account, tree: &Tree, entries: Vec<Entry>) -> Vec<Entry> {
        let mut others = Vec::new();
        for entry in entries {
            let Some(located) = account.locate(tree, &entry.object) else {
                others.push(entry);
                continue;
            };
            let next = self.groups.len();
            let at = *self.by_key.entry(located.key.clone()).or_insert(next);
            if at == next {
                self.groups.push(Group {
                    key: located.key,
                    entries: Vec::new(),
                });
            }
            self.groups[at].entries.push((located.uid, entry));
        }
        others
    }
}

impl Group {
    /// Each once.
    fn uids(&self) -> Vec<u32> {
        let mut uids: Vec<u32> = self.entries.iter().map(|(uid, _)| *uid).collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }
}

impl Progress {
    /// Writes down what became of a group; the error of a store that does not answer any more.
    fn enter(&mut self, group: &Group, outcomes: &Outcomes) -> Option<Error> {
        for (uid, entry) in &group.entries {
            let outcome = outcomes.get(uid).cloned();
            let outcome = outcome.unwrap_or(Err(Error::NotFound));
            self.items[entry.index] = Some(outcome.map(|_| entry.id.clone()));
        }
        let mut errors = outcomes
            .values()
            .filter_map(|outcome| outcome.as_ref().err());
        errors.find(|error| error.is_for_now()).cloned()
    }

    fn fail(&mut self, group: &Group, error: &Error) {
        for (_, entry) in &group.entries {
            self.items[entry.index] = Some(Err(error.clone()));
        }
    }

    fn fail_rest(&mut self, error: &Error) {
        for item in &mut self.items {
            item.get_or_insert_with(|| Err(error.clone()));
        }
    }

    /// Whether what is wrong is wrong with the whole request, of which nothing was done.
    fn stands_for_all(&self, error: &Error) -> bool {
        !self.began && (error.is_for_now() || *error == Error::Unauthenticated)
    }

    fn told(self, urls: &nms::Urls, named: &[Option<String>]) -> Vec<Item> {
        let items = self.items.into_iter().zip(named);
        items
            .map(|(item, name)| match item {
                Some(Ok(id)) => Ok(urls.object(&id)),
                Some(Err(Error::NotFound)) => {
                    Err(Error::UnknownPath(name.clone().unwrap_or_default()))
                }
                Some(Err(error)) => Err(error),
                None => Err(Error::Internal("an object was passed over".to_owned())),
            })
            .collect()
    }
}
