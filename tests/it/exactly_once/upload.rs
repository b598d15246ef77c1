//! Requests that create objects, and what became of each object.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    creation::Form,
    support::{
        dovecot::Account,
        http::{Answer, Client, Request},
        witness::Witness,
    },
};

/// How an upload is sent, and what the bridge makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One small object.
    One,
    /// One whose attachment goes to the store while it is still coming in, which is only so without a key.
    Streamed,
    /// One whose attachment waits in the spool, which is only so with a key.
    Spooled,
    /// Three small ones.
    Bulk,
}

/// Objects to be made, each known by its Subject, which nobody else has.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    kind: Kind,
    has_keys: bool,
    folder: String,
    /// What may be answered instead of success.
    broken: &'static [u16],
    pub(super) subjects: Vec<String>,
}

/// What became of an object: its URL, or the status instead.
pub(super) type Outcome = Result<String, u16>;

impl Upload {
    /// Objects with Subjects that begin so, each with a clientCorrelator where that can be.
    pub(super) fn new(kind: Kind, name: &str) -> Self {
        let count = if kind == Kind::Bulk { 3 } else { 1 };
        let subjects = (0..count).map(|number| format!("{name}-{number}"));
        Self {
            kind,
            has_keys: kind != Kind::Streamed,
            folder: "/INBOX".to_owned(),
            broken: &[503, 504],
            subjects: subjects.collect(),
        }
    }

    /// The same without keys.
    pub(super) fn without_keys(self) -> Self {
        let has_keys = false;
        Self { has_keys, ..self }
    }

    /// The same in another folder, which is made if need be.
    pub(super) fn to(self, folder: &str) -> Self {
        let folder = folder.to_owned();
        Self { folder, ..self }
    }

    /// The same where the store may say odd things while it dies.
    pub(super) fn at_a_dying_store(self) -> Self {
        let broken = &[502, 503, 504];
        Self { broken, ..self }
    }

    /// Whether the request can be made again without making anything twice.
    pub(super) fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// The request of an account.
    pub(super) fn request(&self, client: &Client, account: &Account) -> Request {
        self.with_text(client, account, "")
    }

    /// The same with another body: more text in it.
    pub(super) fn with_text(&self, client: &Client, account: &Account, more: &str) -> Request {
        let resource = match self.kind {
            Kind::One | Kind::Streamed | Kind::Spooled => "objects",
            Kind::Bulk => "objects/operations/bulkCreation",
        };
        let documents: Vec<Value> = self.subjects.iter().map(|it| self.document(it)).collect();
        let root = match self.kind {
            Kind::One | Kind::Streamed | Kind::Spooled => json!({"object": documents[0]}),
            Kind::Bulk => json!({"objectList": {"object": documents}}),
        };
        let mut form = Form::new(&root);
        for subject in &self.subjects {
            let content = self.content(subject) + more;
            let header = format!(
                "Content-Disposition: form-data; name=\"attachments\"\r\n\
                 Content-Type: text/plain\r\nContent-Length: {}",
                content.len()
            );
            form = form.part(&header, content.as_bytes());
        }
        form.on(client.request("POST", &target(account, resource)))
    }

    /// What an answer says of each object. Statuses that a broken store does not justify are a panic.
    pub(super) fn outcomes(&self, answer: &Answer) -> Vec<Outcome> {
        let text = String::from_utf8_lossy(&answer.body);
        let refused = |status: u16| {
            assert!(self.broken.contains(&status), "{status}: {text}");
            Err(status)
        };
        match (self.kind, answer.status) {
            (Kind::One | Kind::Streamed | Kind::Spooled, 201) => {
                vec![Ok(answer.header("location").unwrap().to_owned())]
            }
            (Kind::Bulk, 200) => {
                let document = answer.json();
                let items = document["bulkResponseList"]["response"].as_array().unwrap();
                assert_eq!(items.len(), self.subjects.len());
                let outcome = |item: &Value| match item["code"].as_u64().unwrap() {
                    201 => Ok(item["success"]["resourceURL"].as_str().unwrap().to_owned()),
                    code => refused(u16::try_from(code).unwrap()),
                };
                items.iter().map(outcome).collect()
            }
            (_, status) => vec![refused(status); self.subjects.len()],
        }
    }

    fn document(&self, subject: &str) -> Value {
        let mut document = json!({
            "parentFolderPath": self.folder,
            "attributes": {"attribute": [{"name": "Subject", "value": [subject]}]},
            "flags": {"flag": ["\\Seen"]},
        });
        if self.has_keys {
            document["clientCorrelator"] = json!(format!("key of {subject}"));
        }
        document
    }

    fn content(&self, subject: &str) -> String {
        let lines = match self.kind {
            Kind::One | Kind::Bulk => 1,
            // More than is kept in memory.
            Kind::Streamed | Kind::Spooled => 70 * 1024 / (subject.len() + 10),
        };
        format!("This is {subject}\r\n").repeat(lines)
    }
}

/// The target of a resource of an account's box.
pub(super) fn target(account: &Account, resource: &str) -> String {
    let box_id = account.box_id().replace('+', "%2B");
    format!("/nms/v1/cpm/{box_id}/{resource}")
}

/// The Subject of the object with this URL, as REST shows it.
pub(super) async fn subject_of(client: &Client, url: &str) -> String {
    let path = &url[url.find("/nms/").unwrap()..];
    let object = client.get(path).await.expect(200).json();
    let attributes = object["object"]["attributes"]["attribute"]
        .as_array()
        .unwrap();
    let subject = attributes.iter().find(|it| it["name"] == "Subject");
    subject.unwrap()["value"][0].as_str().unwrap().to_owned()
}

/// How often each Subject is in INBOX, as a direct session sees it.
pub(super) async fn subjects_in_inbox(account: &Account) -> BTreeMap<String, usize> {
    subjects_in(&mut account.witness().await, "INBOX").await
}

/// The same of any mailbox.
pub(super) async fn subjects_in(witness: &mut Witness, mailbox: &str) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    if witness.examine(mailbox).await == 0 {
        return subjects;
    }
    let fetch = "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])";
    for response in witness.command(fetch).await.ok().untagged {
        for literal in response.literals {
            let line = String::from_utf8(literal).unwrap();
            let subject = line.trim().strip_prefix("Subject: ").unwrap().to_owned();
            *subjects.entry(subject).or_default() += 1;
        }
    }
    subjects
}
