//! The same request again makes nothing anew (product: idempotent create).

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Form, Made, assert_refused, made};
use crate::support::{bridge::Bridge, http::Request};

fn object(members: &Value) -> Form {
    Form::new(&json!({"object": members}))
}

fn hello(key: &str) -> Form {
    object(&json!({"clientCorrelator": key})).attachment("text/plain", b"hello")
}

async fn create(bridge: &Bridge, form: &Form) -> Made {
    made(form.on(bridge.request("POST", "objects")).send().await)
}

#[tokio::test]
async fn the_same_key_and_body_are_the_same_object_whatever_the_framing() {
    let bridge = Bridge::builder("once_framing").start().await;
    let first = create(&bridge, &hello("k")).await;
    for _ in 0..2 {
        assert_eq!(create(&bridge, &hello("k")).await, first);
    }
    let length = "Content-Type: text/plain\r\nContent-Length: 5\r\nX-Own: 1\r\nContent-Disposition: form-data; name=attachments; filename=a.txt";
    let framed = object(&json!({"clientCorrelator": "k", "attributes": null, "resourceURL": "x"}));
    assert_eq!(create(&bridge, &framed.part(length, b"hello")).await, first);
    let root = "Content-Disposition: form-data; name=root-fields";
    let behind = Form::empty().attachment("text/plain", b"hello");
    let behind = behind.part(
        root,
        b" {\"flags\": {\"flag\": []}, \"clientCorrelator\": \"k\"} ",
    );
    assert_eq!(create(&bridge, &behind).await, first);
    // Another spelling of the box is answered in that spelling.
    let request = hello("k").on(bridge.request("POST", "objects"));
    let request = request.with_target(|target| target.replace("tel:%2B", "tel%3A+"));
    let answer = request.send().await.expect(201);
    assert!(answer.header("location").unwrap().contains("/tel%3A+1"));
    assert_eq!(made(answer), first);
    assert_eq!(bridge.imap_count("INBOX").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn it_is_known_again_though_the_object_is_gone() {
    let bridge = Bridge::builder("once_gone").start().await;
    let first = create(&bridge, &hello("k")).await;
    bridge.delete(&first.object).await.expect(204);
    assert_eq!(create(&bridge, &hello("k")).await, first);
    bridge.get(&first.object).await.expect(404);
    assert_eq!(bridge.imap_count("INBOX").await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn another_body_with_the_same_key_is_a_conflict() {
    let bridge = Bridge::builder("once_conflict").start().await;
    let first = create(&bridge, &hello("k")).await;
    let text = |members: Value| {
        let mut object = json!({"clientCorrelator": "k"});
        let members = members.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(members);
        self::object(&object)
    };
    for other in [
        text(json!({})).attachment("text/plain", b"hallo"),
        text(json!({})).attachment("text/html", b"hello"),
        text(json!({})),
        text(json!({}))
            .attachment("text/plain", b"hello")
            .attachment("text/plain", b"hello"),
        text(json!({"flags": {"flag": ["\\Seen"]}})).attachment("text/plain", b"hello"),
        text(json!({"parentFolderPath": "/INBOX"})).attachment("text/plain", b"hello"),
        text(json!({"correlationId": "x"})).attachment("text/plain", b"hello"),
        text(json!({"correlationTag": "x"})).attachment("text/plain", b"hello"),
        text(json!({"attributes": {"attribute": [{"name": "X", "value": ["x"]}]}}))
            .attachment("text/plain", b"hello"),
    ] {
        let answer = other.on(bridge.request("POST", "objects")).send().await;
        assert_refused(&answer, 409, "SVC0005", &["k", "clientCorrelator"]);
    }
    assert_eq!(create(&bridge, &hello("k")).await, first);
    assert_eq!(bridge.imap_count("INBOX").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn the_header_is_a_key_like_the_member_and_the_member_comes_first() {
    let bridge = Bridge::builder("once_header").start().await;
    let form = || object(&json!({})).attachment("text/plain", b"hello");
    let keyed = |form: &Form, key: &str| -> Request {
        let request = form.on(bridge.request("POST", "objects"));
        request.header("Idempotency-Key", key)
    };
    let first = made(keyed(&form(), "k").send().await);
    assert_eq!(made(keyed(&form(), " k ").send().await), first);
    let other = object(&json!({})).attachment("text/plain", b"hallo");
    let answer = keyed(&other, "k").send().await;
    assert_refused(&answer, 409, "SVC0005", &["k", "Idempotency-Key"]);
    // The same word as a member is another key.
    let member = create(&bridge, &hello("k")).await;
    assert_ne!(member, first);
    assert_eq!(made(keyed(&hello("k"), "another").send().await), member);
    assert_eq!(made(keyed(&hello("k"), "k").send().await), member);
    // An empty key is none.
    let unkeyed = [
        made(keyed(&form(), "").send().await),
        made(keyed(&form(), "").send().await),
    ];
    assert_ne!(unkeyed[0], unkeyed[1]);
    assert_eq!(bridge.imap_count("INBOX").await, 4);
    bridge.stop().await;
}

#[tokio::test]
async fn of_many_at_once_one_makes_it_and_the_others_wait() {
    let bridge = Bridge::builder("once_at_once").start().await;
    let form = object(&json!({"clientCorrelator": "k", "parentFolderPath": "/new/folder"}));
    let form = form.attachment("image/jpeg", &[0xff; 100_000]);
    let asks = (0..20).map(|_| create(&bridge, &form));
    let all = join_all(asks).await;
    assert!(all.iter().all(|made| *made == all[0]), "{all:?}");
    assert_eq!(bridge.imap_count("new/folder").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn of_many_at_once_with_other_bodies_one_is_made() {
    let bridge = Bridge::builder("once_others").start().await;
    let form = |number: usize| {
        let text = format!("text {}", number % 4);
        object(&json!({"clientCorrelator": "k"})).attachment("text/plain", text.as_bytes())
    };
    let asks = (0..20).map(|number| {
        let request = form(number).on(bridge.request("POST", "objects"));
        request.send()
    });
    let mut statuses = Vec::new();
    let mut locations = BTreeSet::new();
    for answer in join_all(asks).await {
        statuses.push(answer.status);
        if answer.status == 201 {
            locations.insert(made(answer).object);
        } else {
            assert_refused(&answer, 409, "SVC0005", &["k", "clientCorrelator"]);
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 5].as_slice(), &[409; 15]].concat());
    assert_eq!(locations.len(), 1);
    assert_eq!(bridge.imap_count("INBOX").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_first_attempt_that_failed_is_not_remembered() {
    let bridge = Bridge::builder("once_failed").start().await;
    let keyed = |members: Value| {
        let mut object = json!({"clientCorrelator": "k"});
        let members = members.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(members);
        self::object(&object).on(bridge.request("POST", "objects"))
    };
    // By us before anything is asked, by us when the folder is looked for, and by the store.
    for (members, status) in [
        (json!({"flags": {"flag": [""]}}), 400),
        (json!({"parentFolderPath": "/"}), 403),
        (json!({"parentFolder": "http://a/folders/none"}), 400),
        (json!({"flags": {"flag": ["\\Junk"]}}), 403),
    ] {
        for _ in 0..2 {
            keyed(members.clone()).send().await.expect(status);
        }
    }
    let first = made(keyed(json!({})).send().await);
    assert_eq!(made(keyed(json!({})).send().await), first);
    assert_eq!(bridge.imap_count("INBOX").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn the_key_of_another_user_is_another_key() {
    let one = Bridge::builder("once_one").start().await;
    let other = Bridge::builder("once_other").start().await;
    let mine = create(&one, &hello("k")).await;
    let theirs = |form: &Form| {
        // The same bridge, so that they share the state.
        let request = form.on(one.request("POST", "objects"));
        let client = one.client.basic(&other.account.login, "secret");
        let own = [&one.account.login[1..], &other.account.login[1..]];
        let request = request.with_client(&client);
        request.with_target(|target| target.replace(own[0], own[1]))
    };
    let text = object(&json!({"clientCorrelator": "k"})).attachment("text/plain", b"hallo");
    let made_there = made(theirs(&text).send().await);
    assert_ne!(made_there, mine);
    assert_eq!(made(theirs(&text).send().await), made_there);
    assert_eq!(create(&one, &hello("k")).await, mine);
    for bridge in [&one, &other] {
        assert_eq!(bridge.imap_count("INBOX").await, 1);
    }
    one.stop().await;
    other.stop().await;
}
