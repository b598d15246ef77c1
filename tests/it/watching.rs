//! Watching boxes: how the store's own words, its silence and its refusals are taken.

mod kept;
mod numbers;
mod posted;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    bridge::{Bridge, Builder},
    courier, cyrus,
    dovecot::{self, Account},
    http::Client,
    process::Process,
    proxy::Proxy,
    repertoire::Repertoire,
    witness::Witness,
};

/// A channel with one subscription, polled.
struct Subscriber {
    client: Client,
    notifications: String,
}

impl Subscriber {
    async fn subscribe(bridge: &Bridge) -> Self {
        Self::of(&bridge.client, &bridge.account).await
    }

    async fn of(client: &Client, account: &Account) -> Self {
        let box_id = account.box_id().replace('+', "%2B");
        let asked = json!({"notificationChannel": {"channelType": "LongPolling"}});
        let channels = format!("/notificationchannel/v1/{box_id}/channels");
        let channel = client.post(&channels, &asked).await.expect(201).json();
        let channel = &channel["notificationChannel"];
        let asked = json!({"nmsSubscription": {"callbackReference": {"notifyURL": channel["callbackURL"]}}});
        let subscriptions = format!("/nms/v1/cpm/{box_id}/subscriptions");
        client.post(&subscriptions, &asked).await.expect(201);
        let url = channel["channelData"]["channelURL"].as_str().unwrap();
        let (_, path) = url.split_once("/notificationchannel").unwrap();
        Self {
            client: client.clone(),
            notifications: format!("/notificationchannel{path}"),
        }
    }

    /// The events of the next list; none when nothing happens.
    async fn poll(&self) -> Vec<Value> {
        let asked = json!({"longPollingRequestParameters": null});
        let answer = self.client.post(&self.notifications, &asked).await;
        let list = answer.expect(200).json()["notificationList"].clone();
        let events = list[0]["nmsEventList"]["nmsEvent"].as_array().cloned();
        events.unwrap_or_default()
    }

    /// The next event.
    async fn event(&self) -> Value {
        let polled = tokio::time::timeout(Duration::from_secs(40), self.poll());
        let events = polled.await.expect("nothing is told");
        events.into_iter().next().expect("nothing is told")
    }
}

fn flags(event: &Value) -> Vec<&str> {
    let flags = event["changedObject"]["flags"]["flag"].as_array();
    let flags = flags.unwrap_or_else(|| panic!("no object: {event}")).iter();
    let flags = flags.map(|flag| flag.as_str().unwrap());
    flags.filter(|flag| *flag != "\\Recent").collect()
}

/// A bridge in front of a scripted store.
fn scripted(test: &str, store: &Repertoire) -> Builder {
    Bridge::builder(test)
        .store(store.address())
        .store_setting("command_timeout = 1")
        .setting("[notifications]\nidle = 1")
}

/// Waits until that many commands of a kind have come.
async fn until(store: &Repertoire, command: &str, count: usize) {
    let came = async {
        while store.received(command).len() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(30), came).await;
    came.unwrap_or_else(|_| panic!("{command} does not come {count} times"));
}

/// From now on UID 9 is flagged.
fn flag(store: &Repertoire) {
    store.answer(
        "UID FETCH 1:4294967295 (UID FLAGS)",
        "* 1 FETCH (UID 7 FLAGS (\\Answered))\n* 2 FETCH (UID 9 FLAGS (\\Flagged))\n{tag} OK done",
    );
}

#[tokio::test]
async fn a_connection_that_says_bye_in_idle_is_replaced() {
    let store = Repertoire::start("watched.txt").await;
    store.answer_times(1, "IDLE", "+ idling\n* BYE enough\n<close>");
    let bridge = scripted("bye-in-idle", &store).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    until(&store, "IDLE", 2).await;
    store.answer("IDLE", "+ idling\n* 2 FETCH (FLAGS (\\Flagged))");
    flag(&store);
    assert_eq!(flags(&subscriber.event().await), ["\\Flagged"]);
}

#[tokio::test]
async fn a_connection_that_has_fallen_silent_is_noticed_and_replaced() {
    let store = Repertoire::start("watched.txt").await;
    store.answer_times(1, "IDLE", "+ idling\n<stall>");
    let bridge = scripted("black-hole", &store).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    // It tells nothing and answers nothing: DONE is said after a second, and a second later there is another connection.
    until(&store, "IDLE", 2).await;
    flag(&store);
    assert_eq!(flags(&subscriber.event().await), ["\\Flagged"]);
}

