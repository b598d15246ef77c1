//! Any criteria, in any order and scope, page by page: the same objects in the same order as from a plain look at each of them.
//!
//! The oracle knows every object as its GET shows it, its texts as mail-parser reads them from what a direct session has, and its place from
//! the direct session's UIDs. It shares no code with the search.

use std::cmp::Ordering;

use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{message, values, walked};
use crate::{
    objects::objects_of,
    support::{bridge::Bridge, witness::Witness},
};

/// Mailboxes by their paths.
const FOLDERS: [(&str, &str); 5] = [
    ("Default", "/Default"),
    ("Default-b", "/Default-b"),
    ("Default/a", "/Default/a"),
    ("Default/a/&AMk-t&AOk-", "/Default/a/Été"),
    ("INBOX", "/INBOX"),
];
/// Flags in use, and one that is not.
const FLAGS: [&str; 9] = [
    "\\Seen",
    "\\Answered",
    "\\Flagged",
    "\\Deleted",
    "\\Draft",
    "\\Recent",
    "$Work",
    "\\read-report-sent",
    "$Unused",
];

/// An object as the oracle knows it.
#[derive(Debug)]
struct Known {
    url: String,
    path: String,
    /// Newest first in its folder.
    rank: usize,
    object: Value,
    texts: Vec<String>,
}

/// A condition: its kind, its name and its value.
type Condition = (String, String, String);

#[derive(Debug, Clone)]
struct Asked {
    conditions: Vec<Condition>,
    operator: &'static str,
    scope: Option<(usize, bool)>,
    sort: Vec<(Option<String>, bool)>,
    page: usize,
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn stamp(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text)
        .unwrap()
        .timestamp()
}

/// Whether a word stands alone somewhere.
fn stands_alone(text: &str, word: &str) -> bool {
    let text: Vec<char> = lower(text).chars().collect();
    let word: Vec<char> = lower(word).chars().collect();
    (0..text.len()).any(|at| {
        text[at..].starts_with(&word)
            && (at == 0 || !text[at - 1].is_alphanumeric())
            && text
                .get(at + word.len())
                .is_none_or(|next| !next.is_alphanumeric())
    })
}

impl Known {
    fn all_values(&self) -> Vec<String> {
        let attributes = self.object["attributes"]["attribute"].as_array().unwrap();
        let values = attributes
            .iter()
            .flat_map(|attribute| attribute["value"].as_array().unwrap());
        values
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    }

    fn date(&self) -> Option<i64> {
        values(&self.object, "Date").first().map(|date| stamp(date))
    }

    fn meets(&self, (kind, name, value): &Condition) -> bool {
        match kind.as_str() {
            "Date" => {
                let bound = |which: &str| {
                    let text = value.split('&').find_map(|part| part.strip_prefix(which))?;
                    Some(stamp(text))
                };
                self.date().is_some_and(|date| {
                    bound("minDate=").is_none_or(|from| from <= date)
                        && bound("maxDate=").is_none_or(|until| date < until)
                })
            }
            "Attribute" => {
                let any_case = ["direction", "message-context"].contains(&&*lower(name));
                let same = |own: &String| own == value || (any_case && lower(own) == lower(value));
                values(&self.object, name).iter().any(same)
            }
            "AllTextAttributes" => {
                let all = self.all_values();
                all.iter().any(|own| lower(own).contains(&lower(value)))
            }
            "WholeWord" => {
                let all = self.all_values();
                all.iter()
                    .chain(&self.texts)
                    .any(|text| stands_alone(text, value))
            }
            "Flag" => {
                let flags = self.object["flags"]["flag"].as_array().unwrap();
                let has = flags
                    .iter()
                    .any(|flag| lower(flag.as_str().unwrap()) == lower(name));
                has == (value != "false")
            }
            "CreatedObjects" => true,
            "PresetSearch" if name == "path" => {
                self.path == *value || self.path.starts_with(&format!("{value}/"))
            }
            "PresetSearch" if name == "RemoteParty" => {
                let parties: Vec<&str> = value.split(',').collect();
                let both = ["From", "To"]
                    .into_iter()
                    .flat_map(|name| values(&self.object, name));
                both.into_iter().any(|own| parties.contains(&own.as_str()))
            }
            "PresetSearch" => true,
            other => panic!("{other}"),
        }
    }

