//! Few connections, many clients: what the store sees of it, and what the clients do.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cpm_bridge::{
    config::TlsMode,
    identity::{Credentials, Secret},
    imap::{Expected, Item, MailboxName, Pool, Server, connect::Endpoint, guard::Limits},
    task, tls,
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    creation::Form,
    objects::objects_of,
    support::{
        bridge::Bridge,
        courier, cyrus, dovecot,
        http::{Answer, Client},
        scripted::{Script, Scripted},
        turnstile::Turnstile,
        witness::Witness,
    },
};

/// So many small messages in a mailbox.
async fn fill(witness: &mut Witness, mailbox: &str, count: usize) {
    for number in 0..count {
        let message = format!("Subject: {number}\r\n\r\nmessage {number}\r\n");
        witness.append(mailbox, message.as_bytes(), "", None).await;
    }
}

/// GET of each of these at the same time.
async fn all_at_once(bridge: &Bridge, objects: &[String]) -> Vec<Answer> {
    join_all(objects.iter().map(|object| bridge.get(object))).await
}

#[tokio::test]
async fn a_thousand_requests_at_once_take_four_connections_and_far_fewer_commands() {
    // Both ends of each connection are in this process.
    rlimit::increase_nofile_limit(8192).unwrap();
    let builder = Bridge::builder("thousand").folder("many");
    let turnstile = Turnstile::start(builder.imap()).await;
    let bridge = builder
        .store(turnstile.address())
        .store_setting("max_connections_per_account = 4")
        .start()
        .await;
    fill(&mut bridge.witness().await, "many", 100).await;
    let objects = objects_of(&bridge, "/many").await;
    let thousand: Vec<String> = objects.iter().cycle().take(1000).cloned().collect();
    for warm in [false, true] {
        let before = turnstile.count().commands("UID FETCH");
        for (object, answer) in thousand.iter().zip(all_at_once(&bridge, &thousand).await) {
            let answer = answer.expect(200);
            assert!(answer.text().contains(object), "another's data");
        }
        let count = turnstile.count();
        assert!(count.most <= 4, "{} connections", count.most);
        let commands = count.commands("UID FETCH") - before;
        assert!(commands < 500, "{commands} commands, warm: {warm}");
    }
    bridge.stop().await;
    let count = turnstile.count();
    assert_eq!(count.commands("LOGOUT"), count.connections);
}

/// A pool of one connection, so that it is always the same that has the mailbox open.
async fn pool(imap: SocketAddr, login: &str) -> Arc<Pool> {
    let endpoint = Endpoint {
        store: "cpm".into(),
        host: imap.ip().to_string(),
        port: imap.port(),
        tls: TlsMode::Off,
        tls_config: tls::client(None).unwrap(),
        connect_timeout: Duration::from_secs(30),
        command_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(300),
        limits: Limits::default(),
    };
    let server = Arc::new(Server::new(endpoint, 1, Duration::from_secs(30)));
    let pool = Arc::new(Pool::new(server, 1));
    let credentials = Credentials {
        login: login.to_owned(),
        password: Secret::new("secret"),
    };
    pool.prove(credentials).await.unwrap();
    pool
}

/// Whatever another session has done is seen by the next read of a mailbox that is open already.
async fn is_never_behind(imap: SocketAddr, login: &str) {
    let mut witness = Witness::login(imap, login).await;
    fill(&mut witness, "INBOX", 1).await;
    let reply = witness.command("SELECT INBOX").await.ok();
    let validity = reply.texts().iter().find_map(|text| {
        let (_, rest) = text.split_once("[UIDVALIDITY ")?;
        rest.split_once(']')?.0.parse().ok()
    });
    let expected = Expected {
        uid_validity: validity.unwrap(),
        mailbox_id: None,
    };
    let pool = pool(imap, login).await;
    let mailbox = MailboxName::from_wire("INBOX");
    let flags = async |uid: u32| {
        let items = Arc::new([Item::Fixed("UID FLAGS")]);
        let found = pool.fetch(&mailbox, &expected, uid, items).await.unwrap();
        Some(found.expect("INBOX")?.flags.unwrap().join(" "))
    };
    assert!(flags(1).await.is_some());
    for uid in 2..=20 {
        assert_eq!(flags(uid).await, None, "{uid} is not there yet");
        fill(&mut witness, "INBOX", 1).await;
        assert!(flags(uid).await.is_some(), "{uid} has come");
        // Courier shows a session's own message to it only then.
        witness.command("NOOP").await.ok();
        witness
            .command(&format!("UID STORE {uid} +FLAGS (\\Flagged)"))
            .await
            .ok();
        let now = flags(uid).await.unwrap();
        assert!(now.contains("\\Flagged"), "{uid}: {now}");
        let gone = uid - 1;
        witness
            .command(&format!("UID STORE {gone} +FLAGS (\\Deleted)"))
            .await
            .ok();
        witness.command("EXPUNGE").await.ok();
        assert_eq!(flags(gone).await, None, "{gone} is gone");
    }
    pool.close().await;
}

