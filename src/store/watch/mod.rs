//! What has changed in a box since it was seen last: one question, whatever the reason to ask it (a push of the store's, a write
//! of the bridge's, a lost connection, a restart, a client's `restartToken`).
//!
//! * The store is asked, never the reason believed: what rings too often costs a look, what rings too seldom is found by the next one.
//! * A look that fails has changed nothing: what it had found is found again.
//! * All that is said is what is there now; what has come and gone between two looks is not heard of.
//! * Ids are those that everything else shows: nothing that the bridge has moved or renamed is gone and come.
//! * Something may be said twice, with the same `lastModSeq`.

mod look;
mod mailbox;
mod picture;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

pub use picture::Picture;

pub use crate::imap::{Bell, Doorbell, Listening, Rings};

use super::{
    Account, Error,
    id::{FolderId, MailboxKey, ObjectId, Seal},
};
use crate::{imap::MailboxName, nms};

/// How long after a look that found something on the move the next one comes.
pub const AGAIN: Duration = Duration::from_millis(100);
/// Most looks, one after the other, at a box that is on the move all the time.
pub const LOOKS: usize = 20;

/// Something that is not as it was (contract §7.1), as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// An object that is new, or has other flags or another place.
    Object(ObjectNow),
    /// An object that is gone.
    ObjectGone(Gone),
    /// A folder that is new, or has another name or place.
    Folder(FolderNow),
    /// A folder that is gone.
    FolderGone(Gone),
}

/// An object as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectNow {
    /// Bytes of its id.
    pub id: Vec<u8>,
    /// Bytes of its folder's id.
    pub parent: Vec<u8>,
    /// Its flags, as the contract names them.
    pub flags: Vec<String>,
    /// Its `lastModSeq`.
    pub last_mod_seq: u64,
    /// Its `correlationId`.
    pub correlation_id: Option<String>,
    /// Its `correlationTag`.
    pub correlation_tag: Option<String>,
    /// Whether it was not there before.
    pub created: bool,
}

/// Something that is no longer there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Bytes of its id.
    pub id: Vec<u8>,
    /// Above all that was shown of it.
    pub last_mod_seq: u64,
    /// The `correlationId` it had, if that is known.
    pub correlation_id: Option<String>,
    /// The `correlationTag` it had, if that is known.
    pub correlation_tag: Option<String>,
}

/// A folder as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderNow {
    /// Bytes of its id.
    pub id: Vec<u8>,
    /// Bytes of the id of the folder above.
    pub parent: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Its `lastModSeq`.
    pub last_mod_seq: u64,
}

/// How a look is meant.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// More changes than so many are not told.
    most: usize,
    thorough: bool,
    /// Nothing is told, the picture alone is made.
    silent: bool,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Looked {
    /// In the order of what happened to each.
    pub changes: Vec<Change>,
    /// There were more of them than are worth telling: whoever wants to know reads the box anew.
    pub too_many: bool,
    /// Keys of the folders whose picture is another now.
    pub folders: Vec<Vec<u8>>,
    /// Something was on the move meanwhile: another look is due.
    pub again: bool,
}

impl Change {
    /// What it is about: bytes that nothing else has.
    #[must_use]
    pub fn entity(&self) -> &[u8] {
        match self {
            Self::Object(now) => &now.id,
            Self::ObjectGone(gone) | Self::FolderGone(gone) => &gone.id,
            Self::Folder(now) => &now.id,
        }
    }

