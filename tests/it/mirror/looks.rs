//! What a look says of what nobody has looked at in time, so that a mirror does not keep it.

use cpm_bridge::{
    imap::MailboxName,
    store::{Change, Looked, Picture, Relocating, Relocation, Rings},
};

use crate::{
    support::{dovecot, proxy::Proxy, witness::Witness},
    vanished::Opened,
};

const MOST: usize = 1000;
const MESSAGE: &[u8] = b"IMDN-Message-ID: x\r\n\r\nbody\r\n";

async fn opened(test: &str) -> (Opened, Witness) {
    let account = dovecot::account(test);
    let opened = Opened::in_memory(account.imap, &account.login).await;
    let mut witness = opened.witness().await;
    witness.command("CREATE A").await.ok();
    (opened, witness)
}

async fn looked(opened: &Opened, picture: &mut Picture, mailbox: Option<&str>) -> Looked {
    let mut rings = Rings {
        all: mailbox.is_none(),
        ..Rings::default()
    };
    if let Some(mailbox) = mailbox {
        rings.add(MailboxName::from_wire(mailbox), None);
    }
    let looked = opened.account.changes_since(picture, &rings, MOST, true);
    looked.await.unwrap()
}

#[tokio::test]
async fn what_comes_and_goes_between_two_looks_is_told_to_be_gone() {
    let (opened, mut witness) = opened("came_and_went").await;
    witness.append("A", MESSAGE, "", None).await;
    let mut picture = opened.account.picture().await.unwrap();
    witness.append("A", MESSAGE, "", None).await;
    // A client may have seen it by now.
    let shown = opened.objects("/A").await;
    witness.command("SELECT A").await.ok();
    witness.command("STORE 2 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    let changes = looked(&opened, &mut picture, None).await.changes;
    // What was there before may be told again.
    let Some(Change::ObjectGone(gone)) = changes.last() else {
        panic!("{changes:?}");
    };
    let seal = cpm_bridge::store::id::Seal::new("cpm", &format!("tel:{}", opened.login));
    let event = changes[changes.len() - 1]
        .event(&seal, &opened.urls)
        .unwrap();
    let event = serde_json::to_value(event).unwrap();
    assert_eq!(event["deletedObject"]["resourceURL"], shown[0]);
    assert!(gone.last_mod_seq > 0);
    assert_eq!(looked(&opened, &mut picture, None).await.changes, []);
}

#[tokio::test]
async fn an_object_that_goes_with_its_folder_is_above_all_that_was_shown_of_it() {
    let (opened, mut witness) = opened("above_all").await;
    witness.append("A", MESSAGE, "", None).await;
    let mut picture = opened.account.picture().await.unwrap();
    witness.command("SELECT A").await.ok();
    for sign in ["+", "-", "+", "-", "+"] {
        let store = format!("STORE 1 {sign}FLAGS (\\Seen)");
        witness.command(&store).await.ok();
    }
    let shown = opened.objects("/A").await;
    let id = opened.urls.object_id(&shown[0]).unwrap();
    let object = opened.account.object(&opened.urls, &id).await.unwrap();
    witness.command("CLOSE").await.ok();
    witness.command("DELETE A").await.ok();
    let changes = looked(&opened, &mut picture, None).await.changes;
    let gone = changes.iter().find_map(|change| match change {
        Change::ObjectGone(gone) => Some(gone.last_mod_seq),
        Change::Object(_) | Change::Folder(_) | Change::FolderGone(_) => None,
    });
    assert!(gone > object.last_mod_seq, "{changes:?} {object:?}");
}

/// Also where the store does not tell of expunges, and of a folder that is gone itself.
#[tokio::test]
async fn what_others_delete_is_listed_as_vanished_once_it_is_seen_to_be_gone() {
    let account = dovecot::account("seen_to_be_gone");
    let proxy = Proxy::hiding(account.imap, &["QRESYNC"]).await;
    let opened = Opened::in_memory(proxy.address(), &account.login).await;
    let mut witness = opened.witness().await;
    for mailbox in ["A", "B"] {
        witness.command(&format!("CREATE {mailbox}")).await.ok();
        witness.append(mailbox, MESSAGE, "", None).await;
        witness.append(mailbox, MESSAGE, "", None).await;
    }
    let mut picture = opened.account.picture().await.unwrap();
    let (a, b) = (opened.objects("/A").await, opened.objects("/B").await);
    witness.command("SELECT A").await.ok();
    witness.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    witness.command("DELETE B").await.ok();
    assert_eq!(opened.vanished(10).await, [""; 0]);
    looked(&opened, &mut picture, None).await;
    let mut vanished = opened.vanished(10).await;
    let mut gone = vec![a[1].clone(), b[0].clone(), b[1].clone()];
    vanished.sort();
    gone.sort();
    assert_eq!(vanished, gone);
}

#[tokio::test]
async fn an_object_moved_to_a_folder_that_nobody_has_looked_at_is_not_gone() {
    let (opened, mut witness) = opened("to_a_new_folder").await;
    witness.append("A", MESSAGE, "", None).await;
    let mut picture = opened.account.picture().await.unwrap();
    witness.command("CREATE B").await.ok();
    let shown = opened.objects("/A").await;
    let target = opened.folder_id("/B").await;
    let relocation = Relocation {
        kind: Relocating::Move,
        target: opened.urls.folder(&target),
        folders: Vec::new(),
        objects: vec![Some(shown[0].clone())],
    };
    let moved = opened.account.relocate(&opened.urls, relocation).await;
    assert!(moved.unwrap()[0].is_ok());
    let changes = looked(&opened, &mut picture, Some("A")).await.changes;
    let [Change::Folder(folder), Change::Object(object)] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((&folder.name[..], &object.parent), ("B", &folder.id));
}
