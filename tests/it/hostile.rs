//! Clients that send anything at all: nothing they say ends in a fault of ours, and nothing of it becomes a command of its own
//! for the store.
//!
//! The bridge is a process of its own in front of a real Dovecot, and a proxy between them keeps every octet it sends.

mod bodies;
mod paths;
mod properties;
mod raw;
mod strings;
mod wire;
mod xml;

use std::sync::Mutex;

use futures_util::StreamExt;

use crate::{
    objects::below_box,
    support::{
        dovecot::{self, Account},
        http::{Client, Request},
        process::Process,
        proxy::Proxy,
        witness::Witness,
    },
};

/// Nobody asks for it, and every attempt at a second command is after it.
const CANARY: &str = "canary";

/// Requests under way at the same time, where they keep the service busy, and where they wait for it to lose patience.
const BUSY: usize = 8;
const WAITING: usize = 100;

/// What is attacked.
struct Target {
    process: Process,
    proxy: Proxy,
    account: Account,
    client: Client,
    /// `objects/…` of a message in the folder `/scratch`.
    object: String,
    /// `folders/…` of `/scratch`.
    folder: String,
    wrong: Mutex<Vec<String>>,
}

impl Target {
    async fn start(test: &str) -> Self {
        let account = dovecot::account(test);
        let mut witness = account.witness().await;
        for mailbox in [CANARY, "scratch"] {
            witness.command(&format!("CREATE {mailbox}")).await.ok();
            let message = b"Subject: here\r\nContent-Type: text/html\r\n\r\n<p>here\r\n";
            witness.append(mailbox, message, "\\Flagged", None).await;
        }
        let proxy = Proxy::recording(account.imap).await;
        let process = Process::start(
            proxy.address(),
            "[limits]\nheader_timeout = 1\nbody_timeout = 1\n",
        );
        let client = process.client(&account);
        let mut target = Self {
            process,
            proxy,
            account,
            client,
            object: String::new(),
            folder: String::new(),
            wrong: Mutex::default(),
        };
        let found = target
            .resource("folders/operations/pathToId?path=/scratch")
            .await;
        target.folder = below_box(&found["reference"]["resourceURL"]);
        let listed = target
            .resource(&format!("{}?listFilter=Objects", target.folder))
            .await;
        let object = &listed["folder"]["objects"]["objectReference"][0]["resourceURL"];
        target.object = below_box(object);
        target
    }

    async fn resource(&self, resource: &str) -> serde_json::Value {
        self.client
            .get(&self.target(resource))
            .await
            .expect(200)
            .json()
    }

    fn target(&self, resource: &str) -> String {
        let box_id = self.account.box_id().replace('+', "%2B");
        format!("/nms/v1/cpm/{box_id}/{resource}")
    }

    fn request(&self, method: &str, resource: &str) -> Request {
        self.client.request(method, &self.target(resource))
    }

    /// Sends all of it, so many at a time, and judges each answer.
    async fn attack(&self, at_once: usize, attempts: Vec<Attempt>) {
        assert!(!attempts.is_empty());
        let attempts = attempts.into_iter().map(|attempt| self.attempt(attempt));
        futures_util::stream::iter(attempts)
            .buffer_unordered(at_once)
            .collect::<()>()
            .await;
    }

    async fn attempt(&self, Attempt { what, bytes }: Attempt) {
        let answer = self.client.raw(&bytes).await;
        if let Err(why) = judged(&answer) {
            let shown = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
            self.wrong
                .lock()
                .unwrap()
                .push(format!("{what}: {why}: {shown}"));
        }
    }

    /// The store is as it was, it was never told anything but whole commands, and the process is well.
    async fn end(self) {
        let mut wrong = self.wrong.into_inner().unwrap();
        let mut witness = self.account.witness().await;
        assert_eq!(witness.examine(CANARY).await, 1);
        assert!(
            witness.flags(1).await.contains("\\Flagged"),
            "the canary lives"
        );
        assert!(
            !witness.flags(1).await.contains("\\Deleted"),
            "the canary lives"
        );
        let log = self.process.stop();
        for word in ["panicked", "internal error", CANARY, "scratch"] {
            let lines = log.lines().filter(|line| line.contains(word));
            wrong.extend(lines.map(|line| format!("in the log: {line}")));
        }
        for said in self.proxy.said() {
            wrong.extend(wire::commands(&said).err());
        }
        let shown: Vec<&str> = wrong.iter().take(30).map(String::as_str).collect();
        assert!(
            wrong.is_empty(),
            "{} are wrong:\n{}",
            wrong.len(),
            shown.join("\n")
        );
    }

    async fn witness(&self) -> Witness {
        self.account.witness().await
    }
}

/// One request, and how to call it when it goes wrong.
struct Attempt {
    what: String,
    bytes: Vec<u8>,
}

impl Attempt {
    fn new(what: impl Into<String>, request: &Request) -> Self {
        Self::raw(what, request.encoded())
    }

    fn raw(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let mut what: String = what.into();
        if let Some((end, _)) = what.char_indices().nth(200) {
            what.truncate(end);
        }
        Self {
            what,
            bytes: bytes.into(),
        }
    }
}

/// Whether all that came back is answers, none of them a fault of the server's, each as a client may expect it.
fn judged(answer: &[u8]) -> Result<(), String> {
    // To what is no HTTP an end of the connection is an answer.
    if answer.is_empty() || answer.starts_with(b"\0") {
        return Ok(());
    }
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no end of the head")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse::<u16>().ok());
    let status = status.ok_or("no status line")?;
    if status >= 500 {
        return Err("a fault of the server".to_owned());
    }
    let json = lines
        .clone()
        .any(|line| line == "content-type: application/json");
    if lines.any(|line| line.to_ascii_lowercase().starts_with("x-injected")) {
        return Err("a header of the client's".to_owned());
    }
    // Several answers on one connection are not taken apart: the first is what the request got.
    if json && !body.is_empty() && !body.contains("HTTP/1.1 ") {
        let body: serde_json::Value =
            serde_json::from_str(body).map_err(|error| error.to_string())?;
        if status >= 400 && body.get("requestError").is_none() && body.get("empty").is_none() {
            return Err("an error without requestError".to_owned());
        }
    }
    Ok(())
}
