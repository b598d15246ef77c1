//! Objects made of what a client sends, once each (contract §3; product: idempotent create).
//!
//! With a key (`clientCorrelator`, or the request's `Idempotency-Key`) the intent is in the state before anything is sent to the store, and
//! the store is searched only when an intent has no outcome.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    Account, Error,
    letter::{Attachment, Letter},
    objects::finish,
    parent::Target,
    place::Lost,
    turns::Turn,
};
use crate::{
    clock, nms,
    state::{Correlated, Outcome},
    task,
};

/// How long a duplicate waits for the first.
const DUPLICATE_WAIT: Duration = Duration::from_secs(60);
/// Longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// An object to be made.
#[derive(Debug)]
pub struct Creation {
    /// What it shall be.
    pub object: nms::NewObject,
    /// Its content: none, one entity, or several.
    pub attachments: Vec<Attachment>,
    /// The `Idempotency-Key` header of the request.
    pub idempotency_key: Option<String>,
}

/// By what a repeated creation is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// In the state.
    pub(super) bytes: Vec<u8>,
    /// As the client gave it, and in which member or header.
    pub(super) value: String,
    pub(super) member: &'static str,
}

impl Account {
    /// Makes an object, or finds the one that an earlier request with the same key has made.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the member that cannot be taken, [`Error::CreationForbidden`], [`Error::Conflict`] for a key that was used
    /// with another body, [`Error::QuotaExceeded`], [`Error::TooLarge`], [`Error::Unsupported`] for a flag that cannot be kept, and what the
    /// store's answers mean. After [`Error::Unavailable`] and [`Error::Timeout`] it may have been made all the same, once.
    pub async fn create_object(
        &self,
        urls: &nms::Urls,
        creation: Creation,
    ) -> Result<nms::Reference, Error> {
        let (account, urls) = (self.clone(), urls.clone());
        finish(task::spawn(async move {
            Box::pin(account.create_once(&urls, creation)).await
        }))
        .await
    }

    async fn create_once(
        &self,
        urls: &nms::Urls,
        creation: Creation,
    ) -> Result<nms::Reference, Error> {
        let parent = self.parent_named(&creation.object)?;
        let Some(key) = key_of(&creation)? else {
            let mut letter = Letter::new(creation, &new_nonce())?;
            let target = self.target(urls, &parent).await?;
            let (target, uid) = self
                .place(target, &mut letter)
                .await
                .map_err(|lost| lost.error)?;
            return Ok(self.created(urls, &target, uid));
        };
        let digest = digest_of(&creation);
        let _turn = self.turn(&key).await?;
        let known = self.known(&key, digest)?;
        if let Some(outcome) = known.as_ref().and_then(|known| known.outcome.as_ref()) {
            return Ok(reference(urls, outcome));
        }
        let nonce = known
            .as_ref()
            .map_or_else(new_nonce, |known| known.nonce.clone());
        let mut letter = Letter::new(creation, &nonce)?;
        let found = match &known {
            Some(intent) => self.made_before(intent).await?,
            None => None,
        };
        let placed = match found {
            Some(found) => found,
            None => {
                let target = self.target(urls, &parent).await?;
                self.intend(&key, digest, &nonce, &target).await?;
                let placed = self.place(target, &mut letter).await;
                let (target, uid) =
                    placed.map_err(|lost| self.give_up(&key, known.is_some(), lost))?;
                let uid = match &known {
                    Some(_) => self.only_one(&target, &nonce, uid).await,
                    None => uid,
                };
                (target, uid)
            }
        };
        let (target, uid) = placed;
        let reference = self.created(urls, &target, uid);
        self.conclude(&key, digest, &nonce, &target, uid).await;
        Ok(reference)
    }

    /// Waits for another request with the same key.
    pub(super) async fn turn(&self, key: &Key) -> Result<Turn, Error> {
        let mut name = self.scope().into_bytes();
        name.push(0);
        name.extend_from_slice(&key.bytes);
        let turn = self.store.turns.take(&name, DUPLICATE_WAIT).await;
        turn.ok_or(Error::Busy)
    }

    /// What is known of a key.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was used with another body.
    pub(super) fn known(&self, key: &Key, digest: [u8; 32]) -> Result<Option<Correlated>, Error> {
        let known = self.store.state.correlated(&self.scope(), &key.bytes);
        match known {
            Some(known) if known.digest != digest => {
                Err(Error::Conflict(key.value.clone(), key.member.to_owned()))
            }
            known => Ok(known),
        }
    }

    /// The message of an intent without an outcome, if it was stored.
    pub(super) async fn made_before(
        &self,
        intent: &Correlated,
    ) -> Result<Option<(Target, u32)>, Error> {
        let Some(target) = self.target_of_key(&intent.folder).await? else {
            return Ok(None);
        };
        let uid = self.look_again(&target, intent).await?;
        Ok(uid.map(|uid| (target, uid)))
    }

