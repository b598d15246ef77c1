//! What a state file keeps over a kill: channels, subscriptions, what they have not been told, and what happened while nobody watched.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    dovecot::{self, Account},
    http::{Answer, Client},
    process::Process,
};

/// The bridge, its state, and a client of one box.
struct Place<'a> {
    directory: &'a Path,
    account: &'a Account,
    process: Option<Process>,
    client: Client,
}

impl<'a> Place<'a> {
    fn start(directory: &'a Path, account: &'a Account) -> Self {
        let process = started(directory, account);
        Self {
            client: process.client(account),
            process: Some(process),
            directory,
            account,
        }
    }

    /// Kills it, lets something happen, and starts it again: at another port.
    async fn restart(&mut self, meanwhile: impl Future<Output = ()>) {
        self.process.take().unwrap().kill();
        meanwhile.await;
        let process = started(self.directory, self.account);
        self.client = process.client(self.account);
        self.process = Some(process);
    }

    fn target(&self, api: &str, resource: &str) -> String {
        let login = self.account.login.replace('+', "%2B");
        format!("/{api}/tel:{login}/{resource}")
    }

    async fn post(&self, api: &str, resource: &str, body: &Value) -> Answer {
        self.client.post(&self.target(api, resource), body).await
    }

    async fn list(&self, channel: &str) -> Option<Value> {
        let body = json!({"longPollingRequestParameters": null});
        let polled = self.client.post(channel, &body).await.expect(200);
        let mut lists = polled.json()["notificationList"].take();
        lists.as_array_mut().unwrap().pop()
    }
}

fn started(directory: &Path, account: &Account) -> Process {
    let state = directory.join("state");
    let settings = format!(
        "[state]\nurl = \"file:{}\"\n[notifications]\nlong_poll = 1\n",
        state.display()
    );
    Process::start(account.imap, &settings)
}

fn path_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

