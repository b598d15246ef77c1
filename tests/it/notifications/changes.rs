//! What counts as a change, whoever makes it (contract §7.1).

use serde_json::{Value, json};

use super::{Channel, Event, MMS, SMS, a_box, fixture, set_flag};
use crate::{
    objects::{below_box, folder_of, objects_of},
    support::bridge::Bridge,
};

#[tokio::test]
async fn what_another_client_does_to_objects_is_told() {
    let bridge = a_box("others_objects").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let mut witness = bridge.witness().await;
    let sms = fixture(SMS);
    let (list, uid) = tokio::join!(channel.list(), witness.append("INBOX", &sms, "kept", None));
    let [new] = &super::events(&list)[..] else {
        panic!("{list}");
    };
    assert_eq!(new.kind, "changedObject");
    assert!(new.has_flag("kept"));
    let inbox = folder_of(&bridge, "/INBOX").await;
    assert_eq!(below_box(&new.content["parentFolder"]), inbox);
    bridge.get(&new.about).await.expect(200);
    witness.command("SELECT INBOX").await.ok();
    let store = format!("UID STORE {uid} +FLAGS.SILENT (\\Seen)");
    let (list, _) = tokio::join!(channel.list(), witness.command(&store));
    let [seen] = &super::events(&list)[..] else {
        panic!("{list}");
    };
    assert!(seen.is("changedObject", &new.about) && seen.has_flag("\\Seen"));
    assert!(seen.last_mod_seq() > new.last_mod_seq());
    let store = format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)");
    witness.command(&store).await.ok();
    witness.command(&format!("UID EXPUNGE {uid}")).await.ok();
    let gone = |event: &Event| event.is("deletedObject", &new.about);
    let told = channel.until(gone).await;
    let gone = told.iter().find(|event| gone(event)).unwrap();
    assert!(gone.last_mod_seq() > seen.last_mod_seq());
    assert_eq!(gone.content["correlationId"], new.content["correlationId"]);
    bridge.get(&new.about).await.expect(404);
}

#[tokio::test]
async fn what_another_client_does_to_folders_is_told() {
    let bridge = a_box("others_folders").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let mut witness = bridge.witness().await;
    let named = |name: &'static str| {
        move |event: &Event| event.kind == "changedFolder" && event.content["name"] == name
    };
    witness.command("CREATE Club").await.ok();
    let told = channel.until(named("Club")).await;
    let made = told.iter().find(|event| named("Club")(event)).unwrap();
    assert_eq!(made.about, folder_of(&bridge, "/Club").await);
    let root = bridge.get("folders/operations/pathToId").await.expect(200);
    let root = root.json()["reference"]["resourceURL"].clone();
    assert_eq!(made.content["parentFolder"], root);
    witness.command("RENAME Club Chess").await.ok();
    let told = channel.until(named("Chess")).await;
    let renamed = told.iter().find(|event| named("Chess")(event)).unwrap();
    assert_eq!(renamed.about, made.about);
    assert!(renamed.last_mod_seq() > made.last_mod_seq());
    assert!(
        told.iter().all(|event| event.kind != "deletedFolder"),
        "{told:#?}"
    );
    witness.append("Chess", &fixture(SMS), "", None).await;
    let told = channel.until(|event| event.kind == "changedObject").await;
    let inside = told.last().unwrap().about.clone();
    witness.command("DELETE Chess").await.ok();
    let mut told = channel
        .until(|event| event.is("deletedFolder", &made.about))
        .await;
    if !told.iter().any(|event| event.is("deletedObject", &inside)) {
        told.extend(
            channel
                .until(|event| event.is("deletedObject", &inside))
                .await,
        );
    }
    let gone = told
        .iter()
        .find(|event| event.is("deletedFolder", &made.about));
    assert!(gone.unwrap().last_mod_seq() > renamed.last_mod_seq());
}

/// An object made through the bridge, as a path below the box.
pub(super) async fn create(bridge: &Bridge, path: &str) -> String {
    let body = format!(
        "--Outer7\r\nContent-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: application/json\r\n\r\n\
         {{\"object\":{{\"parentFolderPath\":\"{path}\",\"correlationId\":\"mine\",\"correlationTag\":\"tag\",\
         \"flags\":{{\"flag\":[\"kept\"]}}}}}}\r\n\
         --Outer7\r\nContent-Disposition: form-data; name=\"attachments\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--Outer7--\r\n"
    );
    let request = bridge.request("POST", "objects");
    let answer = request.body("multipart/form-data; boundary=Outer7", body);
    let made = answer.send().await.expect(201).json();
    below_box(&made["reference"]["resourceURL"])
}

