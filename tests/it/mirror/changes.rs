//! Changes of a box, drawn by lot: by a direct IMAP session, and through the bridge.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    diary::Diary,
    rest::{Rest, exchange},
    strict::id_of,
};
use crate::{
    creation::Form, exactly_once::numbers::Numbers, objects::below_box, support::witness::quoted,
};

/// Most folders; then none is made.
const MOST_FOLDERS: usize = 14;
/// Names that folders get, as IMAP and as REST have them.
const NAMES: [(&str, &str); 5] = [
    ("a", "a"),
    ("b", "b"),
    ("c", "c"),
    ("&AOk-", "\u{e9}"),
    ("tel:+1", "tel:+1"),
];
const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "kept", "$Other"];

/// Some of the things there are, by lot.
fn some<'a, T>(numbers: &mut Numbers, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| &of[numbers.below(of.len())])
}

/// A session that may break at any moment.
pub(super) struct Session {
    stream: BufReader<TcpStream>,
    tag: u32,
}

impl Session {
    pub(super) async fn open(imap: SocketAddr, login: &str) -> Option<Self> {
        let stream = TcpStream::connect(imap).await.ok()?;
        let mut session = Self {
            stream: BufReader::new(stream),
            tag: 0,
        };
        let greeting = session.line().await?;
        let login = format!("LOGIN {} secret", quoted(login));
        let greeted = greeting.starts_with("* OK");
        (greeted && session.command(&login).await?.is_ok()).then_some(session)
    }

    /// Untagged lines of what the server did, or refused to do; `None` when the session is at its end.
    async fn command(&mut self, line: &str) -> Option<Result<Vec<String>, Vec<String>>> {
        self.tag += 1;
        let tag = format!("f{} ", self.tag);
        let sent = format!("{tag}{line}\r\n");
        self.stream.write_all(sent.as_bytes()).await.ok()?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            match line.strip_prefix(&tag) {
                Some(status) if status.starts_with("OK") => return Some(Ok(lines)),
                Some(_) => return Some(Err(lines)),
                None => lines.push(line),
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    }

    async fn mailboxes(&mut self) -> Option<Vec<String>> {
        let lines = self.command("LIST \"\" \"*\"").await?.unwrap_or_default();
        let lines = lines.iter().filter_map(|line| line.split_once(" \"/\" "));
        Some(
            lines
                .map(|(_, name)| name.trim_matches('"').to_owned())
                .collect(),
        )
    }

    /// Opens a mailbox; a few of its messages.
    async fn messages(&mut self, numbers: &mut Numbers, mailbox: &str) -> Option<Vec<String>> {
        let selected = self.command(&format!("SELECT {}", quoted(mailbox))).await?;
        if selected.is_err() {
            return Some(Vec::new());
        }
        let lines = self.command("UID SEARCH ALL").await?.unwrap_or_default();
        let found = lines.iter().find_map(|line| line.strip_prefix("* SEARCH"));
        let uids: Vec<&str> = found.unwrap_or_default().split_whitespace().collect();
        let count = 1 + numbers.below(3);
        let chosen = (0..count).filter_map(|_| some(numbers, &uids));
        Some(chosen.map(|uid| (*uid).to_owned()).collect())
    }
}

/// Somebody with another IMAP client.
pub(super) struct Foreigner {
    pub(super) diary: Diary,
    pub(super) name: String,
    pub(super) numbers: Numbers,
    pub(super) count: usize,
}

impl Foreigner {
    /// One change, or none where there is nothing to be changed; `None` when the session has ended.
    pub(super) async fn change(&mut self, session: &mut Session) -> Option<()> {
        self.count += 1;
        let mailboxes = session.mailboxes().await?;
        let numbers = &mut self.numbers;
        let mailbox = some(numbers, &mailboxes)?.clone();
        let other = some(numbers, &mailboxes)?.clone();
        let folder = Some(mailbox.clone()).filter(|name| name != "INBOX");
        match numbers.below(100) {
            0..35 => self.append(session, &mailbox).await,
            35..60 => self.store(session, &mailbox).await,
            60..72 => self.expunge(session, &mailbox).await,
            72..78 => self.relocate(session, "MOVE", &mailbox, &other).await,
            78..82 => self.relocate(session, "COPY", &mailbox, &other).await,
            82..88 if mailboxes.len() < MOST_FOLDERS => {
                let name = self.new_name(&mailbox);
                self.say(session, &format!("CREATE {}", quoted(&name)))
                    .await
            }
            88..97 => {
                let Some(folder) = folder else {
                    return Some(());
                };
                let name = self.new_name(&other);
                let rename = format!("RENAME {} {}", quoted(&folder), quoted(&name));
                self.say(session, &rename).await
            }
            97.. => {
                let Some(folder) = folder else {
                    return Some(());
                };
                self.say(session, &format!("DELETE {}", quoted(&folder)))
                    .await
            }
            _ => Some(()),
        }
    }