fn correlations(list: &Value) -> Vec<&str> {
    let events = list["nmsEventList"]["nmsEvent"].as_array().unwrap();
    let of = |event: &'_ Value| event["changedObject"]["correlationId"].as_str().is_some();
    let known = events.iter().filter(|event| of(event));
    known
        .map(|event| event["changedObject"]["correlationId"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_subscribed_and_not_told_yet_outlives_kills() {
    let account = dovecot::account("notifications_outlive_kills");
    let mut witness = account.witness().await;
    let message = |name: &str| format!("IMDN-Message-ID: {name}\r\n\r\nx\r\n").into_bytes();
    let directory = tempfile::tempdir().unwrap();
    let mut place = Place::start(directory.path(), &account);
    let (nc, nms) = ("notificationchannel/v1", "nms/v1/cpm");
    let asked = json!({"notificationChannel": {
        "channelType": "LongPolling", "channelData": {"maxNotifications": 1}, "channelLifetime": 3600,
        "clientCorrelator": "c",
    }});
    let made = place.post(nc, "channels", &asked).await.expect(201).json();
    let made = made["notificationChannel"].clone();
    let channel = path_of(&made["channelData"]["channelURL"]);
    let to = json!({"nmsSubscription": {
        "callbackReference": {"notifyURL": made["callbackURL"], "callbackData": "d"},
        "clientCorrelator": "s", "duration": 3600,
    }});
    let subscribed = place.post(nms, "subscriptions", &to).await.expect(201);
    let subscribed = subscribed.json()["nmsSubscription"].clone();
    let subscription = path_of(&subscribed["resourceURL"]);

    // A list that has been sent, and of which nobody knows whether it arrived.
    witness.append("INBOX", &message("one"), "", None).await;
    let body = json!({"longPollingRequestParameters": null});
    let request = place.client.request("POST", &channel).json(&body);
    let mut stream = place.client.connect().await;
    stream.write_all(&request.encoded()).await.unwrap();
    stream.peek(&mut [0]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    place
        .restart(async {
            witness.append("INBOX", &message("two"), "", None).await;
        })
        .await;
    let mut sent = vec![0; 65536];
    let length = stream.read(&mut sent).await.unwrap();
    let sent = String::from_utf8_lossy(&sent[..length]).into_owned();

    let again = place.post(nc, "channels", &asked).await.expect(201).json();
    let again = &again["notificationChannel"];
    assert_eq!(
        path_of(&again["resourceURL"]),
        path_of(&made["resourceURL"])
    );
    assert_eq!(path_of(&again["channelData"]["channelURL"]), channel);
    let again = place.post(nms, "subscriptions", &to).await.expect(201);
    let again = again.json()["nmsSubscription"].clone();
    assert_eq!(path_of(&again["resourceURL"]), subscription);
    let first = place.list(&channel).await.unwrap();
    assert_eq!(first["nmsEventList"]["index"], 1);
    assert_eq!(correlations(&first), ["one"]);
    assert!(sent.contains(&first.to_string()), "{sent} and then {first}");
    let second = place.list(&channel).await.unwrap();
    assert_eq!(second["nmsEventList"]["index"], 2);
    assert_eq!(second["nmsEventList"]["callbackData"], "d");
    assert_eq!(correlations(&second), ["two"]);

    // What has been taken does not come again; its token is good for what came after it.
    assert_eq!(place.list(&channel).await, None);
    place.restart(async {}).await;
    place.restart(async {}).await;
    assert_eq!(place.list(&channel).await, None);
    let shown = place.client.get(&subscription).await.expect(200).json();
    assert_eq!(shown["nmsSubscription"]["index"], 3);
    let update = json!({"nmsSubscriptionUpdate": {
        "restartToken": first["nmsEventList"]["restartToken"],
    }});
    place.client.post(&subscription, &update).await.expect(200);
    let third = place.list(&channel).await.unwrap();
    assert_eq!(third["nmsEventList"]["index"], 3);
    assert_eq!(correlations(&third), ["two"]);

    // What has ended stays so.
    place.client.delete(&subscription).await.expect(204);
    place
        .client
        .delete(&path_of(&made["resourceURL"]))
        .await
        .expect(204);
    place.restart(async {}).await;
    place.client.get(&subscription).await.expect(404);
    place.client.post(&channel, &body).await.expect(404);
}

/// The events that come until one of this kind and about this is among them.
async fn until(place: &Place<'_>, channel: &str, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..20 {
        let Some(list) = place.list(channel).await else {
            continue;
        };
        let events = list["nmsEventList"]["nmsEvent"].as_array().unwrap();
        if let Some(event) = events.iter().find(|event| is(event)) {
            return event.clone();
        }
    }
    panic!("it has not been told");
}

#[tokio::test]
async fn what_a_folder_was_before_a_kill_is_told_gone_when_another_has_taken_its_place() {
    let account = dovecot::account("another_after_a_kill");
    let mut witness = account.witness().await;
    witness.command("CREATE none/deep").await.ok();
    let directory = tempfile::tempdir().unwrap();
    let mut place = Place::start(directory.path(), &account);
    let (nc, nms) = ("notificationchannel/v1", "nms/v1/cpm");
    let asked = json!({"notificationChannel": {"channelType": "LongPolling"}});
    let made = place.post(nc, "channels", &asked).await.expect(201).json();
    let made = &made["notificationChannel"];
    let channel = path_of(&made["channelData"]["channelURL"]);
    let to = json!({"nmsSubscription": {"callbackReference": {"notifyURL": made["callbackURL"]}}});
    place.post(nms, "subscriptions", &to).await.expect(201);

    // A name that stands for a folder elsewhere is there again: as another folder.
    let none = place.target(nms, "folders/operations/pathToId?path=/none");
    let none = place.client.get(&none).await.expect(200).json();
    let none = path_of(&none["reference"]["resourceURL"]);
    let name = format!("{none}/folderName");
    let renamed = place.client.put(&name, &json!({"name": "two"})).await;
    renamed.expect(200);
    witness.command("CREATE none/again").await.ok();
    let another = until(&place, &channel, |event| {
        let folder = &event["changedFolder"];
        folder["name"] == "none" && path_of(&folder["resourceURL"]) != none
    })
    .await;
    let another = path_of(&another["changedFolder"]["resourceURL"]);

    // While nobody looks it goes, and the first thing that happens then gives its name back.
    place
        .restart(async {
            witness.command("DELETE none/again").await.ok();
            // Which some servers do by themselves.
            let _ = witness.command("DELETE none").await;
            let listed = witness.command("LIST \"\" none").await.ok();
            assert_eq!(listed.untagged.len(), 0, "{listed:?}");
        })
        .await;
    let renamed = place.client.put(&name, &json!({"name": "none"})).await;
    renamed.expect(200);
    until(&place, &channel, |event| {
        let gone = &event["deletedFolder"]["resourceURL"];
        gone.is_string() && path_of(gone) == another
    })
    .await;
}