#[tokio::test]
async fn what_is_done_through_the_bridge_is_told() {
    let bridge = a_box("own_changes").folder("Notes").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let made = create(&bridge, "/Notes").await;
    let told = channel
        .until(|event| event.is("changedObject", &made))
        .await;
    let created = told.last().unwrap();
    assert!(created.has_flag("kept"));
    assert_eq!(created.content["correlationId"], "mine");
    assert_eq!(created.content["correlationTag"], "tag");
    bridge
        .delete(&format!("{made}/flags/kept"))
        .await
        .expect(204);
    let told = channel
        .until(|event| event.is("changedObject", &made))
        .await;
    assert!(!told.last().unwrap().has_flag("kept"));
    bridge.delete(&made).await.expect(204);
    let told = channel
        .until(|event| event.is("deletedObject", &made))
        .await;
    let gone = told.last().unwrap();
    assert_eq!(gone.content["correlationId"], "mine");
    assert_eq!(gone.content["correlationTag"], "tag");
    assert!(gone.last_mod_seq() > created.last_mod_seq());
}

#[tokio::test]
async fn an_object_moved_through_the_bridge_is_the_same_elsewhere() {
    let bridge = a_box("moved_object").folder("Notes").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let object = &objects_of(&bridge, "/INBOX").await[0];
    let before = bridge.get(object).await.expect(200).json()["object"]["lastModSeq"].clone();
    let notes = folder_of(&bridge, "/Notes").await;
    let url = |resource: &str| {
        format!(
            "http://{}{}",
            bridge.client.address(),
            bridge.target(resource)
        )
    };
    let body = json!({"targetSourceRef": {
        "targetRef": {"resourceURL": url(&notes)},
        "sourceRefs": {"objects": {"objectReference": [{"resourceURL": url(object)}]}},
    }});
    let moved = bridge
        .post("folders/operations/moveToFolder", &body)
        .await
        .expect(200);
    assert_eq!(
        moved.json()["bulkResponseList"]["response"][0]["code"],
        json!(200)
    );
    let told = channel
        .until(|event| event.is("changedObject", object))
        .await;
    let event = told.last().unwrap();
    assert_eq!(below_box(&event.content["parentFolder"]), notes);
    assert!(event.last_mod_seq() > before.as_u64().unwrap());
    set_flag(&bridge, object, "kept").await;
    let after = channel.until(|event| event.has_flag("kept")).await;
    let all = told.iter().chain(&after);
    let mut others = all.filter(|event| !event.is("changedObject", object));
    assert_eq!(others.next(), None, "neither gone nor come");
    assert!(after.last().unwrap().last_mod_seq() > event.last_mod_seq());
}

#[tokio::test]
async fn a_name_that_is_there_again_is_told_as_another_folder() {
    let bridge = a_box("name_again_told").folder("none/deep").start().await;
    let moved = folder_of(&bridge, "/none").await;
    let deep = folder_of(&bridge, "/none/deep").await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    // What only had others below it is a mailbox now; then another client takes that elsewhere, and what was below comes back.
    create(&bridge, "/none").await;
    let mut witness = bridge.witness().await;
    witness.command("RENAME none other").await.ok();
    channel
        .until(|event| event.is("changedFolder", &moved) && event.content["name"] == "other")
        .await;
    witness.command("RENAME other/deep none/deep").await.ok();
    let told = channel
        .until(|event| event.is("changedFolder", &deep))
        .await;
    let parent = below_box(&told.last().unwrap().content["parentFolder"]);
    assert_ne!(parent, moved);
    let none = told.iter().find(|event| event.is("changedFolder", &parent));
    assert_eq!(none.unwrap().content["name"], "none");
    assert_eq!(folder_of(&bridge, "/none").await, parent);
    assert_eq!(folder_of(&bridge, "/other").await, moved);
    bridge.delete(&parent).await.expect(204);
    let told = channel
        .until(|event| event.is("deletedFolder", &parent))
        .await;
    assert!(told.iter().all(|event| event.about != moved), "{told:#?}");
}

