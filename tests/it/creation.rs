//! Objects created over REST (contract §3): what a direct IMAP session finds of them, and what REST shows of them.

mod bulk;
mod flags;
pub(crate) mod form;
mod forms;
mod once;
mod parents;
mod refused;
mod round;
mod stored;
mod tolerances;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub(crate) use self::form::Form;
use crate::{
    folders::reason,
    objects::below_box,
    support::{http::Answer, witness::Witness},
};

/// An object that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// As a path below the box.
    pub(crate) object: String,
    /// The path of the folder.
    pub(crate) folder: String,
}

/// What an answer of 201 says; it says that and nothing else (contract §3.3).
pub(crate) fn made(answer: Answer) -> Made {
    let answer = answer.expect(201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    let location = answer.header("location").unwrap();
    let reference = reference(&document["reference"]);
    assert_eq!(document["reference"]["resourceURL"], location);
    assert_eq!(document, json!({"reference": document["reference"]}));
    reference
}

/// A reference to an object with all it must have.
pub(crate) fn reference(reference: &Value) -> Made {
    let url = &reference["resourceURL"];
    assert!(url.as_str().unwrap().starts_with("http://127.0.0.1:"));
    let object = below_box(url);
    let path = reference["path"].as_str().unwrap();
    let (folder, id) = path.rsplit_once('/').unwrap();
    assert_eq!(object, format!("objects/{id}"));
    assert_eq!(*reference, json!({"resourceURL": url, "path": path}));
    let folder = folder.to_owned();
    Made { object, folder }
}

/// Checks that an answer is this error.
pub(crate) fn assert_refused(answer: &Answer, status: u16, id: &str, variables: &[&str]) {
    let expected = (
        id.to_owned(),
        variables.iter().map(|text| (*text).to_owned()).collect(),
    );
    let found = (answer.status, reason(&answer.json()));
    assert_eq!(found, (status, expected), "{}", answer.text());
}

/// A message as a direct session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    /// Without `\Recent`.
    pub(crate) flags: BTreeSet<String>,
    /// As IMAP writes it.
    pub(crate) internal_date: String,
}

impl Stored {
    /// The newest of an open mailbox.
    pub(crate) async fn newest(witness: &mut Witness) -> Self {
        let uid = *witness.search("ALL").await.last().unwrap();
        let mut flags = witness.flags(uid).await;
        flags.remove("\\Recent");
        let reply = witness
            .command(&format!("UID FETCH {uid} (INTERNALDATE)"))
            .await
            .ok();
        let internal_date = reply
            .texts()
            .iter()
            .find_map(|text| text.split("INTERNALDATE \"").nth(1)?.split('"').next())
            .unwrap()
            .to_owned();
        let bytes = witness.message(uid).await;
        Self {
            bytes,
            flags,
            internal_date,
        }
    }

    /// INTERNALDATE. Servers give it in a time zone of their own.
    pub(crate) fn date(&self) -> DateTime<Utc> {
        let date = DateTime::parse_from_str(self.internal_date.trim(), "%d-%b-%Y %H:%M:%S %z");
        date.unwrap().to_utc()
    }

    /// The message with another word for the nonce, which is another each time.
    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8(self.bytes.clone()).unwrap();
        let (before, nonce) = text.split_once("X-NMS-Nonce: ").unwrap();
        let (nonce, after) = nonce.split_at(32);
        assert!(nonce.bytes().all(|byte| byte.is_ascii_hexdigit()));
        format!("{before}X-NMS-Nonce: nonce{after}")
    }
}
