//! A box to ask about, with a name for everything in it, so that what is asked and answered reads the same in every run.

use serde_json::{Value, json};

use super::twin::{self, Twin};
use crate::{
    objects::{folder_of, objects_of},
    support::{
        bridge::Bridge,
        http::{Answer, Request},
        witness::Witness,
        xml::Element,
    },
};

/// Folders of the box, by the names they have in requests and answers.
const FOLDERS: [(&str, &str); 7] = [
    ("inbox", "/INBOX"),
    ("albums", "/Albums"),
    ("odd", "/Albums/Été & co"),
    ("deep", "/Albums/Été & co/deep"),
    ("empty", "/Empty"),
    ("default", "/Default"),
    ("contact", "/Default/tel:+15550101"),
];
/// Objects, newest first.
const OBJECTS: [(&str, &[&str]); 2] = [
    ("/INBOX", &["bare", "text", "mms", "sms"]),
    ("/Albums/Été & co/deep", &["note"]),
];
/// Longest value that is written in one line.
const LINE: usize = 160;
/// Headers of an answer that say nothing of its own.
const EVERYWHERE: [&str; 4] = ["date", "connection", "x-request-id", "content-length"];
/// Members that are another number in every run.
const CHANGING: [&str; 1] = ["lastModSeq"];
/// Members that are seconds which are running out.
const RUNNING: [&str; 2] = ["duration", "channelLifetime"];
/// The member that says where a box stands.
const TOKEN: &str = "restartToken";
/// Members that are URLs.
const URLS: [&str; 6] = [
    "resourceURL",
    "parentFolder",
    "payloadURL",
    "href",
    "channelURL",
    "callbackURL",
];

/// One request and what it is about. Names in braces stand for ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// What is asked, as a heading.
    pub(super) what: &'static str,
    /// Below the box.
    pub(super) target: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: Option<&'static str>,
}

impl Ask {
    /// Without a body.
    pub(super) const fn new(what: &'static str, target: &'static str) -> Self {
        Self {
            what,
            target,
            headers: &[],
            body: None,
        }
    }

    /// With a JSON body.
    pub(super) const fn body(self, body: &'static str) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Without its body.
    pub(super) const fn without_body(self) -> Self {
        Self { body: None, ..self }
    }

    /// With more headers; a Content-Type among them is the only one.
    pub(super) const fn headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }
}

/// A bridge in front of the box.
pub(super) struct Scene {
    pub(super) bridge: Bridge,
    /// Sees what a request has done.
    witness: Witness,
    /// What a name stands for.
    names: Vec<(String, String)>,
}

impl Scene {
    /// A box of its own for this test, with some folders and objects.
    pub(super) async fn new(test: &str) -> Self {
        let bridge = Bridge::builder(test)
            .flagged("INBOX", "f01-sms-in.eml", "\\Seen")
            .flagged("INBOX", "f05-mms-plain.eml", "\\Flagged kept")
            .message("INBOX", "f09-chat-textplain.eml")
            .message("INBOX", "f18-sio-empty.eml")
            .message("Albums/&AMk-t&AOk- &- co/deep", "f09-chat-textplain.eml")
            .folder("Empty")
            .folder("Default/tel:+15550101")
            .setting(
                "[limits]\nbody = 4096\nbulk = 6\nchannels_per_box = 5\nsubscriptions_per_box = 5",
            )
            .setting("[notifications]\nlong_poll = 1")
            .start()
            .await;
        // \Recent is for the first that selects: not for the answers.
        for mailbox in ["INBOX", "\"Albums/&AMk-t&AOk- &- co/deep\""] {
            let mut witness = bridge.witness().await;
            witness.command(&format!("SELECT {mailbox}")).await.ok();
        }
        let mut scene = Self::of(bridge).await;
        for (name, path) in FOLDERS {
            let folder = id(&folder_of(&scene.bridge, path).await);
            scene.rename(name, &folder);
        }
        let root = scene.bridge.get("folders/operations/pathToId").await;
        let root = root.expect(200).json()["reference"]["resourceURL"].clone();
        scene.rename("root", &id(root.as_str().unwrap()));
        for (path, names) in OBJECTS {
            let objects = objects_of(&scene.bridge, path).await;
            assert_eq!(objects.len(), names.len());
            for (name, object) in names.iter().zip(objects) {
                scene.rename(name, &id(&object));
            }
        }
        scene
    }

