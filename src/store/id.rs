//! Ids of objects and folders: opaque, URL-safe, at most 64 characters, bound to one store and box.
//!
//! An id holds what finds the thing again (the mailbox's identity, the UID) and a check value over that, the store and the
//! box. It is keyless, so every instance makes the same ids; it keeps a mistyped or swapped id from naming another's mail,
//! and is no secret: who may read a box is decided before any id is looked at.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::imap::MailboxName;

/// Octets of the check value.
const CHECK: usize = 8;

/// What tells a mailbox from another of the same account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MailboxKey {
    /// UIDVALIDITY, where the server gives every mailbox its own.
    UidValidity(u32),
    /// Digest of MAILBOXID, and UIDVALIDITY.
    MailboxId([u8; 10], u32),
    /// Digest of the name, and UIDVALIDITY; 0 for a mailbox that cannot be selected.
    Name([u8; 10], u32),
}

/// What a folder id names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FolderId {
    /// The root that is the whole box.
    Root,
    /// A configured root, by the digest of its path.
    NamedRoot([u8; 10]),
    /// A mailbox.
    Mailbox(MailboxKey),
}

/// What an object id names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// The mailbox it was in when the id was made.
    pub mailbox: MailboxKey,
    /// Its UID there.
    pub uid: u32,
}

/// Makes and reads the ids of one box.
#[derive(Debug, Clone)]
pub struct Seal {
    /// Store and box, each with its length, so that no two pairs look alike.
    scope: Vec<u8>,
}

impl MailboxKey {
    /// By UIDVALIDITY alone.
    #[must_use]
    pub fn uid_validity(uid_validity: u32) -> Self {
        Self::UidValidity(uid_validity)
    }

    /// By MAILBOXID.
    #[must_use]
    pub fn mailbox_id(id: &str, uid_validity: u32) -> Self {
        Self::MailboxId(short_digest(id.as_bytes()), uid_validity)
    }

    /// By name.
    #[must_use]
    pub fn name(name: &MailboxName, uid_validity: u32) -> Self {
        Self::Name(short_digest(name.as_bytes()), uid_validity)
    }

    /// One that stands for a mailbox whose own key stands for another: told apart from all by `mark`.
    #[must_use]
    pub fn apart(mark: &[u8], uid_validity: u32) -> Self {
        Self::Name(short_digest(mark), uid_validity)
    }

    /// Whether this and another key are of one UIDVALIDITY, and at least one of them is nothing else.
    #[must_use]
    pub fn is_by_uid_validity(&self, other: &Self) -> bool {
        let alone = matches!(self, Self::UidValidity(_)) || matches!(other, Self::UidValidity(_));
        alone && self.validity() == other.validity()
    }

    /// The UIDVALIDITY in it; 0 for a mailbox that could not be selected.
    #[must_use]
    pub fn validity(&self) -> u32 {
        match self {
            Self::UidValidity(value) | Self::MailboxId(_, value) | Self::Name(_, value) => *value,
        }
    }

    /// As bytes, for an id or as a key in the state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::UidValidity(uid_validity) => [&[1][..], &uid_validity.to_be_bytes()].concat(),
            Self::MailboxId(digest, uid_validity) => {
                [&[2][..], digest, &uid_validity.to_be_bytes()].concat()
            }
            Self::Name(digest, uid_validity) => {
                [&[3][..], digest, &uid_validity.to_be_bytes()].concat()
            }
        }
    }

    /// Back from bytes; `None` when they are none of ours.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        let (kind, rest) = bytes.split_first()?;
        match (kind, rest.len()) {
            (1, 4) => Some(Self::UidValidity(number(rest)?)),
            (2, 14) => Some(Self::MailboxId(
                rest[..10].try_into().ok()?,
                number(&rest[10..])?,
            )),
            (3, 14) => Some(Self::Name(
                rest[..10].try_into().ok()?,
                number(&rest[10..])?,
            )),
            _ => None,
        }
    }
}

impl FolderId {
    /// The id of a configured root.
    #[must_use]
    pub fn named_root(path: &str) -> Self {
        Self::NamedRoot(short_digest(path.as_bytes()))
    }

    /// As bytes, for the state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Root => vec![0],
            Self::NamedRoot(digest) => [&[4][..], digest].concat(),
            Self::Mailbox(key) => key.to_bytes(),
        }
    }

    /// Back from bytes; `None` when they are none of ours.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match (bytes.first()?, bytes.len()) {
            (0, 1) => Some(Self::Root),
            (4, 11) => Some(Self::NamedRoot(bytes[1..].try_into().ok()?)),
            _ => MailboxKey::from_bytes(bytes).map(Self::Mailbox),
        }
    }
}

impl ObjectId {
    /// As bytes, for an id or the state: four more than those of a mailbox, so that neither is read as the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.mailbox.to_bytes()[..], &self.uid.to_be_bytes()].concat()
    }

    /// Back from bytes; `None` when they are none of ours.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (mailbox, uid) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let uid = u32::from_be_bytes(uid.try_into().ok()?);
        // RFC 9051 §2.3.1.1: 0 is no UID, and no command may ask for it.
        (uid != 0).then_some(Self {
            mailbox: MailboxKey::from_bytes(mailbox)?,
            uid,
        })
    }
}

