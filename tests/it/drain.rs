//! The service's end: first it is no longer ready, then running requests finish, then it is gone.

use std::time::Duration;

use cpm_bridge::{config::Config, serve};
use tokio::{net::TcpListener, time::timeout};

use crate::support::http::Client;

const GRACE: Duration = Duration::from_secs(20);

/// A service whose only store accepts and says nothing until it closes.
async fn service(drain: u64) -> (serve::Running, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let config = Config::from_toml(&format!(
        "[http]\nlisten = \"127.0.0.1:0\"\ndrain = {drain}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"off\"\nconnect_timeout = 3600\n"
    ))
    .unwrap();
    (Box::pin(serve::start(&config)).await.unwrap(), silent)
}

fn request(running: &serve::Running) -> impl Future<Output = u16> + use<> {
    let client = Client::new(running.http).basic("+1", "secret");
    async move { client.get("/nms/v1/cpm/tel:+1/folders/a").await.status }
}

#[tokio::test]
async fn while_a_request_runs_it_is_alive_but_not_ready() {
    let (running, store) = service(3600).await;
    let admin = Client::new(running.admin);
    let request = request(&running);
    let run = async {
        let (asked, _) = store.accept().await.unwrap();
        let shutdown = running.shutdown();
        let look = async {
            // The shutdown is polled first, so the drain has begun.
            let ready = admin.get("/readyz").await;
            assert_eq!((ready.status, ready.text()), (503, "draining\n"));
            assert_eq!(admin.get("/livez").await.status, 200);
            drop(asked);
        };
        tokio::join!(biased; shutdown, look);
    };
    let (status, ()) = timeout(GRACE, async { tokio::join!(request, run) })
        .await
        .unwrap();
    assert_eq!(status, 503, "the request was answered, not cut off");
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let (running, store) = service(0).await;
    let mut stream = Client::new(running.http).connect().await;
    let text = "GET /nms/v1/cpm/tel:+1/folders/a HTTP/1.1\r\nHost: h\r\nAuthorization: Basic KzE6YQ==\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes())
        .await
        .unwrap();
    let _asked = store.accept().await.unwrap();
    timeout(GRACE, running.shutdown()).await.unwrap();
}
