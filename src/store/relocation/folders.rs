//! Folders moved by RENAME, and copied with all that is in them and below them.

use std::sync::Arc;

use tokio::time::sleep;

use super::{
    super::{
        Account, Error,
        folder_changes::{exists, invalid, mailbox_of},
        folders::shown_path,
        identity::{elsewhere, sets},
        objects::found,
        parent::{Target, target_in},
        place::LOOKS,
        tree::{Node, Tree, is_within},
    },
    Item,
};
use crate::{
    config::DeletedObjects,
    imap::{self, Command, capability::Capabilities, copied::copied, pool::Lease},
    nms,
};

/// How often a folder is looked for anew that others rename.
const ATTEMPTS: usize = 3;

/// A folder on its way to another.
struct Route {
    tree: Arc<Tree>,
    /// Where it is.
    path: String,
    /// Where it goes.
    new: String,
    name: String,
}

impl Account {
    /// Moves a folder below another; its id, those of all below it and of their objects stay.
    pub(super) async fn move_folder(&self, urls: &nms::Urls, source: &str, target: &str) -> Item {
        let unknown = || Error::InvalidInput(source.to_owned());
        let id = urls.folder_id(source).ok_or_else(unknown)?;
        let _turn = self.turn_to_change().await?;
        for _ in 0..ATTEMPTS {
            let route = self.route(urls, &id, source, target, true).await?;
            let Route {
                tree,
                path,
                new,
                name,
            } = &route;
            let stays = new == path;
            if stays {
                // Perhaps asked again because the aliases could not be kept at first.
                self.store.state.commit().await?;
            }
            if stays || self.rename_once(tree, path, new, name).await? {
                return Ok(nms::Reference {
                    resource_url: urls.folder(&id),
                    path: Some(shown_path(new)),
                });
            }
            // Another client has renamed it: where it is now is found by its id, or it is gone.
        }
        Err(Error::Unavailable(
            "the folder is renamed all the time".to_owned(),
        ))
    }

    /// Copies a folder below another, and all below it with their objects. It is made step by step: what was made stays when a later step
    /// fails.
    pub(super) async fn copy_folder(&self, urls: &nms::Urls, source: &str, target: &str) -> Item {
        let unknown = || Error::InvalidInput(source.to_owned());
        let id = urls.folder_id(source).ok_or_else(unknown)?;
        let (route, made) = {
            let _turn = self.turn_to_change().await?;
            let route = self.route(urls, &id, source, target, false).await?;
            if exists(&route.tree, &route.new) {
                return Err(Error::Conflict(route.name, "name".to_owned()));
            }
            let made = self.make_alike(&route).await?;
            (route, made)
        };
        for (path, node) in route.tree.subtree(&route.path) {
            let new = format!("{}{}", route.new, &path[route.path.len()..]);
            if node.expected.is_some() {
                let to = target_in(&made, &new, target, false).ok_or_else(elsewhere)?;
                self.copy_messages(node, &to).await?;
            }
        }
        let id = self.folder_text(&made, &route.new).ok_or_else(elsewhere)?;
        Ok(nms::Reference {
            resource_url: urls.folder(&id),
            path: Some(shown_path(&route.new)),
        })
    }

    /// Where a folder is and where it goes. For who has the turn to change folders.
    async fn route(
        &self,
        urls: &nms::Urls,
        id: &str,
        source: &str,
        target: &str,
        moves: bool,
    ) -> Result<Route, Error> {
        let unknown = |url: &str| Error::InvalidInput(url.to_owned());
        let (mut tree, path) = match self.folder_in_turn(id).await {
            Err(Error::NotFound) => return Err(unknown(source)),
            found => found?,
        };
        if moves && self.is_system(&tree, &path) {
            return Err(Error::SystemFolder);
        }
        let target_id = urls.folder_id(target);
        let target_id = target_id.and_then(|id| self.seal.read_folder(&id));
        let above = target_id.and_then(|id| self.folder_path(&tree, &id));
        let above = above.ok_or_else(|| unknown(target))?;
        // Some servers would do it, and make the folder anew without its content where it was.
        if is_within(&above, &path) {
            return Err(unknown(source));
        }
        // A root that the store lacks is made at the first write.
        if !above.is_empty() && tree.node(&above).is_none() {
            tree = self.made(&tree, &above, target).await?;
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Route {
            new: format!("{above}/{name}"),
            tree,
            path,
            name,
        })
    }

