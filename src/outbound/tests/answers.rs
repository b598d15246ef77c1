//! What comes back, or does not.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::*;

#[tokio::test]
async fn every_status_is_an_answer_and_a_redirect_is_not_followed() {
    let mut elsewhere = Server::says(OK).await;
    let client = client(&["127.0.0.1:*"]);
    for status in [
        200_u16, 301, 302, 303, 307, 308, 401, 404, 410, 500, 503, 599,
    ] {
        let location = elsewhere.url("127.0.0.1");
        let answer =
            format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 2\r\n\r\nno");
        let mut server = Server::says(answer).await;
        let answered = post(&client, &server.url("127.0.0.1")).await;
        assert_eq!(answered.unwrap(), status);
        server.heard().await;
        assert!(server.heard_nothing());
    }
    assert!(elsewhere.heard_nothing());
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let server = Server::says(format!("HTTP/1.1 102 Processing\r\n\r\n{OK}")).await;
    let url = server.url("127.0.0.1");
    assert_eq!(post(&client(&["127.0.0.1:*"]), &url).await.unwrap(), 204);
}

#[tokio::test]
async fn what_does_not_answer_in_time_is_given_up() {
    let client = hasty(&["127.0.0.1:*", "slow.test"]);
    let timed_out = |answer: Result<u16, Failure>| match answer {
        Err(Failure::TimedOut(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        timed_out(post(&client, "http://slow.test/").await),
        "the name"
    );
    let silent = Server::silent().await;
    let url = silent.url("127.0.0.1");
    assert_eq!(timed_out(post(&client, &url).await), "an answer");
    let secure = url.replace("http:", "https:");
    assert_eq!(timed_out(post(&client, &secure).await), "TLS");
    // One that is never quite silent is no better.
    let dripping = Server::does(|mut stream: TcpStream| async move {
        request(&mut stream).await;
        let head = format!("HTTP/1.1 204 No Content\r\nX: {}", "x".repeat(10_000));
        for octet in head.bytes() {
            if stream.write_all(&[octet]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        String::new()
    })
    .await;
    let url = dripping.url("127.0.0.1");
    assert_eq!(timed_out(post(&client, &url).await), "an answer");
}

#[tokio::test]
async fn heads_that_are_too_large_and_no_http_are_failures() {
    let client = client(&["127.0.0.1:*"]);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101)),
        format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(20_000)),
        "* OK IMAP4rev1\r\n".to_owned(),
        "HTTP/1.1 20".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n".to_owned(),
        String::new(),
    ] {
        let server = Server::says(answer).await;
        let answered = post(&client, &server.url("127.0.0.1")).await;
        assert!(matches!(answered, Err(Failure::Answer(_))), "{answered:?}");
    }
}

#[tokio::test]
async fn a_body_is_left_where_it_is() {
    let client = client(&["127.0.0.1:*"]);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    let mut endless = Server::does(move |mut stream: TcpStream| async move {
        request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut sent = 0;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {
            sent += 65_536;
        }
        sent.to_string()
    })
    .await;
    let answered = post(&client, &endless.url("127.0.0.1")).await;
    assert_eq!(answered.unwrap(), 200);
    // What was sent and not read lies in the sockets' buffers.
    let sent: usize = endless.heard().await.parse().unwrap();
    assert!(sent < 64 << 20, "{sent}");

    let stalled = Server::does(move |mut stream: TcpStream| async move {
        request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        pending().await
    })
    .await;
    let answered = post(&client, &stalled.url("127.0.0.1")).await;
    assert_eq!(answered.unwrap(), 200);
}

#[tokio::test]
async fn names_without_an_answer_and_ports_without_a_server_say_so() {
    let client = client(&["unknown.test", "127.0.0.1:*"]);
    let unknown = post(&client, "http://unknown.test/secret").await;
    assert!(matches!(unknown, Err(Failure::Resolve(_))), "{unknown:?}");
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let closed = post(&client, &format!("http://127.0.0.1:{port}/secret")).await;
    assert!(matches!(closed, Err(Failure::Connect(_))), "{closed:?}");
}

#[tokio::test]
async fn a_content_type_that_is_none_is_not_sent() {
    let mut server = Server::says(OK).await;
    let url = server.url("127.0.0.1");
    let client = client(&["127.0.0.1:*"]);
    let answer = client.post(&url, "a/b\r\nX: y", Bytes::new()).await;
    let Err(Error::Failed { at, failure }) = answer else {
        panic!("{answer:?}");
    };
    assert!(matches!(failure, Failure::Request(_)), "{failure}");
    assert_eq!(at, format!("127.0.0.1:{}", server.port));
    assert!(server.heard_nothing());
}

#[tokio::test]
async fn a_slow_host_is_asked_by_few_at_a_time_and_holds_up_nobody_else() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    let slow = Server::does(|stream| {
        OPEN.fetch_add(1, Ordering::SeqCst);
        async move {
            let _open = stream;
            pending().await
        }
    })
    .await;
    let quick = Server::says(OK).await;
    let client = hasty(&["127.0.0.1:*", "localhost:*"]);
    let url = slow.url("127.0.0.1");
    let posts = (0..slots::OF_A_HOST + 2).map(|_| post(&client, &url));
    let posts = futures_util::future::join_all(posts);
    let other = async {
        while OPEN.load(Ordering::SeqCst) < slots::OF_A_HOST {
            sleep(Duration::from_millis(1)).await;
        }
        post(&client, &quick.url("localhost")).await
    };
    let (posts, other) = tokio::join!(posts, other);
    assert_eq!(other.unwrap(), 204);
    assert_eq!(OPEN.load(Ordering::SeqCst), slots::OF_A_HOST);
    let busy = posts
        .iter()
        .filter(|post| matches!(post, Err(Failure::Busy)));
    assert_eq!(busy.count(), 2, "{posts:?}");
}

#[tokio::test]
async fn tls_is_with_who_proves_to_be_the_host() {
    let names = vec!["app.test".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("certificate.pem");
    let key = directory.path().join("key.pem");
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let acceptor = TlsAcceptor::from(tls::server(&certificate, &key).unwrap());
    let mut server = Server::does(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return "no TLS".to_owned();
            };
            let heard = request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            let server_name = stream.get_ref().1.server_name().map(str::to_owned);
            format!("{} {heard}", server_name.unwrap_or_default())
        }
    })
    .await;

    let stranger = client(&["127.0.0.1:*", "app.test:*", "localhost:*"]);
    let trusting = Callback {
        tls: Callback::new(&[], Some(&certificate)).unwrap().tls,
        ..stranger.clone()
    };
    let url = |host: &str| server.url(host).replace("http:", "https:");
    let urls = [url("127.0.0.1"), url("app.test"), url("localhost")];
    for (url, sent) in urls.iter().zip(["", "app.test"]) {
        assert_eq!(post(&trusting, url).await.unwrap(), 204, "{url}");
        let heard = server.heard().await;
        assert!(
            heard.starts_with(&format!("{sent} POST /secret")),
            "{heard}"
        );
    }
    for (client, url) in [(&trusting, &urls[2]), (&stranger, &urls[1])] {
        let answer = post(client, url).await;
        assert!(matches!(answer, Err(Failure::Tls(_))), "{answer:?}");
        assert_eq!(server.heard().await, "no TLS");
    }
}
