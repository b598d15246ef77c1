//! Attributes of folders: those that cost nothing, and those that are counted when somebody asks for them (contract §2.5, §6.3).
//!
//! Where the store says it of all folders at once it is one command; else one or two a folder, a few folders at a time.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Account, Error,
    objects::found,
    tree::{Node, Tree},
};
use crate::{
    config::DeletedObjects,
    imap::{
        self, Command, Expected, Item, MailboxName, UidSet,
        capability::Listing,
        response::{MailboxStatus, Untagged},
    },
    nms,
};

/// Most messages of a folder whose sizes are added up here, where the store does not do it; the size of a larger one is left out.
const MOST_SIZED: u32 = 10_000;
/// Most folders that are asked about at the same time.
const MOST_AT_ONCE: usize = 4;

/// What is counted of the objects of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Messages,
    Unread,
    Size,
}

/// The attributes that are counted, in the order in which they are shown: of the folder alone, or with all below it.
const COUNTING: [(&str, Counted, bool); 6] = [
    ("MsgCount", Counted::Messages, false),
    ("UnreadMsgCount", Counted::Unread, false),
    ("Size", Counted::Size, false),
    ("SubtreeMsgCount", Counted::Messages, true),
    ("SubtreeUnreadMsgCount", Counted::Unread, true),
    ("SubtreeSize", Counted::Size, true),
];

/// What a folder's objects come to; `None` when it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    messages: Option<u64>,
    unread: Option<u64>,
    size: Option<u64>,
}

impl Count {
    fn of(self, counted: Counted) -> Option<u64> {
        match counted {
            Counted::Messages => self.messages,
            Counted::Unread => self.unread,
            Counted::Size => self.size,
        }
    }
}

/// What has to be asked for.
#[derive(Debug, Clone, Copy)]
struct Needs {
    messages: bool,
    unread: bool,
    size: bool,
    subtrees: bool,
}

/// The attributes of [`COUNTING`] that are named.
fn counting(named: &[String]) -> Vec<(&'static str, Counted, bool)> {
    let is_named = |name: &str| named.iter().any(|other| other.eq_ignore_ascii_case(name));
    let all = COUNTING.into_iter();
    all.filter(|(name, ..)| is_named(name)).collect()
}