    /// Below that folder, or below none.
    fn new_name(&mut self, parent: &str) -> String {
        let (name, _) = NAMES[self.numbers.below(NAMES.len())];
        match self.numbers.below(2) {
            0 => name.to_owned(),
            _ => format!("{parent}/{name}"),
        }
    }

    async fn say(&self, session: &mut Session, line: &str) -> Option<()> {
        let said = session.command(line).await;
        let outcome = match &said {
            Some(said) => said.is_ok().to_string(),
            None => "broken".to_owned(),
        };
        self.diary.note(&format!("{} {line} {outcome}", self.name));
        said.map(drop)
    }

    async fn append(&mut self, session: &mut Session, mailbox: &str) -> Option<()> {
        // Now and then what was there before, once more.
        let number = match self.numbers.below(10) {
            0 => self.numbers.below(self.count),
            _ => self.count,
        };
        let message = format!(
            "From: tel:+1\r\nIMDN-Message-ID: {}-{number}\r\n\r\nx",
            self.name
        );
        let flags = match self.numbers.below(3) {
            0 => FLAGS[self.numbers.below(FLAGS.len())],
            _ => "",
        };
        let length = message.len();
        let mailbox = quoted(mailbox);
        self.say(
            session,
            &format!("APPEND {mailbox} ({flags}) {{{length}+}}\r\n{message}"),
        )
        .await
    }

    async fn store(&mut self, session: &mut Session, mailbox: &str) -> Option<()> {
        let uids = session.messages(&mut self.numbers, mailbox).await?;
        if uids.is_empty() {
            return Some(());
        }
        let sign = ['+', '-'][self.numbers.below(2)];
        let flag = FLAGS[self.numbers.below(FLAGS.len())];
        let uids = uids.join(",");
        self.say(session, &format!("UID STORE {uids} {sign}FLAGS ({flag})"))
            .await
    }

    async fn expunge(&mut self, session: &mut Session, mailbox: &str) -> Option<()> {
        let uids = session.messages(&mut self.numbers, mailbox).await?;
        if uids.is_empty() {
            return Some(());
        }
        let uids = uids.join(",");
        self.say(session, &format!("UID STORE {uids} +FLAGS (\\Deleted)"))
            .await?;
        self.say(session, &format!("UID EXPUNGE {uids}")).await
    }

    async fn relocate(
        &mut self,
        session: &mut Session,
        command: &str,
        from: &str,
        to: &str,
    ) -> Option<()> {
        let uids = session.messages(&mut self.numbers, from).await?;
        if uids.is_empty() {
            return Some(());
        }
        let line = format!("UID {command} {} {}", uids.join(","), quoted(to));
        self.say(session, &line).await
    }
}

/// Somebody with another REST client.
pub(super) struct Neighbour {
    pub(super) rest: Rest,
    pub(super) name: String,
    pub(super) numbers: Numbers,
    pub(super) count: usize,
    /// Ids of the objects that it wanted moved.
    pub(super) moved: BTreeSet<String>,
}

impl Neighbour {
    /// One change, or none where there is nothing to be changed; `None` when it is not known what came of it.
    pub(super) async fn change(&mut self) -> Option<()> {
        self.count += 1;
        let all = json!({"selectionCriteria": {"maxEntries": 100}});
        let listed = self.ask("POST", "folders/operations/search", &all).await?;
        let listed = listed["folderList"]["folder"].as_array()?;
        let folders: Vec<String> = listed
            .iter()
            .filter(|folder| folder.get("parentFolder").is_some())
            .map(|folder| below_box(&folder["resourceURL"]))
            .collect();
        let folder = some(&mut self.numbers, &folders)?.clone();
        let other = some(&mut self.numbers, &folders)?.clone();
        match self.numbers.below(100) {
            0..30 => self.create(&folder).await,
            30..50 => self.flag(&folder).await,
            50..65 => self.update(&folder).await,
            65..77 => self.relocate(&folder, &other, false).await,
            77..87 => self.delete(&folder).await,
            87..91 if folders.len() < MOST_FOLDERS => {
                let (_, name) = NAMES[self.numbers.below(NAMES.len())];
                let parent = self.url(&folder);
                let asked = json!({"folder": {"parentFolder": parent, "name": name}});
                self.ask("POST", "folders", &asked).await.map(drop)
            }
            91..95 => {
                let (_, name) = NAMES[self.numbers.below(NAMES.len())];
                let resource = format!("{folder}/folderName");
                self.ask("PUT", &resource, &json!({"name": name}))
                    .await
                    .map(drop)
            }
            95..98 => self.relocate(&folder, &other, true).await,
            98.. => self.ask("DELETE", &folder, &Value::Null).await.map(drop),
            _ => Some(()),
        }
    }

