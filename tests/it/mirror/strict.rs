//! A client that keeps a strict mirror of a box (contract §7): it subscribes, reads all there is, and from then on is told what changes.
//!
//! * It subscribes before it reads: what changes meanwhile comes as events.
//! * Of everything it keeps `lastModSeq`: what is not above that is known already. What is deleted leaves its `lastModSeq`
//!   behind, so that something older that comes late does not bring it back.
//! * What it has read, and not been told of, may have gone with its folder before anybody looked.
//! * An object that was read in a folder nobody has told of: the folder is asked for, and if that is gone the object is too.
//! * With each list it keeps `index` and `restartToken`. An index that is missing, or a server that knows the subscription no more: the
//!   last token brings what was missed.
//! * Ids are the last segments of URLs: hosts and ports may change.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    rest::{Rest, is_away},
    truth::Contents,
};
use crate::exactly_once::numbers::Numbers;

/// Entries of a page.
const PAGE: usize = 20;

/// Something the client knows of.
#[derive(Debug)]
struct Known<T> {
    last_mod_seq: u64,
    /// As it is; `None` when it is deleted.
    now: Option<T>,
    /// Whether an event has told of it, so that another will tell of its end.
    told: bool,
}

#[derive(Debug)]
struct Folder {
    /// `None` of a root.
    parent: Option<String>,
    name: String,
}

#[derive(Debug)]
struct Object {
    parent: String,
    flags: BTreeSet<String>,
    correlation: String,
}

/// What the client knows of the box, by ids.
#[derive(Debug, Default)]
pub(super) struct View {
    folders: HashMap<String, Known<Folder>>,
    objects: HashMap<String, Known<Object>>,
    pub(super) counts: Counts,
}

/// What it has been told so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) lists: usize,
    pub(super) events: usize,
    pub(super) resets: usize,
    /// Lists that were missed.
    pub(super) gaps: usize,
    /// Lists that came twice.
    pub(super) again: usize,
    /// Subscriptions that were made.
    pub(super) subscriptions: usize,
}

/// The client.
pub(super) struct Mirror {
    rest: Rest,
    view: Arc<Mutex<View>>,
    channel: String,
    subscription: String,
    /// Of the last list that was taken in.
    index: u64,
    /// Where it stands after that.
    token: String,
    /// Every list it was ever given, for none may be another later.
    told: HashMap<(String, u64), Value>,
    /// Of so many lists it loses one, as if the network had.
    loses: Option<(usize, Numbers)>,
}

impl Mirror {
    /// Subscribes and reads the box.
    pub(super) async fn new(rest: Rest, loses: Option<(usize, Numbers)>) -> Self {
        let mut mirror = Self {
            rest,
            view: Arc::default(),
            channel: String::new(),
            subscription: String::new(),
            index: 0,
            token: String::new(),
            told: HashMap::new(),
            loses,
        };
        mirror.subscribe().await;
        mirror.read_anew().await;
        mirror
    }

    pub(super) fn view(&self) -> Arc<Mutex<View>> {
        Arc::clone(&self.view)
    }

    /// Makes a channel and a subscription: from the last token on, if there is one.
    async fn subscribe(&mut self) {
        let asked = json!({"notificationChannel": {
            "channelType": "LongPolling", "channelData": {"maxNotifications": 1}, "channelLifetime": 3600,
        }});
        let channels = self.rest.channels();
        let made = self.rest.insist("POST", &channels, &asked).await;
        let channel = made.expect(201).json()["notificationChannel"].take();
        self.channel = path_of(&channel["channelData"]["channelURL"]);
        let mut asked = json!({"nmsSubscription": {
            "callbackReference": {"notifyURL": channel["callbackURL"]}, "duration": 3600,
        }});
        if !self.token.is_empty() {
            asked["nmsSubscription"]["restartToken"] = json!(self.token);
        }
        let made = self.rest.insist("POST", "subscriptions", &asked).await;
        if made.status == 400 && made.text().contains("notifyURL") {
            // The channel has gone in the meantime, with the process that had it.
            return Box::pin(self.subscribe()).await;
        }
        let subscription = made.expect(201).json()["nmsSubscription"].take();
        self.subscription = path_of(&subscription["resourceURL"]);
        self.index = subscription["index"].as_u64().unwrap() - 1;
        text(&subscription["restartToken"]).clone_into(&mut self.token);
        self.view().lock().unwrap().counts.subscriptions += 1;
    }

    /// Forgets everything and reads the box, page by page.
    async fn read_anew(&mut self) {
        {
            let mut view = self.view.lock().unwrap();
            view.folders.clear();
            view.objects.clear();
        }
        for (kind, list, member) in [
            ("folders", "folderList", "folder"),
            ("objects", "objectList", "object"),
        ] {
            let resource = format!("{kind}/operations/search");
            let mut asked = json!({"selectionCriteria": {"maxEntries": PAGE}});
            loop {
                let answer = self.rest.insist("POST", &resource, &asked).await;
                let page = answer.expect(200).json()[list].take();
                let mut view = self.view.lock().unwrap();
                for entry in page[member].as_array().into_iter().flatten() {
                    match kind {
                        "folders" => view.folder_is(entry, false),
                        _ => view.object_is(entry, false),
                    }
                }
                drop(view);
                if page["cursor"].is_null() {
                    break;
                }
                asked["selectionCriteria"]["fromCursor"] = page["cursor"].clone();
            }
        }
    }

