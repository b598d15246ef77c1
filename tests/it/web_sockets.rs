//! Channels over WebSockets (contract §8.4) with a real client: what it is told, how it says that it has it, and who is turned away.

mod delivery;
mod handshake;
mod hostile;
mod life;
mod many;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, handshake::client::generate_key},
};

use crate::support::{bridge::Bridge, http::Answer};

/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(20);
const PROTOCOL: &str = "notificationchannel-netapi-rest.openmobilealliance.org";

/// A channel of the bridge's account.
struct Channel {
    /// Target of its WebSocket.
    target: String,
    /// Target of the channel itself.
    resource: String,
    callback: String,
}

/// An open WebSocket.
struct Socket {
    stream: WebSocketStream<TcpStream>,
    headers: HeaderMap,
}

fn channels(bridge: &Bridge) -> String {
    let box_id = bridge.account.box_id().replace('+', "%2B");
    format!("/notificationchannel/v1/{box_id}/channels")
}

/// The path of a URL.
fn target(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

async fn channel(bridge: &Bridge) -> Channel {
    let asked =
        json!({"notificationChannel": {"channelType": "WebSockets", "channelLifetime": 3600}});
    let made = bridge.client.post(&channels(bridge), &asked).await;
    let made = made.expect(201).json();
    let made = &made["notificationChannel"];
    let url = made["channelData"]["channelURL"].as_str().unwrap();
    assert!(url.starts_with("ws://"), "{url}");
    Channel {
        target: target(url),
        resource: target(made["resourceURL"].as_str().unwrap()),
        callback: made["callbackURL"].as_str().unwrap().to_owned(),
    }
}

/// Subscribes a channel to all that happens in the box.
async fn subscribe(bridge: &Bridge, channel: &Channel, data: &str) -> Answer {
    let asked = json!({"nmsSubscription": {
        "callbackReference": {"notifyURL": channel.callback, "callbackData": data},
    }});
    bridge.post("subscriptions", &asked).await.expect(201)
}

/// A request that opens a WebSocket, with more headers or others.
fn upgrade(bridge: &Bridge, target: &str, more: &[(&str, &str)]) -> Request<()> {
    let address = bridge.client.address();
    let mut request = Request::builder()
        .uri(format!("ws://{address}{target}"))
        .header("Host", address.to_string())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key());
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The status of the answer when that is no upgrade.
async fn try_open(bridge: &Bridge, request: Request<()>) -> Result<Socket, u16> {
    let stream = bridge.client.connect().await;
    match timeout(PATIENCE, client_async(request, stream))
        .await
        .unwrap()
    {
        Ok((stream, answer)) => Ok(Socket {
            stream,
            headers: answer.into_parts().0.headers,
        }),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// With the credentials of the account in a header.
async fn open(bridge: &Bridge, channel: &Channel) -> Socket {
    let authorization = bridge.client.authorization().unwrap();
    let headers = [("Authorization", authorization)];
    let request = upgrade(bridge, &channel.target, &headers);
    try_open(bridge, request)
        .await
        .map_err(|status| panic!("{status}"))
        .unwrap()
}

impl Socket {
    async fn message(&mut self) -> Message {
        let next = timeout(PATIENCE, self.stream.next()).await;
        next.expect("no frame").expect("no more frames").unwrap()
    }

    /// The next text; pings before it are answered.
    async fn text(&mut self) -> String {
        loop {
            let message = self.message().await;
            if let Message::Text(text) = message {
                return text.to_string();
            }
            assert!(message.is_ping(), "{message:?}");
            self.stream.flush().await.unwrap();
        }
    }

    /// The lists of the next notification that is one.
    async fn lists(&mut self) -> Vec<Value> {
        let text = self.text().await;
        let document: Value = serde_json::from_str(&text).unwrap();
        let lists = document["notificationList"].as_array().unwrap().iter();
        lists.map(|list| list["nmsEventList"].clone()).collect()
    }

    /// The one list of the next notification; its ping is not answered before more is read.
    async fn list(&mut self) -> Value {
        let mut lists = self.lists().await;
        assert_eq!(lists.len(), 1, "{lists:?}");
        lists.remove(0)
    }

    /// Answers the ping behind a list.
    async fn acknowledge(&mut self) {
        let message = self.message().await;
        assert!(message.is_ping(), "{message:?}");
        self.stream.flush().await.unwrap();
    }

    async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// With which code the server closes; what it says before that is passed over.
    async fn closed(mut self) -> Option<u16> {
        loop {
            match timeout(PATIENCE, self.stream.next())
                .await
                .expect("still open")
            {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map(|frame| frame.code.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
