//! What outlives the process, as notes of the state; and how it is taken up again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

use super::{
    BoxKey, Notifications,
    channel::{self, Channel},
    desk::Desk,
    journal::{Entry, Journal, Standing},
    measure,
    subscription::{self, Subscription},
};
use crate::{
    state::{Note, NoteKind},
    store::{Filter, Picture},
};

/// Of the journal of a box.
#[derive(Debug, Serialize, Deserialize)]
struct JournalNote {
    store: String,
    #[serde(rename = "box")]
    box_id: String,
    login: String,
    standing: Standing,
}

/// Of an entry of it.
#[derive(Debug, Serialize, Deserialize)]
struct EntryNote {
    store: String,
    #[serde(rename = "box")]
    box_id: String,
    entry: Entry,
}

/// Of a folder as it was seen last.
#[derive(Debug, Serialize, Deserialize)]
struct FolderNote {
    store: String,
    #[serde(rename = "box")]
    box_id: String,
    bytes: Vec<u8>,
}

fn written<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok()
}

fn read<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(content);
    read.inspect_err(|error| warn!(%error, "a note in the state cannot be read"))
        .ok()
}

fn scope(key: &BoxKey) -> String {
    format!("{}/{}", key.store, key.box_id)
}

fn note(kind: NoteKind, key: &BoxKey, name: &[u8], content: Option<Vec<u8>>) -> Note {
    Note {
        kind,
        scope: scope(key),
        name: name.to_vec(),
        content,
        awaited: false,
    }
}

/// The entries about these, or that there are none any more.
pub(super) fn entries(key: &BoxKey, journal: &Journal, touched: Vec<Vec<u8>>) -> Vec<Note> {
    let entry = |entity: Vec<u8>| {
        let content = journal.about(&entity).and_then(|entry| {
            written(&EntryNote {
                store: key.store.clone(),
                box_id: key.box_id.clone(),
                entry: entry.clone(),
            })
        });
        note(NoteKind::Entry, key, &entity, content)
    };
    touched.into_iter().map(entry).collect()
}

/// Where a journal stands.
pub(super) fn journal(key: &BoxKey, login: &str, journal: &Journal) -> Note {
    let content = written(&JournalNote {
        store: key.store.clone(),
        box_id: key.box_id.clone(),
        login: login.to_owned(),
        standing: journal.standing(),
    });
    note(NoteKind::Journal, key, b"", content)
}

/// These folders as they are in a picture.
pub(super) fn folders(key: &BoxKey, picture: &Picture, folders: &[Vec<u8>]) -> Vec<Note> {
    let folder = |folder: &Vec<u8>| {
        let content = picture.folder_bytes(folder).and_then(|bytes| {
            written(&FolderNote {
                store: key.store.clone(),
                box_id: key.box_id.clone(),
                bytes,
            })
        });
        note(NoteKind::Folder, key, folder, content)
    };
    folders.iter().map(folder).collect()
}

/// A subscription; `awaited` when it must not be lost.
pub(super) fn subscription(record: &subscription::Record, awaited: bool) -> Note {
    Note {
        kind: NoteKind::Subscription,
        scope: String::new(),
        name: record.id.clone().into_bytes(),
        content: written(record),
        awaited,
    }
}

/// That there is no such subscription any more.
pub(super) fn no_subscription(id: &str) -> Note {
    Note {
        kind: NoteKind::Subscription,
        scope: String::new(),
        name: id.into(),
        content: None,
        awaited: true,
    }
}

/// A channel; `awaited` when it must not be lost.
pub(super) fn channel(record: &channel::Record, awaited: bool) -> Note {
    Note {
        kind: NoteKind::Channel,
        scope: String::new(),
        name: record.id.clone().into_bytes(),
        content: written(record),
        awaited,
    }
}

/// That there is no such channel any more.
pub(super) fn no_channel(id: &str) -> Note {
    Note {
        kind: NoteKind::Channel,
        scope: String::new(),
        name: id.into(),
        content: None,
        awaited: true,
    }
}

/// That nothing is to be known of a box any more.
pub(super) fn no_box(key: &BoxKey, journal: &Journal, folders: &BTreeSet<Vec<u8>>) -> Vec<Note> {
    let entries = journal.after(0).map(|entry| entry.change.entity());
    let entries = entries.map(|entity| note(NoteKind::Entry, key, entity, None));
    let folders = folders.iter();
    let folders = folders.map(|folder| note(NoteKind::Folder, key, folder, None));
    let journal = note(NoteKind::Journal, key, b"", None);
    entries.chain(folders).chain([journal]).collect()
}

