//! A look at the box: which folders are others than they were, what has changed in them, and what is gone for good.

mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Asked, Change, FolderNow, Gone, Looked, Picture, key_of,
    mailbox::Read,
    picture::{Pictured, Place, Standing},
};
use crate::{
    imap::{Expected, Rings, UidSet, response::MailboxStatus},
    store::{
        Account, Error,
        census::Census,
        id::{FolderId, MailboxKey, fingerprint},
        tree::{Node, Tree},
    },
};

/// How long it is waited before the tree is read again when a folder is missing: in the middle of a RENAME a mailbox, and all below it, may
/// be listed under neither name.
const RENAMED: Duration = Duration::from_millis(50);
/// How often it is read for two in a row to be the same, which what is missing is gone from.
const LISTED: usize = 4;

/// One look under way: what has been found is not in the picture before all has.
struct Look<'a> {
    account: &'a Account,
    picture: &'a Picture,
    /// Folders as they are now; `None` for those that are gone.
    now: BTreeMap<Vec<u8>, Option<Pictured>>,
    changes: Vec<Change>,
    /// Messages that are no longer where they were, each with what HIGHESTMODSEQ was then.
    gone: Vec<(MailboxKey, u32, u64)>,
    folders_gone: Vec<Change>,
    asked: Asked,
    too_many: bool,
    again: bool,
    /// The tree was looked at.
    whole: bool,
}

impl Account {
    pub(super) async fn survey(
        &self,
        picture: &mut Picture,
        rings: &Rings,
        asked: Asked,
    ) -> Result<Looked, Error> {
        let mut look = Look {
            account: self,
            picture,
            now: BTreeMap::new(),
            changes: Vec::new(),
            gone: Vec::new(),
            folders_gone: Vec::new(),
            asked,
            too_many: false,
            again: false,
            whole: false,
        };
        let mut all = rings.all;
        if !all {
            for (mailbox, only) in &rings.mailboxes {
                let key = look.picture.key_of(mailbox).map(<[u8]>::to_vec);
                // A mailbox that is not known, or not found: the tree is another.
                all |= match key {
                    Some(key) => !look.one(&key, only.as_ref()).await?,
                    None => true,
                };
                if all {
                    break;
                }
            }
        }
        if all {
            Box::pin(look.everything()).await?;
        }
        look.objects_gone().await?;
        let Look {
            now,
            mut changes,
            folders_gone,
            too_many,
            again,
            ..
        } = look;
        changes.extend(folders_gone);
        let mut folders = Vec::new();
        for (key, pictured) in now {
            folders.push(key.clone());
            match pictured {
                Some(pictured) => drop(picture.folders.insert(key, pictured)),
                None => drop(picture.folders.remove(&key)),
            }
        }
        if too_many {
            changes.clear();
        }
        Ok(Looked {
            changes,
            too_many,
            folders,
            again,
        })
    }

    /// The tree and how much is in it, of one moment as far as the bridge itself is concerned, and whether what is missing that was
    /// there before is gone.
    async fn tree_and_census(&self, picture: &Picture) -> Result<(Arc<Tree>, Census, bool), Error> {
        let (mut before, mut listed) = (None::<Arc<Tree>>, 0);
        loop {
            let turn = self.turn_to_change().await?;
            let tree = self.fresh_tree().await?;
            self.tell_apart(&tree).await?;
            let census = Census::take(&self.pool, &tree).await?;
            drop(turn);
            let missing = |key: &Vec<u8>| {
                let key = MailboxKey::from_bytes(key);
                key.is_none_or(|key| tree.path(&key).is_none())
            };
            listed += 1;
            let settled = before.is_some_and(|before| before.is_as(&tree));
            if settled || listed == LISTED || !picture.folders.keys().any(missing) {
                return Ok((tree, census, settled));
            }
            before = Some(tree);
            sleep(RENAMED).await;
        }
    }
}