    /// Makes a folder, and below it all that is below the source, still empty; the tree with them.
    async fn make_alike(&self, route: &Route) -> Result<Arc<Tree>, Error> {
        let Route {
            tree, path, new, ..
        } = route;
        let below = tree.subtree(path).map(|(below, _)| &below[path.len()..]);
        let mut levels: Vec<String> = below.map(|rest| format!("{new}{rest}")).collect();
        if levels.is_empty() {
            // A root that the store lacks, which is shown empty.
            levels.push(new.clone());
        }
        let name_of = |level: &str| level.rsplit('/').next().unwrap_or_default().to_owned();
        let lease = self.pool.write(&[]).await?;
        let mut outcome = Ok(());
        let mut last = new;
        for level in &levels {
            last = level;
            outcome = create(&lease, tree, level).await?;
            if outcome.is_err() {
                break;
            }
        }
        drop(lease);
        let made = self.tree_after(&outcome).await?;
        match outcome {
            Ok(()) | Err(imap::Error::Closed | imap::Error::Timeout) => {}
            Err(imap::Error::No { code, .. }) => {
                return Err(self.explain(&made, last, &name_of(last), None, code).await);
            }
            Err(error) => return Err(error.into()),
        }
        match (
            levels.iter().find(|level| made.node(level).is_none()),
            outcome,
        ) {
            (None, _) => Ok(made),
            (Some(_), Err(error)) => Err(error.into()),
            // Taken with an OK and not listed: the server keeps another name than it was given.
            (Some(_), Ok(())) => Err(invalid("name")),
        }
    }

    /// Copies all messages of a mailbox to one that was made for them; the evidence is COPYUID, or that they are there.
    async fn copy_messages(&self, from: &Node, to: &Target) -> Result<(), Error> {
        let expected = from.expected.as_ref().ok_or_else(elsewhere)?;
        let mut lease = self.examine_for_copy(from, expected).await?;
        let mut uids = found(lease.run(self.all_objects()?).await?.untagged);
        uids.sort_unstable();
        uids.dedup();
        let mut copied_before = 0;
        for set in sets(&uids) {
            let command = Command::new("UID COPY")
                .uids(&set.iter().copied().collect())
                .mailbox(&to.mailbox);
            let outcome = lease.run(command).await;
            let said = outcome.as_ref().map_or(0, |completion| {
                copied(completion, &set, to.expected.uid_validity).len()
            });
            copied_before += set.len();
            if said == set.len() {
                continue;
            }
            drop(lease);
            self.are_there(to, copied_before, outcome).await?;
            lease = self.examine_for_copy(from, expected).await?;
        }
        Ok(())
    }

    async fn examine_for_copy(
        &self,
        from: &Node,
        expected: &imap::Expected,
    ) -> Result<Lease, Error> {
        let opened = self.pool.examine_in(&from.mailbox, expected).await?;
        let (lease, _) = opened.ok_or_else(elsewhere)?;
        Ok(lease)
    }

    /// Whether as many messages as were copied have come to a mailbox that was empty. What was lost is never sent again.
    async fn are_there(
        &self,
        to: &Target,
        wanted: usize,
        outcome: Result<imap::Completion, imap::Error>,
    ) -> Result<(), Error> {
        let (waits, error) = match outcome {
            Ok(_) => (1, Error::Upstream("COPY without effect".to_owned())),
            Err(error) if error.leaves_open() => (LOOKS.len(), error.into()),
            Err(refusal) => return Err(self.refused_relocation(None, to, 1, refusal).await),
        };
        for wait in &LOOKS[..waits] {
            sleep(*wait).await;
            let opened = self.pool.examine_in(&to.mailbox, &to.expected).await?;
            let (_, selected) = opened.ok_or_else(elsewhere)?;
            if usize::try_from(selected.exists).is_ok_and(|there| there >= wanted) {
                return Ok(());
            }
        }
        Err(error)
    }

    /// The search for what is an object here.
    fn all_objects(&self) -> Result<Command, Error> {
        let mut command = Command::new("UID SEARCH");
        if Capabilities::extended_search(&*self.pool.capabilities()?) {
            command = command.atom("RETURN (ALL)");
        }
        Ok(match self.store.objects.deleted {
            DeletedObjects::Show => command.atom("ALL"),
            DeletedObjects::Hide | DeletedObjects::Purge => command.atom("UNDELETED"),
        })
    }
}

/// One CREATE; inside, how it failed.
async fn create(lease: &Lease, tree: &Tree, path: &str) -> Result<Result<(), imap::Error>, Error> {
    let mailbox = mailbox_of(tree, path).ok_or_else(|| invalid("name"))?;
    let command = Command::new("CREATE").mailbox(&mailbox);
    Ok(lease.run(command).await.map(drop))
}
