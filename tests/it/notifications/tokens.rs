//! `restartToken`: what was missed comes again (contract §7.2).

use serde_json::json;

use super::{Channel, SMS, a_box, changes::create, events, fixture, set_flag, told};
use crate::objects::objects_of;

#[tokio::test]
async fn a_token_is_good_for_any_subscription_of_the_box() {
    let bridge = a_box("token_elsewhere").start().await;
    let channel = Channel::new(&bridge).await;
    let first = channel.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    set_flag(&bridge, &objects[0], "kept").await;
    let list = channel.list().await;
    set_flag(&bridge, &objects[1], "kept").await;
    let next = channel.list().await;
    let other = Channel::new(&bridge).await;
    for (token, expected) in [
        (&first.token, vec![&objects[0], &objects[1]]),
        (&list["restartToken"], vec![&objects[1]]),
    ] {
        let subscription = other.subscribe(json!({ "restartToken": token })).await;
        assert_eq!(subscription.token, *token, "it is said back");
        let replayed = other.list().await;
        assert_eq!(replayed["index"], json!(1));
        let expected: Vec<(&str, &str)> = expected
            .iter()
            .map(|object| ("changedObject", object.as_str()))
            .collect();
        assert_eq!(told(&events(&replayed)), expected);
        assert_eq!(replayed["restartToken"], next["restartToken"]);
        bridge.delete(&subscription.resource).await.expect(204);
    }
    // Nothing has happened since the last.
    other
        .subscribe(json!({"restartToken": next["restartToken"]}))
        .await;
    assert!(other.poll().await.is_empty());
}

#[tokio::test]
async fn an_update_tells_again_from_a_token_on_and_the_index_goes_on() {
    let bridge = a_box("token_update").start().await;
    let channel = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    set_flag(&bridge, &objects[0], "kept").await;
    let first = channel.list().await;
    set_flag(&bridge, &objects[1], "kept").await;
    let second = channel.list().await;
    assert_eq!(second["index"], json!(2));
    let update = json!({"nmsSubscriptionUpdate": {"restartToken": subscription.token}});
    let updated = bridge
        .post(&subscription.resource, &update)
        .await
        .expect(200)
        .json();
    let updated = &updated["nmsSubscription"];
    assert_eq!(updated["index"], json!(3));
    assert_eq!(updated["restartToken"], subscription.token);
    let again = channel.list().await;
    assert_eq!(again["index"], json!(3));
    let both = [&events(&first)[..], &events(&second)[..]].concat();
    assert_eq!(events(&again), both);
    set_flag(&bridge, &objects[2], "kept").await;
    let next = channel.list().await;
    assert_eq!(next["index"], json!(4));
    assert_eq!(
        told(&events(&next)),
        [("changedObject", objects[2].as_str())]
    );
}

#[tokio::test]
async fn what_happened_while_nobody_had_subscribed_is_found_by_a_token() {
    let bridge = a_box("token_after_delete").folder("Club").start().await;
    let channel = Channel::new(&bridge).await;
    let first = channel.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    let club = crate::objects::folder_of(&bridge, "/Club").await;
    set_flag(&bridge, &objects[0], "kept").await;
    let list = channel.list().await;
    bridge.delete(&first.resource).await.expect(204);
    let mut witness = bridge.witness().await;
    witness.append("INBOX", &fixture(SMS), "", None).await;
    set_flag(&bridge, &objects[1], "kept").await;
    bridge.delete(&objects[2]).await.expect(204);
    witness.command("DELETE Club").await.ok();
    let new = &objects_of(&bridge, "/INBOX").await[0];
    let token = &list["restartToken"];
    channel.subscribe(json!({"restartToken": token})).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let list = channel.list().await;
        seen.extend(events(&list));
    }
    let mut seen = told(&seen);
    seen.sort_unstable();
    let mut expected = vec![
        ("changedObject", objects[1].as_str()),
        ("changedObject", new.as_str()),
        ("deletedFolder", club.as_str()),
        ("deletedObject", objects[2].as_str()),
    ];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    // Live again, from there on.
    set_flag(&bridge, new, "kept").await;
    channel
        .until(|event| event.about == *new && event.has_flag("kept"))
        .await;
}

