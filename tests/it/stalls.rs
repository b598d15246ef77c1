//! Clients that ask for payloads and take little or nothing of them.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    memory::{self, newest},
    support::{
        dovecot,
        http::Client,
        http2::{Connection, Event},
        process::Process,
    },
};

/// RFC 9113 §7.
const CANCEL: u32 = 8;
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// A box with one large message, a bridge, and the target of its payload.
struct Scene {
    process: Process,
    client: Client,
    payload: String,
    octets: usize,
}

impl Scene {
    async fn start(test: &str, settings: &str) -> Self {
        let account = dovecot::account(test);
        let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
        let body = body.repeat(40_000);
        let message = format!("Content-Type: application/octet-stream\r\n\r\n{body}");
        let mut witness = account.witness().await;
        memory::append(&mut witness, "big", message.as_bytes()).await;
        let process = Process::start(account.imap, settings);
        let client = process.client(&account);
        let object = newest(&client, &account, "big").await;
        Self {
            payload: format!("{object}/payload"),
            octets: body.len(),
            process,
            client,
        }
    }

    async fn http2(&self, window: u32) -> Connection {
        Connection::open(self.client.address(), window).await
    }

    async fn ask(&self, connection: &mut Connection) -> u32 {
        let authorization = self.client.authorization().unwrap().to_owned();
        connection.get(&self.payload, &authorization).await
    }

    /// Downloads all of it.
    async fn serves(&self) {
        let answer = self.client.get(&self.payload).await.expect(200);
        assert_eq!(answer.body.len(), self.octets);
    }
}

async fn next(connection: &mut Connection) -> Event {
    timeout(LONG, connection.event()).await.unwrap()
}

/// Octets of a body, which must come next.
async fn data(connection: &mut Connection) -> usize {
    let event = next(connection).await;
    let Event::Data { bytes, .. } = event else {
        panic!("{event:?}")
    };
    bytes.len()
}

/// The bound on memory is one window here, and one client has it.
#[tokio::test]
async fn who_takes_nothing_holds_up_others_only_until_the_stream_is_reset() {
    let settings = "pool_timeout = 1\n[limits]\nsend_timeout = 6\npayload_memory = 65536\n";
    let scene = Scene::start("stalled_stream", settings).await;
    let mut stalled = scene.http2(0).await;
    let stream = scene.ask(&mut stalled).await;
    assert_eq!(next(&mut stalled).await, Event::Head { stream, ok: true });

    let refused = scene.client.get(&scene.payload).await.expect(503);
    assert!(refused.header("retry-after").is_some());
    let error = &refused.json()["requestError"]["serviceException"];
    assert_eq!(error["messageId"], "SVC2001");

    let reset = Event::Reset {
        stream,
        reason: CANCEL,
    };
    assert_eq!(next(&mut stalled).await, reset);
    scene.serves().await;
    // The connection is as good as before.
    let stream = scene.ask(&mut stalled).await;
    assert_eq!(next(&mut stalled).await, Event::Head { stream, ok: true });
    scene.process.stop();
}

#[tokio::test]
async fn hundreds_of_stalled_streams_cost_little_memory_and_end() {
    const STREAMS: usize = 128;
    let scene = Scene::start("stalled_streams", "[limits]\nsend_timeout = 5\n").await;
    scene.serves().await;
    let before = scene.process.peak_memory();
    let mut connections = [scene.http2(0).await, scene.http2(0).await];
    for connection in &mut connections {
        for _ in 0..STREAMS {
            scene.ask(connection).await;
        }
    }
    for connection in &mut connections {
        let (mut begun, mut reset) = (0, 0);
        while reset < STREAMS {
            let event = next(connection).await;
            if let Event::Reset { reason, .. } = event {
                assert_eq!(reason, CANCEL);
                reset += 1;
            } else {
                assert!(matches!(event, Event::Head { ok: true, .. }), "{event:?}");
                begun += 1;
            }
        }
        assert_eq!(begun, STREAMS);
    }
    let extra = scene.process.peak_memory() - before;
    // Two small windows each, and what it takes to read them. Half a gibibyte it was with large ones.
    assert!(extra < 96 << 20, "{extra} octets");
    scene.serves().await;
    scene.process.stop();
}

/// A client that takes a little now and then takes long, but is no stalled one.
#[tokio::test]
async fn who_takes_little_by_little_gets_all_of_it() {
    let scene = Scene::start("slow_stream", "[limits]\nsend_timeout = 2\n").await;
    let mut slow = scene.http2(0).await;
    let stream = scene.ask(&mut slow).await;
    assert_eq!(next(&mut slow).await, Event::Head { stream, ok: true });
    let mut octets = 0;
    for turn in 1..=12_u32 {
        slow.take(stream, 20_000).await;
        while octets < usize::try_from(turn).unwrap() * 20_000 {
            octets += data(&mut slow).await;
        }
        // Not to wait for anything: this is how long such a client takes.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    slow.take(stream, 1 << 30).await;
    while octets < scene.octets {
        octets += data(&mut slow).await;
    }
    assert_eq!(octets, scene.octets);
    scene.process.stop();
}