impl Seal {
    /// For the box of that name in the store of that name.
    #[must_use]
    pub fn new(store: &str, box_id: &str) -> Self {
        let mut scope = Vec::with_capacity(store.len() + box_id.len() + 16);
        for text in [store, box_id] {
            scope.extend_from_slice(&(text.len() as u64).to_be_bytes());
            scope.extend_from_slice(text.as_bytes());
        }
        Self { scope }
    }

    /// Writes a folder id.
    #[must_use]
    pub fn folder(&self, id: &FolderId) -> String {
        self.write("folder", &id.to_bytes())
    }

    /// Reads a folder id; `None` when it was not made for this box.
    #[must_use]
    pub fn read_folder(&self, text: &str) -> Option<FolderId> {
        FolderId::from_bytes(&self.read("folder", text)?)
    }

    /// Writes an object id.
    #[must_use]
    pub fn object(&self, id: &ObjectId) -> String {
        self.write("object", &id.to_bytes())
    }

    /// Reads an object id; `None` when it was not made for this box.
    #[must_use]
    pub fn read_object(&self, text: &str) -> Option<ObjectId> {
        ObjectId::from_bytes(&self.read("object", text)?)
    }

    /// Bytes with their check value, in URL-safe base64. `purpose` keeps one kind of thing from being read as another.
    #[must_use]
    pub fn write(&self, purpose: &str, bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([bytes, &self.check(purpose, bytes)].concat())
    }

    /// The bytes, when the check value is right.
    #[must_use]
    pub fn read(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let check = bytes.split_off(bytes.len().checked_sub(CHECK)?);
        (self.check(purpose, &bytes) == check[..]).then_some(bytes)
    }

    fn check(&self, purpose: &str, bytes: &[u8]) -> [u8; CHECK] {
        let mut input = self.scope.clone();
        input.extend_from_slice(&(purpose.len() as u64).to_be_bytes());
        input.extend_from_slice(purpose.as_bytes());
        input.extend_from_slice(bytes);
        truncated(&input)
    }
}

fn short_digest(bytes: &[u8]) -> [u8; 10] {
    truncated(bytes)
}

/// The first octets of SHA-256.
fn truncated<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    let digest = digest(&SHA256, bytes);
    let mut short = [0; LENGTH];
    short
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    short
}

/// Eight octets of SHA-256 as a number: what was shown, to see whether it has changed.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(truncated(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = MailboxKey> {
        prop_oneof![
            any::<u32>().prop_map(MailboxKey::UidValidity),
            (any::<[u8; 10]>(), any::<u32>())
                .prop_map(|(digest, value)| MailboxKey::MailboxId(digest, value)),
            (any::<[u8; 10]>(), any::<u32>())
                .prop_map(|(digest, value)| MailboxKey::Name(digest, value)),
        ]
    }

    proptest! {
        #[test]
        fn ids_come_back_in_their_own_box_only(mailbox in keys(), uid in 1_u32..) {
            let seal = Seal::new("cpm", "tel:+15550100");
            let object = ObjectId { mailbox: mailbox.clone(), uid };
            let text = seal.object(&object);
            prop_assert!(text.len() <= 64);
            prop_assert_eq!(seal.read_object(&text), Some(object));
            prop_assert_eq!(Seal::new("cpm", "tel:+15550101").read_object(&text), None);
            prop_assert_eq!(Seal::new("cpmt", "el:+15550100").read_object(&text), None);
            prop_assert_eq!(seal.read_folder(&text), None);
            prop_assert_eq!(MailboxKey::from_bytes(&seal.read_object(&text).unwrap().to_bytes()), None);
            prop_assert_eq!(ObjectId::from_bytes(&mailbox.to_bytes()), None);
            let folder = FolderId::Mailbox(mailbox);
            prop_assert_eq!(seal.read_folder(&seal.folder(&folder)), Some(folder));
        }

        #[test]
        fn any_changed_character_is_refused(mailbox in keys(), uid in 1_u32.., at in 0_usize..36, other in "[A-Za-z0-9_-]") {
            let seal = Seal::new("cpm", "tel:+15550100");
            let text = seal.object(&ObjectId { mailbox, uid });
            let at = at % text.len();
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            prop_assume!(changed != text);
            prop_assert_eq!(seal.read_object(&changed), None);
        }

        #[test]
        fn made_up_ids_are_refused(text in "\\PC{0,80}") {
            let seal = Seal::new("cpm", "tel:+15550100");
            prop_assert_eq!(seal.read_object(&text), None);
            prop_assert_eq!(seal.read_folder(&text), None);
        }
    }

    #[test]
    fn no_object_has_the_uid_0() {
        let seal = Seal::new("cpm", "tel:+15550100");
        let mailbox = MailboxKey::UidValidity(7);
        let made_up = seal.object(&ObjectId { mailbox, uid: 0 });
        assert_eq!(seal.read_object(&made_up), None);
    }

    #[test]
    fn roots_have_ids_of_store_and_box_alone() {
        let seal = Seal::new("cpm", "tel:+15550100");
        assert_eq!(
            seal.read_folder(&seal.folder(&FolderId::Root)),
            Some(FolderId::Root)
        );
        let named = FolderId::named_root("/Default");
        assert_eq!(seal.read_folder(&seal.folder(&named)), Some(named));
    }
}
