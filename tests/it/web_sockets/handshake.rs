//! Who may open a WebSocket, and how it is asked for.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::{PROTOCOL, channel, channels, open, target, try_open, upgrade};
use crate::support::bridge::Bridge;

#[tokio::test]
async fn credentials_are_taken_from_a_header_the_query_and_a_subprotocol() {
    let bridge = Bridge::builder("credentials_are_taken_from").start().await;
    let channel = channel(&bridge).await;
    open(&bridge, &channel).await;
    let pair = format!("{}:secret", bridge.account.login);
    for token in [STANDARD.encode(&pair), URL_SAFE_NO_PAD.encode(&pair)] {
        let target = format!("{}?access_token={token}", channel.target);
        let socket = try_open(&bridge, upgrade(&bridge, &target, &[])).await;
        assert!(
            !socket
                .unwrap()
                .headers
                .contains_key("sec-websocket-protocol")
        );
    }
    let token = URL_SAFE_NO_PAD.encode(&pair);
    let offered = format!("{PROTOCOL}, authorization.basic.{token}");
    let headers = [("Sec-WebSocket-Protocol", offered.as_str())];
    let socket = try_open(&bridge, upgrade(&bridge, &channel.target, &headers)).await;
    assert_eq!(socket.unwrap().headers["sec-websocket-protocol"], PROTOCOL);
    bridge.stop().await;
}

#[tokio::test]
async fn who_may_not_is_told_so_before_the_upgrade() {
    let bridge = Bridge::builder("who_may_not_is_told_so")
        .http_setting("cors = { origins = [\"https://app.example.net\"] }")
        .start()
        .await;
    let channel = channel(&bridge).await;
    let asked = json!({"notificationChannel": {"channelType": "LongPolling"}});
    let polled = bridge.client.post(&channels(&bridge), &asked).await;
    let polled = polled.expect(201).json();
    let polled = polled["notificationChannel"]["resourceURL"]
        .as_str()
        .unwrap();
    let polled = format!("{}/websocket", target(polled));
    let other = channel
        .target
        .replace(&bridge.account.login[1..], "15550199");
    let wrong = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:wrong", bridge.account.login))
    );
    let good = bridge.client.authorization().unwrap();
    let own = format!("http://{}", bridge.client.address());
    let foreign = "https://evil.example.net";
    let app = "https://app.example.net";
    let longer = format!("{own}1");
    for (target, authorization, origin, expected) in [
        (channel.target.as_str(), "", "", Err(401)),
        (&channel.target, &wrong, "", Err(401)),
        (
            &format!("{}?access_token=%21", channel.target),
            good,
            "",
            Err(401),
        ),
        (&other, good, "", Err(403)),
        (&polled, good, "", Err(403)),
        (
            &channel.target.replace("/websocket", "x/websocket"),
            good,
            "",
            Err(404),
        ),
        (&channel.target, good, foreign, Err(403)),
        (&channel.target, good, &longer, Err(403)),
        (&channel.target, good, "null", Err(403)),
        (&channel.target, good, app, Ok(())),
        (&channel.target, good, &own, Ok(())),
    ] {
        let mut headers = Vec::new();
        for (name, value) in [("Authorization", authorization), ("Origin", origin)] {
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        let opened = try_open(&bridge, upgrade(&bridge, target, &headers)).await;
        assert_eq!(opened.map(|_| ()), expected, "{target} {headers:?}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn where_any_page_may_ask_it_brings_the_credentials_itself() {
    let bridge = Bridge::builder("where_any_page_may_ask")
        .http_setting("cors = { origins = [\"*\"] }")
        .start()
        .await;
    let channel = channel(&bridge).await;
    let origin = ("Origin", "https://any.example.net");
    let kept = [
        origin,
        ("Authorization", bridge.client.authorization().unwrap()),
    ];
    let refused = try_open(&bridge, upgrade(&bridge, &channel.target, &kept)).await;
    assert_eq!(refused.map(|_| ()), Err(403));
    let token = STANDARD.encode(format!("{}:secret", bridge.account.login));
    let target = format!("{}?access_token={token}", channel.target);
    let opened = try_open(&bridge, upgrade(&bridge, &target, &[origin])).await;
    assert_eq!(opened.map(|_| ()), Ok(()));
    bridge.stop().await;
}

#[tokio::test]
async fn a_plain_get_is_told_what_to_ask_for() {
    let bridge = Bridge::builder("a_plain_get_is_told").start().await;
    let channel = channel(&bridge).await;
    let answer = bridge.client.get(&channel.target).await.expect(426);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    let fault = &answer.json()["requestError"]["serviceException"];
    assert_eq!(fault["messageId"], "SVC0002");
    assert_eq!(fault["variables"], json!(["Upgrade"]));
    bridge
        .client
        .post(&channel.target, &json!({}))
        .await
        .expect(405);
    bridge.stop().await;
}
