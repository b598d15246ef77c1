//! The same over HTTP/2, with and without TLS.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use cpm_bridge::{demo::service, task, tls};
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::support::{bridge::Bridge, dovecot, http::Client};

/// A connection, and how its requests begin.
struct Connection {
    sender: SendRequest<Bytes>,
    base: String,
    client: Client,
}

impl Connection {
    async fn new<S>(stream: S, scheme: &str, client: &Client) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        task::spawn(async move { connection.await.ok() });
        Self {
            sender,
            base: format!("{scheme}://{}", client.address()),
            client: client.clone(),
        }
    }

    /// Sends a request and a body, as far as it is wanted; status, headers and body of the answer.
    async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.base))
            .header("authorization", self.client.authorization().unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = self.sender.clone().ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (answer, mut sent) = sender.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            // Who is refused is not read from.
            sent.send_data(Bytes::copy_from_slice(body), true).ok();
        }
        let (head, mut incoming) = answer.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(piece) = incoming.data().await {
            let piece = piece.unwrap();
            incoming
                .flow_control()
                .release_capacity(piece.len())
                .unwrap();
            bytes.extend_from_slice(&piece);
        }
        (head.status, head.headers, bytes)
    }
}

/// What any client does, one after the other on one connection.
async fn round(connection: &Connection, box_path: &str) {
    let at = |resource: &str| format!("{box_path}/{resource}");
    let json = ("content-type", "application/json");
    let form = "--x\r\nContent-Disposition: form-data; name=\"root-fields\"\r\n\r\n\
        {\"object\":{\"parentFolderPath\":\"/Notes\"}}\r\n--x\r\n\
        Content-Disposition: form-data; name=\"attachments\"\r\nContent-Type: image/png\r\n\r\n0123456789\r\n--x--\r\n";
    let multipart = ("content-type", "multipart/form-data; boundary=x");
    let (status, headers, body) = connection
        .ask(Method::POST, &at("objects"), &[multipart], form.as_bytes())
        .await;
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    let object = headers["location"].to_str().unwrap().to_owned();
    assert!(object.starts_with(&connection.base), "{object}");
    let object = object.strip_prefix(&connection.base).unwrap().to_owned();

    // What is refused leaves the connection to the others.
    let large = vec![b'x'; 200_000];
    for (resource, content_type, status) in [
        ("objects", "text/html", 415),
        ("objects", "multipart/form-data; boundary=x", 413),
        ("folders", "text/html", 415),
        ("folders", "application/json", 413),
        ("nothing", "application/json", 404),
    ] {
        let headers = [("content-type", content_type)];
        let answer = connection
            .ask(Method::POST, &at(resource), &headers, &large)
            .await;
        assert_eq!(answer.0, status, "{resource} {content_type}");
    }

    let (status, headers, _) = connection.ask(Method::GET, &object, &[], b"").await;
    assert_eq!(status, 200);
    let tag = headers["etag"].to_str().unwrap();
    let known = [("if-none-match", tag)];
    let (status, _, body) = connection.ask(Method::GET, &object, &known, b"").await;
    assert_eq!((status.as_u16(), body.len()), (304, 0));
    let payload = format!("{object}/payload");
    let range = [("range", "bytes=2-4")];
    let (status, headers, body) = connection.ask(Method::GET, &payload, &range, b"").await;
    assert_eq!((status.as_u16(), body.as_slice()), (206, &b"234"[..]));
    assert_eq!(headers["content-range"], "bytes 2-4/10");
    let (status, headers, body) = connection.ask(Method::HEAD, &payload, &[], b"").await;
    assert_eq!((status.as_u16(), body.len()), (200, 0));
    assert_eq!(headers["content-length"], "10");
    let flags = br#"{"flagList":{"flag":["\\Seen"]}}"#;
    let (status, ..) = connection
        .ask(Method::PUT, &format!("{object}/flags"), &[json], flags)
        .await;
    assert_eq!(status, 200);
    let stale = [("if-match", tag)];
    let (status, ..) = connection.ask(Method::DELETE, &object, &stale, b"").await;
    assert_eq!(status, 412);
    let (status, ..) = connection.ask(Method::DELETE, &object, &[], b"").await;
    assert_eq!(status, 204);
}

#[tokio::test]
async fn who_begins_with_http2_is_answered_so() {
    let bridge = Bridge::builder("http2_plain")
        .setting("[limits]\nbody = 4096\nupload = 65536")
        .start()
        .await;
    let stream = bridge.client.connect().await;
    let connection = Connection::new(stream, "http", &bridge.client).await;
    let box_path = bridge.target("");
    round(&connection, box_path.trim_end_matches('/')).await;
}

/// A connection with TLS on which these protocols are offered, and the one that was chosen.
async fn offering(
    address: SocketAddr,
    roots: &std::path::Path,
    protocols: &[&[u8]],
) -> (tokio_rustls::client::TlsStream<TcpStream>, Option<Vec<u8>>) {
    let mut config = Arc::unwrap_or_clone(tls::client(Some(roots)).unwrap());
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.unwrap();
    let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    (stream, chosen)
}

#[tokio::test]
async fn over_tls_the_protocol_is_agreed_on() {
    let account = dovecot::account("http2_tls");
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("certificate.pem", certified.cert.pem());
    let key = file("key.pem", certified.signing_key.serialize_pem());
    let configuration = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\ntls = {{ certificate = {certificate:?}, key = {key:?} }}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nbody = 4096\nupload = 65536\n\
         [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n",
        account.imap.ip(),
        account.imap.port()
    );
    let service = service::start(&configuration).await.unwrap();
    let client = Client::new(service.http).basic(&account.login, "secret");
    let (stream, chosen) = offering(service.http, &certificate, &[b"h2", b"http/1.1"]).await;
    assert_eq!(chosen.as_deref(), Some(&b"h2"[..]));
    let connection = Connection::new(stream, "https", &client).await;
    round(&connection, &format!("/nms/v1/cpm/{}", account.box_id())).await;
    let (_, chosen) = offering(service.http, &certificate, &[b"http/1.1"]).await;
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
    let (_, chosen) = offering(service.http, &certificate, &[]).await;
    assert_eq!(chosen, None);
    drop(connection);
    service.stop().await;
}
