//! The folder tree of a box, read from LIST and STATUS: which folders there are, how they are told apart, what is a root.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use tokio::sync::OnceCell;

use super::{
    error::Error,
    id::{FolderId, MailboxKey},
    names::Naming,
};
use crate::imap::{
    Capabilities, Command, Expected, MailboxName, Pool,
    capability::{Listing, MailboxIdentity},
    response::{Code, ListEntry, MailboxStatus, Namespace, Untagged},
};

/// A mailbox, or a name that only has others below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Last level of the path.
    pub(super) name: String,
    /// Name for the server.
    pub(super) mailbox: MailboxName,
    /// What the server must answer when it is opened; `None` when it cannot be.
    pub(super) expected: Option<Expected>,
    /// What tells it from the others.
    pub(super) key: MailboxKey,
}

/// All folders of a box at one moment.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) naming: Naming,
    /// By path, `/A/B`; ordered by code points.
    nodes: BTreeMap<String, Node>,
    by_key: HashMap<MailboxKey, String>,
    roots: Vec<String>,
    /// UIDVALIDITYs that would tell mailboxes apart, if not several had them.
    alike: BTreeSet<u32>,
}

impl Tree {
    /// Asks the server.
    pub(super) async fn read(
        pool: &Arc<Pool>,
        naming: &OnceCell<Naming>,
        roots: &[String],
    ) -> Result<Self, Error> {
        let capabilities = pool.capabilities()?;
        let naming = naming
            .get_or_try_init(|| read_naming(pool, &capabilities))
            .await?
            .clone();
        let (entries, status) = match capabilities.listing() {
            Listing::WithStatus => list_with_status(pool, &capabilities).await?,
            Listing::ThenStatus => list_then_status(pool, &naming).await?,
        };
        Ok(Self::new(
            naming,
            &entries,
            &status,
            capabilities.mailbox_identity(),
            roots,
        ))
    }

    fn new(
        naming: Naming,
        entries: &[ListEntry],
        status: &[MailboxStatus],
        identity: MailboxIdentity,
        roots: &[String],
    ) -> Self {
        let status: HashMap<&MailboxName, &MailboxStatus> = status
            .iter()
            .filter_map(|status| Some((status.mailbox.as_ref()?, status)))
            .collect();
        let mut count: HashMap<u32, usize> = HashMap::new();
        for uid_validity in status.values().filter_map(|status| status.uid_validity) {
            *count.entry(uid_validity).or_default() += 1;
        }
        let several = count.iter().filter(|(_, count)| **count > 1);
        let alike = match identity {
            MailboxIdentity::UidValidity => several.map(|(value, _)| *value).collect(),
            MailboxIdentity::MailboxId | MailboxIdentity::Name => BTreeSet::new(),
        };
        let mut nodes = BTreeMap::new();
        for entry in entries {
            let Some(mailbox) = &entry.mailbox else {
                continue;
            };
            let Some(levels) = naming.levels(mailbox) else {
                continue;
            };
            let Some(name) = levels.last().cloned() else {
                continue;
            };
            if entry.has("\\NonExistent") && !entry.has("\\HasChildren") {
                continue;
            }
            let selectable = !entry.has("\\Noselect") && !entry.has("\\NonExistent");
            let status = status.get(mailbox).filter(|_| selectable);
            let uid_validity = status
                .and_then(|status| status.uid_validity)
                .filter(|value| *value != 0);
            let mailbox_id = status.and_then(|status| status.mailbox_id.clone());
            let key = match (uid_validity, identity, &mailbox_id) {
                (Some(value), MailboxIdentity::MailboxId, Some(id)) => {
                    MailboxKey::mailbox_id(id, value)
                }
                (Some(value), MailboxIdentity::UidValidity, _) if count.get(&value) == Some(&1) => {
                    MailboxKey::uid_validity(value)
                }
                (value, _, _) => MailboxKey::name(mailbox, value.unwrap_or(0)),
            };
            let expected = uid_validity.map(|uid_validity| Expected {
                uid_validity,
                mailbox_id,
            });
            let node = Node {
                name,
                mailbox: mailbox.clone(),
                expected,
                key,
            };
            nodes.entry(path_of(&levels)).or_insert(node);
        }
        add_parents(&mut nodes, &naming);
        let roots: Vec<String> = roots
            .iter()
            .map(|root| format!("/{}", root.trim_matches('/')))
            .collect();
        if !roots.is_empty() {
            nodes.retain(|path, _| roots.iter().any(|root| is_within(path, root)));
        }
        let by_key = nodes
            .iter()
            .map(|(path, node)| (node.key.clone(), path.clone()))
            .collect();
        Self {
            naming,
            nodes,
            by_key,
            roots,
            alike,
        }
    }

