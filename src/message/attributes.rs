//! What NMS shows of a message as attributes (contract §2.4, §2.5), made of its header and, for CPIM, of what it wraps.

use chrono::{DateTime, FixedOffset, Utc};

use super::cpim::Cpim;
use super::header::{Header, without_controls};
use super::words;

/// A name and at least one decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// As its first field was written; compared in any case.
    pub name: String,
    /// In the order of the fields; never empty.
    pub values: Vec<String>,
}

/// How `Date` is written: `YYYY-MM-DDThh:mm:ssZ`.
const DATE_FORMAT: &str = "%Y-%m-%dT%H:%M:%SZ";

/// The attributes of one message.
///
/// `internal_date` is shown as `Date` when the header has no valid one. `text` is the text that becomes `TextContent`;
/// whether it is short enough for that is the caller's decision.
#[must_use]
pub fn attributes(
    header: &Header,
    internal_date: Option<DateTime<FixedOffset>>,
    cpim: Option<&Cpim>,
    text: Option<&str>,
) -> Vec<Attribute> {
    let mut list = List::default();
    for ((name, raw), (_, decoded)) in header.raw_fields().zip(header.fields()) {
        if is_hidden(name) {
            continue;
        }
        if is_address_list(name) {
            for address in addresses(raw) {
                list.add(name, address);
            }
        } else if name.eq_ignore_ascii_case("Message-Context") {
            list.add(name, unquoted(&decoded));
        } else {
            list.add(name, decoded);
        }
    }
    if let Some(date) = header.date().or(internal_date) {
        list.set(
            "Date",
            date.with_timezone(&Utc).format(DATE_FORMAT).to_string(),
        );
    } else {
        list.remove("Date");
    }
    let direction = list.first("Message-Direction").and_then(direction);
    if let Some(direction) = direction {
        list.set("Direction", direction.to_owned());
    }
    if let Some(cpim) = cpim {
        add_cpim(&mut list, cpim);
    }
    if let Some(text) = text {
        list.remove("TextContent");
        list.add("TextContent", showable(text));
    }
    list.0
}

fn add_cpim(list: &mut List, cpim: &Cpim) {
    if let Some(sender) = cpim.header("From").and_then(sender)
        && is_group(list)
    {
        list.set("From", sender);
    }
    list.add_if_absent("DateTime", cpim.header("DateTime"));
    if let Some(imdn) = cpim.imdn() {
        list.add_if_absent("DispositionType", imdn.disposition_type.as_deref());
        list.add_if_absent("DispositionStatus", imdn.status.as_deref());
        list.add_if_absent("DispositionOriginalMessageID", imdn.message_id.as_deref());
        // RFC 5438 §7.2.1: the original recipient is named apart only when it differs from the recipient.
        let original = imdn.original_recipient.as_deref();
        list.add_if_absent(
            "DispositionOriginalTo",
            original.or(imdn.recipient.as_deref()),
        );
    }
}

/// Attributes in order, each name once.
#[derive(Default)]
struct List(Vec<Attribute>);

impl List {
    fn find(&mut self, name: &str) -> Option<&mut Attribute> {
        self.0
            .iter_mut()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .and_then(|attribute| attribute.values.first())
            .map(String::as_str)
    }

    fn add(&mut self, name: &str, value: String) {
        if value.is_empty() {
            return;
        }
        match self.find(name) {
            Some(attribute) => attribute.values.push(value),
            None => self.0.push(Attribute {
                name: name.to_owned(),
                values: vec![value],
            }),
        }
    }

    fn add_if_absent(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value
            && self.find(name).is_none()
        {
            self.add(name, without_controls(value.to_owned()));
        }
    }

