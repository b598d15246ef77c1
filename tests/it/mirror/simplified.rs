//! A client that keeps the objects of a box in step by searches alone, without channel or subscription: the simplified synchronisation
//! (contract §4.7, §7.1).
//!
//! * It begins with all objects. The answer brings a `creationCursor`; from then on it asks for what was created since the last one.
//! * What `VanishedObjects` lists it forgets. The list is no news since some moment but what the server still remembers, so nothing
//!   is lost when an answer is.
//! * Nobody lists the objects of a folder that another IMAP client has removed, or emptied of all but its subfolders by a DELETE, nor what
//!   others have expunged from a folder just before it was removed. It asks each folder for its `MsgCount`, and where that is less than
//!   it believes, it reads the objects: they are gone too, or have moved.
//! * Ids are the last segments of URLs: hosts and ports may change.
//!
//! What it does not know, by design:
//!
//! * flags that change later;
//! * where an object is that was moved through the server, which keeps its id and is neither created nor vanished: it is found out when
//!   its old folder has fewer objects than are believed to be there, and no sooner than that when others have moved there instead;
//! * its end, if that new folder is removed by another IMAP client meanwhile: likewise;
//! * that what another IMAP client has moved is the same as before: one object has vanished, another was created;
//! * which objects have vanished beyond the longest list the server gives, until their folder's count gives them away.
//!
//! Who has to know these reads the box anew now and then, or follows it strictly (`strict`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    rest::Rest,
    strict::{id_of, text},
    truth::Contents,
};

/// Objects or folders of a page.
const PAGE: usize = 10;
/// Vanished objects that are asked for: as many as the server is willing to list.
const MOST_VANISHED: usize = 500;

/// What the client keeps of an object.
#[derive(Debug, Clone)]
struct Object {
    /// Id of its folder, when it was last read.
    parent: String,
    correlation: String,
}

/// The client, and what it knows.
#[derive(Debug, Clone)]
pub(super) struct Simplified {
    rest: Rest,
    /// The last `creationCursor`; empty: everything is new.
    since: String,
    /// Paths by id.
    folders: BTreeMap<String, String>,
    objects: BTreeMap<String, Object>,
    /// What it found to be gone by reading it: nobody had told.
    pub(super) untold: BTreeSet<String>,
}

impl Simplified {
    /// Reads the box.
    pub(super) async fn new(rest: Rest) -> Self {
        let mut client = Self {
            rest,
            since: String::new(),
            folders: BTreeMap::new(),
            objects: BTreeMap::new(),
            untold: BTreeSet::new(),
        };
        client.synchronise().await;
        client
    }

    /// One round.
    pub(super) async fn synchronise(&mut self) {
        self.add_created().await;
        self.remove_vanished().await;
        self.read_folders().await;
        self.read_missing().await;
    }

    /// What it had before may be listed again.
    async fn add_created(&mut self) {
        let created = json!({"criterion": [{"type": "CreatedObjects", "value": self.since}]});
        let mut asked = json!({"maxEntries": PAGE, "searchCriteria": created});
        let mut since = None;
        loop {
            let page = self.search("objects", &asked, "objectList").await;
            for object in page["object"].as_array().into_iter().flatten() {
                self.object_is(object);
            }
            // Of the first page: what is created between this one and the next is then asked for once more.
            since.get_or_insert_with(|| text(&page["creationCursor"]).to_owned());
            if page["cursor"].is_null() {
                break;
            }
            asked["fromCursor"] = page["cursor"].clone();
        }
        // Not before the last page has come: a round that breaks off begins again.
        self.since = since.unwrap_or_default();
    }

    async fn remove_vanished(&mut self) {
        let vanished = json!({"criterion": [{"type": "VanishedObjects", "value": ""}]});
        let asked = json!({"maxEntries": MOST_VANISHED, "searchCriteria": vanished});
        let list = self.search("objects", &asked, "objectReferenceList").await;
        for gone in list["objectReference"].as_array().into_iter().flatten() {
            self.objects.remove(&id_of(&gone["resourceURL"]));
        }
    }

    /// Folders are few; they are read anew.
    async fn read_folders(&mut self) {
        self.folders.clear();
        let mut asked = json!({"maxEntries": PAGE});
        loop {
            let page = self.search("folders", &asked, "folderList").await;
            for folder in page["folder"].as_array().into_iter().flatten() {
                // A root that has no path is the box itself.
                let path = folder["path"].as_str().unwrap_or_default();
                let id = id_of(&folder["resourceURL"]);
                self.folders.insert(id, path.to_owned());
            }
            if page["cursor"].is_null() {
                break;
            }
            asked["fromCursor"] = page["cursor"].clone();
        }
    }

    /// Reads the objects of each folder that has fewer than are believed to be there.
    pub(super) async fn read_missing(&mut self) {
        let mut believed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, object) in &self.objects {
            let of_folder = believed.entry(object.parent.clone()).or_default();
            of_folder.push(id.clone());
        }
        for (folder, objects) in believed {
            if self.count(&folder).await < objects.len() {
                for id in objects {
                    self.read(&id).await;
                }
            }
        }
    }

    /// How many objects a folder has; none when it is gone, or cannot have any.
    async fn count(&self, folder: &str) -> usize {
        let resource = format!("folders/{folder}?attrFilter=MsgCount");
        let answer = self.rest.insist("GET", &resource, &Value::Null).await;
        if answer.status == 404 {
            return 0;
        }
        let folder = answer.expect(200).json()["folder"].take();
        let attributes = folder["attributes"]["attribute"].as_array();
        let mut attributes = attributes.into_iter().flatten();
        let count = attributes.find(|attribute| attribute["name"] == "MsgCount");
        count.map_or(0, |count| text(&count["value"][0]).parse().unwrap())
    }

    /// Reads one object, as one does before it is shown to somebody: it may have moved, or be gone.
    pub(super) async fn read(&mut self, id: &str) {
        let resource = format!("objects/{id}");
        let answer = self.rest.insist("GET", &resource, &Value::Null).await;
        if answer.status == 404 {
            self.objects.remove(id);
            self.untold.insert(id.to_owned());
        } else {
            self.object_is(&answer.expect(200).json()["object"]);
        }
    }

    async fn search(&self, kind: &str, asked: &Value, answered: &str) -> Value {
        let resource = format!("{kind}/operations/search");
        let asked = json!({ "selectionCriteria": asked });
        let answer = self.rest.insist("POST", &resource, &asked).await;
        answer.expect(200).json()[answered].take()
    }

    fn object_is(&mut self, shown: &Value) {
        let correlation = shown["correlationId"].as_str().unwrap_or_default();
        let object = Object {
            parent: id_of(&shown["parentFolder"]),
            correlation: correlation.to_owned(),
        };
        self.objects.insert(id_of(&shown["resourceURL"]), object);
    }

    /// Ids of the objects it believes in that have this correlation id.
    pub(super) fn ids(&self, correlation: &str) -> Vec<String> {
        let objects = self.objects.iter();
        objects
            .filter(|(_, object)| object.correlation == correlation)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Whether it believes that there is an object with this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.objects.contains_key(id)
    }

    /// What it amounts to, without ids and flags.
    pub(super) fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        for path in self.folders.values().filter(|path| !path.is_empty()) {
            contents.folder(path);
        }
        for (id, object) in &self.objects {
            let path = self.folders.get(&object.parent);
            let path = path.map_or_else(|| format!("(unknown of {id})"), Clone::clone);
            contents.message(&path, &object.correlation, BTreeSet::new());
        }
        contents
    }
}
