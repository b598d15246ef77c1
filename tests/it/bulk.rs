//! One thing done to many objects: what each is told, in which order, and what a direct session sees afterwards.

mod commands;
mod cuts;
mod others;

use serde_json::{Value, json};

use crate::{
    objects::{below_box, objects_of},
    support::{bridge::Bridge, http::Answer},
};

pub(crate) const UPDATE: &str = "objects/operations/bulkUpdate";
pub(crate) const DELETE: &str = "objects/operations/bulkDelete";

/// The objects by these URLs.
fn named(urls: &[&str]) -> Value {
    let references = urls.iter().map(|url| json!({"resourceURL": url}));
    json!({"objectReference": references.collect::<Vec<_>>()})
}

pub(crate) fn update(operation: &str, flags: &[&str], urls: &[&str]) -> Value {
    json!({"bulkUpdate": {"operation": operation, "flags": {"flag": flags}, "objects": named(urls)}})
}

pub(crate) fn removal(urls: &[&str]) -> Value {
    json!({"bulkDelete": {"objects": named(urls)}})
}

/// Code and URL, or variables, of each item; what every item must have is asserted here.
pub(crate) fn items(answer: Answer) -> Vec<String> {
    let list = answer.expect(200).json();
    let items = list["bulkResponseList"]["response"].as_array().unwrap();
    items.iter().map(item).collect()
}

fn item(item: &Value) -> String {
    let code = item["code"].as_u64().unwrap();
    if let Some(url) = item["success"]["resourceURL"].as_str() {
        let reason = if code == 204 { "No Content" } else { "OK" };
        assert_eq!(item["reason"], reason);
        assert!(item.get("failure").is_none(), "{item}");
        return format!("{code} {}", below_box(&json!(url)));
    }
    let failure = &item["failure"];
    let exception = if failure["policyException"].is_object() {
        &failure["policyException"]
    } else {
        &failure["serviceException"]
    };
    let mut told = format!("{code} {}", exception["messageId"].as_str().unwrap());
    for variable in exception["variables"].as_array().into_iter().flatten() {
        told += &format!(" {}", variable.as_str().unwrap());
    }
    told
}

/// URLs of objects below the box.
pub(crate) fn urls(bridge: &Bridge, objects: &[String]) -> Vec<String> {
    let urls = objects.iter().map(|object| {
        let target = bridge.target(object);
        format!("http://{}{target}", bridge.client.address())
    });
    urls.collect()
}

/// Messages of one mailbox, made by a direct session in few commands; it has none before.
async fn fill(bridge: &Bridge, mailbox: &str, count: usize) {
    let mut witness = bridge.witness().await;
    witness.command(&format!("CREATE {mailbox}")).await;
    let message = b"Subject: x\r\n\r\nbody\r\n";
    let mut there = 0;
    while there < count {
        if there == 0 {
            witness.append(mailbox, message, "", None).await;
        } else {
            witness.command(&format!("SELECT {mailbox}")).await.ok();
            let copied = there.min(count - there);
            let copy = format!("COPY 1:{copied} {mailbox}");
            witness.command(&copy).await.ok();
        }
        there = (there * 2).clamp(1, count);
    }
}