    fn is_meant(&self, asked: &Asked) -> bool {
        let inside = asked.scope.is_none_or(|(folder, recursive)| {
            let scope = FOLDERS[folder].1;
            self.path == scope || (recursive && self.path.starts_with(&format!("{scope}/")))
        });
        let mut each = asked
            .conditions
            .iter()
            .map(|condition| self.meets(condition));
        inside
            && (asked.conditions.is_empty()
                || match asked.operator {
                    "And" => each.all(|met| met),
                    "Or" => each.any(|met| met),
                    _ => !each.all(|met| met),
                })
    }

    /// First value of what is sorted by.
    fn key(&self, name: Option<&str>) -> Option<String> {
        let value = values(&self.object, name.unwrap_or("Date"))
            .first()?
            .clone();
        let any_case =
            name.is_some_and(|name| ["direction", "message-context"].contains(&&*lower(name)));
        Some(if any_case { lower(&value) } else { value })
    }

    fn compare(&self, other: &Self, sort: &[(Option<String>, bool)]) -> Ordering {
        for (name, ascending) in sort {
            let keys = (self.key(name.as_deref()), other.key(name.as_deref()));
            let order = match keys {
                (Some(one), Some(other)) if *ascending => one.chars().cmp(other.chars()),
                (Some(one), Some(other)) => other.chars().cmp(one.chars()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            if order.is_ne() {
                return order;
            }
        }
        self.path
            .chars()
            .cmp(other.path.chars())
            .then(self.rank.cmp(&other.rank))
    }
}

impl Asked {
    fn to_json(&self) -> Value {
        let mut criteria = json!({});
        if !self.conditions.is_empty() {
            let conditions = self.conditions.iter();
            let criterion: Vec<Value> = conditions
                .map(|(kind, name, value)| json!({"type": kind, "name": name, "value": value}))
                .collect();
            criteria["searchCriteria"] = json!({"criterion": criterion, "operator": self.operator});
        }
        if let Some((folder, recursive)) = self.scope {
            criteria["searchScope"] = json!({"path": FOLDERS[folder].1});
            criteria["nonRecursiveScope"] = json!(!recursive);
        }
        if !self.sort.is_empty() {
            let criterion: Vec<Value> = self
                .sort
                .iter()
                .map(|(name, ascending)| {
                    let order = if *ascending {
                        "Ascending"
                    } else {
                        "Descending"
                    };
                    match name {
                        None => json!({"type": "Date", "order": order}),
                        Some(name) => json!({"type": "Attribute", "name": name, "order": order}),
                    }
                })
                .collect();
            criteria["sortCriteria"] = json!({"criterion": criterion});
        }
        criteria
    }
}

/// The texts in a message, those inside a CPIM body too.
fn texts(raw: &[u8]) -> Vec<String> {
    let Some(parsed) = MessageParser::default().parse(raw) else {
        return Vec::new();
    };
    let is_cpim = parsed
        .content_type()
        .is_some_and(|kind| kind.ctype() == "message" && kind.subtype() == Some("cpim"));
    if is_cpim {
        let body = match &parsed.parts[0].body {
            PartType::Text(text) | PartType::Html(text) => text.as_bytes().to_vec(),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => bytes.to_vec(),
            PartType::Message(_) | PartType::Multipart(_) => {
                let part = &parsed.parts[0];
                raw[usize::try_from(part.offset_body).unwrap()..].to_vec()
            }
        };
        let text = String::from_utf8_lossy(&body).replace("\r\n", "\n");
        return text
            .split_once("\n\n")
            .map(|(_, wrapped)| texts(wrapped.trim_start_matches('\n').as_bytes()))
            .unwrap_or_default();
    }
    let mut found = Vec::new();
    for part in &parsed.parts {
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => found.push(text.to_string()),
            PartType::Message(inner) => found.extend(texts(inner.raw_message())),
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => {}
        }
    }
    found
}

/// Date headers of all kinds.
#[rustfmt::skip] // A line each, to be read as the table it is.
const DATES: [&str; 13] = [
    "Tue, 2 Jun 2026 00:00:00 +0200",
    "2 Jun 2026 00:00:00 +0200",
    "Foo, 2 Jun 2026 00:00:00 +0200",
    "Tue, 02 Jun 26 23:30 EST",
    "Tue, 2 Jun 2026 00:00:00 (no zone)",
    "Tue, 31 Jun 2026 00:00:00 +0000",
    "2026-06-02T00:00:00Z",
    "mar., 2 juin 2026 00:00:00 +0200",
    "Tue,\r\n 2 Jun 2026\r\n 00:00:00 +1400",
    "Tue, 2 Jun 2026 00:00:00 -1200 (comment)",
    "1 Jan 1970 00:00:00 +0000",
    "31 Dec 2099 23:59:59 -0000",
    "",
];

/// Messages that nobody has written in earnest: subject, more of the header, body.
#[rustfmt::skip] // A line each, to be read as the table it is.
const ODD: [(&str, &str, &str); 21] = [
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "", "Straße und Größe"),
    ("=?utf-8?b?R3LDvA==?= =?utf-8?b?w59l?=", "", "split words"),
    ("=?utf-8?q?Hol?= =?utf-8?q?iday?=", "", "joined words"),
    ("=?utf-8?q?broken", "", "broken"),
    ("HOLIDAY", "Message-Context: \"Pager-Message\"\r\nMessage-Direction: Sent\r\n", "upper"),
    ("holiday", "Message-Context: pager-message\r\nDirection: Out\r\n", "lower Holiday."),
    ("Holiday", "Direction: sideways\r\nTextContent: header\r\n", "text"),
    ("x", "Bcc: \"Ann, B\" <tel:+15550109>, sip:bob@example.com\r\nTo: more@example.com\r\n", "several"),
    ("folded\r\n subject\r\n\tline", "", "folding"),
    ("x", "Content-Type: text/plain; name*0=\"hol\"; name*1=\"iday\"\r\n", "pieces"),
    ("x", "Content-Type: text/plain; charset=iso-8859-1\r\n", "caf\u{e9}"),
    ("x", "Content-Type: text/html\r\n", "<p>inside <b>html</b></p>"),
    ("x", "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8\r\n", "SG9saWRheSBpbiBiYXNlNjQ="),
    ("x", "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain\r\n", "Holi=\r\nday in lines"),
    ("x", "Content-Type: application/octet-stream\r\n", "Holiday is no text here"),
    ("x", "Content-Type: message/rfc822\r\n", "Subject: inner\r\n\r\nHoliday inside"),
    ("x", "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\nContent-Type: text/plain\r\nX-Part: Hidden\r\n\r\nfirst part\r\n--b\r\nContent-Type: image/png\r\n\r\nHoliday\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: attached\r\n\r\nattached words\r\n--b--"),
    ("x", "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\ndeep words\r\n--c\r\nContent-Type: text/html\r\n\r\n<i>deep</i>\r\n--c--\r\n--b--"),
    ("x", "no colon here\r\nX-After: Holiday\r\n", "a line that is no field"),
    ("x", "Content-Type: message/cpim\r\n", "From: <tel:+15550103>\r\nTo: <tel:+15550100>\r\nDateTime: 2026-06-01T12:00:00Z\r\nSubject: Hidden\r\n\r\nContent-Type: text/plain\r\n\r\nwrapped words"),
    ("x", "Content-Type: message/cpim\r\nContent-Transfer-Encoding: base64\r\nIs-CPM-Group: yes\r\n", "RnJvbTogPHRlbDorMTU1NTAxMDQ+DQpEYXRlVGltZTogMjAyNi0wNi0wMVQxMjowMDowMFoNCg0KQ29udGVudC1UeXBlOiB0ZXh0L3BsYWluDQoNCkhvbGlkYXkgd3JhcHBlZA=="),
];