#[tokio::test]
async fn dovecot_is_never_read_behind_the_time() {
    let account = dovecot::account("behind");
    is_never_behind(account.imap, &account.login).await;
}

#[tokio::test]
async fn cyrus_is_never_read_behind_the_time() {
    let server = cyrus::start().await;
    is_never_behind(server.imap, "+15550100").await;
    server.stop().await;
}

#[tokio::test]
async fn courier_is_never_read_behind_the_time() {
    let server = courier::start().await;
    is_never_behind(server.imap, "+15550100").await;
    server.stop().await;
}

#[tokio::test]
async fn a_mailbox_that_others_made_anew_keeps_its_mail() {
    let builder = Bridge::builder("anew").message("f", "f01-sms-in.eml");
    let turnstile = Turnstile::start(builder.imap()).await;
    let bridge = builder.store(turnstile.address()).start().await;
    let mut witness = bridge.witness().await;
    for round in 1..=3 {
        let object = objects_of(&bridge, "/f").await.remove(0);
        bridge.get(&object).await.expect(200);
        let before = turnstile.count().commands("UNSELECT");
        let rested = Instant::now() + Duration::from_secs(3);
        while turnstile.count().commands("UNSELECT") == before && Instant::now() < rested {
            sleep(Duration::from_millis(20)).await;
        }
        witness.command("DELETE f").await.ok();
        witness.command("CREATE f").await.ok();
        fill(&mut witness, "f", 1).await;
        bridge.get(&object).await.expect(404);
        assert_eq!(objects_of(&bridge, "/f").await.len(), 1, "{round}");
        assert_eq!(bridge.imap_count("f").await, 1, "{round}");
    }
}

#[tokio::test]
async fn a_store_that_allows_fewer_connections_refuses_nobody() {
    let server = dovecot::start(|options| {
        options.extra = "mail_max_userip_connections = 2".to_owned();
    })
    .await;
    let turnstile = Turnstile::start(server.imap()).await;
    let bridge = Bridge::builder("limited")
        .store(turnstile.address())
        .store_setting("max_connections_per_account = 4")
        .start()
        .await;
    let mut witness = Witness::login(server.imap(), &bridge.account.login).await;
    fill(&mut witness, "INBOX", 20).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    // The witness takes one of the two that are allowed, and gives it back later.
    for _ in 0..3 {
        for answer in all_at_once(&bridge, &objects).await {
            answer.expect(200);
        }
    }
    witness.command("LOGOUT").await;
    for answer in all_at_once(&bridge, &objects).await {
        answer.expect(200);
    }
    // At first each has to find out; then nobody asks in vain for a while.
    assert!(
        turnstile.count().connections <= 6,
        "{:?}",
        turnstile.count()
    );
    bridge.stop().await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_went_away_is_used_again_as_soon_as_it_is_back() {
    let builder = Bridge::builder("went_away").folder("many");
    let mut store = Turnstile::start(builder.imap()).await;
    let bridge = builder.store(store.address()).start().await;
    fill(&mut bridge.witness().await, "many", 20).await;
    let objects = objects_of(&bridge, "/many").await;
    for _ in 0..3 {
        for answer in all_at_once(&bridge, &objects).await {
            answer.expect(200);
        }
        let address = store.address();
        drop(store);
        for _ in 0..3 {
            // All of these wait for what comes of one try, and none for long.
            let asked = Instant::now();
            for answer in all_at_once(&bridge, &objects).await {
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(answer.header("retry-after").is_some());
            }
            assert!(asked.elapsed() < Duration::from_secs(8));
        }
        store = Turnstile::start_at(address, bridge.account.imap).await;
        for answer in all_at_once(&bridge, &objects).await {
            answer.expect(200);
        }
        assert!(store.count().most <= 4);
    }
}

#[tokio::test]
async fn nobody_waits_for_a_login_longer_than_for_a_connection() {
    let mute = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready")
        .expect("{tag} AUTHENTICATE PLAIN *")
        .stall();
    let server = Scripted::start(vec![mute]).await;
    let bridge = Bridge::builder("mute")
        .store(server.address())
        .store_setting("pool_timeout = 1\ncommand_timeout = 600")
        .start()
        .await;
    let asked = Instant::now();
    let target = bridge.target("folders/operations/pathToId");
    // The second password has to wait for the first; a third request shares the first one's login.
    let answers = ["secret", "other", "secret"].map(|password| {
        let client = bridge.client.basic(&bridge.account.login, password);
        let target = target.clone();
        async move { client.get(&target).await }
    });
    for answer in join_all(answers).await {
        assert_eq!(answer.status, 503);
    }
    assert!(asked.elapsed() < Duration::from_secs(60));
}

/// The time a fraction of these took at most.
fn quantile(times: &mut [Duration], fraction: f64) -> Duration {
    times.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position among a few thousand"
    )]
    let at = (times.len() as f64 * fraction) as usize;
    times[at.min(times.len() - 1)]
}