    /// The event that tells of it (contract §2.10).
    #[must_use]
    pub fn event(&self, seal: &Seal, urls: &nms::Urls) -> Option<nms::Event> {
        let object = |id: &[u8]| Some(urls.object(&seal.object(&ObjectId::from_bytes(id)?)));
        let folder = |id: &[u8]| Some(urls.folder(&seal.folder(&FolderId::from_bytes(id)?)));
        Some(match self {
            Self::Object(now) => nms::Event::ChangedObject(nms::ChangedObject {
                parent_folder: folder(&now.parent)?,
                flags: nms::FlagList {
                    flag: now.flags.clone(),
                    resource_url: None,
                },
                resource_url: object(&now.id)?,
                last_mod_seq: now.last_mod_seq,
                correlation_id: now.correlation_id.clone(),
                correlation_tag: now.correlation_tag.clone(),
            }),
            Self::ObjectGone(gone) => nms::Event::DeletedObject(nms::DeletedObject {
                resource_url: object(&gone.id)?,
                last_mod_seq: gone.last_mod_seq,
                correlation_id: gone.correlation_id.clone(),
                correlation_tag: gone.correlation_tag.clone(),
            }),
            Self::Folder(now) => nms::Event::ChangedFolder(nms::ChangedFolder {
                parent_folder: Some(folder(&now.parent)?),
                resource_url: folder(&now.id)?,
                name: now.name.clone(),
                last_mod_seq: now.last_mod_seq,
            }),
            Self::FolderGone(gone) => nms::Event::DeletedFolder(nms::DeletedFolder {
                resource_url: folder(&gone.id)?,
                last_mod_seq: gone.last_mod_seq,
            }),
        })
    }
}

impl Account {
    /// Listens for changes on a connection of its own; where the store cannot tell of all mailboxes, to the one of `near`, the bytes of
    /// its key, or to INBOX.
    ///
    /// # Errors
    /// Why there is none: [`Error::Busy`] without room for it, [`Error::Unsupported`] where the store tells nothing.
    pub async fn doorbell(
        &self,
        picture: &Picture,
        near: Option<&[u8]>,
        period: Duration,
    ) -> Result<Doorbell, Error> {
        let mailbox = picture.mailbox(near);
        Ok(Box::pin(self.pool.doorbell(&mailbox, period)).await?)
    }

    /// Rings for whatever is changed through the bridge.
    #[must_use]
    pub fn own_changes(&self) -> &Bell {
        self.pool.own_changes()
    }

    /// Whether the store says of each message when it was changed, so that a look costs no more than what has changed.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] before anybody has logged in.
    pub fn tells_changes(&self) -> Result<bool, Error> {
        Ok(self.pool.capabilities()?.mod_seq())
    }

    /// What there is now, without telling any of it. A box that does not keep still is looked at again, some times.
    ///
    /// # Errors
    /// What the store's answers mean.
    pub async fn picture(&self) -> Result<Picture, Error> {
        let mut picture = Picture::default();
        let everything = Rings {
            all: true,
            ..Rings::default()
        };
        let asked = Asked {
            most: 0,
            thorough: true,
            silent: true,
        };
        for _ in 0..LOOKS {
            let looked = self.survey(&mut picture, &everything, asked).await?;
            if !looked.again {
                break;
            }
            sleep(AGAIN).await;
        }
        Ok(picture)
    }

    /// What has changed since the picture was made, as far as something has rung; the picture is as it is now afterwards. With more than
    /// `most` changes none is told. Where the store does not say which flags have changed, those of mailboxes that nothing else
    /// is said of are compared only when the look is `thorough`: that reads all of them.
    ///
    /// # Errors
    /// What the store's answers mean; the picture is as it was then.
    pub async fn changes_since(
        &self,
        picture: &mut Picture,
        rings: &Rings,
        most: usize,
        thorough: bool,
    ) -> Result<Looked, Error> {
        let asked = Asked {
            most,
            thorough,
            silent: false,
        };
        self.survey(picture, rings, asked).await
    }

    /// Its login.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The mailbox of a key, for [`Doorbell::listen_to`].
    #[must_use]
    pub fn mailbox_of(&self, picture: &Picture, key: &[u8]) -> MailboxName {
        picture.mailbox(Some(key))
    }
}

impl Picture {
    fn mailbox(&self, near: Option<&[u8]>) -> MailboxName {
        let pictured = near.and_then(|key| self.folders.get(key));
        let place = pictured.and_then(|pictured| pictured.standing.place.as_ref());
        let opened = place.filter(|place| place.expected.is_some());
        opened.map_or_else(
            || MailboxName::from_wire(*b"INBOX"),
            |place| place.mailbox.clone(),
        )
    }
}

/// The key of a picture's folder.
fn key_of(bytes: &[u8]) -> Result<MailboxKey, Error> {
    MailboxKey::from_bytes(bytes)
        .ok_or_else(|| Error::Internal("a picture of another kind".to_owned()))
}