fn odd() -> impl Iterator<Item = Vec<u8>> {
    let dated = DATES.iter().enumerate().map(|(index, date)| {
        message(
            &format!("date {}", index % 4),
            &format!("Date: {date}\r\n"),
            "dated",
        )
    });
    dated.chain(
        ODD.iter()
            .map(|(subject, more, text)| message(subject, more, text)),
    )
}

/// A box of all fixtures and odd messages, spread over the folders, with flags and dates of arrival.
async fn fill(bridge: &Bridge) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
    let mut fixtures: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    fixtures.sort();
    let fixtures = fixtures.iter().map(|path| std::fs::read(path).unwrap());
    let messages = fixtures.filter(|message| !message.is_empty()).chain(odd());
    let mut witness = bridge.witness().await;
    for (index, message) in messages.enumerate() {
        let mut flags: Vec<&str> = FLAGS[..5]
            .iter()
            .enumerate()
            .filter(|(at, _)| index >> at & 1 == 1)
            .map(|(_, flag)| *flag)
            .collect();
        flags.extend((index % 3 == 0).then_some("$Work"));
        flags.extend((index % 7 == 0).then_some("$ReadReportSent"));
        let date = format!(
            "{:02}-Jun-2026 {:02}:00:00 +0000",
            1 + index % 3,
            index % 24
        );
        witness
            .append(
                FOLDERS[index % FOLDERS.len()].0,
                &message,
                &flags.join(" "),
                Some(&date),
            )
            .await;
    }
}

