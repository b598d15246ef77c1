//! The bridge killed (SIGKILL) at any moment of a creation: what its state file holds is enough to make nothing twice.

use cpm_bridge::task;
use serde_json::Value;

use super::upload::{Kind, Upload, subject_of, subjects_in_inbox};
use crate::support::{
    dovecot::{self, Account},
    process::Process,
    proxy::{Fault, Proxy, Trap},
};

/// A box whose bridge can be started again, with the state of the one before.
pub(super) struct Place {
    pub(super) account: Account,
    pub(super) proxy: Proxy,
    directory: tempfile::TempDir,
}

impl Place {
    pub(super) async fn new(name: &str) -> Self {
        let account = dovecot::account(name);
        Self {
            proxy: Proxy::recording(account.imap).await,
            account,
            directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
        }
    }

    pub(super) fn start(&self) -> Process {
        let state = self.directory.path().join("state");
        let settings = format!("[state]\nurl = \"file:{}\"\n", state.display());
        Process::start(self.proxy.address(), &settings)
    }

    /// A bridge that is killed when the trap springs, in the middle of this upload.
    pub(super) async fn killed_in(&self, upload: &Upload, trap: Trap) {
        let process = self.start();
        let client = process.client(&self.account);
        self.proxy.lay("APPEND", trap, Fault::None);
        let request = upload.request(&client, &self.account).encoded();
        let asking = task::spawn(async move { client.raw(&request).await });
        self.proxy.sprung().await;
        process.kill();
        assert_eq!(asking.await.unwrap(), b"", "it was killed too late");
        self.proxy.heal();
    }

    /// The bridge that comes after knows what to do: a repetition makes what is not there, and only that.
    async fn is_continued(&self, upload: &Upload) {
        let process = self.start();
        let client = process.client(&self.account);
        let other = upload.with_text(&client, &self.account, "other\r\n");
        refuses(&other.send().await, upload);
        let mut urls = Vec::new();
        for _ in 0..2 {
            let answer = upload.request(&client, &self.account).send().await;
            urls.push(upload.outcomes(&answer));
        }
        assert_eq!(urls[0], urls[1]);
        for (subject, url) in upload.subjects.iter().zip(&urls[0]) {
            assert_eq!(subject_of(&client, url.as_ref().unwrap()).await, *subject);
        }
        self.holds_each_once(upload).await;
        let other = upload.with_text(&client, &self.account, "other\r\n");
        refuses(&other.send().await, upload);
        process.stop();
    }

    pub(super) async fn holds_each_once(&self, upload: &Upload) {
        let once = upload.subjects.iter().map(|subject| (subject.clone(), 1));
        assert_eq!(subjects_in_inbox(&self.account).await, once.collect());
    }
}

/// A key that was used with another body (product: idempotent create).
fn refuses(answer: &crate::support::http::Answer, upload: &Upload) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 409, "{text}");
    let fault = &answer.json()["requestError"]["serviceException"];
    assert_eq!(fault["messageId"], "SVC0005");
    let key = format!("key of {}", upload.subjects[0]);
    let variables = [Value::from(key), Value::from("clientCorrelator")];
    assert_eq!(*fault["variables"].as_array().unwrap(), variables);
}

const KINDS: [Kind; 3] = [Kind::One, Kind::Spooled, Kind::Bulk];

async fn is_survived(name: &str, trap: Trap, stored: bool) {
    for kind in KINDS {
        let place = Place::new(name).await;
        let upload = Upload::new(kind, name);
        place.killed_in(&upload, trap).await;
        let there = subjects_in_inbox(&place.account).await;
        assert_eq!(there.len(), if stored { upload.subjects.len() } else { 0 });
        place.is_continued(&upload).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_anything_was_sent_is_survived() {
    is_survived("kill_before", Trap::HoldSaid(0), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_inside_the_message_is_survived() {
    is_survived("kill_inside", Trap::HoldSaid(150), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_the_append_and_the_state_is_survived() {
    is_survived("kill_between", Trap::DropTaggedOk, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_answer_is_survived() {
    for kind in KINDS {
        let place = Place::new("kill_after").await;
        let upload = Upload::new(kind, "kill_after");
        let process = place.start();
        let client = process.client(&place.account);
        let answer = upload.request(&client, &place.account).send().await;
        let urls = upload.outcomes(&answer);
        process.kill();
        place.is_continued(&upload).await;

        // The outcome is what is remembered, not the object.
        let mut witness = place.account.witness().await;
        witness.command("SELECT INBOX").await.ok();
        witness
            .command("UID STORE 1:* +FLAGS (\\Deleted)")
            .await
            .ok();
        witness.command("EXPUNGE").await.ok();
        let process = place.start();
        let client = process.client(&place.account);
        let answer = upload.request(&client, &place.account).send().await;
        let path = |url: &String| url[url.find("/nms/").unwrap()..].to_owned();
        let paths = |urls: &[Result<String, u16>]| -> Vec<String> {
            urls.iter().map(|url| path(url.as_ref().unwrap())).collect()
        };
        assert_eq!(paths(&upload.outcomes(&answer)), paths(&urls));
        assert!(subjects_in_inbox(&place.account).await.is_empty());
        process.stop();
    }
}