#[tokio::test]
async fn a_store_that_refuses_notify_is_listened_to_by_idle() {
    let store = Repertoire::start("watched.txt").await;
    store.answer(
        "AUTHENTICATE PLAIN *",
        "{tag} OK [CAPABILITY IMAP4rev1 LITERAL+ NAMESPACE LIST-STATUS ESEARCH UNSELECT IDLE NOTIFY] in",
    );
    store.answer("NOTIFY SET *", "{tag} NO [BADEVENT (FlagChange)] not these");
    let bridge = scripted("badevent", &store).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    store.answer("IDLE", "+ idling\n* 2 FETCH (FLAGS (\\Flagged))");
    flag(&store);
    assert_eq!(flags(&subscriber.event().await), ["\\Flagged"]);
    assert_eq!(store.received("NOTIFY *").len(), 1);
    store.until_received("IDLE").await;
    store.assert_all_known();
}

/// While others rename, a listing can miss all that is below what moves, and the next one too.
#[tokio::test]
async fn a_folder_that_is_missing_while_others_come_and_go_is_not_gone() {
    const ALL: &str = "LIST \"\" \"*\" RETURN *";
    const TREE: &str = "LIST \"\" \"*\" RETURN (STATUS (UIDVALIDITY))";
    let listed = |names: &[&str]| {
        let inbox = "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 10 UIDVALIDITY 11)\n";
        let names = names
            .iter()
            .map(|name| format!("* LIST (\\NoSelect) \"/\" \"{name}\"\n"));
        inbox.to_owned() + &names.collect::<String>() + "{tag} OK done"
    };
    let store = Repertoire::start("watched.txt").await;
    store.answer(ALL, &listed(&["Stays"]));
    let bridge = scripted("missing-meanwhile", &store).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    store.until_received("IDLE").await;
    store.answer(ALL, &listed(&["Stays", "New"]));
    store.answer_times(1, TREE, &listed(&["Second"]));
    store.answer_times(1, TREE, &listed(&["First"]));
    let told = tokio::time::timeout(Duration::from_secs(40), subscriber.poll());
    let told = told.await.expect("nothing is told");
    let [folder] = &told[..] else {
        panic!("{told:#?}");
    };
    assert_eq!(folder["changedFolder"]["name"], "New", "{told:#?}");

    // It is gone once it is missing from all that are alike.
    store.answer(ALL, &listed(&["New"]));
    let told = subscriber.event().await;
    assert!(told["deletedFolder"].is_object(), "{told:#?}");
}

