//! A message that comes to light when nobody waits for it any more, and an answer that never comes.

use std::time::Duration;

use cpm_bridge::task;
use tokio::{io::AsyncWriteExt, time::Instant};

use super::{
    kills::Place,
    upload::{Kind, Upload, subject_of, subjects_in_inbox},
};
use crate::support::{
    bridge::Bridge,
    dovecot::Account,
    proxy::{Fault, Proxy, Trap},
};

/// How many APPEND commands the bridge has begun.
fn appends(proxy: &Proxy) -> usize {
    let said = proxy.said();
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).matches(" APPEND \"").count();
    said.iter().map(text).sum()
}

/// Until something is as it has to become.
async fn until(mut there: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there().await {
        assert!(Instant::now() < deadline, "it has not come to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn objects_in_inbox(account: &Account) -> usize {
    subjects_in_inbox(account).await.values().sum()
}

/// The bytes of the upload's APPEND but for the last, without which no store acts.
async fn all_but_the_end(upload: &Upload) -> usize {
    let builder = Bridge::builder("late_measure");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    proxy.lay("APPEND", Trap::Watch, Fault::None);
    let request = upload.request(&bridge.client, &bridge.account);
    request.send().await.expect(201);
    proxy.seen().said.len() - 2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_bridge_sent_is_waited_for() {
    let upload = Upload::new(Kind::One, "late_kill");
    let held = all_but_the_end(&upload).await;
    // A machine may be too busy for the store to be in time; what is shown here is what happens when it is.
    for _ in 0..10 {
        if is_waited_for(&upload, held).await {
            return;
        }
    }
    panic!("the store has never been in time");
}

/// Whether the store has kept what it was sent by the killed bridge while the next one waits for it.
async fn is_waited_for(upload: &Upload, held: usize) -> bool {
    /// Less than the bridge waits, from its start on.
    const IN_TIME: Duration = Duration::from_secs(3);
    let place = Place::new("late_kill").await;
    place.killed_in(upload, Trap::HoldSaid(held)).await;
    let started = Instant::now();
    let process = place.start();
    let client = process.client(&place.account);
    place.proxy.lay("UID SEARCH", Trap::Watch, Fault::None);
    let request = upload.request(&client, &place.account);
    let asking = task::spawn(request.send());
    // It has looked, and found nothing.
    until(async || String::from_utf8_lossy(&place.proxy.seen().answered).contains(" OK ")).await;
    place.proxy.release();
    until(async || objects_in_inbox(&place.account).await > 0).await;
    let in_time = started.elapsed() < IN_TIME;
    let answer = asking.await.unwrap().expect(201);
    let url = answer.header("location").unwrap();
    assert_eq!(subject_of(&client, url).await, upload.subjects[0]);
    place.holds_each_once(upload).await;
    assert!(
        !in_time || appends(&place.proxy) == 1,
        "it was sent again in spite of that"
    );
    process.stop();
    in_time
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_light_after_it_was_sent_again_is_there_once() {
    let upload = Upload::new(Kind::One, "late_twice");
    let held = all_but_the_end(&upload).await;
    let builder = Bridge::builder("late_twice");
    let proxy = Proxy::recording(builder.imap()).await;
    let builder = builder.store_setting("command_timeout = 1");
    let bridge = builder.store(proxy.address()).start().await;
    let (client, account) = (&bridge.client, &bridge.account);
    proxy.lay("APPEND", Trap::HoldSaid(held), Fault::None);
    let answer = upload.request(client, account).send().await;
    assert!(upload.outcomes(&answer)[0].is_err());
    assert_eq!(objects_in_inbox(account).await, 0);

    // The second is about to be sent when the first arrives.
    proxy.lay("APPEND", Trap::HoldSaid(0), Fault::None);
    let asking = task::spawn(upload.request(client, account).send());
    proxy.sprung().await;
    proxy.release();
    until(async || objects_in_inbox(account).await == 1).await;
    proxy.release();
    let answer = asking.await.unwrap().expect(201);
    assert_eq!(appends(&proxy), 2);
    assert_eq!(objects_in_inbox(account).await, 1);
    let url = answer.header("location").unwrap().to_owned();
    assert_eq!(subject_of(client, &url).await, upload.subjects[0]);
    let again = upload.request(client, account).send().await.expect(201);
    assert_eq!(again.header("location").unwrap(), url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_copied_meanwhile_is_not_taken_for_it() {
    let builder = Bridge::builder("late_copy");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let (client, account) = (&bridge.client, &bridge.account);
    let upload = Upload::new(Kind::One, "copied");
    proxy.lay("APPEND", Trap::CutAnswered(0), Fault::Away);
    let answer = upload.request(client, account).send().await;
    assert!(upload.outcomes(&answer)[0].is_err());
    proxy.heal();
    let mut witness = account.witness().await;
    witness.command("SELECT INBOX").await.ok();
    witness.command("UID COPY 1 INBOX").await.ok();
    let answer = upload.request(client, account).send().await.expect(201);
    let url = answer.header("location").unwrap();
    assert_eq!(objects_in_inbox(account).await, 2);
    witness.command("UID STORE 1 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    let path = &url[url.find("/nms/").unwrap()..];
    client.get(path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_finds_what_it_asked_for() {
    for kind in [Kind::One, Kind::Spooled, Kind::Bulk] {
        let builder = Bridge::builder("late_client");
        let proxy = Proxy::recording(builder.imap()).await;
        let bridge = builder.store(proxy.address()).start().await;
        let (client, account) = (&bridge.client, &bridge.account);
        let upload = Upload::new(kind, "client");
        proxy.lay("APPEND", Trap::HoldSaid(0), Fault::None);
        let mut stream = client.connect().await;
        let request = upload.request(client, account);
        stream.write_all(&request.encoded()).await.unwrap();
        proxy.sprung().await;
        drop(stream);
        let asking = task::spawn(upload.request(client, account).send());
        proxy.release();
        let answer = asking.await.unwrap();
        for (subject, url) in upload.subjects.iter().zip(upload.outcomes(&answer)) {
            assert_eq!(subject_of(client, &url.unwrap()).await, *subject);
        }
        assert_eq!(objects_in_inbox(account).await, upload.subjects.len());
        assert_eq!(appends(&proxy), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_comes_is_found_out() {
    for kind in [Kind::One, Kind::Streamed, Kind::Spooled, Kind::Bulk] {
        for hidden in [&[][..], &["MULTIAPPEND"]] {
            let builder = Bridge::builder("late_never");
            let proxy = Proxy::hiding(builder.imap(), hidden).await;
            let builder = builder.store_setting("command_timeout = 1");
            let bridge = builder.store(proxy.address()).start().await;
            let (client, account) = (&bridge.client, &bridge.account);
            proxy.lay("APPEND", Trap::DropTaggedOk, Fault::None);
            let upload = Upload::new(kind, "never");
            let answer = upload.request(client, account).send().await;
            assert!(proxy.has_sprung());
            for (subject, url) in upload.subjects.iter().zip(upload.outcomes(&answer)) {
                assert_eq!(subject_of(client, &url.unwrap()).await, *subject);
            }
            assert_eq!(objects_in_inbox(account).await, upload.subjects.len());
        }
    }
}