/// All there is, as it is shown.
async fn known(bridge: &Bridge) -> Vec<Known> {
    let mut all = Vec::new();
    for (mailbox, path) in FOLDERS {
        let mut witness: Witness = bridge.witness().await;
        witness.examine(mailbox).await;
        let mut uids = witness.search("ALL").await;
        uids.reverse();
        let objects = objects_of(bridge, path).await;
        assert_eq!(objects.len(), uids.len());
        for (rank, (object, uid)) in objects.iter().zip(uids).enumerate() {
            let object = bridge.get(object).await.expect(200).json()["object"].clone();
            all.push(Known {
                url: object["resourceURL"].as_str().unwrap().to_owned(),
                path: path.to_owned(),
                rank,
                texts: texts(&witness.message(uid).await),
                object,
            });
        }
    }
    assert!(all.len() > 70, "{}", all.len());
    all
}

/// What occurs in the box, to make conditions of.
fn conditions(all: &[Known]) -> impl Strategy<Value = Condition> + use<> {
    let mut pairs = Vec::new();
    let mut words = vec![
        "holiday".to_owned(),
        "nowhere".to_owned(),
        "hidden".to_owned(),
    ];
    for known in all {
        for attribute in known.object["attributes"]["attribute"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            for value in attribute["value"].as_array().unwrap() {
                let value = value.as_str().unwrap();
                if !value.contains(char::is_control) && !name.contains(char::is_control) {
                    pairs.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        for text in &known.texts {
            let plain = |word: &&str| {
                !word.contains(char::is_control) && word.chars().any(char::is_alphanumeric)
            };
            words.extend(
                text.split_whitespace()
                    .take(20)
                    .filter(plain)
                    .map(str::to_owned),
            );
        }
    }
    let names: Vec<String> = pairs.iter().map(|(name, _)| name.clone()).collect();
    let texts: Vec<String> = pairs.iter().map(|(_, value)| value.clone()).collect();
    let condition = |kind: &str, name: String, value: String| (kind.to_owned(), name, value);
    let dates: Vec<String> = all
        .iter()
        .flat_map(|known| values(&known.object, "Date"))
        .collect();
    let bound = select(dates).prop_flat_map(|date| {
        (-1_i64..=1).prop_map(move |shift| {
            let instant = chrono::DateTime::from_timestamp(stamp(&date) + shift, 0).unwrap();
            instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        })
    });
    let date = (bound.clone(), bound, 0_u8..3).prop_map(|(from, until, which)| match which {
        0 => format!("minDate={from}"),
        1 => format!("maxDate={until}"),
        _ => format!("minDate={from}&maxDate={until}"),
    });
    let piece =
        (select(texts.clone()), any::<Index>(), 1_usize..8).prop_map(|(text, at, length)| {
            let characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            characters[at..].iter().take(length).collect::<String>()
        });
    let parties =
        proptest::collection::vec(select(texts), 0..3).prop_map(|parties| parties.join(","));
    prop_oneof![
        4 => select(pairs.clone()).prop_map(move |(name, value)| condition("Attribute", name, value)),
        1 => select(pairs).prop_map(move |(name, value)| condition("Attribute", name.to_uppercase(), value.to_uppercase())),
        1 => (select(names), "[ -~é]{0,5}").prop_map(move |(name, value)| condition("Attribute", name, value)),
        3 => date.prop_map(move |value| condition("Date", String::new(), value)),
        4 => (select(&FLAGS[..]), any::<bool>()).prop_map(move |(name, set)| condition("Flag", name.to_owned(), set.to_string())),
        2 => piece.prop_map(move |value| condition("AllTextAttributes", String::new(), value)),
        2 => select(words).prop_map(move |value| condition("WholeWord", String::new(), value)),
        1 => Just(condition("CreatedObjects", String::new(), String::new())),
        1 => Just(condition("PresetSearch", "UPOneDotO".to_owned(), String::new())),
        1 => select(&FOLDERS[..]).prop_map(move |(_, path)| condition("PresetSearch", "path".to_owned(), path.to_owned())),
        1 => parties.prop_map(move |value| condition("PresetSearch", "RemoteParty".to_owned(), value)),
    ]
}

fn asked(all: &[Known]) -> impl Strategy<Value = Asked> + use<> {
    let names = [
        "Subject",
        "from",
        "To",
        "Direction",
        "Message-Context",
        "Content-Type",
        "Conversation-ID",
        "TextContent",
        "X-None",
    ];
    let sort = prop_oneof![
        Just(None),
        select(names.to_vec()).prop_map(|name| Some(name.to_owned())),
    ];
    (
        proptest::collection::vec(conditions(all), 0..4),
        select(&["And", "Or", "Not"][..]),
        proptest::option::of((0..FOLDERS.len(), any::<bool>())),
        proptest::collection::vec((sort, any::<bool>()), 0..3),
        prop_oneof![1 => 1_usize..4, 5 => 7_usize..40, 4 => Just(200)],
    )
        .prop_map(|(conditions, operator, scope, sort, page)| Asked {
            conditions,
            operator,
            scope,
            sort,
            page,
        })
}

#[test]
fn any_search_finds_what_a_plain_look_at_each_object_finds_in_the_same_order() {
    let runtime = Runtime::new().unwrap();
    let (bridge, all) = runtime.block_on(async {
        let mut builder = Bridge::builder("search_oracle");
        for (mailbox, _) in FOLDERS {
            builder = builder.folder(mailbox);
        }
        let bridge = builder.start().await;
        fill(&bridge).await;
        let all = known(&bridge).await;
        (bridge, all)
    });
    let cases = std::env::var("SEARCH_CASES").map_or(150, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&asked(&all), |asked| {
        let mut meant: Vec<&Known> = all.iter().filter(|known| known.is_meant(&asked)).collect();
        meant.sort_by(|one, other| one.compare(other, &asked.sort));
        let meant: Vec<&str> = meant.iter().map(|known| known.url.as_str()).collect();
        let found = runtime.block_on(walked(&bridge, &asked.to_json(), asked.page));
        let differs =
            |known: &&Known| found.contains(&known.url) != meant.contains(&known.url.as_str());
        let differing: Vec<&Known> = all.iter().filter(differs).take(2).collect();
        prop_assert_eq!(&found, &meant, "{:#?}", differing);
        Ok(())
    });
    runtime.block_on(bridge.stop());
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
