//! Callbacks to servers on loopback, whose names a resolver made for the test knows.

mod answers;

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::*;
use crate::task;

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A server on loopback that says the same to everybody, and what it was told.
struct Server {
    port: u16,
    heard: UnboundedReceiver<String>,
}

impl Server {
    /// One that answers with this text and closes.
    async fn says(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::does(move |mut stream: TcpStream| {
            let answer = answer.clone();
            async move {
                let heard = request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                heard
            }
        })
        .await
    }

    /// One that takes the request and then says nothing.
    async fn silent() -> Self {
        Self::does(|mut stream: TcpStream| async move {
            let _ = stream.read(&mut [0; 1024]).await;
            pending().await
        })
        .await
    }

    async fn does<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heard) = unbounded_channel();
        task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tell, conversation) = (tell.clone(), each(stream));
                task::spawn(async move { tell.send(conversation.await) });
            }
        });
        Self { port, heard }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/secret?token=secret", self.port)
    }

    async fn heard(&mut self) -> String {
        self.heard.recv().await.unwrap()
    }

    /// Nobody has said anything, and nobody is about to: the client is done.
    fn heard_nothing(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}

/// A request up to the end of its body.
async fn request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut text = String::new();
    while !text.ends_with("{\"a\":1}") {
        let mut octets = [0; 1024];
        let length = stream.read(&mut octets).await.unwrap();
        assert_ne!(length, 0, "the client left after {text:?}");
        text += std::str::from_utf8(&octets[..length]).unwrap();
    }
    text
}

/// The names of these tests. All of them are special addresses.
fn names(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
    Box::pin(async move {
        let addresses: &[&str] = match name.as_str() {
            "app.test" | "localhost" | "app.localhost" => &["127.0.0.1"],
            "mapped.test" => &["::ffff:127.0.0.1"],
            "nat64.test" => &["64:ff9b::127.0.0.1"],
            "private.localhost" => &["10.0.0.1", "::"],
            "mixed.test" => &["10.0.0.1", "127.0.0.1"],
            "two.test" => &["127.0.0.2", "127.0.0.1"],
            "many.test" => &[
                "127.0.0.2",
                "127.0.0.3",
                "127.0.0.4",
                "127.0.0.5",
                "127.0.0.1",
            ],
            "nothing.test" => &[],
            "slow.test" => pending().await,
            _ => return Err(io::Error::other("no such name")),
        };
        Ok(addresses.iter().map(|text| text.parse().unwrap()).collect())
    })
}

/// A client for these entries, with the names above.
fn client(allow: &[&str]) -> Callback {
    let allow: Vec<CallbackTarget> = allow.iter().map(|text| text.parse().unwrap()).collect();
    Callback {
        resolve: names,
        ..Callback::new(&allow, None).unwrap()
    }
}

/// One that waits for little.
fn hasty(allow: &[&str]) -> Callback {
    let waits = Waits {
        slot: Duration::from_millis(300),
        total: Duration::from_secs(2),
        step: Duration::from_millis(500),
    };
    Callback {
        waits,
        ..client(allow)
    }
}

async fn post(client: &Callback, url: &str) -> Result<u16, Failure> {
    let body = Bytes::from_static(b"{\"a\":1}");
    match client.post(url, "application/json", body).await {
        Ok(status) => Ok(status.as_u16()),
        Err(error) => {
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
            match error {
                Error::Failed { failure, .. } => Err(failure),
                Error::Refused(refused) => panic!("{refused}"),
            }
        }
    }
}

#[test]
fn only_what_is_listed_is_permitted() {
    let client = client(&[
        "App.example.net",
        "app.example.net:8443",
        "127.0.0.1:*",
        "[::1]:8080",
    ]);
    for url in [
        "http://app.example.net/p",
        "https://app.example.net/p",
        "https://APP.Example.Net.:443/p",
        "http://app.example.net:8443/p",
        "https://app.example.net:8443/p",
        "http://127.0.0.1:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "https://[0::1]:8080/",
    ] {
        assert_eq!(client.permits(url), Ok(()), "{url}");
    }
    for (url, why) in [
        ("http://app.example.net:443/", Refused::NotListed),
        ("https://app.example.net:80/", Refused::NotListed),
        ("https://app.example.net:8444/", Refused::NotListed),
        ("https://example.net/", Refused::NotListed),
        ("https://sub.app.example.net/", Refused::NotListed),
        ("https://app.example.net.evil.example/", Refused::NotListed),
        ("http://127.0.0.2:1/", Refused::NotListed),
        ("http://[::1]/", Refused::NotListed),
        ("http://localhost:8080/", Refused::NotListed),
        ("http://127.1:1/", Refused::Malformed),
        (
            "http://app.example.net@127.0.0.2/",
            Refused::UserInformation,
        ),
    ] {
        assert_eq!(client.permits(url), Err(why), "{url}");
    }
}