    /// The same for what is asked at this path: where it is about notifications there are a channel and a subscription, and for who
    /// polls there is something to be told.
    pub(super) async fn at(path: &str, test: &str) -> Self {
        let mut scene = Self::new(test).await;
        if ["/channels", "/subscriptions"]
            .iter()
            .any(|of| path.starts_with(of))
        {
            scene.subscribe().await;
        }
        if path.ends_with("/websocket") {
            let channel = json!({"notificationChannel": {"channelType": "WebSockets"}});
            let made = scene.bridge.post("channels", &channel).await.expect(201);
            scene.rename("socket", &id(made.header("location").unwrap()));
        }
        if path.ends_with("/notifications") {
            let flag = scene.filled("objects/{sms}/flags/kept");
            let set = json!({"empty": null});
            scene.bridge.put(&flag, &set).await.expect(201);
        }
        scene
    }

    /// `{channel}`, and `{subscription}` with its `{token}`.
    pub(super) async fn subscribe(&mut self) {
        let channel = json!({"notificationChannel": {
            "clientCorrelator": "first", "applicationTag": "rcs", "channelType": "LongPolling", "channelLifetime": 7200,
            "channelData": {"maxNotifications": 1},
        }});
        let made = self.bridge.post("channels", &channel).await.expect(201);
        self.rename("channel", &id(made.header("location").unwrap()));
        let subscription = json!({"nmsSubscription": {
            "callbackReference": {
                "notifyURL": made.json()["notificationChannel"]["callbackURL"],
                "callbackData": "d7", "notificationFormat": "JSON",
            },
            "duration": 3600, "clientCorrelator": "first",
        }});
        let made = self
            .bridge
            .post("subscriptions", &subscription)
            .await
            .expect(201);
        self.rename("subscription", &id(made.header("location").unwrap()));
        let token = made.json()["nmsSubscription"][TOKEN].clone();
        self.rename("token", token.as_str().unwrap());
    }

    /// A box in which nothing has a name yet.
    pub(super) async fn of(bridge: Bridge) -> Self {
        let names = [
            ("host", bridge.client.address().to_string()),
            ("B", Self::box_url(&bridge)),
            ("N", Self::channels_url(&bridge)),
            ("number", bridge.account.login[1..].to_owned()),
        ];
        let names = names.map(|(name, value)| (name.to_owned(), value));
        Self {
            witness: bridge.witness().await,
            bridge,
            names: names.to_vec(),
        }
    }

    /// URL of the box, as the client of this test spells it.
    fn box_url(bridge: &Bridge) -> String {
        let target = bridge.target("");
        let target = target.trim_end_matches('/');
        format!("http://{}{target}", bridge.client.address())
    }

    /// The same for its channels.
    fn channels_url(bridge: &Bridge) -> String {
        let target = bridge.target("channels");
        let target = target.trim_end_matches("/channels");
        format!("http://{}{target}", bridge.client.address())
    }

    /// Puts what they stand for in place of names.
    pub(super) fn filled(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }

    /// Puts names in place of what they stand for.
    pub(super) fn named(&self, text: &str) -> String {
        let replace = |text: String, (name, value): &(String, String)| {
            text.replace(value.as_str(), &format!("{{{name}}}"))
        };
        // Both hold the host and the number.
        let text = text.replace(&self.filled("{B}"), "{B}");
        let text = text.replace(&self.filled("{N}"), "{N}");
        self.names.iter().fold(text, replace)
    }