/// A measurement, not a test of time: `cargo test --test it small_gets -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; prints how small GETs fare while a large payload goes down"]
async fn small_gets_while_a_large_payload_goes_down() {
    let builder = Bridge::builder("p99").folder("box");
    let turnstile = Turnstile::start(builder.imap()).await;
    let bridge = builder
        .store(turnstile.address())
        .store_setting("max_connections_per_account = 4")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    fill(&mut witness, "box", 50).await;
    let objects = objects_of(&bridge, "/box").await;
    all_at_once(&bridge, &objects).await;
    let line = format!("{}\r\n", "x".repeat(76));
    let body = line.repeat((20 << 20) / line.len());
    let message = format!("Subject: large\r\nContent-Type: application/octet-stream\r\n\r\n{body}");
    witness.append("box", message.as_bytes(), "", None).await;
    let large = objects_of(&bridge, "/box").await.remove(0);

    let client = Client::new(bridge.client.address()).basic(&bridge.account.login, "secret");
    let measure = async |until: &dyn Fn() -> bool| {
        let mut times = Vec::new();
        for object in objects.iter().cycle() {
            if until() && times.len() >= 200 {
                break;
            }
            let began = Instant::now();
            client.get(&bridge.target(object)).await.expect(200);
            times.push(began.elapsed());
        }
        times
    };
    let mut alone = measure(&|| true).await;
    let target = bridge.target(&format!("{large}/payload"));
    let download = {
        let client = client.clone();
        task::spawn(async move {
            let began = Instant::now();
            let mut bytes = 0;
            for _ in 0..5 {
                bytes += client
                    .request("GET", &target)
                    .send()
                    .await
                    .expect(200)
                    .body
                    .len();
            }
            (bytes, began.elapsed())
        })
    };
    sleep(Duration::from_millis(5)).await;
    let mut beside = measure(&|| download.is_finished()).await;
    let (bytes, took) = download.await.unwrap();
    println!(
        "small GET p50 / p99: alone {:?} / {:?}, beside a download of 5 x 20 MB at {} MB/s {:?} / {:?} ({} GETs)",
        quantile(&mut alone, 0.5),
        quantile(&mut alone, 0.99),
        u128::try_from(bytes).unwrap() / took.as_micros().max(1),
        quantile(&mut beside, 0.5),
        quantile(&mut beside, 0.99),
        beside.len()
    );
    assert!(turnstile.count().most <= 4);
}

/// The whole of it at once: what is made is there once each, nobody is refused, and the store sees four connections.
#[tokio::test]
async fn a_crowd_that_reads_and_writes_one_box_takes_four_connections() {
    rlimit::increase_nofile_limit(8192).unwrap();
    let builder = Bridge::builder("crowd").folder("many");
    let turnstile = Turnstile::start(builder.imap()).await;
    let bridge = builder
        .store(turnstile.address())
        .store_setting("max_connections_per_account = 4")
        .start()
        .await;
    fill(&mut bridge.witness().await, "many", 50).await;
    let objects = objects_of(&bridge, "/many").await;
    let thousand: Vec<String> = objects.iter().cycle().take(1000).cloned().collect();
    let made = join_all((0..200).map(|number| {
        let subject = json!({"name": "Subject", "value": [format!("made {number}")]});
        let object = json!({"object": {
            "parentFolderPath": "/made", "attributes": {"attribute": [subject]}}});
        let form = Form::new(&object).attachment("text/plain", b"hello");
        form.on(bridge.request("POST", "objects")).send()
    }));
    let (read, made) = tokio::join!(all_at_once(&bridge, &thousand), made);
    for answer in read {
        answer.expect(200);
    }
    let mut locations: Vec<String> = made
        .into_iter()
        .map(|answer| answer.expect(201).header("location").unwrap().to_owned())
        .collect();
    locations.sort();
    locations.dedup();
    assert_eq!(locations.len(), 200);
    assert_eq!(bridge.imap_count("made").await, 200);
    let count = turnstile.count();
    assert!(count.most <= 4, "{} connections", count.most);
    assert_eq!(count.commands("CREATE"), 1);
}