    /// Commits what is about to be done.
    async fn intend(
        &self,
        key: &Key,
        digest: [u8; 32],
        nonce: &str,
        target: &Target,
    ) -> Result<(), Error> {
        self.record(key, digest, nonce, target, None);
        Ok(self.store.state.commit().await?)
    }

    /// Records what was done. It stays done when that cannot be kept: the intent finds it again.
    pub(super) async fn conclude(
        &self,
        key: &Key,
        digest: [u8; 32],
        nonce: &str,
        target: &Target,
        uid: u32,
    ) {
        let outcome = self.outcome_of(target, uid);
        self.record(key, digest, nonce, target, Some(outcome));
        if let Err(error) = self.store.state.commit().await {
            tracing::error!(%error, "the outcome of a creation was not kept");
        }
    }

    /// What is remembered of an object that was made.
    pub(super) fn outcome_of(&self, target: &Target, uid: u32) -> Outcome {
        let object = self.object_text(&target.key, uid);
        Outcome {
            path: format!("{}/{object}", target.path),
            object: object.into_bytes(),
        }
    }

    pub(super) fn record(
        &self,
        key: &Key,
        digest: [u8; 32],
        nonce: &str,
        target: &Target,
        outcome: Option<Outcome>,
    ) {
        let record = Correlated {
            digest,
            nonce: nonce.to_owned(),
            folder: self.shown_key(&target.key).to_bytes(),
            outcome,
            at: clock::now(),
        };
        self.store
            .state
            .correlate(&self.scope(), &key.bytes, record);
    }

    /// A failed attempt is not remembered; one that may have succeeded is, and so is one after such a one.
    pub(super) fn give_up(&self, key: &Key, again: bool, lost: Lost) -> Error {
        if !lost.unknown && !again {
            self.store
                .state
                .forget_correlated(&self.scope(), &key.bytes);
        }
        lost.error
    }

    pub(super) fn created(&self, urls: &nms::Urls, target: &Target, uid: u32) -> nms::Reference {
        let id = self.object_text(&target.key, uid);
        nms::Reference {
            resource_url: urls.object(&id),
            path: Some(Some(format!("{}/{id}", target.path))),
        }
    }
}

/// The reference that the first request was answered with, in the URLs of this one.
pub(super) fn reference(urls: &nms::Urls, outcome: &Outcome) -> nms::Reference {
    nms::Reference {
        resource_url: urls.object(&String::from_utf8_lossy(&outcome.object)),
        path: Some(Some(outcome.path.clone())),
    }
}

/// The key of a creation: the object's own, else the request's.
///
/// # Errors
/// [`Error::InvalidInput`] with its member or header for controls and for more than a kilobyte.
pub(super) fn key_of(creation: &Creation) -> Result<Option<Key>, Error> {
    let correlator = creation.object.client_correlator.as_ref();
    let (value, member, kind) = match (correlator, &creation.idempotency_key) {
        (Some(value), _) => (value, "clientCorrelator", b'c'),
        (None, Some(value)) => (value, "Idempotency-Key", b'i'),
        (None, None) => return Ok(None),
    };
    if value.is_empty() || value.len() > LONGEST_KEY || value.chars().any(char::is_control) {
        return Err(Error::InvalidInput(member.to_owned()));
    }
    Ok(Some(Key {
        bytes: [&[kind], value.as_bytes()].concat(),
        value: value.clone(),
        member,
    }))
}

/// A value of 128 random bits.
pub(super) fn new_nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What makes two bodies the same: the object as it was read, and each attachment's type and bytes; not the framing.
pub(super) fn digest_of(creation: &Creation) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    let object = &creation.object;
    match object.parent() {
        Ok(nms::Parent::Url(url)) => [b"url", url.as_bytes()].into_iter().for_each(&mut part),
        Ok(nms::Parent::Path(path)) => [b"pth", path.as_bytes()].into_iter().for_each(&mut part),
        Ok(nms::Parent::Unsaid) | Err(_) => part(b""),
    }
    for attribute in &object.attributes.attribute {
        part(attribute.name.as_bytes());
        part(&(attribute.value.len() as u64).to_be_bytes());
        attribute
            .value
            .iter()
            .for_each(|value| part(value.as_bytes()));
    }
    part(b"flags");
    object
        .flags
        .flag
        .iter()
        .for_each(|flag| part(flag.as_bytes()));
    for text in [&object.correlation_id, &object.correlation_tag] {
        part(if text.is_some() { b"said" } else { b"" });
        part(text.as_deref().unwrap_or_default().as_bytes());
    }
    for attachment in &creation.attachments {
        let content_type = content_type(attachment);
        // Contract §3.1 form c: it stands for none.
        if attachment.found.octets() == 0 && content_type.is_none() {
            continue;
        }
        part(content_type.unwrap_or_default().as_bytes());
        part(&attachment.digest);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn content_type(attachment: &Attachment) -> Option<&str> {
    let mut header = attachment.header.iter();
    let field = header.find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    field.map(|(_, value)| value.as_str())
}