    /// The request, ready to be sent or to be changed.
    pub(super) fn request(&self, method: &str, ask: &Ask) -> Request {
        let mut request = self.bridge.request(method, &self.filled(ask.target));
        for (name, value) in ask.headers {
            // No body has no type.
            if ask.body.is_some() || *name != "Content-Type" {
                request = request.header(name, value);
            }
        }
        if let Some(body) = ask.body {
            let typed = ask.headers.iter().any(|(name, _)| *name == "Content-Type");
            let body = self.filled(body);
            request = if typed {
                request.raw_body(body)
            } else {
                request.body("application/json", body)
            };
        }
        request
    }

    /// Sends it and checks what holds for every answer: what is refused has changed nothing.
    pub(super) async fn send(&mut self, request: Request) -> Answer {
        let before = self.stored().await;
        let answer = request.send().await;
        if answer.status >= 400 {
            assert_eq!(self.stored().await, before, "{answer:?}");
        }
        self.check(&answer);
        answer
    }

    /// All mailboxes, and the flags in the inbox, as a direct session sees them.
    async fn stored(&mut self) -> Vec<String> {
        let mut stored = Vec::new();
        for command in ["LIST \"\" *", "EXAMINE INBOX", "UID FETCH 1:* (FLAGS)"] {
            let reply = self.witness.command(command).await;
            let texts = reply.texts().into_iter();
            let kept = texts.filter(|text| text.contains(" FETCH ") || text.contains("* LIST "));
            stored.extend(kept.map(str::to_owned));
        }
        stored
    }

    /// Asks, and writes down question and answer.
    pub(super) async fn ask(&mut self, method: &str, ask: &Ask) -> (u16, String) {
        let (answer, text) = self.exchange(method, ask).await;
        (answer.status, text)
    }

    /// The same with the answer itself.
    pub(super) async fn exchange(&mut self, method: &str, ask: &Ask) -> (Answer, String) {
        let answer = self.send(self.request(method, ask)).await;
        self.remember(&in_json(&answer));
        let mut text = format!("## {}\n{method} {}\n", ask.what, ask.target);
        for (name, value) in ask.headers {
            text += &format!("{name}: {value}\n");
        }
        if let Some(body) = ask.body {
            text += &format!("{}\n", body.replace('\r', "").trim_end());
        }
        let text = format!("{text}\n{}", self.written(&answer));
        (answer, text)
    }

    /// The same in XML; `None` for what cannot be said in it.
    pub(super) async fn exchange_in_xml(
        &mut self,
        method: &str,
        ask: &Ask,
    ) -> Option<(Answer, String)> {
        let Twin { headers, body } = twin::twin(ask)?;
        let mut request = self.bridge.request(method, &self.filled(ask.target));
        let mut text = format!("## {}\n{method} {}\n", ask.what, ask.target);
        for (name, value) in &headers {
            request = request.header(name, value);
            text += &format!("{name}: {value}\n");
        }
        if let Some(body) = body {
            text += &format!("{}\n", body.replace('\r', "").trim_end());
            request = request.raw_body(self.filled(&body));
        }
        let answer = self.send(request).await;
        self.remember(&in_json(&answer));
        let text = format!("{text}\n{}", self.written(&answer));
        Some((answer, text))
    }

    /// A document in either form as XML, with names for what changes.
    pub(super) fn element(&self, answer: &Answer) -> Option<String> {
        let mut element = if is_xml(answer) {
            Element::read(answer.text())
        } else if is_json(answer) {
            Element::of_json(&answer.json())
        } else {
            return None;
        };
        self.steady_element(&mut element);
        Some(self.named(&element.laid_out("")))
    }

    /// An answer as text.
    pub(super) fn written(&self, answer: &Answer) -> String {
        let mut text = format!("{}\n", answer.status);
        let json = is_json(answer);
        for (name, value) in &answer.headers {
            // The length of a document is that of a port's digits.
            let document = json || is_xml(answer);
            let shown = name == "content-length" && !document && answer.status != 204;
            if shown || !EVERYWHERE.contains(&name.as_str()) {
                let value = steady_header(name, value);
                text += &self.named(&format!("{name}: {value}\n"));
            }
        }
        if json && !answer.body.is_empty() {
            let named = self.named(&self.steady(answer.json()).to_string());
            text += &laid_out(&serde_json::from_str(&named).unwrap(), "");
        } else if is_xml(answer) {
            text += &self.element(answer).unwrap();
        } else if let Ok(body) = std::str::from_utf8(&answer.body) {
            text += &body.replace('\r', "");
        } else {
            text += &format!("({} bytes)", answer.body.len());
        }
        text.trim_end().to_owned() + "\n"
    }