    fn set(&mut self, name: &str, value: String) {
        match self.find(name) {
            Some(attribute) => attribute.values = vec![value],
            None => self.add(name, value),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0
            .retain(|attribute| !attribute.name.eq_ignore_ascii_case(name));
    }
}

/// Fields about the transport or the bytes, not about the message, and our own.
fn is_hidden(name: &str) -> bool {
    const HIDDEN: [&str; 4] = [
        "Received",
        "Return-Path",
        "MIME-Version",
        "Content-Transfer-Encoding",
    ];
    HIDDEN
        .iter()
        .any(|hidden| name.eq_ignore_ascii_case(hidden))
        || name
            .get(..6)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("X-NMS-"))
}

fn is_address_list(name: &str) -> bool {
    ["From", "To", "Cc", "Bcc"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn unquoted(value: &str) -> String {
    let inner = value
        .strip_prefix(['"', '”', '“'])
        .and_then(|rest| rest.strip_suffix(['"', '”', '“']));
    inner.unwrap_or(value).trim().to_owned()
}

/// What a Message-Direction says in the contract's words.
pub(crate) fn direction(value: &str) -> Option<&'static str> {
    let value = unquoted(value);
    if value.eq_ignore_ascii_case("received") {
        Some("In")
    } else if value.eq_ignore_ascii_case("sent") {
        Some("Out")
    } else {
        None
    }
}

/// The members of an address list, each reduced to its URI or address.
///
/// The list is split before encoded words are decoded, for a decoded display name may hold a comma. A URI such as
/// `tel:+15550100` looks like an RFC 5322 group and is none: groups are not read.
fn addresses(raw: &str) -> impl Iterator<Item = String> {
    let balanced = is_balanced(raw);
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    raw.split(move |character: char| {
        let special = !std::mem::take(&mut escaped);
        match character {
            '\\' if quoted && special => escaped = true,
            '"' if balanced && special && !angle => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' => return !quoted && !angle,
            _ => {}
        }
        false
    })
    .map(address)
    .filter(|address| !address.is_empty())
}

/// Whether every quotation mark has its partner; a lone one quotes nothing.
fn is_balanced(raw: &str) -> bool {
    let mut escaped = false;
    let marks = raw.chars().filter(|character| {
        let special = !std::mem::take(&mut escaped);
        escaped = special && *character == '\\';
        special && *character == '"'
    });
    marks.count() % 2 == 0
}

/// `"Ann, B" <tel:+15550100>` to `tel:+15550100`.
fn address(member: &str) -> String {
    let mut quoted = false;
    let balanced = is_balanced(member);
    let mut escaped = false;
    let open = member.find(|character: char| {
        let special = !std::mem::take(&mut escaped);
        match character {
            '\\' if quoted && special => escaped = true,
            '"' if balanced && special => quoted = !quoted,
            '<' => return !quoted,
            _ => {}
        }
        false
    });
    let bare = match open {
        Some(open) => {
            let inner = &member[open + 1..];
            inner.split('>').next().unwrap_or_default()
        }
        // RFC 5322 §3.4: `ann@example.com (Ann)` names her in a comment. `tel:+1(555)0100` holds no white space.
        None => member.split(" (").next().unwrap_or_default(),
    };
    without_controls(words::decode(bare.trim()))
}

/// The sender a CPIM From names, unless it hides who that is.
fn sender(value: &str) -> Option<String> {
    let sender = address(value);
    (!sender.is_empty() && !is_anonymous(&sender) && !is_focus(&sender)).then_some(sender)
}

/// Whether the outer From is not the sender: the message came through a conference.
fn is_group(list: &List) -> bool {
    let conference = |name: &str| list.first(name).is_some_and(is_focus);
    conference("From")
        || conference("To")
        || list.first("From").is_some_and(is_anonymous)
        || list
            .first("P-Asserted-Service")
            .is_some_and(|service| service.contains("cpm.session.group"))
        || list
            .first("Is-CPM-Group")
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
}

fn is_anonymous(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    address.contains("anonymous@anonymous.invalid") || address == "tel:anonymous"
}

/// Whether an address is a conference's: its factory, or one that says it is the focus (RFC 4579 §5.2).
fn is_focus(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    let Some(uri) = address
        .strip_prefix("sip:")
        .or_else(|| address.strip_prefix("sips:"))
    else {
        return false;
    };
    let (user, host) = uri.split_once('@').unwrap_or(("", uri));
    user.starts_with("conference-factory")
        || user.starts_with("conf-factory")
        || host.starts_with("conf-factory.")
        || host.starts_with("conference.")
        || uri
            .split(';')
            .skip(1)
            .any(|parameter| parameter == "isfocus")
}

/// Text content with its line breaks; other controls are what no XML document can carry.
fn showable(text: &str) -> String {
    let bad = |character: char| {
        (character.is_control() && !matches!(character, '\r' | '\n' | '\t'))
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    text.replace(bad, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(header: &str, cpim: Option<&str>, text: Option<&str>) -> Vec<(String, Vec<String>)> {
        let cpim = cpim.and_then(|cpim| Cpim::parse(cpim.as_bytes()));
        let internal_date = DateTime::parse_from_rfc3339("2026-06-01T12:20:30+02:00").unwrap();
        attributes(
            &Header::parse(header.as_bytes()),
            Some(internal_date),
            cpim.as_ref(),
            text,
        )
        .into_iter()
        .map(|attribute| (attribute.name, attribute.values))
        .collect()
    }

    fn values(header: &str, cpim: Option<&str>, name: &str) -> Vec<String> {
        let found = shown(header, cpim, None)
            .into_iter()
            .find(|(own, _)| own == name);
        found.map(|(_, values)| values).unwrap_or_default()
    }

    #[test]
    fn transport_fields_and_ours_are_hidden_and_empty_ones_left_out() {
        let header = "Received: a\nreturn-path: b\nMIME-Version: 1.0\nContent-transfer-encoding: 8bit\nX-NMS-Correlation-Id: c\n\
            x-nms-x: d\nSubject:\nX-Nmsx: e\n";
        assert_eq!(
            shown(header, None, None),
            [
                ("X-Nmsx".to_owned(), vec!["e".to_owned()]),
                ("Date".to_owned(), vec!["2026-06-01T10:20:30Z".to_owned()]),
            ]
        );
    }

    #[test]
    fn repeated_fields_are_one_attribute_with_the_first_spelling() {
        let header = "Content-type: a/b\nX: 1\nContent-Type: c/d\nDate: 2 Jun 2026 00:00:00 +0100\ndate: x\n";
        assert_eq!(
            shown(header, None, None),
            [
                (
                    "Content-type".to_owned(),
                    vec!["a/b".to_owned(), "c/d".to_owned()]
                ),
                ("X".to_owned(), vec!["1".to_owned()]),
                ("Date".to_owned(), vec!["2026-06-01T23:00:00Z".to_owned()]),
            ]
        );
    }

    #[test]
    fn an_invalid_date_gives_way_to_the_internal_date() {
        assert_eq!(
            values("Date: mar., 29 09 2015 11:09:20.826 +0200\n", None, "Date"),
            ["2026-06-01T10:20:30Z"]
        );
        let none = attributes(&Header::parse(b"Date: x\n"), None, None, None);
        assert_eq!(none, []);
    }

    #[test]
    fn address_lists_are_reduced_to_addresses() {
        for (list, expected) in [
            ("tel:+15550100", vec!["tel:+15550100"]),
            (
                "\"Ann, B\" <tel:+15550100>, <sip:b,c@example.com;x=\"1,2\">;tag=3,+15550102",
                vec![
                    "tel:+15550100",
                    "sip:b,c@example.com;x=\"1,2\"",
                    "+15550102",
                ],
            ),
            (
                "=?utf-8?q?Ann=2C_B?= <ann@example.com>, b@example.com (Bob)",
                vec!["ann@example.com", "b@example.com"],
            ),
            (
                "\"A \\\" <no@x>, B\" <a@example.com>",
                vec!["a@example.com"],
            ),
            ("tel:+1(555)0100, , <>", vec!["tel:+1(555)0100"]),
            (
                "\"open <tel:+15550100>, tel:+15550101",
                vec!["tel:+15550100", "tel:+15550101"],
            ),
            ("Ann <tel:+15550100", vec!["tel:+15550100"]),
        ] {
            assert_eq!(
                values(&format!("To: {list}\n"), None, "To"),
                expected,
                "{list}"
            );
        }
    }

    #[test]
    fn direction_is_shown_under_both_names() {
        let header = "Message-Direction: Received\n";
        assert_eq!(values(header, None, "Message-Direction"), ["Received"]);
        assert_eq!(values(header, None, "Direction"), ["In"]);
        assert_eq!(
            values(
                "message-direction: sent\nDirection: In\n",
                None,
                "Direction"
            ),
            ["Out"]
        );
        assert_eq!(values("Direction: In\n", None, "Direction"), ["In"]);
        assert!(values("Message-Direction: up\n", None, "Direction").is_empty());
    }

    #[test]
    fn message_context_loses_its_quotes() {
        assert_eq!(
            values(
                "Message-Context: \"pager-message\"\n",
                None,
                "Message-Context"
            ),
            ["pager-message"]
        );
        assert_eq!(
            values("Message-Context: \"\"\n", None, "Message-Context"),
            [""; 0]
        );
    }

    #[test]
    fn from_of_a_group_message_is_the_cpim_sender() {
        let cpim = Some("From: Bob <tel:+15550102>\r\n\r\n");
        for header in [
            "From: tel:+15550100\nTo: sip:Conference-Factory@example.com\n",
            "From: sip:anonymous@anonymous.invalid\n",
            "From: <sip:x1@example.com;gr=1;isfocus>\n",
            "From: tel:+15550100\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group\n",
        ] {
            assert_eq!(values(header, cpim, "From"), ["tel:+15550102"], "{header}");
        }
        assert_eq!(
            values("From: tel:+15550100\n", cpim, "From"),
            ["tel:+15550100"]
        );
        let hidden = Some("From: <sip:anonymous@anonymous.invalid>\r\n\r\n");
        let group = "From: tel:+15550100\nTo: sip:conference-factory@example.com\n";
        assert_eq!(values(group, hidden, "From"), ["tel:+15550100"]);
    }

    #[test]
    fn controls_are_replaced_but_text_keeps_its_lines() {
        let header = "Subject: =?utf-8?q?a=00=0D=0Ab=09c?=\n";
        let all = shown(
            header,
            Some("From: <x>\r\nDateTime: a\\nb\r\n\r\n"),
            Some("a\r\n\tb\0"),
        );
        assert_eq!(all[0].1, ["a\u{fffd}\u{fffd}\u{fffd}b\tc"]);
        assert_eq!(
            all[2],
            ("DateTime".to_owned(), vec!["a\u{fffd}b".to_owned()])
        );
        assert_eq!(
            all[3],
            (
                "TextContent".to_owned(),
                vec!["a\r\n\tb\u{fffd}".to_owned()]
            )
        );
    }

    proptest! {
        #[test]
        fn any_header_gives_unique_names_and_values(bytes in proptest::collection::vec(any::<u8>(), 0..200),
            list in "[-a\"\\\\<>,:;( )é=?]{0,40}") {
            let header = Header::parse(&[format!("To: {list}\nFrom: {list}\n").as_bytes(), &bytes].concat());
            let cpim = Cpim::parse(&bytes);
            let all = attributes(&header, None, cpim.as_ref(), Some(&list));
            for (index, attribute) in all.iter().enumerate() {
                prop_assert!(!attribute.values.is_empty() && attribute.values.iter().all(|value| !value.is_empty()));
                prop_assert!(!all[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&attribute.name)));
            }
        }
    }
}
