//! What a client sees when the store is away, slow, breaks off, refuses, or lies.

mod dialects;
mod ends;
mod flags;
mod folders;
mod lies;
mod logins;
mod many;
mod messages;
mod parts;
mod refusals;

use std::time::Duration;

use crate::{
    objects::objects_of,
    support::{
        bridge::Bridge,
        http::Answer,
        proxy::{Fault, Proxy},
        repertoire::Repertoire,
    },
};
use tokio::time::Instant;

/// Stands in whatever a scripted server says to be read by people, and must never reach a client.
const WORDS: &str = "words of the server";

/// What a server like many offers after login.
const OFFERS: &str = "IMAP4rev1 LITERAL+ NAMESPACE UIDPLUS LIST-STATUS ESEARCH CONDSTORE ACL";

/// A bridge in front of a repertoire, and the two objects of its INBOX, newest first. Nothing about the objects is cached yet.
struct Play {
    store: Repertoire,
    bridge: Bridge,
    /// UID 9.
    newest: String,
    /// UID 7.
    object: String,
}

impl Play {
    async fn start(test: &str) -> Self {
        Self::offering(test, OFFERS).await
    }

    /// The same with other capabilities after login.
    async fn offering(test: &str, capabilities: &str) -> Self {
        let store = Repertoire::start("store.txt").await;
        offer(&store, capabilities);
        let bridge = bridge(test, &store).await;
        let [newest, object] = objects_of(&bridge, "/INBOX").await.try_into().unwrap();
        // The connection leaves INBOX, which is to be opened by what the test does.
        objects_of(&bridge, "/Work").await;
        Self {
            store,
            bridge,
            newest,
            object,
        }
    }

    /// What a request is told.
    async fn ask(&self, method: &str, resource: &str) -> String {
        told(&self.bridge.request(method, resource).send().await)
    }

    /// From now on a mailbox is not there any more.
    fn lose(&self, mailbox: &str) {
        let other = if mailbox == "INBOX" {
            ("Work", 12)
        } else {
            ("INBOX", 11)
        };
        let (name, uid_validity) = other;
        self.store.answer(
            "LIST \"\" \"*\" RETURN *",
            &format!(
                "* LIST () \"/\" \"{name}\"\n* STATUS \"{name}\" (UIDVALIDITY {uid_validity})\n{{tag}} OK done"
            ),
        );
        self.store
            .answer(&format!("LIST \"\" \"{mailbox}\"*"), "{tag} OK done");
        self.store.answer(
            &format!("MYRIGHTS \"{mailbox}\""),
            &format!("{{tag}} NO {WORDS}"),
        );
    }

    /// From now on the user has these rights only.
    fn allow(&self, mailbox: &str, rights: &str) {
        self.store.answer(
            &format!("MYRIGHTS \"{mailbox}\""),
            &format!("* MYRIGHTS \"{mailbox}\" {rights}\n{{tag}} OK done"),
        );
    }
}

/// A bridge whose store a repertoire is.
async fn bridge(test: &str, store: &Repertoire) -> Bridge {
    Bridge::builder(test).store(store.address()).start().await
}

/// From the next login on the server offers these.
fn offer(store: &Repertoire, capabilities: &str) {
    store.answer(
        "AUTHENTICATE PLAIN *",
        &format!("{{tag}} OK [CAPABILITY {capabilities}] in"),
    );
}

/// A NO with a response code or without, and with words that are nobody else's business.
fn no(code: &str) -> String {
    format!(
        "{{tag}} NO {code}{}{WORDS}",
        if code.is_empty() { "" } else { " " }
    )
}

