//! Objects and folders copied and moved (contract §6.4): folders first, then objects, each with an outcome of its own.
//!
//! * What is copied gets a new id, what is moved keeps its own: by an alias where the store does not find it again.
//! * An object was copied or moved when COPYUID says so, or when the store is seen to hold it; never because of an OK alone.
//! * A move is in the state before anything is sent (`recovery`). One that nobody knows the outcome of is resolved before anything else
//!   is moved, and before ids are answered: no mail is lost or doubled, wherever it was cut off.
//! * Objects of an account are relocated one request at a time; folders are in turn with all that changes folders.

mod folders;
mod objects;
mod recovery;
mod removal;
mod sources;

use super::{Account, Error, objects::finish};
use crate::{nms, task};

/// Whether what is named stays where it is as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relocating {
    /// It does; what is made is new.
    Copy,
    /// It does not.
    Move,
}

/// What goes where; URLs as the client wrote them, `None` for an entry without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// How.
    pub kind: Relocating,
    /// The folder they go to.
    pub target: String,
    /// Folders.
    pub folders: Vec<Option<String>>,
    /// Objects.
    pub objects: Vec<Option<String>>,
}

/// What became of one entry.
type Item = Result<nms::Reference, Error>;

impl Account {
    /// Copies or moves folders and objects: one outcome each, in their order, folders first.
    ///
    /// Of two entries that name the same, each is copied; moved it is once, and both say so. An outcome is [`Error::InvalidInput`] with the URL
    /// of a source that is unknown, or of a folder that holds the target; [`Error::Conflict`] for a name that is taken there;
    /// [`Error::SystemFolder`] for INBOX and roots that cannot be moved. After [`Error::Unavailable`] and [`Error::Timeout`] it may have been
    /// done all the same: a move asked for again ends with one object, under its id.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the URL of a target that is unknown, [`Error::CreationForbidden`] with that of the root which is the whole
    /// box, for objects; nothing was changed then.
    pub async fn relocate(
        &self,
        urls: &nms::Urls,
        relocation: Relocation,
    ) -> Result<Vec<Item>, Error> {
        let (account, urls) = (self.clone(), urls.clone());
        finish(task::spawn(async move {
            Box::pin(account.relocate_now(&urls, &relocation)).await
        }))
        .await
    }

    async fn relocate_now(
        &self,
        urls: &nms::Urls,
        relocation: &Relocation,
    ) -> Result<Vec<Item>, Error> {
        let Relocation {
            kind,
            target,
            folders,
            objects,
        } = relocation;
        let (_, path) = self.folder_of_url(urls, target).await?;
        if path.is_empty() && !objects.is_empty() {
            return Err(Error::CreationForbidden(target.clone()));
        }
        let mut items = Vec::with_capacity(folders.len() + objects.len());
        let mut away: Option<Error> = None;
        for folder in folders {
            let item = match &away {
                // Who does not answer for one does not answer for the next.
                Some(error) => Err(error.clone()),
                None => Box::pin(self.relocate_folder(urls, *kind, folder, target)).await,
            };
            away = item
                .as_ref()
                .err()
                .filter(|error| error.is_for_now())
                .cloned();
            items.push(item);
        }
        match away {
            Some(error) => items.extend(objects.iter().map(|_| Err(error.clone()))),
            None => items.extend(self.relocate_objects(urls, *kind, target, objects).await),
        }
        Ok(items)
    }

    async fn relocate_folder(
        &self,
        urls: &nms::Urls,
        kind: Relocating,
        source: &Option<String>,
        target: &str,
    ) -> Item {
        let source = source.as_deref().ok_or_else(no_url)?;
        match kind {
            Relocating::Copy => self.copy_folder(urls, source, target).await,
            Relocating::Move => self.move_folder(urls, source, target).await,
        }
    }
}

/// An entry that names nothing.
fn no_url() -> Error {
    Error::InvalidInput("resourceURL".to_owned())
}