    /// Takes in what changes, for ever.
    pub(super) async fn follow(mut self) {
        let nothing = json!({"longPollingRequestParameters": null});
        loop {
            let polled = self.rest.ask("POST", &self.channel, &nothing).await;
            match polled {
                Some(answer) if answer.status == 200 => {
                    let lists = answer.json()["notificationList"].take();
                    let lists = lists.as_array().unwrap();
                    for list in lists {
                        self.take_in(&list["nmsEventList"]).await;
                    }
                    if lists.is_empty() {
                        self.check().await;
                    }
                }
                // Another server than before, perhaps: does that know it?
                answer => {
                    if let Some(answer) = answer.filter(|answer| !is_away(answer)) {
                        assert!([404, 409].contains(&answer.status), "{answer:?}");
                    }
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    self.renew(json!({"duration": 3600})).await;
                }
            }
        }
    }

    /// When nothing happens: if the last list was lost, no index will show it.
    async fn check(&mut self) {
        let shown = self
            .rest
            .insist("GET", &self.subscription, &Value::Null)
            .await;
        if shown.status == 200 && shown.json()["nmsSubscription"]["index"] != self.index + 1 {
            self.go_back().await;
        }
        self.find_parents().await;
    }

    /// What has come and gone since the folders were read, and was seen in between.
    async fn find_parents(&self) {
        let unknown = self.view.lock().unwrap().unknown_folders();
        for id in unknown {
            let resource = format!("folders/{id}");
            let answer = self.rest.insist("GET", &resource, &Value::Null).await;
            let mut view = self.view.lock().unwrap();
            if answer.status == 404 {
                view.objects
                    .retain(|_, known| known.now.as_ref().is_none_or(|now| now.parent != id));
            } else {
                view.folder_is(&answer.expect(200).json()["folder"], false);
            }
        }
    }

    /// Asks again for all that came after the last list that was taken in.
    async fn go_back(&mut self) {
        self.view.lock().unwrap().counts.gaps += 1;
        let from = json!({"duration": 3600, "restartToken": self.token});
        if let Some(next) = self.renew(from).await {
            self.index = next - 1;
        }
    }

    /// Asks the subscription to go on; makes channel and subscription anew if it is not known.
    async fn renew(&mut self, update: Value) -> Option<u64> {
        let update = json!({ "nmsSubscriptionUpdate": update });
        let answer = self.rest.insist("POST", &self.subscription, &update).await;
        if answer.status == 404 {
            self.subscribe().await;
            return None;
        }
        answer.expect(200).json()["nmsSubscription"]["index"].as_u64()
    }

    /// A list of events, if it is the next one.
    async fn take_in(&mut self, list: &Value) {
        let index = list["index"].as_u64().unwrap();
        let known = self.told.entry((self.subscription.clone(), index));
        let known = known.or_insert_with(|| list.clone());
        assert_eq!(known, list, "index {index} is another than before");
        if self.is_lost() {
            return;
        }
        if index <= self.index {
            assert_eq!(index, self.index, "an index that goes back");
            self.view.lock().unwrap().counts.again += 1;
            return;
        }
        if index > self.index + 1 {
            self.go_back().await;
            return;
        }
        let events = list["nmsEvent"].as_array().unwrap();
        for event in events {
            self.apply(event).await;
        }
        self.index = index;
        text(&list["restartToken"]).clone_into(&mut self.token);
        let counts = &mut self.view.lock().unwrap().counts;
        counts.lists += 1;
        counts.events += events.len();
    }

    fn is_lost(&mut self) -> bool {
        let loses = self.loses.as_mut();
        loses.is_some_and(|(of, numbers)| numbers.below(*of) == 0)
    }

    async fn apply(&mut self, event: &Value) {
        self.rest.diary.note(&format!("event {event}"));
        let (kind, about) = event.as_object().unwrap().iter().next().unwrap();
        let last_mod_seq = || about["lastModSeq"].as_u64().unwrap();
        match kind.as_str() {
            "resetBox" => {
                self.view.lock().unwrap().counts.resets += 1;
                self.read_anew().await;
            }
            "changedFolder" => self.view.lock().unwrap().folder_is(about, true),
            "deletedFolder" => {
                let id = id_of(&about["resourceURL"]);
                let view = &mut *self.view.lock().unwrap();
                view.objects.retain(|_, known| {
                    let now = known.now.as_ref().filter(|_| !known.told);
                    now.is_none_or(|now| now.parent != id)
                });
                learn(&mut view.folders, id, last_mod_seq(), None, true);
            }
            "changedObject" => self.object_changed(about).await,
            "deletedObject" | "expiredObject" => {
                let objects = &mut self.view.lock().unwrap().objects;
                learn(
                    objects,
                    id_of(&about["resourceURL"]),
                    last_mod_seq(),
                    None,
                    true,
                );
            }
            other => panic!("{other}"),
        }
    }

