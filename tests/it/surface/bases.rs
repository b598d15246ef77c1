//! The URLs in answers: where they begin, how the box is spelled in them, and that they lead somewhere.

use serde_json::{Value, json};

use crate::{
    objects::{below_box, folder_of, objects_of},
    support::{
        bridge::{Bridge, Builder},
        http::{Answer, Client},
    },
};

/// Where a path leads, asked with these headers.
async fn located(bridge: &Bridge, headers: &[(&str, &str)]) -> Answer {
    let mut request = bridge.request("GET", "folders/operations/pathToId");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await
}

/// What comes before `/nms` in the answer's URL.
fn base(answer: &Answer) -> String {
    let answer = answer.json();
    let url = answer["reference"]["resourceURL"].as_str().unwrap();
    url.split_once("/nms/").unwrap().0.to_owned()
}

/// Behind a proxy, and what it says; the test itself is the proxy.
fn behind_proxy(test: &str) -> Builder {
    Bridge::builder(test).http_setting("trusted_proxies = [\"127.0.0.0/8\"]")
}

#[tokio::test]
async fn urls_begin_as_the_client_called_the_service() {
    let bridge = Bridge::builder("url_base").start().await;
    let own = format!("http://{}", bridge.client.address());
    assert_eq!(base(&located(&bridge, &[]).await.expect(200)), own);
    for host in ["nms.example.net", "nms.example.net:8443", "[::1]:8080"] {
        let request = bridge.request("GET", "folders/operations/pathToId");
        let answer = request.host(host).send().await.expect(200);
        assert_eq!(base(&answer), format!("http://{host}"));
    }
    // Nobody has said that this client is a proxy.
    let said = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example.org"),
        ("Forwarded", "proto=https;host=evil.example.org"),
    ];
    assert_eq!(base(&located(&bridge, &said).await.expect(200)), own);
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let bridge = Bridge::builder("no_host").start().await;
    let request = || bridge.request("GET", "folders/operations/pathToId");
    let twice = request().header("Host", "other");
    let mut answers = vec![twice.send().await];
    for host in [
        "",
        "a b",
        "a/b",
        "user@host",
        "a\"b",
        "a<b>",
        &"a".repeat(256),
    ] {
        answers.push(request().host(host).send().await);
    }
    for answer in answers {
        let error = answer.expect(400).json()["requestError"]["serviceException"].clone();
        assert_eq!(error["messageId"], "SVC0002");
        assert_eq!(error["variables"], json!(["Host"]));
    }
}

#[tokio::test]
async fn urls_begin_as_a_trusted_proxy_says() {
    let bridge = behind_proxy("trusted_proxy").start().await;
    let own = bridge.client.address();
    for (headers, expected) in [
        (
            &[
                ("X-Forwarded-Proto", "HTTPS"),
                ("X-Forwarded-Host", "nms.example.net, inner"),
            ][..],
            "https://nms.example.net".to_owned(),
        ),
        (&[("X-Forwarded-Proto", "https")], format!("https://{own}")),
        (&[("X-Forwarded-Proto", "gopher")], format!("http://{own}")),
        (
            &[(
                "Forwarded",
                "for=192.0.2.1;proto=https;host=\"nms.example.net:8443\", for=x",
            )],
            "https://nms.example.net:8443".to_owned(),
        ),
        (
            &[
                ("Forwarded", "host=one.example.net"),
                ("X-Forwarded-Host", "two.example.net"),
            ],
            "http://one.example.net".to_owned(),
        ),
    ] {
        let answer = located(&bridge, headers).await.expect(200);
        assert_eq!(base(&answer), expected, "{headers:?}");
    }
    located(&bridge, &[("X-Forwarded-Host", "a b")])
        .await
        .expect(400);
}