/// Status, identifier and variables of an answer; what every answer of its kind must have is asserted here.
fn told(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains(WORDS), "{text}");
    match answer.status {
        401 => assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("Basic "))
        ),
        503 => assert!(
            answer
                .header("retry-after")
                .unwrap()
                .parse::<u32>()
                .unwrap()
                > 0
        ),
        _ => assert_eq!(answer.header("www-authenticate"), None),
    }
    if answer.status < 400 {
        return answer.status.to_string();
    }
    let body = answer.json();
    // A flag that is not set is no error (contract §5).
    if body.get("empty").is_some() {
        return format!("{} empty", answer.status);
    }
    let error = &body["requestError"];
    let exception = if error["policyException"].is_object() {
        &error["policyException"]
    } else {
        &error["serviceException"]
    };
    let mut told = format!(
        "{} {}",
        answer.status,
        exception["messageId"].as_str().unwrap()
    );
    for variable in exception["variables"].as_array().into_iter().flatten() {
        told += " ";
        told += variable.as_str().unwrap();
    }
    told
}

#[tokio::test]
async fn with_the_store_down_it_starts_says_so_and_recovers_by_itself() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let bridge = Bridge::builder("store_down").store(address).start().await;
    let answer = bridge.get("folders/operations/pathToId").await.expect(503);
    assert!(
        answer
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            > 0
    );
    assert_eq!(
        answer.json()["requestError"]["serviceException"]["messageId"],
        "SVC2001"
    );
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    bridge.admin().get("/livez").await.expect(200);
    assert!(
        bridge
            .admin()
            .get("/readyz")
            .await
            .expect(503)
            .text()
            .starts_with("store/cpm down: ")
    );

    let dovecot = bridge.account.imap;
    let back = Proxy::start_at(address, dovecot).await;
    let returned = Instant::now();
    bridge.get("folders/operations/pathToId").await.expect(200);
    assert!(returned.elapsed() < Duration::from_secs(1));
    drop(back);
}

#[tokio::test]
async fn a_read_survives_a_connection_that_was_cut() {
    let builder = Bridge::builder("cut_reads").message("INBOX", "f05-mms-plain.eml");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    for bytes in [0, 1, 40, 200] {
        proxy.set(Fault::CutAfter(bytes));
        let outcome = bridge.get(&format!("{object}/flags")).await.status;
        proxy.set(Fault::None);
        // Cut on both attempts it is 503; never anything else, and never for long.
        assert!([200, 503].contains(&outcome), "{bytes}: {outcome}");
        bridge.get(&format!("{object}/flags")).await.expect(200);
    }
}

#[tokio::test]
async fn a_store_that_says_nothing_is_too_slow() {
    let builder = Bridge::builder("stalled");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder
        .store(proxy.address())
        .store_setting("command_timeout = 1")
        .start()
        .await;
    bridge.get("folders/operations/pathToId").await.expect(200);
    proxy.set(Fault::HalfOpen);
    let answer = bridge.get("folders/operations/pathToId").await.expect(504);
    assert_eq!(
        answer.json()["requestError"]["serviceException"]["messageId"],
        "SVC0001"
    );
    proxy.set(Fault::None);
    bridge.get("folders/operations/pathToId").await.expect(200);
}

#[tokio::test]
async fn a_payload_that_breaks_off_is_no_complete_answer() {
    let builder = Bridge::builder("broken_payload").folder("big");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(100_000);
    let message = format!("Subject: big\r\nContent-Type: application/octet-stream\r\n\r\n{body}");
    bridge
        .witness()
        .await
        .append("big", message.as_bytes(), "", None)
        .await;
    let object = objects_of(&bridge, "/big").await.remove(0);
    let mut stream = bridge
        .request("GET", &format!("{object}/payload"))
        .stream()
        .await;
    assert_eq!(stream.head.status, 200);
    proxy.set(Fault::CutAfter(0));
    // The test's client panics when fewer bytes come than were announced.
    let whole = cpm_bridge::task::spawn(async move { stream.rest().await }).await;
    assert!(
        whole.is_err(),
        "{} bytes passed for the whole",
        whole.map_or(0, |bytes| bytes.len())
    );
}