/// All that was kept of a box.
#[derive(Debug, Default)]
struct KeptBox {
    journal: Option<JournalNote>,
    entries: Vec<Entry>,
    picture: Picture,
    /// Not all that was seen can be read: what has changed since would go unsaid.
    gaps: bool,
    subscriptions: Vec<subscription::Record>,
}

impl Notifications {
    /// Takes up what an earlier process has left. What cannot be used is left out, and said.
    pub(super) fn take_up(self: &Arc<Self>) {
        let mut boxes: HashMap<BoxKey, KeptBox> = HashMap::new();
        for (kind, content) in self.state.take_kept() {
            self.sort_in(kind, &content, &mut boxes);
        }
        measure::channels(self.channels().len());
        for (key, kept) in boxes {
            self.take_up_box(key, kept);
        }
    }

    fn sort_in(&self, kind: NoteKind, content: &[u8], boxes: &mut HashMap<BoxKey, KeptBox>) {
        let key = |store: &str, box_id: &str| BoxKey {
            store: store.to_owned(),
            box_id: box_id.to_owned(),
        };
        match kind {
            NoteKind::Channel => {
                if let Some(record) = read::<channel::Record>(content) {
                    let channel = Channel::new(record);
                    self.channels()
                        .insert(channel.id.clone(), Arc::new(channel));
                }
            }
            NoteKind::Subscription => {
                if let Some(record) = read::<subscription::Record>(content) {
                    let kept = boxes.entry(key(&record.store, &record.box_id)).or_default();
                    kept.subscriptions.push(record);
                }
            }
            NoteKind::Journal => {
                if let Some(note) = read::<JournalNote>(content) {
                    let kept = boxes.entry(key(&note.store, &note.box_id)).or_default();
                    kept.journal = Some(note);
                }
            }
            NoteKind::Entry => {
                if let Some(note) = read::<EntryNote>(content) {
                    let kept = boxes.entry(key(&note.store, &note.box_id)).or_default();
                    kept.entries.push(note.entry);
                }
            }
            NoteKind::Folder => {
                if let Some(note) = read::<FolderNote>(content) {
                    let kept = boxes.entry(key(&note.store, &note.box_id)).or_default();
                    kept.gaps |= !kept.picture.add_folder(&note.bytes);
                }
            }
        }
    }

    fn take_up_box(self: &Arc<Self>, key: BoxKey, kept: KeptBox) {
        let KeptBox {
            journal,
            entries,
            picture,
            gaps,
            subscriptions,
        } = kept;
        let Some(note) = journal.filter(|_| self.stores.contains_key(&key.store)) else {
            warn!(
                store = key.store,
                "what is subscribed in it cannot be taken up"
            );
            return;
        };
        let journal = Journal::taken_up(note.standing, entries, self.settings.limits.queue);
        let desk = Arc::new(Desk::new(key.clone(), note.login, journal));
        for mut record in subscriptions {
            record.resets |= gaps;
            if let Some(subscription) = self.taken_up(&desk, record) {
                let id = subscription.record.id.clone();
                desk.inner()
                    .subscriptions
                    .insert(id, Box::new(subscription));
            }
        }
        desk.go_on(self, &picture);
        let posted: Vec<String> = {
            let inner = desk.inner();
            if inner.subscriptions.is_empty() {
                self.state
                    .keep(no_box(&key, &inner.journal, &inner.folders));
                return;
            }
            let posted = inner.subscriptions.values();
            let posted = posted.filter(|subscription| subscription.channel.is_none());
            posted
                .map(|subscription| subscription.record.id.clone())
                .collect()
        };
        self.desks().insert(key, Arc::clone(&desk));
        for id in posted {
            self.post_for(&desk, &id);
        }
        self.watch(desk, picture);
    }

    fn taken_up(&self, desk: &Desk, record: subscription::Record) -> Option<Subscription> {
        let filter = record.filter.as_ref();
        let filter =
            filter.map(|asked| Filter::read(asked, self.settings.unknown_preset, &desk.seal));
        let Ok(filter) = filter.transpose() else {
            warn!("a filter in the state cannot be read");
            self.state.keep(vec![no_subscription(&record.id)]);
            return None;
        };
        let channel = match &record.channel {
            None => None,
            Some(id) => {
                let channel = self.channels().get(id).cloned();
                if channel.is_none() {
                    self.state.keep(vec![no_subscription(&record.id)]);
                }
                Some(channel?)
            }
        };
        if let Some(channel) = &channel {
            let entry = (desk.key.clone(), record.id.clone());
            channel.state().subscriptions.push(entry);
        }
        let backlog = record.replays.is_none().then(Default::default);
        Some(Subscription::new(record, filter, backlog, channel))
    }
}