impl Look<'_> {
    /// The folder as it is known so far.
    fn known(&self, key: &[u8]) -> Option<&Pictured> {
        match self.now.get(key) {
            Some(now) => now.as_ref(),
            None => self.picture.folders.get(key),
        }
    }

    /// Looks into one mailbox where it was; whether it was there.
    async fn one(&mut self, key: &[u8], only: Option<&BTreeSet<u32>>) -> Result<bool, Error> {
        let Some(known) = self.known(key).cloned() else {
            return Ok(false);
        };
        let Some(place) = &known.standing.place else {
            return Ok(false);
        };
        let Some(expected) = &place.expected else {
            return Ok(false);
        };
        let read = self
            .account
            .read_mailbox(&place.mailbox, expected, &known, only);
        let Some(read) = read.await? else {
            return Ok(false);
        };
        self.take_in(key, &known, read, known.standing.clone())
            .await?;
        Ok(true)
    }

    /// Looks at all folders, and into those that are others than they were.
    async fn everything(&mut self) -> Result<(), Error> {
        self.whole = true;
        let (tree, census, settled) = self.account.tree_and_census(self.picture).await?;
        let (mut there, mut shown) = (BTreeSet::new(), BTreeSet::new());
        let mut renumbered = BTreeSet::new();
        for (path, node) in tree.subtree("") {
            let key = node.key.to_bytes();
            there.insert(key.clone());
            shown.extend(
                self.account
                    .shown_folder(&tree, path)
                    .map(|id| id.to_bytes()),
            );
            let from = self.folder(&tree, &census, path, node).await?;
            renumbered.extend(from);
        }
        let picture = self.picture;
        let missing = picture
            .folders
            .iter()
            .filter(|(key, _)| !there.contains(*key));
        for (key, pictured) in missing {
            let renamed = renumbered.contains(key);
            if settled || renamed {
                self.folder_gone(key, renamed)?;
            } else {
                self.again = true;
                shown.insert(pictured.shown(key).to_vec());
            }
        }
        self.became_another(&shown);
        Ok(())
    }

    /// One folder of the tree; the key it had before, if the bridge has renamed it and that has given it another.
    async fn folder(
        &mut self,
        tree: &Tree,
        census: &Census,
        path: &str,
        node: &Node,
    ) -> Result<Option<Vec<u8>>, Error> {
        let account = self.account;
        let key = node.key.to_bytes();
        let Some(id) = account.shown_folder(tree, path) else {
            return Ok(None);
        };
        let folder = id.to_bytes();
        let standing = Standing {
            named: named(account.folder_entity(tree, path)),
            other: (folder != key).then(|| folder.clone()),
            place: Some(Place {
                mailbox: node.mailbox.clone(),
                expected: node.expected.clone(),
            }),
        };
        let known = self.known(&key).cloned();
        let before = match &known {
            Some(_) => None,
            None => self.shown_before(&folder, &key, tree),
        };
        let old = before
            .as_ref()
            .and_then(|key| self.picture.folders.get(key));
        let known_name = known.as_ref().or(old).map(|known| known.standing.named);
        if known_name != Some(standing.named) && !tree.is_root(path) {
            self.folder_changed(tree, path, folder)?;
        }
        let Some(expected) = &node.expected else {
            let nothing = Read::nothing(known.as_ref());
            let known = known.unwrap_or_default();
            self.take_in(&key, &known, nothing, standing).await?;
            return Ok(before);
        };
        let status = census.of(node);
        let silently = self.asked.silent || self.too_many || {
            let messages = status.and_then(|status| status.messages).unwrap_or(0);
            known.is_none() && usize::try_from(messages).is_ok_and(|count| count > self.asked.most)
        };
        if let (Some(known), Some(status)) = (&known, status)
            && known.is_as_counted(status)
            && (known.mod_seq > 0 || !self.asked.thorough)
        {
            let same = Pictured {
                standing,
                ..known.clone()
            };
            if self.picture.folders.get(&key) != Some(&same) {
                self.now.insert(key, Some(same));
            }
            return Ok(before);
        }
        if silently {
            let now = Pictured {
                standing,
                ..self.untold(node, expected, status, known).await?
            };
            self.now.insert(key, Some(now));
            return Ok(before);
        }
        let known = known.unwrap_or_default();
        let read = account.read_mailbox(&node.mailbox, expected, &known, None);
        if let Some(read) = read.await? {
            self.take_in(&key, &known, read, standing).await?;
            return Ok(before);
        }
        // It was listed a moment ago, and has been told: its end is to be told too.
        self.again = true;
        self.now.insert(key, Some(Pictured { standing, ..known }));
        Ok(before)
    }

    /// What is in a mailbox of which nothing is told; what was known of it, when that cannot be had just now.
    async fn untold(
        &mut self,
        node: &Node,
        expected: &Expected,
        status: Option<&MailboxStatus>,
        known: Option<Pictured>,
    ) -> Result<Pictured, Error> {
        self.too_many |= !self.asked.silent;
        let now = match status.and_then(Pictured::counted) {
            Some(now) if known.is_none() => Some(now),
            _ => self.account.read_silently(&node.mailbox, expected).await?,
        };
        self.again |= now.is_none();
        Ok(now.or(known).unwrap_or_else(Pictured::unseen))
    }

    /// The key that a folder had when it was seen last, where that is another now and the folder is not.
    fn shown_before(&self, folder: &[u8], key: &[u8], tree: &Tree) -> Option<Vec<u8>> {
        let mut all = self.picture.folders.iter();
        let (before, _) =
            all.find(|(other, pictured)| *other != key && pictured.shown(other) == folder)?;
        let gone = MailboxKey::from_bytes(before).is_some_and(|key| tree.path(&key).is_none());
        gone.then(|| before.clone())
    }

    fn folder_changed(&mut self, tree: &Tree, path: &str, id: Vec<u8>) -> Result<(), Error> {
        let account = self.account;
        let (above, name) = path.rsplit_once('/').unwrap_or_default();
        let parent = account.shown_folder(tree, above);
        let parent = parent.ok_or_else(|| Error::Internal("a folder above none".to_owned()))?;
        let (entity, digest) = account.folder_entity(tree, path);
        let revision = account
            .store
            .state
            .revision(&account.scope(), &entity, digest);
        self.add(Change::Folder(FolderNow {
            id,
            parent: parent.to_bytes(),
            name: name.to_owned(),
            last_mod_seq: revision.value,
        }));
        Ok(())
    }

    /// A folder that is no longer there; its objects went with it, unless they are found elsewhere.
    fn folder_gone(&mut self, key: &[u8], renamed: bool) -> Result<(), Error> {
        let Some(known) = self.known(key).cloned() else {
            return Ok(());
        };
        self.now.insert(key.to_vec(), None);
        let mailbox = key_of(key)?;
        self.went(&mailbox, &known.uids, known.mod_seq.saturating_add(1));
        if renamed {
            return Ok(());
        }
        self.say_gone(known.shown(key).to_vec());
        Ok(())
    }

    fn add(&mut self, change: Change) {
        if self.asked.silent {
            return;
        }
        self.too_many |= self.changes.len() + self.gone.len() >= self.asked.most;
        if !self.too_many {
            self.changes.push(change);
        }
    }

    /// A folder that is where it was, and is another to clients: of what it was before nothing is left, unless something else is that now.
    fn became_another(&mut self, shown: &BTreeSet<Vec<u8>>) {
        let before: Vec<Vec<u8>> = self
            .picture
            .folders
            .iter()
            .filter(|(key, _)| self.now.get(*key).is_none_or(Option::is_some))
            .map(|(key, pictured)| pictured.shown(key))
            .filter(|folder| !shown.contains(*folder))
            .map(<[u8]>::to_vec)
            .collect();
        before.into_iter().for_each(|id| self.say_gone(id));
    }

    fn say_gone(&mut self, id: Vec<u8>) {
        // What is a root stays, whatever becomes of its mailbox.
        if self.asked.silent || !matches!(FolderId::from_bytes(&id), Some(FolderId::Mailbox(_))) {
            return;
        }
        let last_mod_seq = self.revision_of_gone(&id);
        self.folders_gone.push(Change::FolderGone(Gone {
            id,
            last_mod_seq,
            correlation_id: None,
            correlation_tag: None,
        }));
    }

    /// The next value of the counter, once for each that is gone.
    fn revision_of_gone(&self, id: &[u8]) -> u64 {
        let account = self.account;
        let revision = account
            .store
            .state
            .revision(&account.scope(), id, fingerprint(b"gone"));
        revision.value
    }
}

