//! How long it takes until a change is told: `cargo test --release --test it watching::numbers -- --ignored --nocapture`.

use std::time::Duration;

use cpm_bridge::{task, tls};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use super::{Subscriber, flags};
use crate::support::{
    bridge::Bridge,
    courier,
    dovecot::{self, Account},
    http::Client,
    process::Process,
    witness::Witness,
};

const ROUNDS: usize = 200;
/// Channels of a box.
const EACH: usize = 32;
/// Boxes, where some will do.
const SOME: usize = 32;
const LONG: &str = "[limits]\nconnections = 20000\n[notifications]\nlong_poll = 300\n";

#[expect(clippy::print_stdout, reason = "what is measured is printed")]
fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
    println!(
        "{what}: p50 {:.1?}, p99 {:.1?}, most {:.1?} of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

/// What each of some takes of the memory that has come to be in use since.
#[expect(clippy::print_stdout, reason = "what is measured is printed")]
fn report_memory(what: &str, before: u64, process: &Process, count: usize) {
    let each = process.resident_memory().saturating_sub(before) / count as u64;
    println!("{count}: {each} bytes for each {what}");
}

/// From the answer to a write through the bridge to the answer to the poll that waits meanwhile.
async fn own_writes(what: &str, bridge: &Bridge, witness: &mut Witness) {
    let subscriber = Subscriber::subscribe(bridge).await;
    witness
        .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
        .await;
    let event = subscriber.event().await;
    let url = event["changedObject"]["resourceURL"].as_str().unwrap();
    let (_, id) = url.rsplit_once('/').unwrap();
    let flag = format!("objects/{id}/flags/%5CFlagged");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let polling = subscriber.event();
        let writing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if round % 2 == 0 {
                bridge.put(&flag, &json!({"empty": null})).await.expect(201);
            } else {
                bridge.delete(&flag).await.expect(204);
            }
            Instant::now()
        };
        let polled = async {
            let event = polling.await;
            (event, Instant::now())
        };
        let ((event, told), written) = tokio::join!(polled, writing);
        assert_eq!(flags(&event).is_empty(), round % 2 == 1, "{event}");
        times.push(told.saturating_duration_since(written));
    }
    report(what, times);
}

#[tokio::test]
#[ignore = "measures"]
async fn own_writes_on_dovecot() {
    let bridge = Bridge::builder("lag-dovecot").start().await;
    let mut witness = bridge.witness().await;
    own_writes("a write through the bridge, Dovecot", &bridge, &mut witness).await;
}

#[tokio::test]
#[ignore = "measures"]
async fn own_writes_on_courier() {
    let server = courier::start().await;
    let builder = Bridge::builder("lag-courier").store(server.imap);
    let mut witness = Witness::login(server.imap, &builder.login()).await;
    let bridge = builder.start().await;
    own_writes("a write through the bridge, Courier", &bridge, &mut witness).await;
    bridge.stop().await;
    server.stop().await;
}

/// From the push that another session gets of the same change to the answer to the poll.
#[tokio::test]
#[ignore = "measures"]
async fn changes_of_others_on_dovecot() {
    let bridge = Bridge::builder("lag-others").start().await;
    let mut witness = bridge.witness().await;
    let mut listening = bridge.witness().await;
    witness.command("CREATE Other").await.ok();
    let subscriber = Subscriber::subscribe(&bridge).await;
    listening.command("ENABLE QRESYNC").await.ok();
    listening
        .command("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName))")
        .await
        .ok();
    let mut times = Vec::new();
    for _ in 0..60 {
        let polled = async {
            subscriber.event().await;
            Instant::now()
        };
        let pushed = async {
            while !listening.response().await.text.contains("STATUS") {}
            Instant::now()
        };
        let writing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            witness
                .append("Other", b"Subject: x\r\n\r\nx\r\n", "", None)
                .await;
        };
        let (told, pushed, _) = tokio::join!(polled, pushed, writing);
        times.push(told.saturating_duration_since(pushed));
    }
    report("a change of another client, Dovecot, after its push", times);
}

/// Channels of a box, as paths of their notifications; their callback URLs.
async fn channels(client: &Client, account: &Account, count: usize) -> Vec<(String, String)> {
    let box_id = account.box_id().replace('+', "%2B");
    let path = format!("/notificationchannel/v1/{box_id}/channels");
    let asked = json!({"notificationChannel": {"channelType": "LongPolling"}});
    let mut channels = Vec::new();
    for _ in 0..count {
        let channel = client.post(&path, &asked).await.expect(201).json();
        channels.push(urls_of(&channel));
    }
    channels
}

fn urls_of(channel: &Value) -> (String, String) {
    let channel = &channel["notificationChannel"];
    let url = channel["channelData"]["channelURL"].as_str().unwrap();
    let (_, rest) = url.split_once("/notificationchannel").unwrap();
    let callback = channel["callbackURL"].as_str().unwrap().to_owned();
    (format!("/notificationchannel{rest}"), callback)
}

/// A poll that waits on a connection of its own.
async fn park(client: &Client, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(client.address()).await.unwrap();
    stream
        .write_all(poll(client, path).as_bytes())
        .await
        .unwrap();
    stream
}

fn poll(client: &Client, path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Length: 0\r\n\r\n",
        client.authorization().unwrap()
    )
}

async fn parked(process: &Process) -> f64 {
    measured(process, "long_polls_parked").await
}

