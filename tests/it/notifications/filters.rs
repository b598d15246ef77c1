//! What a filter lets through (contract §7.2).

use serde_json::{Value, json};

use super::{Channel, Event, MMS, SMS, a_box, fixture, set_flag, told};
use crate::objects::objects_of;

fn filter(criterion: Value) -> Value {
    json!({"filter": {"criterion": [criterion]}})
}

fn flag(name: &str, value: &str) -> Value {
    json!({"type": "Flag", "name": name, "value": value})
}

#[tokio::test]
async fn an_event_passes_when_what_it_is_about_meets_the_criteria_as_it_is_now() {
    let bridge = a_box("filter_flag").start().await;
    let channel = Channel::new(&bridge).await;
    let watching = Channel::new(&bridge).await;
    watching.subscribe(json!({})).await;
    channel.subscribe(filter(flag("kept", "true"))).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    set_flag(&bridge, &objects[0], "other").await;
    set_flag(&bridge, &objects[1], "kept").await;
    watching.settle("mark").await;
    let list = channel.list().await;
    assert_eq!(
        told(&super::events(&list)),
        [("changedObject", objects[1].as_str())]
    );
    // It no longer is what was asked for, and that is not told.
    bridge
        .delete(&format!("{}/flags/kept", objects[1]))
        .await
        .expect(204);
    set_flag(&bridge, &objects[0], "kept").await;
    let told_of = channel.until(|event| event.about == objects[0]).await;
    assert_eq!(told(&told_of), [("changedObject", objects[0].as_str())]);
    // No list was made of what did not pass.
    set_flag(&bridge, &objects[0], "third").await;
    assert_eq!(channel.list().await["index"], json!(3));
}

#[tokio::test]
async fn attributes_and_presets_are_what_a_search_understands_by_them() {
    let bridge = a_box("filter_attribute").start().await;
    let watching = Channel::new(&bridge).await;
    watching.subscribe(json!({})).await;
    let inbox = objects_of(&bridge, "/INBOX").await;
    let sms = bridge.get(&inbox[2]).await.expect(200).json();
    let from = sms["object"]["attributes"]["attribute"]
        .as_array()
        .unwrap()
        .iter();
    let from = from
        .clone()
        .find(|attribute| attribute["name"] == "From")
        .unwrap()["value"][0]
        .clone();
    let cases = [
        json!({"type": "Attribute", "name": "From", "value": from}),
        json!({"type": "PresetSearch", "name": "UPOneDotO", "value": ""}),
        json!({"type": "WholeWord", "value": "nothing-has-this-word"}),
        json!({"type": "Date", "value": "minDate=2000-01-01T00:00:00Z"}),
        json!({"type": "Date", "value": "maxDate=2000-01-01T00:00:00Z"}),
    ];
    for (number, criterion) in cases.into_iter().enumerate() {
        let body = json!({"selectionCriteria": {"searchCriteria": {"criterion": [criterion]}}});
        let found = bridge
            .post("objects/operations/search", &body)
            .await
            .expect(200)
            .json();
        let found = found["objectList"]["object"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut found: Vec<String> = found
            .iter()
            .map(|object| crate::objects::below_box(&object["resourceURL"]))
            .collect();
        found.sort();
        let channel = Channel::new(&bridge).await;
        channel.subscribe(filter(criterion.clone())).await;
        for object in &inbox {
            set_flag(&bridge, object, &format!("case{number}")).await;
        }
        watching.settle(&format!("mark{number}")).await;
        let mut passed = Vec::new();
        for list in channel.poll().await {
            passed.extend(super::events(&list).into_iter().map(|event| event.about));
        }
        passed.sort();
        assert_eq!(passed, found, "{criterion}");
        bridge.delete(&channel.resource).await.expect(204);
    }
}

#[tokio::test]
async fn created_objects_are_told_while_they_are_news_and_never_again() {
    let bridge = a_box("filter_created").start().await;
    let watching = Channel::new(&bridge).await;
    let start = watching.subscribe(json!({})).await;
    let channel = Channel::new(&bridge).await;
    let created = json!({"type": "CreatedObjects", "value": ""});
    let subscription = channel.subscribe(filter(created.clone())).await;
    let old = objects_of(&bridge, "/INBOX").await[0].clone();
    set_flag(&bridge, &old, "kept").await;
    let mut witness = bridge.witness().await;
    witness.append("INBOX", &fixture(SMS), "", None).await;
    let told_of = channel.until(|event| event.kind == "changedObject").await;
    let new = objects_of(&bridge, "/INBOX").await[0].clone();
    assert_eq!(told(&told_of), [("changedObject", new.as_str())]);
    // Neither a later change of it, nor its end, is a creation.
    set_flag(&bridge, &new, "kept").await;
    watching
        .until(|event| event.about == new && event.has_flag("kept"))
        .await;
    watching.settle("mark").await;
    assert!(channel.poll().await.is_empty());
    // Nor is it replayed, by whichever subscription.
    let again = json!({"nmsSubscriptionUpdate": {"restartToken": subscription.token}});
    bridge
        .post(&subscription.resource, &again)
        .await
        .expect(200);
    let other = json!({"filter": {"criterion": [created]}, "restartToken": start.token});
    channel.subscribe(other).await;
    assert!(channel.poll().await.is_empty());
    witness.append("INBOX", &fixture(MMS), "", None).await;
    let first = channel.until(|event| event.kind == "changedObject").await;
    let second = channel.until(|event| event.kind == "changedObject").await;
    assert_eq!(first, second);
    assert_ne!(first[0].about, new);
}

#[tokio::test]
async fn vanished_objects_are_what_is_gone_and_nothing_else() {
    let bridge = a_box("filter_vanished").folder("Club").start().await;
    let watching = Channel::new(&bridge).await;
    watching.subscribe(json!({})).await;
    let channel = Channel::new(&bridge).await;
    let vanished = json!({"type": "VanishedObjects", "value": ""});
    channel.subscribe(filter(vanished)).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    set_flag(&bridge, &objects[1], "kept").await;
    bridge.delete(&objects[0]).await.expect(204);
    watching.settle("mark").await;
    let list = channel.list().await;
    assert_eq!(
        told(&super::events(&list)),
        [("deletedObject", objects[0].as_str())]
    );
    let club = crate::objects::folder_of(&bridge, "/Club").await;
    bridge.delete(&club).await.expect(204);
    let gone = |event: &Event| event.is("deletedFolder", &club);
    let told_of = channel.until(gone).await;
    assert_eq!(told_of.len(), 1, "{told_of:#?}");
}