#[tokio::test]
async fn flags_are_set_and_taken_away_and_each_item_is_told_in_its_place() {
    let bridge = Bridge::builder("bulk_update")
        .flagged("INBOX", "f01-sms-in.eml", "\\Seen")
        .message("INBOX", "f05-mms-plain.eml")
        .message("Other", "f09-chat-textplain.eml")
        .start()
        .await;
    let [mms, sms] = objects_of(&bridge, "/INBOX").await.try_into().unwrap();
    let [other] = objects_of(&bridge, "/Other").await.try_into().unwrap();
    let [mms, sms, other]: [String; 3] = urls(&bridge, &[mms, sms, other]).try_into().unwrap();
    let none = mms.replace("/objects/", "/objects/x");
    let order = [&other, &none, &sms, &mms, &other, &sms];
    let order: Vec<&str> = order.iter().map(|url| url.as_str()).collect();
    let expected = |code: u16| -> Vec<String> {
        let told = |url: &&str| match *url == none {
            true => format!("404 SVC0004 {none}"),
            false => format!("{code} {}", below_box(&json!(url))),
        };
        order.iter().map(told).collect()
    };

    let body = update("AddFlag", &["\\Seen", "$Forwarded"], &order);
    assert_eq!(items(bridge.post(UPDATE, &body).await), expected(200));
    let mut witness = bridge.witness().await;
    for (mailbox, count) in [("INBOX", 2), ("Other", 1)] {
        witness.examine(mailbox).await;
        let found = witness.search("SEEN KEYWORD $Forwarded").await;
        assert_eq!(found.len(), count, "{mailbox}");
    }
    // What is so already is so.
    assert_eq!(items(bridge.post(UPDATE, &body).await), expected(200));

    let body = update("RemoveFlag", &["\\seen", "\\Flagged"], &order);
    assert_eq!(items(bridge.post(UPDATE, &body).await), expected(200));
    witness.examine("INBOX").await;
    assert_eq!(witness.search("UNSEEN KEYWORD $Forwarded").await.len(), 2);

    assert_eq!(
        items(bridge.post(DELETE, &removal(&order)).await),
        expected(204)
    );
    assert_eq!(witness.examine("INBOX").await, 0);
    assert_eq!(witness.examine("Other").await, 0);
    let gone = items(bridge.post(DELETE, &removal(&[&sms])).await);
    assert_eq!(gone, [format!("404 SVC0004 {sms}")]);
}

#[tokio::test]
async fn nothing_goes_but_what_is_named() {
    let bridge = Bridge::builder("bulk_delete_only")
        .flagged("INBOX", "f01-sms-in.eml", "\\Deleted")
        .message("INBOX", "f05-mms-plain.eml")
        .message("INBOX", "f09-chat-textplain.eml")
        .start()
        .await;
    let objects = objects_of(&bridge, "/INBOX").await;
    let urls = urls(&bridge, &objects[..2]);
    let body = removal(&[&urls[1], &urls[0]]);
    // Contract §5.2: with either method.
    let request = bridge.request("DELETE", DELETE).json(&body);
    assert_eq!(
        items(request.send().await),
        [format!("204 {}", objects[1]), format!("204 {}", objects[0])]
    );
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 1);
    assert_eq!(witness.search("DELETED").await, [1]);
}

#[tokio::test]
async fn what_is_no_object_of_the_box_is_not_found() {
    let builder = Bridge::builder("bulk_foreign").message("INBOX", "f01-sms-in.eml");
    let bridge = builder.start().await;
    let other = Bridge::builder("bulk_foreign_other")
        .message("INBOX", "f01-sms-in.eml")
        .start()
        .await;
    let own = urls(&bridge, &objects_of(&bridge, "/INBOX").await).remove(0);
    let foreign = urls(&other, &objects_of(&other, "/INBOX").await).remove(0);
    let id = foreign.rsplit('/').next().unwrap();
    // Another's id in a URL of this box, as if it were one's own.
    let swapped = format!("{}/{id}", own.rsplit_once('/').unwrap().0);
    let folder = own.replace("/objects/", "/folders/");
    let store = own.replace("/nms/v1/cpm/", "/nms/v1/mail/");
    for url in [
        &foreign,
        &swapped,
        &folder,
        &store,
        "",
        "none",
        "objects/none",
        "http://",
        "/nms/v1/cpm/%FF/objects/x",
        "\u{0}",
    ] {
        for answer in [
            bridge.post(DELETE, &removal(&[url])).await,
            bridge
                .post(UPDATE, &update("AddFlag", &["\\Seen"], &[url]))
                .await,
        ] {
            assert_eq!(items(answer), [format!("404 SVC0004 {url}")]);
        }
    }
    let without =
        json!({"bulkDelete": {"objects": {"objectReference": [{}, {"resourceURL": null}]}}});
    assert_eq!(
        items(bridge.post(DELETE, &without).await),
        ["400 SVC0002 resourceURL", "400 SVC0002 resourceURL"]
    );
    assert_eq!(bridge.imap_count("INBOX").await, 1);
    assert_eq!(other.imap_count("INBOX").await, 1);
    // By path alone: a proxy may be in between.
    let elsewhere = own.replace("http://", "https://proxy.example/?");
    let path = &own[own.find("/nms/").unwrap()..];
    let renamed = format!("https://proxy.example{path}");
    let answer = bridge
        .post(DELETE, &removal(&[&elsewhere, &renamed, path]))
        .await;
    let items = items(answer);
    assert!(items[0].starts_with("404"), "{items:?}");
    assert!(
        items[1..].iter().all(|item| item.starts_with("204 ")),
        "{items:?}"
    );
}