    /// UIDVALIDITYs that several mailboxes have where no two should.
    pub(super) fn alike(&self) -> &BTreeSet<u32> {
        &self.alike
    }

    /// The folder of that path.
    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The path of that mailbox.
    pub(super) fn path(&self, key: &MailboxKey) -> Option<&str> {
        self.by_key.get(key).map(String::as_str)
    }

    /// Whether the same mailboxes are in the same places.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let keys = self.nodes.iter().map(|(path, node)| (path, &node.key));
        keys.eq(other.nodes.iter().map(|(path, node)| (path, &node.key)))
    }

    /// Folders directly below a path, by name, after one of them if asked. The whole box's root has the path "".
    pub(super) fn children<'a>(
        &'a self,
        path: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let prefix = format!("{path}/");
        let start = Bound::Excluded(format!("{prefix}{}", after.unwrap_or_default()));
        let above = prefix.clone();
        self.nodes
            .range((start, Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(&above))
            .filter(move |(path, _)| !path[prefix.len()..].contains('/'))
            .map(|(path, node)| (path.as_str(), node))
    }

    /// A folder and all below it, parents before children.
    pub(super) fn subtree<'a>(
        &'a self,
        path: &'a str,
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a Node)> {
        self.nodes
            .range::<str, _>((Bound::Included(path), Bound::Unbounded))
            .filter(move |(candidate, _)| is_within(candidate, path))
            .map(|(path, node)| (path.as_str(), node))
    }

    /// Paths of the roots; the single root of an unconfigured box is "".
    pub(super) fn roots(&self) -> Vec<&str> {
        if self.roots.is_empty() {
            vec![""]
        } else {
            self.roots.iter().map(String::as_str).collect()
        }
    }

    /// Whether this path is a root's.
    pub(super) fn is_root(&self, path: &str) -> bool {
        self.roots().contains(&path)
    }

    /// The id of the folder of that path as the store has it; aliases are the caller's business.
    pub(super) fn folder_id(&self, path: &str) -> Option<FolderId> {
        if self.is_root(path) {
            return Some(if path.is_empty() {
                FolderId::Root
            } else {
                FolderId::named_root(path)
            });
        }
        self.node(path)
            .map(|node| FolderId::Mailbox(node.key.clone()))
    }

    /// How much memory this takes, roughly.
    pub(super) fn weight(&self) -> usize {
        self.nodes
            .iter()
            .map(|(path, node)| 300 + 2 * path.len() + 2 * node.mailbox.as_bytes().len())
            .sum()
    }
}

/// `/A/B`
fn path_of(levels: &[String]) -> String {
    levels
        .iter()
        .fold(String::new(), |path, level| path + "/" + level)
}

/// Whether a path is that of the folder or below it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A server may list a mailbox without the names above it; each is shown as a folder without objects (RFC 9051 §6.3.9).
fn add_parents(nodes: &mut BTreeMap<String, Node>, naming: &Naming) {
    let mut missing = HashSet::new();
    for path in nodes.keys() {
        let mut path = path.as_str();
        while let Some((parent, _)) = path
            .rsplit_once('/')
            .filter(|(parent, _)| !parent.is_empty())
        {
            if nodes.contains_key(parent) || !missing.insert(parent.to_owned()) {
                break;
            }
            path = parent;
        }
    }
    for path in missing {
        let levels: Vec<&str> = path[1..].split('/').collect();
        let (Some(name), Some(mailbox)) = (levels.last(), naming.mailbox(&levels)) else {
            continue;
        };
        let key = MailboxKey::name(&mailbox, 0);
        let node = Node {
            name: (*name).to_owned(),
            mailbox,
            expected: None,
            key,
        };
        nodes.insert(path, node);
    }
}

