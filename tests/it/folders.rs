//! Folders over REST, against what a direct IMAP session sees.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    objects::{below_box, folder_of, objects_of},
    support::bridge::Bridge,
};

/// What an error says is wrong: its id and its variables.
pub(crate) fn reason(answer: &Value) -> (String, Vec<String>) {
    let error = &answer["requestError"];
    let exception = if error["serviceException"].is_object() {
        &error["serviceException"]
    } else {
        &error["policyException"]
    };
    let variables = exception["variables"].as_array().into_iter().flatten();
    let variables = variables
        .map(|variable| variable.as_str().unwrap().to_owned())
        .collect();
    (
        exception["messageId"].as_str().unwrap().to_owned(),
        variables,
    )
}

fn names(answer: &Value) -> Vec<String> {
    let references = answer["folder"]["subFolders"]["folderReference"]
        .as_array()
        .unwrap();
    references
        .iter()
        .map(|reference| {
            reference["path"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn the_root_is_the_whole_box_and_has_no_path() {
    let bridge = Bridge::builder("root").folder("Default/a").start().await;
    let answer = bridge
        .get("folders/operations/pathToId")
        .await
        .expect(200)
        .json();
    assert_eq!(answer["reference"]["path"], Value::Null);
    let root = below_box(&answer["reference"]["resourceURL"]);
    let folder = bridge
        .get(&format!("{root}?listFilter=All&path=Yes"))
        .await
        .expect(200)
        .json();
    assert_eq!(folder["folder"]["name"], "");
    assert!(folder["folder"].get("parentFolder").is_none());
    assert_eq!(
        folder["folder"]["attributes"],
        json!({"attribute": [{"name": "Root", "value": ["Yes"]}]})
    );
    assert_eq!(names(&folder), ["Default", "INBOX"]);
    assert_eq!(folder["folder"]["objects"], json!({"objectReference": []}));
    let plain = bridge.get(&root).await.expect(200).json();
    for absent in ["subFolders", "objects", "cursor", "path"] {
        assert!(plain["folder"].get(absent).is_none(), "{absent}");
    }
    assert_eq!(
        reason(&bridge.delete(&root).await.expect(403).json()),
        ("POL0001".to_owned(), vec!["SystemFolder".to_owned()])
    );
    let renamed = bridge
        .put(&format!("{root}/folderName"), &json!({"name": "x"}))
        .await
        .expect(403)
        .json();
    assert_eq!(reason(&renamed), ("POL1030".to_owned(), Vec::new()));
}

#[tokio::test]
async fn configured_roots_are_all_there_is() {
    let bridge = Bridge::builder("roots")
        .message("Default/a", "f01-sms-in.eml")
        .folder("Elsewhere")
        .store_setting("roots = [\"Default\", \"RCSMessageStore\"]\ndefault_folder = \"Default\"")
        .start()
        .await;
    let answer = bridge
        .get("folders/operations/pathToId")
        .await
        .expect(400)
        .json();
    assert_eq!(reason(&answer), ("SVC1009".to_owned(), Vec::new()));
    let root = folder_of(&bridge, "/RCSMessageStore").await;
    let folder = bridge
        .get(&format!("{root}?listFilter=All&path=Yes"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            folder["folder"]["name"].as_str(),
            folder["folder"]["path"].as_str()
        ),
        (Some("RCSMessageStore"), Some("/RCSMessageStore"))
    );
    bridge
        .get("folders/operations/pathToId?path=/Elsewhere")
        .await
        .expect(404);
    let outside = json!({"folder": {"parentFolderPath": "/Elsewhere", "name": "x"}});
    assert_eq!(
        reason(&bridge.post("folders", &outside).await.expect(403).json()).0,
        "POL1031"
    );
    let inside = json!({"folder": {"parentFolderPath": "/RCSMessageStore", "name": "x"}});
    bridge.post("folders", &inside).await.expect(201);
    assert_eq!(objects_of(&bridge, "/Default/a").await.len(), 1);
}

#[tokio::test]
async fn a_listing_goes_on_page_by_page_over_folders_and_objects() {
    let mut builder = Bridge::builder("pages");
    for number in 0..3 {
        builder = builder
            .folder(&format!("top/sub{number}"))
            .message("top", "f01-sms-in.eml");
    }
    let bridge = builder.start().await;
    let folder = folder_of(&bridge, "/top").await;
    let whole = bridge
        .get(&format!("{folder}?listFilter=All"))
        .await
        .expect(200)
        .json();
    let all = |answer: &Value| -> Vec<String> {
        let folders = answer["folder"]["subFolders"]["folderReference"]
            .as_array()
            .unwrap();
        let objects = answer["folder"]["objects"]["objectReference"]
            .as_array()
            .unwrap();
        folders
            .iter()
            .chain(objects)
            .map(|reference| reference["resourceURL"].as_str().unwrap().to_owned())
            .collect()
    };
    for size in 1..=6 {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = bridge
                .get(&format!(
                    "{folder}?listFilter=All&maxEntries={size}{cursor}"
                ))
                .await
                .expect(200)
                .json();
            let entries = all(&page);
            assert!(entries.len() <= size);
            seen.extend(entries);
            pages += 1;
            let Some(next) = page["folder"]["cursor"].as_str() else {
                break;
            };
            cursor = format!("&fromCursor={next}");
            assert!(pages < 10);
        }
        assert_eq!(seen, all(&whole), "pages of {size}");
    }
    for (query, part) in [
        ("listFilter=All&fromCursor=garbage", "fromCursor"),
        ("listFilter=All&maxEntries=0", "maxEntries"),
        ("listFilter=All&maxEntries=many", "maxEntries"),
        ("listFilter=some", "listFilter"),
    ] {
        let answer = bridge
            .get(&format!("{folder}?{query}"))
            .await
            .expect(400)
            .json();
        assert_eq!(reason(&answer).1[0], part);
    }
}

#[tokio::test]
async fn folders_of_every_name_are_made_found_and_removed() {
    let bridge = Bridge::builder("names").start().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/json/folder-names.json");
    let listed: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let listed = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !name.contains('/') && !name.eq_ignore_ascii_case("inbox"));
    for name in listed {
        let body = json!({"folder": {"parentFolderPath": "/", "name": name}});
        let answer = bridge.post("folders", &body).await;
        if answer.status == 400 {
            // Dovecot refuses names of more than 255 bytes in modified UTF-7, and a leading tilde.
            assert!(name.len() > 150 || name.starts_with('~'), "{name}");
            continue;
        }
        let created = answer.expect(201).json();
        let folder = below_box(&created["reference"]["resourceURL"]);
        assert_eq!(
            folder_of(&bridge, &format!("/{name}")).await,
            folder,
            "{name}"
        );
        assert_eq!(
            bridge
                .get(&format!("{folder}/folderName"))
                .await
                .expect(200)
                .json(),
            json!({"name": name})
        );
        let again = bridge.post("folders", &body).await.expect(409).json();
        assert_eq!(
            reason(&again),
            (
                "SVC0005".to_owned(),
                vec![name.to_owned(), "name".to_owned()]
            )
        );
        bridge.delete(&folder).await.expect(204);
        bridge.get(&folder).await.expect(404);
    }
}

#[tokio::test]
async fn a_rename_keeps_the_ids_of_the_folder_of_all_below_it_and_of_their_objects() {
    let bridge = Bridge::builder("rename")
        .folder("old/none/deep")
        .message("old/none/deep", "f01-sms-in.eml")
        .message("old", "f01-sms-in.eml")
        .start()
        .await;
    let folders = [
        folder_of(&bridge, "/old").await,
        folder_of(&bridge, "/old/none").await,
        folder_of(&bridge, "/old/none/deep").await,
    ];
    let deep = objects_of(&bridge, "/old/none/deep").await.remove(0);
    let before = bridge.get(&folders[0]).await.expect(200).json()["folder"]["lastModSeq"]
        .as_u64()
        .unwrap();
    for name in ["new & other", "台北", "old"] {
        let answer = bridge
            .put(
                &format!("{}/folderName", folders[0]),
                &json!({"name": name}),
            )
            .await
            .expect(200)
            .json();
        assert_eq!(answer, json!({"name": name}));
        for (folder, path) in folders.iter().zip(["", "/none", "/none/deep"]) {
            let shown = bridge
                .get(&format!("{folder}?path=Yes"))
                .await
                .expect(200)
                .json();
            assert_eq!(shown["folder"]["path"], format!("/{name}{path}"));
        }
        let object = bridge.get(&deep).await.expect(200).json();
        assert!(
            object["object"]["path"]
                .as_str()
                .unwrap()
                .starts_with(&format!("/{name}/none/deep/"))
        );
        assert_eq!(below_box(&object["object"]["parentFolder"]), folders[2]);
    }
    let after = bridge.get(&folders[0]).await.expect(200).json()["folder"]["lastModSeq"]
        .as_u64()
        .unwrap();
    assert!(after > before);
    let taken = bridge
        .put(
            &format!("{}/folderName", folders[0]),
            &json!({"name": "INBOX"}),
        )
        .await
        .expect(409)
        .json();
    assert_eq!(reason(&taken).0, "SVC0005");
    let inbox = folder_of(&bridge, "/INBOX").await;
    bridge
        .put(&format!("{inbox}/folderName"), &json!({"name": "x"}))
        .await
        .expect(403);
    bridge.delete(&inbox).await.expect(403);
}

#[tokio::test]
async fn a_removed_folder_takes_everything_below_it_along_and_its_name_made_anew_is_another() {
    let bridge = Bridge::builder("remove")
        .message("top/sub/deep", "f01-sms-in.eml")
        .message("top", "f01-sms-in.eml")
        .start()
        .await;
    let folder = folder_of(&bridge, "/top").await;
    let object = objects_of(&bridge, "/top").await.remove(0);
    bridge.delete(&folder).await.expect(204);
    bridge.get(&object).await.expect(404);
    bridge.delete(&folder).await.expect(404);
    let listed = bridge
        .witness()
        .await
        .command("LIST \"\" \"top*\"")
        .await
        .ok();
    assert!(listed.untagged.is_empty(), "{:?}", listed.texts());
    bridge.witness().await.command("CREATE top").await.ok();
    bridge
        .witness()
        .await
        .append("top", b"Subject: x\r\n\r\nother\r\n", "", None)
        .await;
    bridge.get(&folder).await.expect(404);
    bridge.get(&object).await.expect(404);
    assert_ne!(folder_of(&bridge, "/top").await, folder);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_folder_is_named() {
    let bridge = Bridge::builder("new_folder_errors")
        .folder("a")
        .start()
        .await;
    let url = |folder: &str| {
        format!(
            "http://elsewhere/nms/v1/cpm/{}/{folder}",
            bridge.account.box_id().replace('+', "%2B")
        )
    };
    let folder = folder_of(&bridge, "/a").await;
    for (body, variable) in [
        (json!({"folder": {"name": "x"}}), "Parent folder (missing)"),
        (
            json!({"folder": {"name": "x", "parentFolderPath": "/a", "parentFolder": "y"}}),
            "parentFolder",
        ),
        (
            json!({"folder": {"name": "x", "parentFolderPath": "/none"}}),
            "/none",
        ),
        (
            json!({"folder": {"name": "x", "parentFolderPath": "a//b"}}),
            "a//b",
        ),
        (
            json!({"folder": {"name": "x", "parentFolder": "http://h/folders/none"}}),
            "http://h/folders/none",
        ),
        (json!({"folder": {"parentFolderPath": "/a"}}), "name"),
        (
            json!({"folder": {"name": "a/b", "parentFolderPath": "/a"}}),
            "name",
        ),
        (
            json!({"folder": {"name": "a\r\nA9 DELETE INBOX", "parentFolderPath": "/a"}}),
            "name",
        ),
        (
            json!({"folder": {"name": 7, "parentFolderPath": "/a"}}),
            "name",
        ),
    ] {
        let answer = bridge.post("folders", &body).await.expect(400).json();
        assert_eq!(
            reason(&answer),
            ("SVC0002".to_owned(), vec![variable.to_owned()]),
            "{body}"
        );
    }
    // URLs inside bodies are matched by path alone, and a body need not be wrapped.
    let created = bridge
        .post(
            "folders",
            &json!({"name": "x", "parentFolder": url(&folder)}),
        )
        .await
        .expect(201);
    let location = created.header("location").unwrap().to_owned();
    assert_eq!(created.json()["reference"]["resourceURL"], location);
    assert_eq!(created.json()["reference"]["path"], "/a/x");
}

#[tokio::test]
async fn paths_lead_to_folders_one_by_one() {
    let bridge = Bridge::builder("folder_paths").folder("a/b").start().await;
    let body = json!({"pathList": {"path": ["/a/b", "/a//b", "/none", "a"]}});
    let list = bridge
        .post("folders/operations/pathToId", &body)
        .await
        .expect(200)
        .json();
    let items = list["bulkResponseList"]["response"].as_array().unwrap();
    let codes: Vec<u64> = items
        .iter()
        .map(|item| item["code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [200, 400, 404, 400]);
    assert_eq!(
        items[2]["failure"]["serviceException"]["messageId"],
        "SVC2008"
    );
    assert_eq!(
        items[2]["failure"]["serviceException"]["variables"],
        json!(["path", "/none"])
    );
    let answer = bridge
        .get("folders/operations/pathToId?path=/none")
        .await
        .expect(404)
        .json();
    assert_eq!(
        reason(&answer),
        ("SVC0004".to_owned(), vec!["/none".to_owned()])
    );
    bridge
        .post(
            "folders/operations/pathToId",
            &json!({"pathList": {"path": []}}),
        )
        .await
        .expect(400);
}

#[tokio::test]
async fn a_name_that_is_there_again_is_not_the_folder_that_had_it() {
    let bridge = Bridge::builder("name_again")
        .folder("none/deep")
        .start()
        .await;
    let moved = folder_of(&bridge, "/none").await;
    let name = json!({"name": "other"});
    bridge
        .put(&format!("{moved}/folderName"), &name)
        .await
        .expect(200);
    // A name above others has no mark of its own: this one is as the one before was.
    let mut witness = bridge.witness().await;
    witness.command("CREATE none/new").await.ok();
    bridge.get(&format!("{moved}?path=Yes")).await.expect(200);
    let come = folder_of(&bridge, "/none").await;
    assert_ne!(come, moved);
    for (folder, path) in [(&come, "/none"), (&moved, "/other")] {
        let shown = bridge.get(&format!("{folder}?path=Yes")).await.expect(200);
        assert_eq!(shown.json()["folder"]["path"], path);
    }
    assert_eq!(folder_of(&bridge, "/none").await, come, "it keeps its id");
    bridge.delete(&come).await.expect(204);
    let left = witness.command("LIST \"\" *").await.ok().texts().join("\n");
    assert!(
        left.contains("other/deep") && !left.contains("none"),
        "{left}"
    );
    // And again.
    witness.command("CREATE none/newer").await.ok();
    let again = folder_of(&bridge, "/none").await;
    assert!(again != moved, "{again}");
    bridge.get(&again).await.expect(200);
}

#[tokio::test]
async fn renames_at_the_same_time_all_succeed_one_after_the_other() {
    let bridge = Bridge::builder("renames_at_once")
        .message("f", "f01-sms-in.eml")
        .start()
        .await;
    let name = format!("{}/folderName", folder_of(&bridge, "/f").await);
    let names: Vec<Value> = (0..8)
        .map(|number| json!({"name": format!("name {number}")}))
        .collect();
    let renames = names.iter().map(|body| bridge.put(&name, body));
    for answer in futures_util::future::join_all(renames).await {
        answer.expect(200);
    }
    let last = bridge.get(&name).await.expect(200).json();
    assert!(names.contains(&last), "{last}");
}

/// cpm-on-imap hazard: a session in a mailbox is in the way of its RENAME, and the name looked up a moment ago is another one.
#[tokio::test]
async fn reading_goes_on_while_a_folder_is_renamed() {
    let bridge = Bridge::builder("reading_while_renaming")
        .message("f", "f05-mms-plain.eml")
        .start()
        .await;
    let folder = folder_of(&bridge, "/f").await;
    let object = objects_of(&bridge, "/f").await.remove(0);
    let rename = async {
        for number in 0..20 {
            let body = json!({"name": format!("name {number}")});
            bridge
                .put(&format!("{folder}/folderName"), &body)
                .await
                .expect(200);
        }
    };
    let read = async {
        for _ in 0..20 {
            for resource in [
                format!("{folder}?listFilter=All"),
                object.clone(),
                format!("{object}/payload"),
            ] {
                bridge.get(&resource).await.expect(200);
            }
        }
    };
    tokio::join!(rename, read);
}
