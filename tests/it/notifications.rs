//! Notifications over REST, against what was done to the box: by the bridge and by a direct IMAP session.

mod acknowledgement;
mod changes;
mod channels;
mod filters;
mod lists;
mod polls;
mod subscriptions;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    objects::{below_box, objects_of},
    support::{
        bridge::{Bridge, Builder},
        http::Request,
    },
};

/// How long is waited for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);
const SMS: &str = "f01-sms-in.eml";
const MMS: &str = "f05-mms-plain.eml";

/// A box with three objects in INBOX. A poll that finds nothing is answered after a second; what Dovecot forgets to say, a RENAME
/// just after a CREATE now and then, is looked for after five.
fn a_box(test: &str) -> Builder {
    Bridge::builder(test)
        .message("INBOX", SMS)
        .message("INBOX", MMS)
        .message("INBOX", "f09-chat-textplain.eml")
        .setting("[notifications]\nlong_poll = 1\nlists = 3\npoll = 5")
}

/// A notification channel of a bridge's box.
struct Channel<'a> {
    bridge: &'a Bridge,
    /// As a path below the API.
    resource: String,
    callback: Value,
}

/// A subscription, as it was when it was made.
struct Subscription {
    /// As a path below the box.
    resource: String,
    url: Value,
    token: Value,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    kind: String,
    /// As a path below the box; empty for `resetBox`.
    about: String,
    content: Value,
}

impl<'a> Channel<'a> {
    /// One list goes into an answer.
    async fn new(bridge: &'a Bridge) -> Self {
        Self::with(bridge, json!({"maxNotifications": 1}), 3600).await
    }

    async fn with(bridge: &'a Bridge, data: Value, lifetime: u64) -> Self {
        let body = json!({"notificationChannel": {
            "channelType": "LongPolling", "channelData": data, "channelLifetime": lifetime,
        }});
        let made = bridge.post("channels", &body).await.expect(201);
        let id = made.header("location").unwrap().rsplit('/').next().unwrap();
        Self {
            bridge,
            resource: format!("channels/{id}"),
            callback: made.json()["notificationChannel"]["callbackURL"].clone(),
        }
    }

    /// With more members than where to.
    async fn subscribe(&self, more: Value) -> Subscription {
        let answer = self.asked(more).await.expect(201);
        Subscription::of(&answer.json()["nmsSubscription"])
    }

    /// What becomes of that.
    async fn asked(&self, more: Value) -> crate::support::http::Answer {
        let mut members = json!({"callbackReference": {"notifyURL": self.callback}});
        let reference = more["callbackData"].clone();
        if !reference.is_null() {
            members["callbackReference"]["callbackData"] = reference;
        }
        for (name, value) in more.as_object().unwrap() {
            if name != "callbackData" {
                members[name] = value.clone();
            }
        }
        let body = json!({ "nmsSubscription": members });
        self.bridge.post("subscriptions", &body).await
    }

    /// A poll, not sent yet.
    fn request(&self) -> Request {
        let notifications = format!("{}/notifications", self.resource);
        let body = json!({"longPollingRequestParameters": null});
        self.bridge.request("POST", &notifications).json(&body)
    }

    /// The lists of one answer.
    async fn poll(&self) -> Vec<Value> {
        let answer = self.request().send().await.expect(200).json();
        let lists = answer["notificationList"].as_array().unwrap();
        lists
            .iter()
            .map(|list| list["nmsEventList"].clone())
            .collect()
    }

    /// The next list; polls that find nothing are repeated.
    async fn list(&self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut lists = self.poll().await;
            assert!(lists.len() <= 1, "{lists:?}");
            match lists.pop() {
                Some(list) => return list,
                None => assert!(Instant::now() < deadline, "nothing is told"),
            }
        }
    }

    /// All events up to one that is the last awaited.
    async fn until(&self, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = self.list().await;
            seen.extend(events(&list));
            if seen.iter().any(&is_last) {
                return seen;
            }
            assert!(Instant::now() < deadline, "only {seen:#?}");
        }
    }

    /// Waits until the bridge has seen all that has been done so far, if it was done through it: what this is told ends with
    /// the flag that is set here.
    async fn settle(&self, mark: &str) {
        let objects = objects_of(self.bridge, "/INBOX").await;
        let marked = objects.last().unwrap().clone();
        set_flag(self.bridge, &marked, mark).await;
        let has_mark = |event: &Event| event.about == marked && event.has_flag(mark);
        self.until(has_mark).await;
    }
}

impl Subscription {
    fn of(shown: &Value) -> Self {
        Self {
            resource: below_box(&shown["resourceURL"]),
            url: shown["resourceURL"].clone(),
            token: shown["restartToken"].clone(),
        }
    }
}

impl Event {
    fn has_flag(&self, flag: &str) -> bool {
        let flags = self.content["flags"]["flag"].as_array();
        flags.is_some_and(|flags| flags.iter().any(|set| set == flag))
    }

    fn last_mod_seq(&self) -> u64 {
        self.content["lastModSeq"].as_u64().unwrap()
    }

    fn is(&self, kind: &str, about: &str) -> bool {
        self.kind == kind && self.about == about
    }
}

/// The events of a list, each of one member.
fn events(list: &Value) -> Vec<Event> {
    let events = list["nmsEvent"].as_array().unwrap().iter();
    let events = events.map(|event| {
        let members = event.as_object().unwrap();
        assert_eq!(members.len(), 1, "{event}");
        let (kind, content) = members.iter().next().unwrap();
        let about = match content.get("resourceURL") {
            Some(url) => below_box(url),
            None => String::new(),
        };
        Event {
            kind: kind.clone(),
            about,
            content: content.clone(),
        }
    });
    events.collect()
}

/// What each is about, without the rest.
fn told(events: &[Event]) -> Vec<(&str, &str)> {
    let events = events.iter();
    events
        .map(|event| (event.kind.as_str(), event.about.as_str()))
        .collect()
}

async fn set_flag(bridge: &Bridge, object: &str, flag: &str) {
    let flag = format!("{object}/flags/{}", flag.replace('\\', "%5C"));
    let answer = bridge.put(&flag, &json!({"empty": null})).await;
    assert!([201, 204].contains(&answer.status), "{answer:?}");
}

/// Asks until the answer has this status.
async fn until_status(bridge: &Bridge, resource: &str, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    while bridge.get(resource).await.status != status {
        assert!(Instant::now() < deadline, "{resource} is never {status}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
    std::fs::read(directory.join(name)).unwrap()
}