async fn read_naming(pool: &Arc<Pool>, capabilities: &Capabilities) -> Result<Naming, Error> {
    let as_text = |bytes: Vec<u8>| MailboxName::from_wire(bytes).to_text();
    if capabilities.namespace() {
        let completion = pool.read(Command::new("NAMESPACE")).await?;
        let namespace = completion.untagged.into_iter().find_map(|data| match data {
            Untagged::Namespace(namespace) => Some(namespace),
            _ => None,
        });
        if let Some(Namespace {
            personal,
            other,
            shared,
        }) = namespace
            && let Some((prefix, separator)) = personal.into_iter().next()
        {
            let foreign = other
                .into_iter()
                .chain(shared)
                .map(|(prefix, _)| as_text(prefix))
                .collect();
            let prefix = if prefix.is_empty() {
                String::new()
            } else {
                namespace_prefix(&prefix)
            };
            return Ok(Naming {
                prefix,
                separator: separator.map(char::from),
                foreign,
                utf_8: capabilities.utf_8_names(),
            });
        }
    }
    // RFC 9051 §6.3.9: an empty pattern asks for the separator alone.
    let completion = pool
        .read(Command::new("LIST").string("").string(""))
        .await?;
    let separator = completion.untagged.iter().find_map(|data| match data {
        Untagged::List(entry) => Some(entry.separator.map(char::from)),
        _ => None,
    });
    Ok(Naming {
        prefix: String::new(),
        separator: separator.flatten(),
        foreign: Vec::new(),
        utf_8: capabilities.utf_8_names(),
    })
}

/// A prefix such as `INBOX.`, whose spelling must survive: a mailbox name of that text would be normalised.
fn namespace_prefix(bytes: &[u8]) -> String {
    MailboxName::from_wire(bytes).to_text()
}

type Listed = (Vec<ListEntry>, Vec<MailboxStatus>);

/// RFC 5819 §2. Cyrus 3.6 sends random bytes as MAILBOXID when it is asked together with anything but UIDVALIDITY.
async fn list_with_status(pool: &Arc<Pool>, capabilities: &Capabilities) -> Result<Listed, Error> {
    let items = match capabilities.mailbox_identity() {
        MailboxIdentity::MailboxId => "RETURN (STATUS (UIDVALIDITY MAILBOXID))",
        MailboxIdentity::UidValidity | MailboxIdentity::Name => "RETURN (STATUS (UIDVALIDITY))",
    };
    let completion = pool
        .read(Command::new("LIST").string("").string("*").atom(items))
        .await?;
    let mut listed = Listed::default();
    for data in completion.untagged {
        match data {
            Untagged::List(entry) => listed.0.push(entry),
            Untagged::MailboxStatus(status) => listed.1.push(status),
            _ => {}
        }
    }
    Ok(listed)
}