fn needs(counting: &[(&'static str, Counted, bool)]) -> Needs {
    let any = |what| counting.iter().any(|(_, counted, _)| *counted == what);
    Needs {
        messages: any(Counted::Messages),
        unread: any(Counted::Unread),
        size: any(Counted::Size),
        subtrees: counting.iter().any(|(.., subtree)| *subtree),
    }
}

impl Account {
    /// The attributes of folders of a tree, in their order: those that cost nothing, and of the others those that are named, in any case.
    /// What is hidden from REST is not counted; what cannot be known is left out.
    ///
    /// # Errors
    /// What the store's answers mean.
    pub(super) async fn folder_attributes(
        &self,
        tree: &Tree,
        paths: &[&str],
        named: &[String],
    ) -> Result<Vec<nms::AttributeList>, Error> {
        let counting = counting(named);
        let counts = if counting.is_empty() {
            Counts(HashMap::new())
        } else {
            self.counts(tree, paths, needs(&counting)).await?
        };
        let attributes = paths.iter().map(|path| {
            let mut attribute = plain(tree, path);
            for (name, counted, subtree) in &counting {
                let value = if *subtree {
                    let folders = tree.subtree(path).map(|(path, _)| path);
                    folders.map(|path| counts.of(path, *counted)).sum()
                } else {
                    counts.of(path, *counted)
                };
                let value: Option<u64> = value;
                attribute.extend(value.map(|value| one(name, value.to_string())));
            }
            nms::AttributeList { attribute }
        });
        Ok(attributes.collect())
    }

    /// What these folders come to.
    async fn counts(&self, tree: &Tree, paths: &[&str], needs: Needs) -> Result<Counts, Error> {
        let mut nodes: BTreeMap<&str, &Node> = BTreeMap::new();
        for path in paths {
            nodes.extend(tree.node(path).map(|node| (*path, node)));
            if needs.subtrees {
                nodes.extend(tree.subtree(path));
            }
        }
        nodes.retain(|_, node| node.expected.is_some());
        let hides = self.store.objects.deleted != DeletedObjects::Show;
        let listing = self.pool.capabilities()?.listing();
        let mut known = HashMap::new();
        if !hides && nodes.len() > 1 && listing == Listing::WithStatus {
            let only = match paths {
                [path] => tree.node(path),
                _ => None,
            };
            known = self.all_status(only, needs).await?;
        }
        let mut counting = Vec::with_capacity(nodes.len());
        for (path, node) in nodes {
            let Some(expected) = node.expected.clone() else {
                continue;
            };
            let status = known.remove(&node.mailbox);
            let (account, path) = (self.clone(), path.to_owned());
            let mailbox = node.mailbox.clone();
            counting.push(async move {
                let count = if hides {
                    account.count_visible(&mailbox, &expected, needs).await
                } else {
                    account.count_all(&mailbox, &expected, status, needs).await
                };
                Ok::<_, Error>((path, count?))
            });
        }
        let at_once = self.store.connections_per_account.saturating_sub(1);
        let counting = stream::iter(counting).buffer_unordered(at_once.clamp(1, MOST_AT_ONCE));
        Ok(Counts(counting.try_collect().await?))
    }

    /// STATUS of a folder and all below it, or of all folders (RFC 5819 §2).
    async fn all_status(
        &self,
        only: Option<&Node>,
        needs: Needs,
    ) -> Result<HashMap<MailboxName, MailboxStatus>, Error> {
        // The name as a pattern; others that begin alike are listed too, and nobody asks for them.
        let pattern = only.map(|node| node.mailbox.as_bytes());
        let mut pattern = pattern
            .filter(|name| !name.contains(&b'%') && !name.contains(&b'*'))
            .unwrap_or_default()
            .to_vec();
        pattern.push(b'*');
        let items = if self.sizes_by_status(needs)? {
            "RETURN (STATUS (MESSAGES UNSEEN SIZE))"
        } else {
            "RETURN (STATUS (MESSAGES UNSEEN))"
        };
        let command = Command::new("LIST").string("").string(pattern).atom(items);
        let untagged = self.pool.read_outside(command).await?.untagged;
        let status = untagged.into_iter().filter_map(|data| match data {
            Untagged::MailboxStatus(status) => Some((status.mailbox.clone()?, status)),
            _ => None,
        });
        Ok(status.collect())
    }

    fn sizes_by_status(&self, needs: Needs) -> Result<bool, Error> {
        Ok(needs.size && self.pool.capabilities()?.status_size())
    }

    /// All messages of a mailbox.
    async fn count_all(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        status: Option<MailboxStatus>,
        needs: Needs,
    ) -> Result<Count, Error> {
        let status = match status {
            Some(status) => status,
            None => self.status(mailbox, needs).await?,
        };
        let mut count = Count {
            messages: status.messages.map(u64::from),
            unread: status.unseen.map(u64::from),
            size: status.size,
        };
        let few = status
            .messages
            .is_some_and(|messages| messages <= MOST_SIZED);
        if needs.size && count.size.is_none() && few {
            count.size = self.sum_of_sizes(mailbox, expected).await?;
        }
        Ok(count)
    }

    async fn status(&self, mailbox: &MailboxName, needs: Needs) -> Result<MailboxStatus, Error> {
        let items = if self.sizes_by_status(needs)? {
            "(MESSAGES UNSEEN SIZE)"
        } else {
            "(MESSAGES UNSEEN)"
        };
        let command = Command::new("STATUS").mailbox(mailbox).atom(items);
        let untagged = match self.pool.read_outside(command).await {
            Ok(completion) => completion.untagged,
            Err(error) => return gone(error),
        };
        let status = untagged.into_iter().find_map(|data| match data {
            Untagged::MailboxStatus(status) => Some(status),
            _ => None,
        });
        Ok(status.unwrap_or_default())
    }

    /// The messages of a mailbox that are not flagged `\Deleted`.
    async fn count_visible(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        needs: Needs,
    ) -> Result<Count, Error> {
        let mut count = Count::default();
        let mut exists = None;
        if needs.messages || needs.size {
            let found = self.search_count(mailbox, expected, "UNDELETED").await?;
            (exists, count.messages) = found.unzip();
        }
        if needs.unread {
            let keys = "UNSEEN UNDELETED";
            let found = self.search_count(mailbox, expected, keys).await?;
            count.unread = found.map(|(_, unread)| unread);
        }
        let few = exists.is_some_and(|exists| exists <= MOST_SIZED);
        if needs.size && few {
            count.size = self.sum_of_sizes(mailbox, expected).await?;
        }
        Ok(count)
    }

    /// How many messages a mailbox has, and how many of them a search finds; `None` when it is gone or another.
    async fn search_count(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        keys: &'static str,
    ) -> Result<Option<(u32, u64)>, Error> {
        let mut command = Command::new("UID SEARCH");
        if self.pool.capabilities()?.extended_search() {
            command = command.atom("RETURN (COUNT)");
        }
        let (selected, untagged) = match self
            .read_if_there(mailbox, expected, command.atom(keys))
            .await?
        {
            Some((selected, completion)) => (selected, completion.untagged),
            None => return Ok(None),
        };
        let counted = untagged.iter().find_map(|data| match data {
            Untagged::ExtendedSearch(search) => search.count,
            _ => None,
        });
        let count = match counted {
            Some(count) => u64::from(count),
            None => found(untagged).len() as u64,
        };
        Ok(Some((selected.exists, count)))
    }

    /// The sizes of all visible messages of a mailbox together.
    async fn sum_of_sizes(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<u64>, Error> {
        let items = [Item::Fixed("UID FLAGS RFC822.SIZE")];
        let all = UidSet::up_to(u32::MAX);
        let command = Command::new("UID FETCH").uids(&all).items(&items);
        let Some((_, completion)) = self.read_if_there(mailbox, expected, command).await? else {
            return Ok(None);
        };
        let mut sizes: HashMap<u32, u64> = HashMap::new();
        for data in completion.untagged {
            if let Untagged::Fetch(fetch) = data
                && let (Some(uid), Some(size)) = (fetch.uid, fetch.size)
                && self.visible(&fetch.flags.unwrap_or_default()).is_ok()
            {
                sizes.insert(uid, size);
            }
        }
        Ok(Some(sizes.into_values().fold(0, u64::saturating_add)))
    }

    async fn read_if_there(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        command: Command,
    ) -> Result<Option<(imap::Selected, imap::Completion)>, Error> {
        match self.pool.read_in(mailbox, expected, command).await {
            Ok(found) => Ok(found),
            Err(error) => gone(error),
        }
    }
}

/// By path.
struct Counts(HashMap<String, Count>);

impl Counts {
    /// A folder that is only a name has no objects.
    fn of(&self, path: &str, counted: Counted) -> Option<u64> {
        self.0.get(path).map_or(Some(0), |count| count.of(counted))
    }
}

/// A folder may go, or not be readable, while others are counted: nothing is known of it then.
fn gone<T: Default>(error: imap::Error) -> Result<T, Error> {
    match error {
        imap::Error::No { .. } => Ok(T::default()),
        error => Err(error.into()),
    }
}

/// `Root` on roots, `Name` where there is one (contract §2.5).
fn plain(tree: &Tree, path: &str) -> Vec<nms::Attribute> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let root = tree.is_root(path).then(|| one("Root", "Yes".to_owned()));
    let name = (!name.is_empty()).then(|| one("Name", name.to_owned()));
    root.into_iter().chain(name).collect()
}

fn one(name: &str, value: String) -> nms::Attribute {
    nms::Attribute {
        name: name.to_owned(),
        value: vec![value],
    }
}
