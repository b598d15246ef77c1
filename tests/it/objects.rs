//! Objects read over REST, against what was stored and what a direct IMAP session sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::support::{bridge::Bridge, witness::Witness};

const CONVERSATION: &str = "Default/tel:+15550101";

fn fixtures(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(directory)
}

fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The objects of a folder, newest first, as paths below the box.
pub(crate) async fn objects_of(bridge: &Bridge, path: &str) -> Vec<String> {
    let folder = folder_of(bridge, path).await;
    let answer = bridge
        .get(&format!("{folder}?listFilter=Objects"))
        .await
        .expect(200)
        .json();
    let references = answer["folder"]["objects"]["objectReference"]
        .as_array()
        .unwrap();
    references
        .iter()
        .map(|reference| below_box(&reference["resourceURL"]))
        .collect()
}

/// The folder of a path, as a path below the box.
pub(crate) async fn folder_of(bridge: &Bridge, path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let encoded: String = path.bytes().map(encode).collect();
    let answer = bridge
        .get(&format!("folders/operations/pathToId?path={encoded}"))
        .await
        .expect(200)
        .json();
    below_box(&answer["reference"]["resourceURL"])
}

/// What follows the box id in a URL.
pub(crate) fn below_box(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let at = url.find("/nms/v1/cpm/").unwrap() + "/nms/v1/cpm/".len();
    url[at..].split_once('/').unwrap().1.to_owned()
}

fn attributes(object: &Value) -> BTreeMap<String, Vec<String>> {
    let texts = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    object["attributes"]["attribute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| {
            (
                attribute["name"].as_str().unwrap().to_ascii_lowercase(),
                texts(&attribute["value"]),
            )
        })
        .collect()
}

/// Media types are compared without regard to case, quotes and spaces, and to the default charset (RFC 2045 §5.2): servers
/// write their parameters anew.
fn media_type(value: &Value) -> String {
    value
        .as_str()
        .unwrap()
        .to_ascii_lowercase()
        .replace(['"', ' '], "")
        .replace(";charset=us-ascii", "")
}