async fn list_then_status(pool: &Arc<Pool>, naming: &Naming) -> Result<Listed, Error> {
    let entries = list(pool).await?;
    let mut status = Vec::with_capacity(entries.len());
    for entry in entries.iter().filter(|entry| !entry.has("\\Noselect")) {
        let Some(mailbox) = entry
            .mailbox
            .as_ref()
            .filter(|mailbox| naming.levels(mailbox).is_some())
        else {
            continue;
        };
        match pool
            .read(
                Command::new("STATUS")
                    .mailbox(mailbox)
                    .atom("(UIDVALIDITY)"),
            )
            .await
        {
            Ok(completion) => {
                status.extend(
                    completion
                        .untagged
                        .into_iter()
                        .filter_map(|data| match data {
                            Untagged::MailboxStatus(status) => Some(status),
                            _ => None,
                        }),
                )
            }
            // Gone since the LIST, or not to be opened: a folder without objects.
            Err(crate::imap::Error::No {
                code: None | Some(Code::NonExistent | Code::NoPerm),
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((entries, status))
}

async fn list(pool: &Arc<Pool>) -> Result<Vec<ListEntry>, Error> {
    let completion = pool
        .read(Command::new("LIST").string("").string("*"))
        .await?;
    Ok(completion
        .untagged
        .into_iter()
        .filter_map(|data| match data {
            Untagged::List(entry) => Some(entry),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, attributes: &[&str]) -> ListEntry {
        ListEntry {
            attributes: attributes
                .iter()
                .map(|attribute| (*attribute).to_owned())
                .collect(),
            separator: Some(b'/'),
            mailbox: Some(MailboxName::from_wire(name)),
            old_name: None,
        }
    }

    fn status(name: &str, uid_validity: u32) -> MailboxStatus {
        MailboxStatus {
            mailbox: Some(MailboxName::from_wire(name)),
            uid_validity: Some(uid_validity),
            ..MailboxStatus::default()
        }
    }

    fn tree(
        entries: &[ListEntry],
        status: &[MailboxStatus],
        identity: MailboxIdentity,
        roots: &[&str],
    ) -> Tree {
        let naming = Naming {
            prefix: String::new(),
            separator: Some('/'),
            foreign: Vec::new(),
            utf_8: false,
        };
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        Tree::new(naming, entries, status, identity, &roots)
    }

    #[test]
    fn parents_that_are_not_listed_are_folders_without_objects() {
        let tree = tree(
            &[entry("a/b/c", &[])],
            &[status("a/b/c", 7)],
            MailboxIdentity::UidValidity,
            &[],
        );
        let parent = tree.node("/a").unwrap();
        assert_eq!(parent.expected, None);
        assert_eq!(
            tree.children("/a", None)
                .map(|(path, _)| path)
                .collect::<Vec<_>>(),
            ["/a/b"]
        );
        assert_eq!(tree.node("/a/b/c").unwrap().key, MailboxKey::UidValidity(7));
    }

    #[test]
    fn children_are_in_order_and_go_on_after_a_name() {
        let names = ["b", "a b", "a/x", "a", "a-b", "c/y"];
        let entries: Vec<ListEntry> = names.iter().map(|name| entry(name, &[])).collect();
        let tree = tree(&entries, &[], MailboxIdentity::Name, &[]);
        let children = |after| {
            tree.children("", after)
                .map(|(_, node)| node.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(children(None), ["a", "a b", "a-b", "b", "c"]);
        assert_eq!(children(Some("a b")), ["a-b", "b", "c"]);
        assert_eq!(children(Some("a")), ["a b", "a-b", "b", "c"]);
        let below: Vec<&str> = tree.subtree("/a").map(|(path, _)| path).collect();
        assert_eq!(below, ["/a", "/a/x"]);
    }

    #[test]
    fn a_uid_validity_that_two_mailboxes_share_identifies_neither() {
        let entries = [entry("a", &[]), entry("b", &[]), entry("c", &[])];
        let tree = tree(
            &entries,
            &[status("a", 5), status("b", 5), status("c", 6)],
            MailboxIdentity::UidValidity,
            &[],
        );
        assert_eq!(
            tree.node("/a").unwrap().key,
            MailboxKey::name(&MailboxName::from_wire("a"), 5)
        );
        assert_eq!(tree.node("/c").unwrap().key, MailboxKey::UidValidity(6));
    }

    #[test]
    fn with_roots_the_rest_of_the_store_does_not_exist() {
        let entries = [
            entry("Default/x", &[]),
            entry("Defaulter", &[]),
            entry("INBOX", &[]),
        ];
        let tree = tree(&entries, &[], MailboxIdentity::Name, &["Default", "Other"]);
        assert!(tree.node("/Default/x").is_some());
        assert!(tree.node("/Defaulter").is_none() && tree.node("/INBOX").is_none());
        assert_eq!(tree.roots(), ["/Default", "/Other"]);
        assert_eq!(
            tree.folder_id("/Other"),
            Some(FolderId::named_root("/Other"))
        );
    }

    #[test]
    fn what_does_not_exist_is_not_shown() {
        let tree = tree(
            &[entry("gone", &["\\NonExistent"])],
            &[],
            MailboxIdentity::Name,
            &[],
        );
        assert!(tree.node("/gone").is_none());
    }
}