/// A digest of a folder's name, of the folder above, and of the id it is shown with.
fn named((entity, digest): (Vec<u8>, u64)) -> u32 {
    let all = [&entity[..], &digest.to_be_bytes()].concat();
    let [_, _, _, _, named @ ..] = fingerprint(&all).to_be_bytes();
    u32::from_be_bytes(named)
}

impl Read {
    /// A folder that cannot be opened has no messages.
    fn nothing(known: Option<&Pictured>) -> Self {
        Self {
            now: Pictured::default(),
            changed: BTreeMap::new(),
            gone: known.map_or_else(UidSet::default, |known| known.uids.clone()),
        }
    }
}

impl Pictured {
    /// Whether STATUS says what was seen last: nothing has come, gone or, where messages have MODSEQ, changed.
    fn is_as_counted(&self, status: &MailboxStatus) -> bool {
        let counted = status.uid_next == Some(self.uid_next)
            && status.messages.map(u64::from) == Some(self.uids.count());
        counted && (self.mod_seq == 0 || status.highest_mod_seq == Some(self.mod_seq))
    }

    /// A mailbox that may have been shown to somebody, and not been looked into: all that it has had is to be told of.
    fn unseen() -> Self {
        Self {
            uid_next: 1,
            ..Self::default()
        }
    }

    /// The picture of a mailbox from its STATUS alone, where that leaves nothing open: messages have MODSEQ, and no UID is missing.
    fn counted(status: &MailboxStatus) -> Option<Self> {
        let (messages, uid_next) = (status.messages?, status.uid_next?);
        let mod_seq = status.highest_mod_seq.filter(|mod_seq| *mod_seq > 0)?;
        let whole = messages == 0 || messages.checked_add(1) == Some(uid_next);
        whole.then(|| Self {
            mod_seq,
            uid_next,
            uids: UidSet::from_ranges([1..=messages]),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::mailbox::digest_of, *};

    #[test]
    fn what_is_expected_has_no_flags_yet() {
        let flags = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            digest_of(&names)
        };
        assert_eq!(flags(&["\\Seen", "a", "\\Recent"]), flags(&["A", "\\seen"]));
        let mut pictured = Pictured {
            uids: [1, 5].into_iter().collect(),
            flags: vec![flags(&[]), flags(&["a"])],
            uid_next: 6,
            ..Pictured::default()
        };
        pictured.expect(&UidSet::one(9));
        assert_eq!(pictured.uids.uids().collect::<Vec<_>>(), [1, 5, 9]);
        assert_eq!(pictured.flags, [flags(&[]), flags(&["a"]), 0]);
    }
}