/// Appends a fixture; `None` when the store itself refuses such a message.
async fn append(witness: &mut Witness, stem: &str, expected: &Value) -> Option<u32> {
    let message = std::fs::read(fixtures("messages").join(format!("{stem}.eml"))).unwrap();
    if message.is_empty() || expected["literal8"] == json!(true) {
        return None;
    }
    let flags: Vec<&str> = expected["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag.as_str().unwrap())
        .collect();
    let date =
        chrono::DateTime::parse_from_rfc3339(expected["internalDate"].as_str().unwrap()).unwrap();
    let date = date.format("%d-%b-%Y %H:%M:%S %z").to_string();
    Some(
        witness
            .append(CONVERSATION, &message, &flags.join(" "), Some(&date))
            .await,
    )
}

#[tokio::test]
async fn every_fixture_is_shown_as_its_specification_says() {
    let bridge = Bridge::builder("every_fixture_is_shown_as_its_specification_says")
        .folder(CONVERSATION)
        .start()
        .await;
    let mut witness = bridge.witness().await;
    let mut stems: Vec<String> = std::fs::read_dir(fixtures("messages"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    stems.sort();
    let mut stored = Vec::new();
    for stem in stems {
        let expected = std::fs::read(fixtures("json").join(format!("{stem}.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        if append(&mut witness, &stem, &expected).await.is_some() {
            stored.push((stem, expected));
        }
    }
    assert!(
        stored.len() > 35,
        "nearly all fixtures can be stored in Dovecot: {}",
        stored.len()
    );
    let mut objects = objects_of(&bridge, &format!("/{CONVERSATION}")).await;
    objects.reverse();
    assert_eq!(objects.len(), stored.len());
    let mut wrong = Vec::new();
    for ((stem, expected), object) in stored.iter().zip(&objects) {
        wrong.extend(
            differences(&bridge, object, expected)
                .await
                .into_iter()
                .map(|difference| format!("{stem}: {difference}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What REST shows, compared with the expected object.
async fn differences(bridge: &Bridge, path: &str, expected: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, shown: Value, wanted: Value| {
        if shown != wanted {
            wrong.push(format!("{what}: shown {shown}, expected {wanted}"));
        }
    };
    let object = bridge.get(path).await.expect(200).json()["object"].clone();
    let wanted = &expected["object"];
    compare(
        "attributes",
        json!(attributes(&object)),
        json!(attributes(wanted)),
    );
    for member in ["correlationId", "correlationTag"] {
        compare(member, object[member].clone(), wanted[member].clone());
    }
    let flags = |value: &Value| -> BTreeSet<String> {
        let flags = value
            .as_array()
            .into_iter()
            .flatten()
            .map(|flag| flag.as_str().unwrap().to_owned());
        flags.filter(|flag| flag != "\\Recent").collect()
    };
    let shown_flags = wanted["flags"]["flag"]
        .as_array()
        .map_or(&expected["flags"], |_| &wanted["flags"]["flag"]);
    compare(
        "flags",
        json!(flags(&object["flags"]["flag"])),
        json!(flags(shown_flags)),
    );
    compare(
        "payloadURL",
        json!(object["payloadURL"].is_string()),
        wanted["payload"].clone(),
    );
    compare(
        "lastModSeq",
        json!(object["lastModSeq"].is_u64()),
        json!(true),
    );

    let payload = bridge.get(&format!("{path}/payload")).await.expect(200);
    compare(
        "payload",
        json!(sha256(&payload.body)),
        wanted["payloadSha256"].clone(),
    );
    if let Some(length) = payload.header("content-length") {
        compare(
            "Content-Length",
            json!(length),
            json!(payload.body.len().to_string()),
        );
    }
    wrong.extend(part_differences(bridge, &object, wanted).await);
    wrong
}

/// The listed parts, and the bytes that are served for each.
async fn part_differences(bridge: &Bridge, object: &Value, wanted: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, shown: Value, wanted: Value| {
        if shown != wanted {
            wrong.push(format!("{what}: shown {shown}, expected {wanted}"));
        }
    };
    let none = Vec::new();
    let parts = object["payloadPart"].as_array().unwrap_or(&none);
    let wanted_parts = wanted["parts"].as_array().unwrap_or(&none);
    compare(
        "number of parts",
        json!(parts.len()),
        json!(wanted_parts.len()),
    );
    for (part, wanted) in parts.iter().zip(wanted_parts) {
        let id = wanted["id"].as_str().unwrap();
        let served = bridge.get(&below_box(&part["href"])).await.expect(200);
        compare(
            &format!("part {id}"),
            json!(sha256(&served.body)),
            wanted["sha256"].clone(),
        );
        compare(
            &format!("type of part {id}"),
            json!(media_type(&part["contentType"])),
            json!(media_type(&wanted["contentType"])),
        );
        compare(
            &format!("id of part {id}"),
            part["contentId"].clone(),
            wanted["contentId"].clone(),
        );
        if !part["size"].is_null() {
            compare(
                &format!("size of part {id}"),
                part["size"].clone(),
                json!(served.body.len()),
            );
        }
        if let Some(length) = served.header("content-length") {
            compare(
                &format!("Content-Length of part {id}"),
                json!(length),
                json!(served.body.len().to_string()),
            );
        }
    }
    wrong
}

#[tokio::test]
async fn reading_sets_no_flag_and_takes_no_recent_also_after_a_write_on_the_same_connection() {
    let bridge = Bridge::builder("reading_takes_no_recent")
        .store_setting("max_connections_per_account = 1")
        .message("INBOX", "f05-mms-plain.eml")
        .start()
        .await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    for resource in ["", "/flags", "/payload", "/payloadParts/1"] {
        bridge.get(&format!("{object}{resource}")).await.expect(200);
    }
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    assert_eq!(
        witness.flags(1).await,
        BTreeSet::from(["\\Recent".to_owned()])
    );

    bridge
        .put(
            &format!("{object}/flags/%5CAnswered"),
            &json!({"empty": null}),
        )
        .await
        .expect(201);
    bridge.get(&object).await.expect(200);
    // What arrives after the write is recent for the first who selects: the bridge must not have been that one.
    bridge
        .witness()
        .await
        .append("INBOX", b"Subject: later\r\n\r\nx\r\n", "", None)
        .await;
    let later = objects_of(&bridge, "/INBOX").await.remove(0);
    bridge.get(&later).await.expect(200);
    bridge.get(&format!("{later}/payload")).await.expect(200);
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    assert_eq!(
        witness.flags(2).await,
        BTreeSet::from(["\\Recent".to_owned()])
    );
    assert_eq!(
        witness.flags(1).await,
        BTreeSet::from(["\\Answered".to_owned()])
    );
}

#[tokio::test]
async fn the_same_message_in_another_box_is_not_found_by_the_others_id() {
    let one = Bridge::builder("swapped_ids_one")
        .message("INBOX", "f01-sms-in.eml")
        .start()
        .await;
    let other = Bridge::builder("swapped_ids_other")
        .message("INBOX", "f01-sms-in.eml")
        .start()
        .await;
    let (mine, theirs) = (
        objects_of(&one, "/INBOX").await.remove(0),
        objects_of(&other, "/INBOX").await.remove(0),
    );
    assert_ne!(mine, theirs);
    one.get(&mine).await.expect(200);
    for resource in [
        "",
        "/flags",
        "/payload",
        "/payloadParts/1",
        "/flags/%5CSeen",
    ] {
        let answer = one
            .get(&format!("{theirs}{resource}"))
            .await
            .expect(404)
            .json();
        assert_eq!(
            answer["requestError"]["serviceException"]["variables"],
            json!(["Request-URI"])
        );
    }
    one.delete(&theirs).await.expect(404);
    let folder = folder_of(&other, "/INBOX").await;
    one.get(&folder).await.expect(404);
    assert_eq!(
        (
            one.imap_count("INBOX").await,
            other.imap_count("INBOX").await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn flags_are_set_shown_and_taken_away_as_the_contract_says() {
    let bridge = Bridge::builder("flags")
        .flagged("INBOX", "f01-sms-in.eml", "kept \\Flagged")
        .start()
        .await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    let before = bridge.get(&object).await.expect(200).json()["object"]["lastModSeq"]
        .as_u64()
        .unwrap();
    let seen = format!("{object}/flags/%5CSeen");
    assert_eq!(
        bridge.get(&seen).await.expect(404).json(),
        json!({"empty": null})
    );
    let created = bridge.put(&seen, &json!({"empty": null})).await.expect(201);
    assert!(created.header("location").unwrap().ends_with(&seen));
    bridge.put(&seen, &json!("")).await.expect(204);
    bridge.request("PUT", &seen).send().await.expect(204);
    bridge.get(&seen).await.expect(204);
    let after = bridge.get(&object).await.expect(200).json()["object"]["lastModSeq"]
        .as_u64()
        .unwrap();
    assert!(after > before);
    bridge.delete(&seen).await.expect(204);
    assert_eq!(
        bridge.delete(&seen).await.expect(404).json(),
        json!({"empty": null})
    );

    let report = format!("{object}/flags/%5Cread-report-sent");
    bridge
        .put(&report, &json!({"empty": null}))
        .await
        .expect(201);
    let list = bridge
        .put(
            &format!("{object}/flags"),
            &json!({"flag": ["\\Seen", "\\read-report-sent", "$new"]}),
        )
        .await;
    let list = list.expect(200).json();
    let shown: BTreeSet<&str> = list["flagList"]["flag"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag.as_str().unwrap())
        .collect();
    assert_eq!(
        shown
            .into_iter()
            .filter(|flag| *flag != "\\Recent")
            .collect::<Vec<_>>(),
        ["$new", "\\Seen", "\\read-report-sent"]
    );
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    let kept: Vec<String> = witness
        .flags(1)
        .await
        .into_iter()
        .filter(|flag| flag != "\\Recent")
        .collect();
    assert_eq!(kept, ["$ReadReportSent", "$new", "\\Seen"]);
    bridge
        .put(
            &format!("{object}/flags/%5CRecent"),
            &json!({"empty": null}),
        )
        .await
        .expect(403);
    bridge
        .delete(&format!("{object}/flags/%5CRecent"))
        .await
        .expect(403);
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_nothing_else_is() {
    let bridge = Bridge::builder("deleted")
        .message("INBOX", "f01-sms-in.eml")
        .flagged("INBOX", "f01-sms-in.eml", "\\Deleted")
        .message("INBOX", "f06-chat-1to1-in.eml")
        .start()
        .await;
    let objects = objects_of(&bridge, "/INBOX").await;
    bridge.delete(&objects[2]).await.expect(204);
    for answer in [
        bridge.get(&objects[2]).await,
        bridge.delete(&objects[2]).await,
    ] {
        assert_eq!(
            answer.expect(404).json()["requestError"]["serviceException"]["messageId"],
            "SVC0004"
        );
    }
    assert_eq!(objects_of(&bridge, "/INBOX").await, objects[..2]);
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    assert_eq!(witness.search("ALL").await, [2, 3]);
}

#[tokio::test]
async fn what_others_flagged_deleted_can_be_hidden_and_what_is_flagged_here_purged() {
    let hide = Bridge::builder("hide")
        .message("INBOX", "f01-sms-in.eml")
        .flagged("INBOX", "f01-sms-in.eml", "\\Deleted")
        .setting("[objects]\ndeleted = \"purge\"")
        .start()
        .await;
    let objects = objects_of(&hide, "/INBOX").await;
    assert_eq!(objects.len(), 1);
    hide.put(
        &format!("{}/flags/%5CDeleted", objects[0]),
        &json!({"empty": null}),
    )
    .await
    .expect(201);
    hide.get(&objects[0]).await.expect(404);
    let mut witness = hide.witness().await;
    witness.examine("INBOX").await;
    assert_eq!(
        witness.search("ALL").await,
        [2],
        "what others flagged is never expunged"
    );
}

#[tokio::test]
async fn a_foreign_change_of_flags_is_seen_at_once() {
    let bridge = Bridge::builder("foreign_change")
        .message("INBOX", "f01-sms-in.eml")
        .start()
        .await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    bridge.get(&object).await.expect(200);
    let mut witness = bridge.witness().await;
    witness.command("SELECT INBOX").await.ok();
    witness
        .command("UID STORE 1 +FLAGS (\\Answered)")
        .await
        .ok();
    let flags = bridge
        .get(&format!("{object}/flags"))
        .await
        .expect(200)
        .json();
    assert!(
        flags["flagList"]["flag"]
            .as_array()
            .unwrap()
            .contains(&json!("\\Answered"))
    );
    witness.command("UID STORE 1 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    bridge.get(&object).await.expect(404);
}

#[tokio::test]
async fn a_path_leads_to_its_object() {
    let bridge = Bridge::builder("object_paths")
        .message(CONVERSATION, "f01-sms-in.eml")
        .start()
        .await;
    let object = objects_of(&bridge, &format!("/{CONVERSATION}"))
        .await
        .remove(0);
    let path = bridge.get(&object).await.expect(200).json()["object"]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = bridge
        .get(&format!("objects/operations/pathToId?path={path}"))
        .await
        .expect(200)
        .json();
    assert_eq!(below_box(&found["reference"]["resourceURL"]), object);
    let elsewhere = path.replace("Default/", "default/");
    let body = json!({"pathList": {"path": [path, elsewhere, "/a//b", "none"]}});
    let list = bridge
        .post("objects/operations/pathToId", &body)
        .await
        .expect(200)
        .json();
    let codes: Vec<u64> = list["bulkResponseList"]["response"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [200, 404, 400, 400]);
    for path in ["", "?path=/nowhere", "?path=//"] {
        bridge
            .get(&format!("objects/operations/pathToId{path}"))
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn clients_that_change_the_flags_of_an_object_at_the_same_time_are_told_the_truth() {
    let bridge = Bridge::builder("flags_at_once")
        .message("INBOX", "f01-sms-in.eml")
        .start()
        .await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    let lists = async |flag: &str| {
        for _ in 0..20 {
            let answer = bridge
                .put(&format!("{object}/flags"), &json!({"flag": [flag]}))
                .await;
            // Who is overtaken three times is asked to come again.
            assert!([200, 503].contains(&answer.status), "{}", answer.text());
        }
    };
    let single = async {
        for _ in 0..20 {
            let flag = format!("{object}/flags/$A2");
            let set = bridge.put(&flag, &json!({"empty": null})).await;
            assert!([201, 204].contains(&set.status), "{}", set.text());
            let taken = bridge.delete(&flag).await;
            assert!([204, 404].contains(&taken.status), "{}", taken.text());
        }
    };
    tokio::join!(lists("$A0"), lists("$A1"), single);
    let flags = bridge
        .get(&format!("{object}/flags"))
        .await
        .expect(200)
        .json();
    let flags: Vec<&str> = flags["flagList"]["flag"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .filter(|flag| flag.starts_with("$A"))
        .collect();
    assert!(flags.len() <= 2 && !flags.is_empty(), "{flags:?}");
}