#[test]
fn nothing_is_permitted_where_nothing_is_listed() {
    let refused = client(&[]).permits("https://app.example.net/");
    assert_eq!(refused, Err(Refused::NotListed));
}

#[tokio::test]
async fn what_is_not_listed_is_not_called() {
    let mut server = Server::says(OK).await;
    let client = client(&["127.0.0.1:1", "app.test"]);
    let url = server.url("127.0.0.1");
    let answer = client.post(&url, "application/json", Bytes::new()).await;
    assert!(matches!(answer, Err(Error::Refused(Refused::NotListed))));
    assert!(server.heard_nothing());
}

#[tokio::test]
async fn one_request_brings_the_body() {
    let mut server = Server::says(OK).await;
    let url = server.url("127.0.0.1");
    assert_eq!(post(&client(&["127.0.0.1:*"]), &url).await.unwrap(), 204);
    let expected = format!(
        "POST /secret?token=secret HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nuser-agent: cpm-bridge/{}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}",
        server.port,
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(server.heard().await, expected);
}

#[tokio::test]
async fn a_name_that_leads_to_a_special_address_is_not_called() {
    let mut server = Server::says(OK).await;
    let port = server.port;
    let names = [
        "app.test",
        "mapped.test",
        "nat64.test",
        "mixed.test",
        "private.localhost",
        "nothing.test",
    ];
    for name in names {
        let listed = format!("{name}:{port}");
        let other_port = format!("127.0.0.1:{}", port ^ 1);
        let client = client(&[&listed, &other_port, "127.0.0.2:*"]);
        let answer = post(&client, &server.url(name)).await;
        assert!(matches!(answer, Err(Failure::Address)), "{name} {answer:?}");
    }
    assert!(server.heard_nothing());
}

#[tokio::test]
async fn a_special_address_that_is_listed_is_called_by_its_names() {
    let mut server = Server::says(OK).await;
    let address = format!("127.0.0.1:{}", server.port);
    for name in ["app.test", "mapped.test", "mixed.test"] {
        let client = client(&[&address, &format!("{name}:*")]);
        assert_eq!(
            post(&client, &server.url(name)).await.unwrap(),
            204,
            "{name}"
        );
        let heard = server.heard().await;
        assert!(heard.contains(&format!("host: {name}:")), "{heard}");
    }
}

#[tokio::test]
async fn localhost_stands_for_loopback() {
    let mut server = Server::says(OK).await;
    for name in ["localhost", "app.localhost"] {
        let client = client(&[&format!("{name}:*")]);
        assert_eq!(post(&client, &server.url(name)).await.unwrap(), 204);
        server.heard().await;
    }
    let real = Callback {
        resolve: system,
        ..client(&["localhost:*"])
    };
    assert_eq!(post(&real, &server.url("localhost")).await.unwrap(), 204);
}

#[tokio::test]
async fn a_name_is_resolved_once() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut server = Server::says(OK).await;
    let client = Callback {
        resolve: |_| {
            // A second answer would lead elsewhere.
            let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
            let last = if first { 1 } else { 9 };
            Box::pin(async move { Ok(vec![IpAddr::from([127, 0, 0, last])]) })
        },
        ..client(&["localhost:*"])
    };
    assert_eq!(post(&client, &server.url("localhost")).await.unwrap(), 204);
    server.heard().await;
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_next_address_is_tried_but_not_all_of_many() {
    let server = Server::says(OK).await;
    let addresses: Vec<String> = (1..=5).map(|last| format!("127.0.0.{last}:*")).collect();
    let mut allow: Vec<&str> = addresses.iter().map(String::as_str).collect();
    allow.extend(["two.test:*", "many.test:*"]);
    let client = client(&allow);
    assert_eq!(post(&client, &server.url("two.test")).await.unwrap(), 204);
    let many = post(&client, &server.url("many.test")).await;
    assert!(matches!(many, Err(Failure::Connect(_))), "{many:?}");
}