#[tokio::test]
async fn folders_made_renamed_moved_and_deleted_through_the_bridge_are_told() {
    let bridge = a_box("own_folders").folder("Albums").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let body = json!({"folder": {"parentFolderPath": "/Albums", "name": "Club"}});
    let made = bridge.post("folders", &body).await.expect(201).json();
    let club = below_box(&made["reference"]["resourceURL"]);
    let told = channel
        .until(|event| event.is("changedFolder", &club))
        .await;
    let (name, albums) = (json!("Club"), folder_of(&bridge, "/Albums").await);
    let made = told.last().unwrap();
    assert_eq!(made.content["name"], name);
    assert_eq!(below_box(&made.content["parentFolder"]), albums);
    let object = create(&bridge, "/Albums/Club").await;
    channel
        .until(|event| event.is("changedObject", &object))
        .await;

    let name = json!({"name": "Chess"});
    bridge
        .put(&format!("{club}/folderName"), &name)
        .await
        .expect(200);
    let told = channel
        .until(|event| event.is("changedFolder", &club))
        .await;
    let renamed = told.last().unwrap();
    assert_eq!(renamed.content["name"], "Chess");
    assert!(renamed.last_mod_seq() > made.last_mod_seq());
    // What is in it has not changed (contract §7.1).
    assert!(told.iter().all(|event| event.about == club), "{told:#?}");

    let root = bridge
        .get("folders/operations/pathToId")
        .await
        .expect(200)
        .json();
    let root = root["reference"]["resourceURL"].clone();
    let url = format!("http://{}{}", bridge.client.address(), bridge.target(&club));
    let body = json!({"targetSourceRef": {
        "targetRef": {"resourceURL": root},
        "sourceRefs": {"folders": {"folderReference": [{"resourceURL": url}]}},
    }});
    bridge
        .post("folders/operations/moveToFolder", &body)
        .await
        .expect(200);
    let told = channel
        .until(|event| event.is("changedFolder", &club))
        .await;
    let moved = told.last().unwrap();
    assert_eq!(moved.content["parentFolder"], root);
    assert!(told.iter().all(|event| event.about == club), "{told:#?}");

    bridge.delete(&club).await.expect(204);
    let mut told = channel
        .until(|event| event.is("deletedFolder", &club))
        .await;
    if !told.iter().any(|event| event.is("deletedObject", &object)) {
        told.extend(
            channel
                .until(|event| event.is("deletedObject", &object))
                .await,
        );
    }
    let gone = told
        .iter()
        .find(|event| event.kind == "deletedFolder")
        .unwrap();
    assert!(gone.last_mod_seq() > moved.last_mod_seq());
}

#[tokio::test]
async fn what_is_flagged_deleted_is_gone_where_that_is_hidden() {
    let bridge = a_box("hidden").setting("[objects]\ndeleted = \"hide\"");
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let object = objects_of(&bridge, "/INBOX").await[0].clone();
    let mut witness = bridge.witness().await;
    witness.command("SELECT INBOX").await.ok();
    witness
        .command("STORE 3 +FLAGS.SILENT (\\Deleted)")
        .await
        .ok();
    let told = channel
        .until(|event| event.is("deletedObject", &object))
        .await;
    let gone = told.last().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:#?}");
    bridge.get(&object).await.expect(404);
    // It comes back as what it was.
    witness
        .command("STORE 3 -FLAGS.SILENT (\\Deleted)")
        .await
        .ok();
    let told = channel
        .until(|event| event.is("changedObject", &object))
        .await;
    let back = told.last().unwrap();
    assert!(
        back.last_mod_seq() > gone.last_mod_seq(),
        "{back:#?} after {gone:#?}"
    );
    bridge.get(&object).await.expect(200);
}

#[tokio::test]
async fn who_watches_neither_reads_nor_takes_recent() {
    let bridge = a_box("unseen").start().await;
    let channel = Channel::new(&bridge).await;
    // What a filter needs is read, too.
    let filter = json!({"criterion": [{"type": "AllTextAttributes", "value": "e"}]});
    channel.subscribe(json!({ "filter": filter })).await;
    let mut witness = bridge.witness().await;
    let uid = witness.append("INBOX", &fixture(MMS), "", None).await;
    let newest = channel.list().await;
    let newest = super::events(&newest)[0].about.clone();
    bridge.get(&newest).await.expect(200);
    witness.command("SELECT INBOX").await.ok();
    let flags = witness.flags(uid).await;
    assert!(
        flags.contains("\\Recent") && !flags.contains("\\Seen"),
        "{flags:?}"
    );
    let shown: Value = bridge.get(&newest).await.expect(200).json();
    let shown = shown["object"]["flags"]["flag"].as_array().unwrap();
    assert!(!shown.contains(&json!("\\Seen")), "{shown:?}");
}