    /// The event says all that may have changed; of what is new more is wanted.
    async fn object_changed(&mut self, about: &Value) {
        let id = id_of(&about["resourceURL"]);
        let last_mod_seq = about["lastModSeq"].as_u64().unwrap();
        let news = {
            let mut view = self.view.lock().unwrap();
            match view.objects.get_mut(&id) {
                Some(known) if known.last_mod_seq >= last_mod_seq => return,
                Some(Known { now: Some(now), .. }) => {
                    let correlation = now.correlation.clone();
                    let now = Object::of(about, correlation);
                    learn(&mut view.objects, id.clone(), last_mod_seq, Some(now), true);
                    false
                }
                _ => true,
            }
        };
        if news {
            let resource = format!("objects/{id}");
            let answer = self.rest.insist("GET", &resource, &Value::Null).await;
            let told = answer.text();
            self.rest
                .diary
                .note(&format!("read {id} {} {told}", answer.status));
            // Gone again: that is told too.
            if answer.status != 404 {
                let object = answer.expect(200).json()["object"].take();
                self.view.lock().unwrap().object_is(&object, true);
            }
        }
    }
}

/// Takes in what is newer than what is known.
fn learn<T>(
    all: &mut HashMap<String, Known<T>>,
    id: String,
    last_mod_seq: u64,
    now: Option<T>,
    told: bool,
) {
    let known = all.get(&id);
    if known.is_none_or(|known| known.last_mod_seq < last_mod_seq) {
        let known = Known {
            last_mod_seq,
            now,
            told,
        };
        all.insert(id, known);
    }
}

impl View {
    /// A folder as a list, or an event, shows it.
    fn folder_is(&mut self, shown: &Value, told: bool) {
        let parent = &shown["parentFolder"];
        let folder = Folder {
            parent: (!parent.is_null()).then(|| id_of(parent)),
            name: text(&shown["name"]).to_owned(),
        };
        let last_mod_seq = shown["lastModSeq"].as_u64().unwrap();
        let id = id_of(&shown["resourceURL"]);
        learn(&mut self.folders, id, last_mod_seq, Some(folder), told);
    }

    /// An object as its GET, or a list, shows it.
    fn object_is(&mut self, shown: &Value, told: bool) {
        let correlation = shown["correlationId"].as_str().unwrap_or_default();
        let object = Object::of(shown, correlation.to_owned());
        let last_mod_seq = shown["lastModSeq"].as_u64().unwrap();
        let id = id_of(&shown["resourceURL"]);
        learn(&mut self.objects, id, last_mod_seq, Some(object), told);
    }

    /// Folders of objects that are not known.
    fn unknown_folders(&self) -> BTreeSet<String> {
        let parents = self.objects.values().filter_map(|known| known.now.as_ref());
        let parents = parents.map(|now| &now.parent);
        let unknown = parents.filter(|parent| !self.folders.contains_key(*parent));
        unknown.cloned().collect()
    }

    /// Whether there is an object with this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.objects
            .get(id)
            .is_some_and(|known| known.now.is_some())
    }

    /// What it amounts to, without ids.
    pub(super) fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        for (id, known) in &self.folders {
            if known.now.as_ref().is_some_and(|now| now.parent.is_some()) {
                contents.folder(&self.path(id));
            }
        }
        for now in self.objects.values().filter_map(|known| known.now.as_ref()) {
            contents.message(&self.path(&now.parent), &now.correlation, now.flags.clone());
        }
        contents
    }

    fn path(&self, id: &str) -> String {
        match self.folders.get(id).and_then(|known| known.now.as_ref()) {
            None => format!("(unknown {id})"),
            Some(Folder { parent: None, .. }) => String::new(),
            Some(Folder {
                parent: Some(parent),
                name,
            }) => format!("{}/{name}", self.path(parent)),
        }
    }
}

impl Object {
    fn of(shown: &Value, correlation: String) -> Self {
        let flags = shown["flags"]["flag"].as_array().into_iter().flatten();
        let flags = flags.map(|flag| text(flag).to_owned());
        Self {
            parent: id_of(&shown["parentFolder"]),
            // It is no part of what is kept in step: whoever opens a folder first takes it.
            flags: flags.filter(|flag| flag != "\\Recent").collect(),
            correlation,
        }
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(super) fn id_of(url: &Value) -> String {
    text(url).rsplit('/').next().unwrap().to_owned()
}

fn path_of(url: &Value) -> String {
    let url = text(url);
    let at = url.find("://").map_or(0, |at| at + 3);
    url[at + url[at..].find('/').unwrap()..].to_owned()
}