#[tokio::test]
async fn a_box_whose_password_is_refused_meanwhile_is_watched_again_once_its_owner_comes() {
    let store = Repertoire::start("watched.txt").await;
    let bridge = scripted("refused-meanwhile", &store).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    store.until_received("IDLE").await;
    let logins = store.received("AUTHENTICATE *").len();
    let refusal = "{tag} NO [AUTHENTICATIONFAILED] no";
    store.answer("AUTHENTICATE PLAIN *", refusal);
    // All connections end at their next command; IDLE's at the first DONE, which has no answer.
    let ending = ["NOOP", "EXAMINE *", "LIST *", "UNSELECT", "UID *"];
    for command in ending {
        store.answer(command, "* BYE gone\n<close>");
    }
    until(&store, "AUTHENTICATE *", logins + 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tries = store.received("AUTHENTICATE *").len();
    assert!(tries < logins + 5, "{tries} tries: it hammers");
    for command in ending {
        store.withdraw(command);
    }
    store.withdraw("AUTHENTICATE PLAIN *");
    flag(&store);
    // The owner comes, with a password that is good (again).
    bridge.get("folders/operations/pathToId").await;
    assert_eq!(flags(&subscriber.event().await), ["\\Flagged"]);
}

/// Makes so many messages, quickly.
async fn fill(witness: &mut Witness, count: u32) {
    witness
        .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
        .await;
    let mut there = 1;
    while there < count {
        let more = there.min(count - there);
        witness.command("SELECT INBOX").await.ok();
        witness.command(&format!("COPY 1:{more} INBOX")).await.ok();
        there += more;
    }
}

#[tokio::test]
async fn five_thousand_expunges_in_one_burst_are_all_told() {
    let builder = Bridge::builder("burst");
    let hidden = ["NOTIFY", "QRESYNC", "CONDSTORE"];
    let proxy = Proxy::hiding(builder.imap(), &hidden).await;
    let mut witness = builder.account().witness().await;
    fill(&mut witness, 5000).await;
    let bridge = builder.store(proxy.address()).start().await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    witness.command("SELECT INBOX").await.ok();
    witness
        .command(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
        .await
        .ok();
    witness.command("EXPUNGE").await.ok();
    let mut deleted = std::collections::BTreeSet::new();
    while deleted.len() < 5000 {
        for event in subscriber.poll().await {
            if let Some(url) = event["deletedObject"]["resourceURL"].as_str() {
                deleted.insert(url.to_owned());
            }
            assert!(event["resetBox"].is_null(), "{event}");
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_does_not_come_costs_a_queue_and_then_one_reset() {
    let bridge = Bridge::builder("never-polls")
        .setting("[limits]\nqueue = 20")
        .start()
        .await;
    let subscriber = Subscriber::subscribe(&bridge).await;
    let mut witness = bridge.witness().await;
    for _ in 0..30 {
        witness
            .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
            .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = async {
        loop {
            let admin = bridge.admin().get("/metrics").await;
            let text = admin.text().to_owned();
            let seen = subscriber_is_behind(&text);
            if seen {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), told).await;
    let events = subscriber.poll().await;
    assert_eq!(events, [json!({"resetBox": {}})]);
    witness
        .append("INBOX", b"Subject: y\r\n\r\ny\r\n", "", None)
        .await;
    let event = subscriber.event().await;
    assert!(event["changedObject"].is_object(), "{event}");
}

fn subscriber_is_behind(metrics: &str) -> bool {
    let overflows = metrics
        .lines()
        .find(|line| line.starts_with("queue_overflows_total"));
    overflows.is_some_and(|line| !line.ends_with(" 0"))
}

/// Connections to the store there are, as the metrics have it.
async fn connections(process: &Process) -> u32 {
    let metrics = process.metrics().await;
    let lines = metrics.lines();
    let lines = lines.filter(|line| line.starts_with("imap_connections{"));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap())
        .sum()
}

#[tokio::test]
async fn a_watcher_counts_among_the_connections_of_its_account_and_leaves_one_to_requests() {
    for cap in [1, 2] {
        let account = dovecot::account(&format!("cap-{cap}"));
        let settings = format!("max_connections_per_account = {cap}\n[notifications]\npoll = 5\n");
        let process = Process::start(account.imap, &settings);
        let client = process.client(&account);
        let subscriber = Subscriber::of(&client, &account).await;
        let box_id = account.box_id().replace('+', "%2B");
        let target = format!("/nms/v1/cpm/{box_id}/folders/operations/pathToId?path=/INBOX");
        let asking = async {
            for _ in 0..20 {
                let asks = (0..8).map(|_| client.get(&target));
                for answer in futures_util::future::join_all(asks).await {
                    answer.expect(200);
                }
            }
        };
        let counting = async {
            let mut most = 0;
            for _ in 0..50 {
                most = most.max(connections(&process).await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            most
        };
        let ((), most) = tokio::join!(asking, counting);
        assert!((1..=cap).contains(&most), "{most} of {cap}");
        let mut witness = account.witness().await;
        witness
            .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
            .await;
        let event = subscriber.event().await;
        assert!(event["changedObject"].is_object(), "{event}");
        process.stop();
    }
}

/// A change of another client's, and one through the bridge, both told.
async fn tells_both(bridge: &Bridge, witness: &mut Witness) {
    let subscriber = Subscriber::subscribe(bridge).await;
    witness
        .append(
            "INBOX",
            b"Subject: x\r\nIMDN-Message-ID: one\r\n\r\nx\r\n",
            "",
            None,
        )
        .await;
    let event = subscriber.event().await;
    let object = &event["changedObject"];
    assert_eq!(object["correlationId"], "one", "{event}");
    let url = object["resourceURL"].as_str().unwrap();
    let (_, id) = url.rsplit_once('/').unwrap();
    let flag = format!("objects/{id}/flags/%5CFlagged");
    bridge.put(&flag, &json!({"empty": null})).await.expect(201);
    assert_eq!(flags(&subscriber.event().await), ["\\Flagged"]);
    bridge.delete(&format!("objects/{id}")).await.expect(204);
    let mut event = subscriber.event().await;
    if event["changedObject"].is_object() {
        // It was flagged before it was expunged.
        event = subscriber.event().await;
    }
    assert_eq!(event["deletedObject"]["resourceURL"], url, "{event}");
    assert_eq!(event["deletedObject"]["correlationId"], "one");
}

#[tokio::test]
async fn cyrus_is_watched() {
    let server = cyrus::start().await;
    let builder = Bridge::builder("watched-cyrus").store(server.imap);
    let mut witness = Witness::login(server.imap, &builder.login()).await;
    let bridge = builder.start().await;
    tells_both(&bridge, &mut witness).await;
    bridge.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn courier_is_watched() {
    let server = courier::start().await;
    let builder = Bridge::builder("watched-courier").store(server.imap);
    let mut witness = Witness::login(server.imap, &builder.login()).await;
    let bridge = builder.start().await;
    tells_both(&bridge, &mut witness).await;
    bridge.stop().await;
    server.stop().await;
}
