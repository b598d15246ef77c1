//! Who is let in, and what it costs the store.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    objects::below_box,
    support::{
        bridge::Bridge,
        http::Client,
        scripted::{Script, Scripted},
    },
};

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready";

fn plain(login: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("\0{login}\0{password}"))
}

#[tokio::test]
async fn a_wrong_password_sent_many_times_at_once_costs_the_store_one_attempt() {
    let builder = Bridge::builder("one_attempt");
    let refusal = |script: Script, login: &str| {
        script
            .send(GREETING)
            .expect(&format!(
                "{{tag}} AUTHENTICATE PLAIN {}",
                plain(login, "wrong")
            ))
            .send("{tag} NO [AUTHENTICATIONFAILED] no")
    };
    let login = builder.login();
    // A second attempt would find nobody: the scripted server takes one connection.
    let server = Scripted::start(vec![refusal(Script::new(), &login)]).await;
    let bridge = builder.store(server.address()).start().await;
    let client = Client::new(bridge.client.address()).basic(&login, "wrong");
    let target = bridge.target("folders/operations/pathToId");
    let answers = futures_util::future::join_all((0..20).map(|_| client.get(&target))).await;
    for answer in answers {
        assert_eq!(answer.status, 401);
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
        assert_eq!(
            answer.json()["requestError"]["serviceException"]["messageId"],
            "SVC2003"
        );
    }
    server.assert_played().await;
}

#[tokio::test]
async fn a_right_password_works_right_after_a_wrong_one() {
    let bridge = Bridge::builder("wrong_then_right").start().await;
    let target = bridge.target("folders/operations/pathToId");
    let wrong = Client::new(bridge.client.address()).basic(&bridge.account.login, "wrong");
    wrong.get(&target).await.expect(401);
    bridge.client.get(&target).await.expect(200);
    wrong.get(&target).await.expect(401);
    Client::new(bridge.client.address())
        .get(&target)
        .await
        .expect(401);
}

#[tokio::test]
async fn another_box_and_no_box_look_alike_and_the_store_is_not_asked() {
    // A store nobody may connect to: any attempt would be 503.
    let bridge = Bridge::builder("another_box")
        .store("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    for box_id in [
        "tel:%2B15550001",
        "tel:%2B",
        "sip:a%40example.org",
        "tel:%2B1555;x=1",
        "nobody",
        "acr:auth",
        "tel:%2B1%0D%0A",
    ] {
        let answer = bridge
            .client
            .get(&format!("/nms/v1/cpm/{box_id}/folders/operations/pathToId"))
            .await
            .expect(403);
        assert_eq!(
            answer.json()["requestError"]["policyException"]["variables"],
            json!(["NotAuthorized"]),
            "{box_id}"
        );
    }
    bridge.get("folders/operations/pathToId").await.expect(503);
}

#[tokio::test]
async fn every_spelling_of_a_box_works_and_comes_back_as_it_was() {
    let bridge = Bridge::builder("spellings").start().await;
    let number = bridge.account.login.trim_start_matches('+').to_owned();
    for spelling in [
        format!("tel:+{number}"),
        format!("tel:%2B{number}"),
        format!("tel%3A%2B{number}"),
        format!("TEL%3a%2b{number}"),
    ] {
        let answer = bridge
            .client
            .get(&format!(
                "/nms/v1/cpm/{spelling}/folders/operations/pathToId?path=/INBOX"
            ))
            .await
            .expect(200)
            .json();
        let url = answer["reference"]["resourceURL"].as_str().unwrap();
        assert!(
            url.contains(&format!("/nms/v1/cpm/{spelling}/folders/")),
            "{url}"
        );
        bridge
            .get(&below_box(&answer["reference"]["resourceURL"]))
            .await
            .expect(200);
    }
}
