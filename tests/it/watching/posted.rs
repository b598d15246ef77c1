//! Event lists posted to a URL of the client's own.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cpm_bridge::task;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::bridge::Bridge;

/// A client that is posted to: what it got, and what it says to each.
#[derive(Clone)]
struct Client {
    address: std::net::SocketAddr,
    posted: Arc<Mutex<Vec<(String, String)>>>,
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Client {
    /// Answers with these, then with 204.
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Self {
            address: listener.local_addr().unwrap(),
            posted: Arc::default(),
            statuses: Arc::new(Mutex::new(statuses.to_vec())),
        };
        let serving = client.clone();
        task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                task::spawn({
                    let serving = serving.clone();
                    async move { serving.serve(stream).await }
                });
            }
        });
        client
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.eq_ignore_ascii_case("content-length");
            named.then(|| value.trim().parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        self.posted.lock().unwrap().push((head, body));
        let status = {
            let mut statuses = self.statuses.lock().unwrap();
            if statuses.is_empty() {
                204
            } else {
                statuses.remove(0)
            }
        };
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok();
    }

    async fn until(&self, count: usize) -> Vec<(String, String)> {
        let came = async {
            while self.posted.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(30), came).await;
        let posted = self.posted.lock().unwrap().clone();
        came.unwrap_or_else(|_| panic!("only {posted:?}"));
        posted
    }
}

async fn subscribe(bridge: &Bridge, url: &str, format: &str) -> String {
    let asked = json!({"nmsSubscription": {"callbackReference":
        {"notifyURL": url, "callbackData": "d7", "notificationFormat": format}}});
    let subscribed = bridge
        .post("subscriptions", &asked)
        .await
        .expect(201)
        .json();
    let url = subscribed["nmsSubscription"]["resourceURL"]
        .as_str()
        .unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

async fn bridge(test: &str) -> Bridge {
    Bridge::builder(test)
        .setting("[notifications]\ncallback_allow = [\"127.0.0.1:*\"]")
        .start()
        .await
}

fn index(body: &str) -> u64 {
    let list: Value = serde_json::from_str(body).unwrap();
    list["nmsEventList"]["index"].as_u64().unwrap()
}

#[tokio::test]
async fn a_list_is_posted_until_it_is_taken_and_the_next_one_waits_for_that() {
    let client = Client::start(&[503, 500, 204]).await;
    let bridge = bridge("posted").await;
    let url = format!("http://{}/cb?x=1", client.address);
    subscribe(&bridge, &url, "JSON").await;
    let mut witness = bridge.witness().await;
    for count in 1..=2 {
        witness
            .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
            .await;
        client.until(count).await;
    }
    let posted = client.until(4).await;
    let (head, body) = &posted[0];
    assert!(head.starts_with("POST /cb?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    let indexes: Vec<u64> = posted.iter().map(|(_, body)| index(body)).collect();
    assert_eq!(indexes, [1, 1, 1, 2]);
    assert_eq!(posted[1].1, *body);
    let list: Value = serde_json::from_str(body).unwrap();
    assert_eq!(list["nmsEventList"]["callbackData"], "d7");
}

#[tokio::test]
async fn xml_is_posted_where_it_is_asked_for() {
    let client = Client::start(&[]).await;
    let bridge = bridge("posted-xml").await;
    let url = format!("http://{}/", client.address);
    subscribe(&bridge, &url, "XML").await;
    bridge
        .witness()
        .await
        .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
        .await;
    let posted = client.until(1).await;
    assert!(posted[0].1.contains("<nms:nmsEventList"), "{posted:?}");
}

#[tokio::test]
async fn a_subscriber_that_says_404_is_told_nothing_any_more() {
    let client = Client::start(&[404]).await;
    let bridge = bridge("posted-404").await;
    let url = format!("http://{}/", client.address);
    let id = subscribe(&bridge, &url, "JSON").await;
    bridge
        .witness()
        .await
        .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
        .await;
    client.until(1).await;
    let gone = async {
        while bridge.get(&format!("subscriptions/{id}")).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn only_listed_hosts_are_posted_to() {
    let bridge = bridge("posted-listed").await;
    for url in [
        "http://localhost/",
        "http://127.0.0.2:80/",
        "ftp://127.0.0.1/",
        "http://user@127.0.0.1/",
        "",
        "x",
    ] {
        let asked = json!({"nmsSubscription": {"callbackReference": {"notifyURL": url}}});
        let refused = bridge
            .post("subscriptions", &asked)
            .await
            .expect(400)
            .json();
        let exception = &refused["requestError"]["serviceException"];
        assert_eq!(exception["messageId"], "SVC0002", "{url}");
        assert_eq!(exception["variables"], json!(["notifyURL"]), "{url}");
    }
}