    /// A document without what is another in every run.
    fn steady_element(&self, element: &mut Element) {
        let name = element.name.clone();
        if CHANGING.contains(&name.as_str()) {
            let number: u64 = element.text.parse().unwrap();
            assert!(number > 0, "{element:?}");
            element.text = format!("[{name}]");
        } else if RUNNING.contains(&name.as_str()) {
            element.text = steady_seconds(element.text.parse().unwrap()).to_string();
        } else if name == TOKEN {
            element.text = self.steady_token(&element.text);
        }
        for child in &mut element.children {
            self.steady_element(child);
        }
    }

    /// A document without what is another in every run.
    fn steady(&self, mut value: Value) -> Value {
        for (name, member) in value.as_object_mut().into_iter().flatten() {
            *member = if CHANGING.contains(&name.as_str()) {
                assert!(member.as_u64().is_some_and(|number| number > 0), "{member}");
                Value::String(format!("[{name}]"))
            } else if let Some(seconds) =
                member.as_u64().filter(|_| RUNNING.contains(&name.as_str()))
            {
                Value::from(steady_seconds(seconds))
            } else if let Some(token) = member.as_str().filter(|_| name == TOKEN) {
                Value::String(self.steady_token(token))
            } else {
                self.steady(member.take())
            };
        }
        for member in value.as_array_mut().into_iter().flatten() {
            *member = self.steady(member.take());
        }
        value
    }

    /// One that has a name stays: it says that it came back.
    fn steady_token(&self, token: &str) -> String {
        assert!(!token.is_empty() && token.len() < 4096);
        if self.names.iter().any(|(_, known)| known == token) {
            token.to_owned()
        } else {
            format!("[{TOKEN}]")
        }
    }

    /// What holds for every answer by itself.
    fn check(&self, answer: &Answer) {
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        if let Some(length) = answer.header("content-length") {
            assert_eq!(length, answer.body.len().to_string(), "{answer:?}");
        }
        if is_json(answer) || is_xml(answer) {
            let document = in_json(answer).json();
            assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
            self.check_urls(&document);
        }
        if let Some(location) = answer.header("location") {
            self.check_url(location);
        }
    }

    /// Every URL is absolute, in the box's own spelling, and needs no more escapes (RFC 3986 §3.3).
    fn check_urls(&self, value: &Value) {
        for (name, member) in value.as_object().into_iter().flatten() {
            if let Some(url) = member.as_str().filter(|_| URLS.contains(&name.as_str())) {
                self.check_url(url);
            }
            self.check_urls(member);
        }
        for member in value.as_array().into_iter().flatten() {
            self.check_urls(member);
        }
    }