/// The answer to another slip than a wrong name.
async fn refused(bridge: &Bridge, resource: &str, body: Value) -> String {
    let answer = bridge.post(resource, &body).await;
    let status = answer.status;
    let error = answer.json()["requestError"].clone();
    let exception = if error["policyException"].is_object() {
        &error["policyException"]
    } else {
        &error["serviceException"]
    };
    let variables: Vec<&str> = exception["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable.as_str().unwrap())
        .collect();
    let id = exception["messageId"].as_str().unwrap();
    format!("{status} {id} {}", variables.join("; "))
}

#[tokio::test]
async fn a_slip_in_what_is_named_changes_nothing() {
    let bridge = Bridge::builder("bulk_slips")
        .message("INBOX", "f01-sms-in.eml")
        .setting("[limits]\nbulk = 2")
        .start()
        .await;
    let url = urls(&bridge, &objects_of(&bridge, "/INBOX").await).remove(0);
    let one = named(&[&url]);
    for (body, expected) in [
        (json!({}), "400 SVC0002 selectionCriteria"),
        (json!({"object": one}), "400 SVC0002 selectionCriteria"),
        (json!({"objects": {}}), "400 SVC0002 objectReference"),
        (
            json!({"objects": {"objectReferences": [{"resourceURL": url}]}}),
            "400 SVC0002 objectReference",
        ),
        (json!({"objects": ""}), "400 SVC0002 objectReference"),
        (json!({"objects": [url]}), "400 SVC0002 objects"),
        (
            json!({"objects": one, "selectionCriteria": {}}),
            "400 SVC0002 objects",
        ),
        (
            json!({"objects": named(&[&url, &url, &url])}),
            "400 SVC0002 objectReference",
        ),
        (
            json!({"objects": {"objectReference": [{"resourceURL": 7}]}}),
            "400 SVC0002 resourceURL",
        ),
        (
            json!({"objects": {"objectReference": [null]}}),
            "400 SVC0002 objectReference",
        ),
    ] {
        let told = refused(&bridge, DELETE, json!({"bulkDelete": body})).await;
        assert_eq!(told, expected, "{body}");
        let mut update = body.clone();
        update["operation"] = json!("AddFlag");
        update["flags"] = json!({"flag": ["\\Deleted"]});
        let told = refused(&bridge, UPDATE, json!({"bulkUpdate": update})).await;
        assert_eq!(told, expected, "{update}");
    }
    let empty = bridge.request("DELETE", DELETE).send().await;
    assert_eq!(empty.status, 400, "{}", empty.text());
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 1);
    assert_eq!(witness.search("UNSEEN UNDELETED").await, [1]);
}

#[tokio::test]
async fn a_slip_in_flags_or_operation_changes_nothing() {
    let bridge = Bridge::builder("bulk_flag_slips")
        .message("INBOX", "f01-sms-in.eml")
        .setting("[limits]\nbulk = 2")
        .start()
        .await;
    let url = urls(&bridge, &objects_of(&bridge, "/INBOX").await).remove(0);
    let one = named(&[&url]);
    for (operation, flags, expected) in [
        (json!("AddFlag"), json!({"flag": []}), "400 SVC0002 flag"),
        (json!("AddFlag"), json!({}), "400 SVC0002 flag"),
        (
            json!("AddFlag"),
            json!({"flag": ["\\Seen", "a b"]}),
            "400 SVC0002 flag",
        ),
        (
            json!("AddFlag"),
            json!({"flag": ["\\Seen", ""]}),
            "400 SVC0002 flag",
        ),
        (
            json!("AddFlag"),
            json!({"flag": [null]}),
            "400 SVC0002 flag",
        ),
        (
            json!("AddFlag"),
            json!({"flag": ["\\Seen", "\\recent"]}),
            "403 POL2006 \\Recent",
        ),
        (
            json!("RemoveFlag"),
            json!({"flag": ["\\Recent"]}),
            "403 POL2006 \\Recent",
        ),
        (
            json!("SetFlag"),
            json!({"flag": ["\\Seen"]}),
            "400 SVC0003 operation; AddFlag, RemoveFlag",
        ),
        (
            json!(null),
            json!({"flag": ["\\Seen"]}),
            "400 SVC0003 operation; AddFlag, RemoveFlag",
        ),
    ] {
        let body = json!({"operation": operation, "flags": flags, "objects": one});
        let told = refused(&bridge, UPDATE, json!({"bulkUpdate": body})).await;
        assert_eq!(told, expected, "{body}");
    }
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 1);
    assert_eq!(witness.search("UNSEEN UNDELETED").await, [1]);
}

