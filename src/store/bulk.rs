//! Many objects at once (contract §3.4): folder by folder, in as few commands as the store allows, each object once.

use std::collections::{BTreeMap, HashMap};

use super::{
    Account, Error,
    create::{Creation, Key, digest_of, key_of, new_nonce, reference},
    letter::Letter,
    objects::finish,
    parent::{Parent, Target},
    place::{Lost, first},
    turns::Turn,
};
use crate::{
    imap::{self, Completion, capability::Storing, connection::Message},
    nms,
    state::Correlated,
    task,
};

/// Messages in one command or one row of commands.
const MOST_TOGETHER: usize = 100;
/// Octets of them: a command that is lost has to be looked for, one message after the other.
const MOST_OCTETS: u64 = 16 << 20;

type Item = Result<nms::Reference, Error>;

/// One object of the request on its way.
struct Entry {
    index: usize,
    key: Option<Key>,
    digest: [u8; 32],
    parent: Parent,
    letter: Letter,
    intent: Option<Correlated>,
}

impl Account {
    /// Makes objects; one outcome each, in their order.
    ///
    /// # Errors
    /// Each as for [`Self::create_object`].
    pub async fn create_objects(&self, urls: &nms::Urls, creations: Vec<Creation>) -> Vec<Item> {
        let count = creations.len();
        let (account, urls) = (self.clone(), urls.clone());
        let all =
            task::spawn(async move { Ok(Box::pin(account.create_all(&urls, creations)).await) });
        match finish(all).await {
            Ok(items) => items,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn create_all(&self, urls: &nms::Urls, creations: Vec<Creation>) -> Vec<Item> {
        let count = creations.len();
        let keys = creations
            .iter()
            .filter_map(|creation| key_of(creation).ok().flatten());
        let keys = keys.map(|key| (key.bytes.clone(), key)).collect();
        let _turns = match self.turns_of(keys).await {
            Ok(turns) => turns,
            Err(error) => return vec![Err(error); count],
        };
        let mut items: Vec<Item> = Vec::with_capacity(count);
        let mut entries = Vec::new();
        let mut first_of: HashMap<Vec<u8>, (usize, [u8; 32])> = HashMap::new();
        let mut copies = Vec::new();
        for (index, creation) in creations.into_iter().enumerate() {
            items.push(Err(Error::Internal("an object was passed over".to_owned())));
            match self.entry(urls, index, creation, &mut first_of) {
                Ok(Begun::New(entry)) => entries.push(*entry),
                Ok(Begun::Made(reference)) => items[index] = Ok(reference),
                Ok(Begun::CopyOf(first)) => copies.push((index, first)),
                Err(error) => items[index] = Err(error),
            }
        }
        for group in self.grouped(urls, entries, &mut items).await {
            self.place_group(urls, group, &mut items).await;
        }
        for (index, first) in copies {
            items[index] = items[first].clone();
        }
        items
    }

    /// The turns of all keys, in one order for all requests, lest two wait for each other.
    async fn turns_of(&self, keys: BTreeMap<Vec<u8>, Key>) -> Result<Vec<Turn>, Error> {
        let mut turns = Vec::with_capacity(keys.len());
        for key in keys.values() {
            turns.push(self.turn(key).await?);
        }
        Ok(turns)
    }

    /// What is to be done for one object.
    fn entry(
        &self,
        urls: &nms::Urls,
        index: usize,
        creation: Creation,
        first_of: &mut HashMap<Vec<u8>, (usize, [u8; 32])>,
    ) -> Result<Begun, Error> {
        let parent = self.parent_named(&creation.object)?;
        let key = key_of(&creation)?;
        let digest = digest_of(&creation);
        let mut intent = None;
        if let Some(key) = &key {
            match first_of.get(&key.bytes) {
                Some((first, same)) if *same == digest => return Ok(Begun::CopyOf(*first)),
                Some(_) => {
                    return Err(Error::Conflict(key.value.clone(), key.member.to_owned()));
                }
                None => {}
            }
            intent = self.known(key, digest)?;
            if let Some(outcome) = intent.as_ref().and_then(|known| known.outcome.as_ref()) {
                return Ok(Begun::Made(reference(urls, outcome)));
            }
        }
        let nonce = intent
            .as_ref()
            .map_or_else(new_nonce, |known| known.nonce.clone());
        let letter = Letter::new(creation, &nonce)?;
        if let Some(key) = &key {
            first_of.insert(key.bytes.clone(), (index, digest));
        }
        Ok(Begun::New(Box::new(Entry {
            index,
            key,
            digest,
            parent,
            letter,
            intent,
        })))
    }

    /// Entries of one folder together, small enough for one command each; what was made before is answered.
    async fn grouped(
        &self,
        urls: &nms::Urls,
        entries: Vec<Entry>,
        items: &mut [Item],
    ) -> Vec<(Target, Vec<Entry>)> {
        let mut targets: HashMap<Parent, Result<Target, Error>> = HashMap::new();
        let mut groups: Vec<(Target, Vec<Entry>)> = Vec::new();
        let mut away = None;
        for mut entry in entries {
            if let Some(item) = self.made_already(urls, &mut entry, &mut away).await {
                items[entry.index] = item;
                continue;
            }
            if !targets.contains_key(&entry.parent) {
                let target = self.target(urls, &entry.parent).await;
                targets.insert(entry.parent.clone(), target);
            }
            let target = match targets.get(&entry.parent) {
                Some(Ok(target)) => target.clone(),
                Some(Err(error)) => {
                    items[entry.index] = Err(error.clone());
                    continue;
                }
                None => continue,
            };
            let room = groups.iter_mut().rev().find(|(other, group)| {
                other.path == target.path
                    && group.len() < MOST_TOGETHER
                    && octets(group).saturating_add(entry.letter.octets) <= MOST_OCTETS
            });
            match room {
                Some((_, group)) => group.push(entry),
                None => groups.push((target, vec![entry])),
            }
        }
        groups
    }

    /// What an earlier request has made of an entry; `None` when it is yet to be made. Not asked when the store did not answer for
    /// one before it, lest each waits as long.
    async fn made_already(
        &self,
        urls: &nms::Urls,
        entry: &mut Entry,
        away: &mut Option<Error>,
    ) -> Option<Item> {
        let intent = entry.intent.as_ref()?;
        let made = match away.clone() {
            Some(error) => Err(error),
            None => self.made_before(intent).await,
        };
        match made {
            Ok(Some((target, uid))) => Some(Ok(self.done(urls, entry, &target, uid))),
            Ok(None) => None,
            Err(error) => {
                *away = Some(error.clone()).filter(Error::is_for_now);
                Some(Err(error))
            }
        }
    }

    /// Stores the messages of one group and writes down what became of each.
    async fn place_group(
        &self,
        urls: &nms::Urls,
        (target, mut group): (Target, Vec<Entry>),
        items: &mut [Item],
    ) {
        for entry in &group {
            if let Some(key) = &entry.key {
                self.record(key, entry.digest, &entry.letter.nonce, &target, None);
            }
        }
        if group.iter().any(|entry| entry.key.is_some())
            && let Err(error) = self.store.state.commit().await.map_err(Error::from)
        {
            for entry in &group {
                items[entry.index] = Err(error.clone());
            }
            return;
        }
        let outcomes = self.place_all(target, &mut group).await;
        for (entry, outcome) in group.iter_mut().zip(outcomes) {
            items[entry.index] = self.outcome(urls, entry, outcome).await;
        }
        if group.iter().any(|entry| entry.key.is_some())
            && let Err(error) = self.store.state.commit().await
        {
            tracing::error!(%error, "the outcomes of creations were not kept");
        }
    }

    async fn outcome(
        &self,
        urls: &nms::Urls,
        entry: &mut Entry,
        placed: Result<(Target, u32), Lost>,
    ) -> Item {
        let again = entry.intent.is_some();
        match (placed, &entry.key) {
            (Ok((target, uid)), _) if again => {
                let uid = self.only_one(&target, &entry.letter.nonce, uid).await;
                Ok(self.done(urls, entry, &target, uid))
            }
            (Ok((target, uid)), _) => Ok(self.done(urls, entry, &target, uid)),
            (Err(lost), Some(key)) => Err(self.give_up(key, again, lost)),
            (Err(lost), None) => Err(lost.error),
        }
    }

    fn done(&self, urls: &nms::Urls, entry: &Entry, target: &Target, uid: u32) -> nms::Reference {
        if let Some(key) = &entry.key {
            let outcome = Some(self.outcome_of(target, uid));
            self.record(key, entry.digest, &entry.letter.nonce, target, outcome);
        }
        self.created(urls, target, uid)
    }

    /// In the way the store has for it.
    async fn place_all(
        &self,
        target: Target,
        group: &mut [Entry],
    ) -> Vec<Result<(Target, u32), Lost>> {
        let storing = match self.pool.capabilities() {
            Ok(capabilities) if group.len() > 1 => capabilities.storing(),
            Ok(_) => Storing::OneByOne,
            Err(error) => return vec![Err(Error::from(error).into()); group.len()],
        };
        match storing {
            Storing::Together => self.place_together(target, group).await,
            Storing::BackToBack => self.place_back_to_back(target, group).await,
            Storing::OneByOne => self.place_one_by_one(target, group).await,
        }
    }

    async fn place_one_by_one(
        &self,
        target: Target,
        group: &mut [Entry],
    ) -> Vec<Result<(Target, u32), Lost>> {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut away = None;
        for entry in group {
            outcomes.push(self.place_unless(&mut away, &target, entry).await);
        }
        outcomes
    }

    /// One alone; not when the store did not answer for one before it.
    async fn place_unless(
        &self,
        away: &mut Option<Error>,
        target: &Target,
        entry: &mut Entry,
    ) -> Result<(Target, u32), Lost> {
        if let Some(error) = away {
            return Err(error.clone().into());
        }
        let placed = self.place(target.clone(), &mut entry.letter).await;
        *away = placed.as_ref().err().map(|lost| lost.error.clone());
        away.take_if(|error| !error.is_for_now());
        placed
    }

    /// RFC 3502: all or none. One that the store does not take keeps the others out, so after a refusal each goes alone.
    async fn place_together(
        &self,
        mut target: Target,
        group: &mut [Entry],
    ) -> Vec<Result<(Target, u32), Lost>> {
        let messages: Vec<_> = group
            .iter_mut()
            .filter_map(|entry| entry.letter.message())
            .collect();
        if messages.len() < group.len() {
            return self.place_one_by_one(target, group).await;
        }
        let nonces = nonces(group);
        let placed = match self.pool.append(&target.mailbox, messages).await {
            Ok(completion) => self.placed(&mut target, completion, &nonces).await,
            Err(error) if error.leaves_open() => self.look_for_all(&target, &nonces, error).await,
            Err(_) => return self.place_one_by_one(target, group).await,
        };
        placed
            .into_iter()
            .map(|placed| placed.map(|uid| (target.clone(), uid)))
            .collect()
    }

    async fn place_back_to_back(
        &self,
        mut target: Target,
        group: &mut [Entry],
    ) -> Vec<Result<(Target, u32), Lost>> {
        let messages: Vec<_> = group
            .iter_mut()
            .filter_map(|entry| entry.letter.message())
            .filter(Message::goes_unasked)
            .collect();
        if messages.len() < group.len() {
            return self.place_one_by_one(target, group).await;
        }
        let sent = match self.pool.append_each(&target.mailbox, messages).await {
            Ok(sent) => sent,
            Err(error) => return vec![Err(Error::from(error).into()); group.len()],
        };
        let mut lost = match lost_of(group, &sent) {
            Some((nonces, error)) => self.look_for(&target, &nonces, error).await,
            None => Vec::new(),
        }
        .into_iter();
        let mut outcomes = Vec::with_capacity(group.len());
        let mut away = None;
        for (entry, sent) in group.iter_mut().zip(sent) {
            outcomes.push(match sent {
                Ok(completion) => {
                    let nonces = std::slice::from_ref(&entry.letter.nonce);
                    let placed = self.placed(&mut target, completion, nonces).await;
                    first(placed).map(|uid| (target.clone(), uid))
                }
                Err(error) if error.leaves_open() => {
                    first(lost.next()).map(|uid| (target.clone(), uid))
                }
                // Nothing of it was stored: it goes alone, and is told why not if it cannot.
                Err(_) => self.place_unless(&mut away, &target, entry).await,
            });
        }
        outcomes
    }

    /// After a lost answer to a command that stores all or none: who finds the first finds them all.
    async fn look_for_all(
        &self,
        target: &Target,
        nonces: &[String],
        error: imap::Error,
    ) -> Vec<Result<u32, Lost>> {
        let (one, others) = nonces.split_at(nonces.len().min(1));
        let mut found = self.look_for(target, one, error.clone()).await;
        match found.first().cloned() {
            Some(Err(lost)) => found.resize(nonces.len(), Err(lost)),
            Some(Ok(_)) | None => found.extend(self.look_for(target, others, error).await),
        }
        found
    }
}

/// How far an object is.
enum Begun {
    New(Box<Entry>),
    /// An earlier request has made it.
    Made(nms::Reference),
    /// The same key and body as an object before it.
    CopyOf(usize),
}

fn nonces(group: &[Entry]) -> Vec<String> {
    group
        .iter()
        .map(|entry| entry.letter.nonce.clone())
        .collect()
}

fn octets(group: &[Entry]) -> u64 {
    group.iter().map(|entry| entry.letter.octets).sum()
}

/// The nonces of those whose answer was lost, in their order, and how it was.
fn lost_of(
    group: &[Entry],
    sent: &[Result<Completion, imap::Error>],
) -> Option<(Vec<String>, imap::Error)> {
    let lost = group.iter().zip(sent).filter_map(|(entry, sent)| {
        let error = sent.as_ref().err().filter(|error| error.leaves_open())?;
        Some((entry.letter.nonce.clone(), error.clone()))
    });
    let (nonces, mut errors): (Vec<_>, Vec<_>) = lost.unzip();
    Some((nonces, errors.pop()?))
}