    fn check_url(&self, url: &str) {
        let mut bases = ["{B}/", "{N}/"].into_iter();
        let path = bases.find_map(|base| url.strip_prefix(&self.filled(base)));
        let path = path.unwrap_or_else(|| panic!("{url} is not below the box"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
        assert!(path.bytes().all(plain), "{url}");
    }

    /// `{cursor}`, `{since}` and `{new}` are of the answer that had one last, and so are `{made}` and, of a list, `{made2}` and so on.
    fn remember(&mut self, answer: &Answer) {
        if is_json(answer)
            && let Some(items) = answer.json()["bulkResponseList"]["response"].as_array()
        {
            for (index, item) in items.iter().enumerate() {
                self.remember_made(&item["success"], &format!("made{}", index + 1));
            }
        }
        if answer.status == 201 && is_json(answer) {
            self.remember_made(&answer.json()["reference"], "made");
        }
        for root in ["folder", "objectList", "folderList"] {
            for (member, name) in [("cursor", "cursor"), ("creationCursor", "since")] {
                if is_json(answer)
                    && let Some(cursor) = answer.json()[root][member].as_str()
                {
                    self.rename(name, cursor);
                }
            }
        }
        if answer.status == 201
            && let Some(location) = answer.header("location")
            && location.contains("/folders/")
        {
            let new = id(location);
            self.rename("new", &new);
        }
        if answer.status == 201
            && let Some(location) = answer.header("location")
            && ["/channels/", "/subscriptions/"]
                .iter()
                .any(|of| location.contains(of))
            && !self.names.iter().any(|(_, known)| *known == id(location))
        {
            let name = format!("new{}", self.names.len());
            self.rename(&name, &id(location));
        }
    }

    /// What was made is named by what it was when it was first seen; a folder alone is `new`.
    fn remember_made(&mut self, reference: &Value, name: &str) {
        if let Some(url) = reference["resourceURL"].as_str()
            && (url.contains("/objects/") || name != "made")
            && !self.names.iter().any(|(_, known)| *known == id(url))
        {
            self.rename(name, &id(url));
        }
    }

    /// Gives something a name, or a name to something else.
    pub(super) fn rename(&mut self, name: &str, value: &str) {
        self.names.retain(|(known, _)| known != name);
        self.names.push((name.to_owned(), value.to_owned()));
    }
}

/// The last segment of a URL.
fn id(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

fn is_json(answer: &Answer) -> bool {
    answer.header("content-type") == Some("application/json") && !answer.body.is_empty()
}

fn is_xml(answer: &Answer) -> bool {
    answer.header("content-type") == Some("application/xml") && !answer.body.is_empty()
}

/// The same answer with its document in JSON, in which all scalars are strings.
fn in_json(answer: &Answer) -> Answer {
    let mut headers = answer.headers.clone();
    let mut body = answer.body.clone();
    if is_xml(answer) {
        let typed = headers
            .iter_mut()
            .filter(|(name, _)| name == "content-type");
        typed.for_each(|(_, value)| "application/json".clone_into(value));
        body = Element::read(answer.text()).to_json().to_string().into();
    }
    Answer {
        status: answer.status,
        headers,
        body,
    }
}

/// Seconds of which some may have passed, in hundreds.
fn steady_seconds(seconds: u64) -> u64 {
    seconds.next_multiple_of(100)
}

/// The value of a header that is another in every run without what changes: how many pieces a tag has stays.
fn steady_header(name: &str, value: &str) -> String {
    if name != "etag" {
        return value.to_owned();
    }
    let opaque = value
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'));
    let opaque = opaque.unwrap_or_else(|| panic!("{value}"));
    match opaque.split_once('-') {
        Some((revision, check)) => {
            assert!(
                revision.parse::<u64>().is_ok() && !check.is_empty(),
                "{value}"
            );
            "\"[lastModSeq]-[check]\"".to_owned()
        }
        None => "\"[check]\"".to_owned(),
    }
}

/// A value in one line if it fits, else a line for each of its members.
fn laid_out(value: &Value, indent: &str) -> String {
    let line = value.to_string();
    if line.len() <= LINE {
        return line;
    }
    let deeper = format!("{indent}  ");
    let (open, members, close) = if let Some(members) = value.as_object() {
        let named = members
            .iter()
            .map(|(name, value)| (format!("\"{name}\": "), value));
        ('{', named.collect(), '}')
    } else if let Some(values) = value.as_array() {
        (
            '[',
            values
                .iter()
                .map(|value| (String::new(), value))
                .collect::<Vec<_>>(),
            ']',
        )
    } else {
        return line;
    };
    let lines = members.into_iter();
    let lines: Vec<String> = lines
        .map(|(name, value)| format!("{deeper}{name}{}", laid_out(value, &deeper)))
        .collect();
    format!("{open}\n{}\n{indent}{close}", lines.join(",\n"))
}