#[tokio::test]
async fn bodies_without_their_root_and_in_xml_are_taken() {
    let bridge = Bridge::builder("bulk_bodies")
        .message("INBOX", "f01-sms-in.eml")
        .message("INBOX", "f05-mms-plain.eml")
        .start()
        .await;
    let objects = objects_of(&bridge, "/INBOX").await;
    let urls = urls(&bridge, &objects);
    let unwrapped = update("AddFlag", &["\\Seen"], &[&urls[0]])["bulkUpdate"].clone();
    let told = items(bridge.post(UPDATE, &unwrapped).await);
    assert_eq!(told, [format!("200 {}", objects[0])]);
    let xml = |root: &str, inner: &str, url: &str| {
        format!(
            "<nms:{root} xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\">{inner}<objects><objectReference>\
             <resourceURL>{url}</resourceURL></objectReference></objects></nms:{root}>"
        )
    };
    let flags = "<operation>AddFlag</operation><flags><flag>\\Flagged</flag></flags>";
    let answer = bridge
        .request("POST", UPDATE)
        .body("application/xml", xml("bulkUpdate", flags, &urls[0]))
        .send()
        .await
        .expect(200);
    let text = answer.text();
    assert!(
        text.contains(&format!("<resourceURL>{}</resourceURL>", urls[0])),
        "{text}"
    );
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    assert_eq!(witness.search("SEEN FLAGGED").await, [2]);
    let answer = bridge
        .request("DELETE", DELETE)
        .body("application/xml", xml("bulkDelete", "", &urls[1]))
        .header("Accept", "application/json")
        .send()
        .await;
    assert_eq!(items(answer), [format!("204 {}", objects[1])]);
    assert_eq!(bridge.imap_count("INBOX").await, 1);
}

#[tokio::test]
async fn with_purge_what_is_flagged_deleted_goes_and_what_others_flagged_stays() {
    for mode in ["show", "hide", "purge"] {
        let bridge = Bridge::builder(&format!("bulk_{mode}"))
            .message("INBOX", "f01-sms-in.eml")
            .message("INBOX", "f05-mms-plain.eml")
            .message("INBOX", "f09-chat-textplain.eml")
            .setting(&format!("[objects]\ndeleted = \"{mode}\""))
            .start()
            .await;
        let urls = urls(&bridge, &objects_of(&bridge, "/INBOX").await);
        let mut witness = bridge.witness().await;
        witness.command("SELECT INBOX").await.ok();
        witness.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let body = update("AddFlag", &["\\Deleted", "\\Seen"], &urls);
        let told = items(bridge.post(UPDATE, &body).await);
        let shown = mode == "show";
        let codes: Vec<&str> = told.iter().map(|item| &item[..3]).collect();
        assert_eq!(
            codes,
            ["200", "200", if shown { "200" } else { "404" }],
            "{mode}"
        );
        let there = witness.examine("INBOX").await;
        assert_eq!(there, if mode == "purge" { 1 } else { 3 }, "{mode}");
        let told = items(bridge.post(DELETE, &removal(&urls)).await);
        let code = if shown { "204" } else { "404" };
        assert!(
            told.iter().all(|item| item.starts_with(code)),
            "{mode} {told:?}"
        );
        assert_eq!(
            bridge.imap_count("INBOX").await,
            if shown { 0 } else { there }
        );
    }
}
