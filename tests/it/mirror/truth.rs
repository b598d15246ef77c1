//! What is in a box, as a direct IMAP session sees it.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{dovecot::Account, witness::quoted};

/// A message: what tells it from others, and its flags but for `\Recent`.
type Message = (String, BTreeSet<String>);

/// Folders by path, each with its messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<String, Vec<Message>>);

impl Contents {
    pub(super) fn folder(&mut self, path: &str) {
        self.0.entry(path.to_owned()).or_default();
    }

    pub(super) fn message(&mut self, path: &str, correlation: &str, flags: BTreeSet<String>) {
        let messages = self.0.entry(path.to_owned()).or_default();
        let message = (correlation.to_owned(), flags);
        let at = messages.partition_point(|other| *other < message);
        messages.insert(at, message);
    }

    /// How many folders and messages.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(Vec::len).sum())
    }

    /// What is in one and not in the other, a line each.
    pub(super) fn without(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, messages) in &self.0 {
            let Some(others) = other.0.get(path) else {
                lines.push(format!("{path} with {messages:?}"));
                continue;
            };
            let mut others = others.clone();
            for message in messages {
                match others.iter().position(|other| other == message) {
                    Some(at) => drop(others.remove(at)),
                    None => lines.push(format!("{path}: {message:?}")),
                }
            }
        }
        lines
    }

    /// The same, but for flags.
    pub(super) fn without_flags(mut self) -> Self {
        for (_, flags) in self.0.values_mut().flatten() {
            flags.clear();
        }
        self
    }

    /// All of a box.
    pub(super) async fn read(account: &Account) -> Self {
        let mut witness = account.witness().await;
        let mut contents = Self::default();
        for line in witness.command("LIST \"\" \"*\"").await.ok().texts() {
            let (attributes, mailbox) = line.split_once(" \"/\" ").unwrap();
            let mailbox = mailbox.trim_matches('"').to_owned();
            let path = format!("/{}", mailbox.replace("&AOk-", "\u{e9}"));
            contents.folder(&path);
            if !attributes.contains("\\Noselect") {
                contents.0.insert(path, Vec::new());
            }
        }
        let paths: Vec<String> = contents.0.keys().cloned().collect();
        for path in paths {
            let mailbox = quoted(&path[1..].replace('\u{e9}', "&AOk-"));
            let opened = witness.command(&format!("EXAMINE {mailbox}")).await;
            if !opened.status.starts_with("OK") {
                continue;
            }
            let command = "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (IMDN-MESSAGE-ID X-NMS-CORRELATION-ID)])";
            let reply = witness.command(command).await;
            for response in reply.untagged {
                let Some((_, rest)) = response.text.split_once("FLAGS (") else {
                    continue;
                };
                if response.literals.is_empty() {
                    continue;
                }
                let (flags, _) = rest.split_once(')').unwrap();
                let flags = flags.split_whitespace().filter(|flag| *flag != "\\Recent");
                let header = String::from_utf8_lossy(&response.literals[0]).into_owned();
                let correlation = header.trim().rsplit(' ').next().unwrap();
                contents.message(&path, correlation, flags.map(str::to_owned).collect());
            }
        }
        contents
    }
}