    async fn ask(&self, method: &str, resource: &str, body: &Value) -> Option<Value> {
        let answer = self.rest.ask(method, resource, body).await;
        let told = answer.as_ref().map(|answer| (answer.status, answer.text()));
        if method != "GET" && !resource.ends_with("search") {
            let line = format!("{} {method} {resource} {body} {told:?}", self.name);
            self.rest.diary.note(&line);
        }
        let answer = answer?;
        assert_ne!(answer.status, 500, "{method} {resource}: {}", answer.text());
        if answer.body.is_empty() {
            return Some(Value::Null);
        }
        Some(answer.json())
    }

    fn url(&self, resource: &str) -> String {
        let url = self.rest.request("GET", resource).encoded();
        let line = String::from_utf8(url).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// Some objects of a folder, below the box.
    async fn objects(&mut self, folder: &str) -> Option<Vec<String>> {
        let resource = format!("{folder}?listFilter=Objects&maxEntries=50");
        let listed = self.ask("GET", &resource, &Value::Null).await?;
        let listed = listed["folder"]["objects"]["objectReference"].as_array()?;
        let listed: Vec<String> = listed
            .iter()
            .map(|object| below_box(&object["resourceURL"]))
            .collect();
        let count = 1 + self.numbers.below(4);
        let chosen = (0..count).filter_map(|_| some(&mut self.numbers, &listed));
        Some(chosen.cloned().collect())
    }

    async fn create(&mut self, folder: &str) -> Option<()> {
        let correlation = format!("{}-{}", self.name, self.count);
        let object = json!({"object": {
            "parentFolder": self.url(folder), "correlationId": correlation,
            "flags": {"flag": [FLAGS[self.numbers.below(FLAGS.len())]]},
        }});
        let form = Form::new(&object).attachment("text/plain", b"hello");
        let request = form.on(self.rest.request("POST", "objects"));
        exchange(request).await.map(drop)
    }

    async fn flag(&mut self, folder: &str) -> Option<()> {
        let objects = self.objects(folder).await?;
        let Some(object) = objects.first() else {
            return Some(());
        };
        let flag = FLAGS[self.numbers.below(FLAGS.len())].replace('\\', "%5C");
        let method = ["PUT", "DELETE"][self.numbers.below(2)];
        let resource = format!("{object}/flags/{flag}");
        self.ask(method, &resource, &Value::Null).await.map(drop)
    }

    async fn update(&mut self, folder: &str) -> Option<()> {
        let objects = self.references(folder).await?;
        let operation = ["AddFlag", "RemoveFlag"][self.numbers.below(2)];
        let flag = FLAGS[self.numbers.below(FLAGS.len())];
        let asked = json!({"bulkUpdate": {
            "operation": operation, "flags": {"flag": [flag]}, "objects": {"objectReference": objects},
        }});
        let resource = "objects/operations/bulkUpdate";
        self.ask("POST", resource, &asked).await.map(drop)
    }

    async fn delete(&mut self, folder: &str) -> Option<()> {
        let objects = self.references(folder).await?;
        let asked = json!({"bulkDelete": {"objects": {"objectReference": objects}}});
        let resource = "objects/operations/bulkDelete";
        self.ask("POST", resource, &asked).await.map(drop)
    }

    async fn references(&mut self, folder: &str) -> Option<Vec<Value>> {
        let objects = self.objects(folder).await?;
        let references = objects.iter();
        Some(
            references
                .map(|object| json!({"resourceURL": self.url(object)}))
                .collect(),
        )
    }

    /// Copies or moves objects of a folder, or all of it.
    async fn relocate(&mut self, folder: &str, to: &str, whole: bool) -> Option<()> {
        let operation = ["copy", "move", "move"][self.numbers.below(3)];
        let sources = if whole {
            json!({"folders": {"folderReference": [{"resourceURL": self.url(folder)}]}})
        } else {
            let objects = self.references(folder).await?;
            if operation == "move" {
                let moved = objects.iter().map(|object| id_of(&object["resourceURL"]));
                self.moved.extend(moved);
            }
            json!({"objects": {"objectReference": objects}})
        };
        let asked = json!({"targetSourceRef": {
            "targetRef": {"resourceURL": self.url(to)}, "sourceRefs": sources,
        }});
        let resource = format!("folders/operations/{operation}ToFolder");
        self.ask("POST", &resource, &asked).await.map(drop)
    }
}