/// What a series of a process shows.
async fn measured(process: &Process, series: &str) -> f64 {
    let metrics = process.metrics().await;
    let line = metrics.lines().find(|line| line.starts_with(series));
    line.map_or(0.0, |line| {
        line.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn ten_thousand_polls_wait() {
    const BOXES: usize = 313;
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let accounts = boxes("parked", BOXES);
    let process = Process::start(accounts[0].imap, LONG);
    let mut all = Vec::new();
    for account in &accounts {
        let client = process.client(account);
        for channel in channels(&client, account, EACH).await {
            all.push((client.clone(), channel));
        }
    }
    let client = process.client(&accounts[0]);
    let box_id = accounts[0].box_id().replace('+', "%2B");
    let asked = json!({"nmsSubscription": {"callbackReference": {"notifyURL": all[0].1.1}}});
    client
        .post(&format!("/nms/v1/cpm/{box_id}/subscriptions"), &asked)
        .await
        .expect(201);
    let before = process.resident_memory();
    let mut waiting = Vec::new();
    for (client, (path, _)) in &all[1..] {
        waiting.push(park(client, path).await);
    }
    until_parked(&process, waiting.len()).await;
    report_memory("poll that waits", before, &process, waiting.len());
    let mut witness = accounts[0].witness().await;
    let mut times = Vec::new();
    for _ in 0..30 {
        let mut poll = park(&client, &all[0].1.0).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        witness
            .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
            .await;
        let appended = Instant::now();
        let mut answer = vec![0; 4096];
        let read = poll.read(&mut answer).await.unwrap();
        assert!(read > 0);
        times.push(appended.elapsed());
    }
    report(
        "with all of them, from an APPEND (Dovecot takes 0.5 s) to its poll",
        times,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn polls_wait_over_tls() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        directory.path().join("certificate.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let accounts = boxes("tls", SOME);
    let http = format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}\n");
    let process = Process::start_with_http(accounts[0].imap, &http, LONG);
    let connector = TlsConnector::from(tls::client(Some(&certificate)).unwrap());
    let mut polls = Vec::new();
    for account in &accounts {
        let client = process.client(account);
        let box_id = account.box_id().replace('+', "%2B");
        let asked = json!({"notificationChannel": {"channelType": "LongPolling"}});
        let path = format!("/notificationchannel/v1/{box_id}/channels");
        let request = client.request("POST", &path).json(&asked);
        let request = request.header("Connection", "close");
        for _ in 0..EACH {
            let mut stream = encrypted(&connector, &client).await;
            stream.write_all(&request.encoded()).await.unwrap();
            let mut answer = String::new();
            // The end of TLS may be missing: the document shows whether it is whole.
            let _ = stream.read_to_string(&mut answer).await;
            let (_, document) = answer.split_once("\r\n\r\n").unwrap();
            let (path, _) = urls_of(&serde_json::from_str(document).unwrap());
            polls.push((client.clone(), path));
        }
    }
    let before = process.resident_memory();
    let mut waiting = Vec::new();
    for (client, path) in &polls {
        let mut stream = encrypted(&connector, client).await;
        stream
            .write_all(poll(client, path).as_bytes())
            .await
            .unwrap();
        waiting.push(stream);
    }
    until_parked(&process, waiting.len()).await;
    report_memory("poll that waits over TLS", before, &process, waiting.len());
}

async fn encrypted(connector: &TlsConnector, client: &Client) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(client.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn polls_wait_on_streams() {
    const STREAMS: usize = 64;
    let accounts = boxes("streams", SOME);
    let process = Process::start(accounts[0].imap, LONG);
    let mut polls = Vec::new();
    for account in &accounts {
        let client = process.client(account);
        for (path, _) in channels(&client, account, EACH).await {
            polls.push((client.clone(), path));
        }
    }
    let before = process.resident_memory();
    let mut waiting = Vec::new();
    for polls in polls.chunks(STREAMS) {
        let address = polls[0].0.address();
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        task::spawn(async move { connection.await.ok() });
        for (client, path) in polls {
            let request = http::Request::post(format!("http://{address}{path}"))
                .header("authorization", client.authorization().unwrap())
                .body(())
                .unwrap();
            let mut sender = sender.clone().ready().await.unwrap();
            waiting.push(sender.send_request(request, true).unwrap());
        }
    }
    until_parked(&process, waiting.len()).await;
    report_memory(
        "poll that waits on a stream",
        before,
        &process,
        waiting.len(),
    );
}

fn boxes(name: &str, count: usize) -> Vec<Account> {
    (0..count)
        .map(|number| dovecot::account(&format!("{name}-{number}")))
        .collect()
}

async fn until_parked(process: &Process, count: usize) {
    while parked(process).await < count as f64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Accounts that are subscribed to, with nothing to tell: a connection that waits for each, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn idle_accounts() {
    const FIRST: usize = 50;
    const ALL: usize = 450;
    let accounts = boxes("idle", ALL);
    let process = Process::start(accounts[0].imap, "idle_timeout = 1\n");
    let mut before = 0;
    for (number, account) in accounts.iter().enumerate() {
        if number == FIRST {
            watched(&process, FIRST).await;
            before = process.resident_memory();
        }
        let client = process.client(account);
        let (_, callback) = channels(&client, account, 1).await.remove(0);
        let box_id = account.box_id().replace('+', "%2B");
        let asked = json!({"nmsSubscription": {"callbackReference": {"notifyURL": callback}}});
        client
            .post(&format!("/nms/v1/cpm/{box_id}/subscriptions"), &asked)
            .await
            .expect(201);
    }
    watched(&process, ALL).await;
    report_memory("account that is watched", before, &process, ALL - FIRST);
}

/// Waits until each of so many accounts has one connection left, the one that waits for changes.
async fn watched(process: &Process, count: usize) {
    let connections = async || {
        let open = async |state: &str| {
            let series = format!("imap_connections{{store=\"cpm\",state=\"{state}\"}}");
            measured(process, &series).await
        };
        (open("idle").await, open("busy").await)
    };
    while connections().await != (count as f64, 0.0) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