#[tokio::test]
async fn a_public_url_and_a_base_path_come_before_every_url_and_back() {
    let bridge = Bridge::builder("public_url")
        .message("INBOX", "f05-mms-plain.eml")
        .http_setting("public_url = \"https://nms.example.net:8443/front\"\nbase_path = \"/oma\"")
        .start()
        .await;
    let base = "https://nms.example.net:8443/front/oma";
    bridge.get("folders/operations/pathToId").await.expect(404);
    let target = |resource: &str| format!("/oma{}", bridge.target(resource));
    let root = target("folders/operations/pathToId");
    // The configured one is believed, whatever Host says.
    let answer = bridge.client.request("GET", &root).host("a b").send().await;
    let root = answer.expect(200).json()["reference"]["resourceURL"].clone();
    assert!(
        root.as_str()
            .unwrap()
            .starts_with(&format!("{base}/nms/v1/cpm/")),
        "{root}"
    );
    let folder = bridge
        .client
        .get(&target(&format!("{}?listFilter=All", below_box(&root))))
        .await;
    assert!(
        every_url(&folder.expect(200).json())
            .iter()
            .all(|url| url.starts_with(base))
    );
    // What was sent out is understood when it comes back.
    let body = json!({"folder": {"parentFolder": root, "name": "x"}});
    let created = bridge
        .client
        .post(&target("folders"), &body)
        .await
        .expect(201);
    assert!(created.header("location").unwrap().starts_with(base));
}

/// All URLs in a document.
fn every_url(document: &Value) -> Vec<String> {
    let members = document
        .as_object()
        .into_iter()
        .flat_map(|members| members.values());
    let members = members.chain(document.as_array().into_iter().flatten());
    let own = document.as_str().filter(|text| text.contains("://"));
    own.map(str::to_owned)
        .into_iter()
        .chain(members.flat_map(every_url))
        .collect()
}

#[tokio::test]
async fn every_url_keeps_the_spelling_of_the_box_and_leads_somewhere() {
    let bridge = Bridge::builder("spelled_urls")
        .message("INBOX", "f05-mms-plain.eml")
        .message("INBOX", "f04-mms-cpim.eml")
        .folder("Default/tel:+15550101")
        .start()
        .await;
    let number = &bridge.account.login[1..];
    let (country, rest) = number.split_at(4);
    let mut resources = vec![
        format!(
            "{}?listFilter=All&path=Yes",
            folder_of(&bridge, "/INBOX").await
        ),
        format!(
            "{}?listFilter=All&path=Yes",
            folder_of(&bridge, "/Default").await
        ),
    ];
    for object in objects_of(&bridge, "/INBOX").await {
        resources.extend([format!("{object}/flags"), object]);
    }
    for spelling in [
        format!("tel:+{number}"),
        format!("tel%3A%2B{number}"),
        format!("tel%3a%2b{number}"),
        format!("TEL:%2B{country}-({rest})"),
        format!("tel:+{country}%20{rest}"),
    ] {
        let box_url = format!("http://{}/nms/v1/cpm/{spelling}/", bridge.client.address());
        for resource in &resources {
            let target = format!("/nms/v1/cpm/{spelling}/{resource}");
            let document = bridge.client.get(&target).await.expect(200).json();
            let urls = every_url(&document);
            assert!(!urls.is_empty(), "{document}");
            for url in urls {
                assert!(url.starts_with(&box_url), "{url}");
                bridge.client.get(&path_of(&url)).await.expect(200);
            }
        }
        let missing = bridge
            .client
            .get(&format!("/nms/v1/cpm/{spelling}/folders/none"))
            .await;
        let link = missing.expect(404).json()["requestError"]["link"].clone();
        assert_eq!(
            link,
            json!([{"rel": "folder", "href": format!("{box_url}folders/none")}])
        );
    }
}

/// The target of a URL.
fn path_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

#[tokio::test]
async fn a_sane_request_id_comes_back_and_any_other_is_replaced() {
    let bridge = Bridge::builder("request_ids").start().await;
    let anyone = Client::new(bridge.client.address());
    let id = "abc-DEF_1.2";
    for (method, target, status) in [
        ("GET", bridge.target("folders/operations/pathToId"), 401),
        ("PATCH", bridge.target("folders"), 405),
        ("OPTIONS", bridge.target("folders"), 204),
        ("GET", "/".to_owned(), 404),
    ] {
        let request = anyone.request(method, &target).header("X-Request-Id", id);
        let answer = request.send().await.expect(status);
        assert_eq!(answer.header("x-request-id"), Some(id), "{method} {target}");
    }
    let answer = located(&bridge, &[("x-request-id", id)]).await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some(id));
    for odd in ["", "a b", "a;b", "é", "a\tb", &"a".repeat(129)] {
        let answer = located(&bridge, &[("X-Request-Id", odd)]).await.expect(200);
        let given = answer.header("x-request-id").unwrap().to_owned();
        assert!(given != odd && given.len() == 36, "{odd:?}: {given}");
        let next = located(&bridge, &[("X-Request-Id", odd)]).await.expect(200);
        assert_ne!(next.header("x-request-id"), Some(given.as_str()));
    }
}