/// Dovecot tells of changes after half a second: what a token has brought before that is told gone too, though its folder went with it.
#[tokio::test]
async fn what_only_a_token_has_brought_is_told_gone_with_its_folder() {
    let bridge = a_box("token_and_gone").folder("Club").start().await;
    let channel = Channel::new(&bridge).await;
    let first = channel.subscribe(json!({})).await;
    bridge.delete(&first.resource).await.expect(204);
    // Somebody else keeps the box watched, with another journal than that of the token.
    let other = Channel::new(&bridge).await;
    other.subscribe(json!({})).await;
    let mut witness = bridge.witness().await;
    set_flag(&bridge, &objects_of(&bridge, "/INBOX").await[0], "kept").await;
    other.list().await;
    witness.append("Club", &fixture(SMS), "", None).await;
    channel
        .subscribe(json!({"restartToken": first.token}))
        .await;
    witness.command("DELETE Club").await.ok();
    let told = channel.until(|event| event.kind == "deletedFolder").await;
    let new = told
        .iter()
        .find(|event| event.kind == "changedObject" && !event.has_flag("kept"));
    let new = new.expect("the token has brought it");
    assert!(
        told.iter()
            .any(|event| event.is("deletedObject", &new.about)),
        "{told:#?}"
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused_and_changes_nothing() {
    let bridge = a_box("token_refused").start().await;
    let channel = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({})).await;
    let token = subscription.token.as_str().unwrap().to_owned();
    let mut changed = token.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let shorter = &token[..token.len() - 1];
    for wrong in [
        "x",
        &changed,
        shorter,
        &"a".repeat(5000),
        "v5:3001",
        "\u{e9}",
    ] {
        let update = json!({"nmsSubscriptionUpdate": {"duration": 60, "restartToken": wrong}});
        let refused = bridge
            .post(&subscription.resource, &update)
            .await
            .expect(400)
            .json();
        let exception = &refused["requestError"]["serviceException"];
        assert_eq!(exception["variables"], json!(["restartToken"]), "{wrong}");
        let refused = channel
            .asked(json!({"restartToken": wrong}))
            .await
            .expect(400)
            .json();
        let exception = &refused["requestError"]["serviceException"];
        assert_eq!(exception["variables"], json!(["restartToken"]), "{wrong}");
    }
    // Nothing of a refused update was done.
    let shown = bridge.get(&subscription.resource).await.expect(200).json();
    assert!(shown["nmsSubscription"]["duration"].as_u64().unwrap() > 60);
}

#[tokio::test]
async fn who_leaves_more_lying_than_is_kept_reads_the_box_anew() {
    const MANY: usize = 12;
    let bridge = a_box("overflow").setting("[limits]\nqueue = 10");
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    let watching = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({"callbackData": "d7"})).await;
    watching.subscribe(json!({})).await;
    let mut last = String::new();
    for _ in 0..MANY {
        last = create(&bridge, "/INBOX").await;
        watching.until(|event| event.about == last).await;
    }
    let reset = json!([{"resetBox": {}}]);
    let list = channel.list().await;
    assert_eq!(list["nmsEvent"], reset);
    assert_eq!(list["index"], json!(1));
    assert_eq!(list["callbackData"], json!("d7"));
    // From there on as ever.
    set_flag(&bridge, &last, "other").await;
    let next = channel.list().await;
    assert_eq!(next["index"], json!(2));
    assert_eq!(told(&events(&next)), [("changedObject", last.as_str())]);
    // What a token would bring back is too much as well; it is accepted, and said back.
    let update = json!({"nmsSubscriptionUpdate": {"restartToken": subscription.token}});
    let updated = bridge.post(&subscription.resource, &update).await;
    let updated = updated.expect(200).json();
    assert_eq!(
        updated["nmsSubscription"]["restartToken"],
        subscription.token
    );
    let again = channel.list().await;
    assert_eq!(again["nmsEvent"], reset);
    assert_eq!(again["index"], json!(3));
    // One from after the reset brings what came after it.
    let update = json!({"nmsSubscriptionUpdate": {"restartToken": list["restartToken"]}});
    let updated = bridge.post(&subscription.resource, &update).await;
    updated.expect(200);
    let after = channel.list().await;
    assert_eq!(events(&after), events(&next));
    assert_eq!(after["index"], json!(4));
}
