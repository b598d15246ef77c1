//! From an id to where the thing is that it names, and back, where that is no longer the place it was made of.
//!
//! * A folder's alias leads from the key it is shown with to the key it is found with.
//! * An object's alias leads from the id it is shown with to its place: its UID, and its mailbox by the key which that is *shown* with, so
//!   that a folder takes its objects along, whichever was moved or renamed first. Where UIDVALIDITY is another than in that key, UIDs
//!   are others too (Courier gives a mailbox that is renamed new ones): the place has the key as it is found, and what was there before
//!   has aliases, each object its own (`renumbered`).
//! * Nothing is known by two ids: what an alias leads to cannot be asked for by an id made of its place.
//! * A name that only has others below it has no mark but that name, and is there again whenever somebody makes a folder below it. If
//!   the bridge has made a mailbox of the one before, or moved it, that has the id: the one that has come gets a new one.
//! * An id that lives by an alias dies with it; the oldest are forgotten when there are too many (`state`).

use uuid::Uuid;

use super::{
    Account, Error,
    id::{MailboxKey, ObjectId},
    tree::Tree,
};

impl Account {
    /// Store and login: the scope of what the state remembers.
    pub(super) fn scope(&self) -> String {
        format!("{}/{}", self.store.name, self.login)
    }

    /// The key a mailbox is shown with. Before [`Self::tell_apart`] has given a mailbox a key of its own whose key stands for another, it is
    /// one that leads nowhere.
    pub(super) fn shown_key(&self, found: &MailboxKey) -> MailboxKey {
        if let Some(shown) = self.other_key(found) {
            return shown;
        }
        let bytes = found.to_bytes();
        match self.store.state.found(&self.scope(), &bytes) {
            Some(other) => MailboxKey::apart(&[bytes, other].concat(), found.validity()),
            None => found.clone(),
        }
    }

    /// The key that a mailbox has been given instead of its own.
    pub(super) fn other_key(&self, found: &MailboxKey) -> Option<MailboxKey> {
        let shown = self.store.state.shown(&self.scope(), &found.to_bytes())?;
        MailboxKey::from_bytes(&shown)
    }

    /// Gives each mailbox of a tree a key of its own whose key stands for another. Not in the middle of a change: its end says who keeps which.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that cannot be kept.
    pub(super) async fn tell_apart(&self, tree: &Tree) -> Result<(), Error> {
        let (scope, state) = (self.scope(), &self.store.state);
        if state.aliases(&scope).is_none() {
            return Ok(());
        }
        let taken = |key: &MailboxKey| {
            let bytes = key.to_bytes();
            state.shown(&scope, &bytes).is_none() && state.found(&scope, &bytes).is_some()
        };
        let keys = tree.subtree("").map(|(_, node)| &node.key);
        let taken: Vec<&MailboxKey> = keys.filter(|key| taken(key)).collect();
        if taken.is_empty() {
            return Ok(());
        }
        for key in taken {
            let another = MailboxKey::apart(Uuid::new_v4().as_bytes(), key.validity());
            state.alias(&scope, &another.to_bytes(), &key.to_bytes());
        }
        Ok(state.commit().await?)
    }

    /// What to look for in the tree; `None` when another folder has taken this key's place and is shown differently.
    pub(super) fn found_key(&self, shown: &MailboxKey) -> Option<MailboxKey> {
        MailboxKey::from_bytes(&self.found_bytes(shown.to_bytes())?)
    }

    /// The place of a message.
    pub(super) fn place_at(&self, key: &MailboxKey, uid: u32) -> ObjectId {
        ObjectId {
            mailbox: self.place_key(key),
            uid,
        }
    }

    /// What a mailbox is called in the places of its messages.
    pub(super) fn place_key(&self, found: &MailboxKey) -> MailboxKey {
        let shown = self.shown_key(found);
        if shown.validity() == found.validity() {
            shown
        } else {
            found.clone()
        }
    }

    /// What to look for in the tree for a place; `None` when its UIDs are of another time, or its mailbox is called otherwise in places.
    pub(super) fn mailbox_of_place(&self, called: &MailboxKey) -> Option<MailboxKey> {
        let found = self.store.state.found(&self.scope(), &called.to_bytes());
        let found = match found {
            Some(bytes) => MailboxKey::from_bytes(&bytes)?,
            None => called.clone(),
        };
        (self.place_key(&found) == *called).then_some(found)
    }

    /// The id that the object of a place is shown with.
    pub(super) fn id_of(&self, place: ObjectId) -> ObjectId {
        let shown = self.store.state.shown(&self.scope(), &place.to_bytes());
        shown
            .and_then(|bytes| ObjectId::from_bytes(&bytes))
            .unwrap_or(place)
    }

    /// The place of the object that is shown with an id; `None` when another is there that is shown differently.
    pub(super) fn place_of(&self, id: &ObjectId) -> Option<ObjectId> {
        ObjectId::from_bytes(&self.found_bytes(id.to_bytes())?)
    }

    /// Where an object was made that is here now: somewhere else if the bridge has moved it since.
    pub(super) fn made_at(&self, key: &MailboxKey, uid: u32) -> (MailboxKey, u32) {
        let place = self.place_at(key, uid);
        let id = self.id_of(place.clone());
        if id == place {
            return (key.clone(), uid);
        }
        let found = self.found_key(&id.mailbox);
        (found.unwrap_or(id.mailbox), id.uid)
    }

    /// The id an object is shown with, as text.
    pub(super) fn object_text(&self, key: &MailboxKey, uid: u32) -> String {
        self.seal.object(&self.id_of(self.place_at(key, uid)))
    }

    fn found_bytes(&self, shown: Vec<u8>) -> Option<Vec<u8>> {
        if let Some(found) = self.store.state.found(&self.scope(), &shown) {
            return Some(found);
        }
        let taken = self
            .store
            .state
            .shown(&self.scope(), &shown)
            .is_some_and(|other| other != shown);
        (!taken).then_some(shown)
    }
}
