//! Whose data it is: FETCH lines of several commands at once, told apart by UID.
//!
//! A line without a UID is what the server says by itself, mostly flags that have changed (RFC 9051 §7.5.2): it belongs to the message whose
//! number is known from a line with both, and numbers move with each EXPUNGE.

use std::collections::BTreeMap;

use super::{
    command::{Item, SectionName},
    error::Error,
    response::{Fetch, Section, Untagged},
};

/// The messages of these UIDs (in ascending order) of which these items were asked, each with all that was said of it, later over
/// earlier. What is not there was not said, or was said to be gone since.
///
/// # Errors
/// [`Error::Protocol`] when a message came without something that was asked for, or is not there and a line that cannot be
/// read may have been about it.
pub fn by_uid(
    untagged: Vec<Untagged>,
    wanted: &[u32],
    items: &[Item],
) -> Result<BTreeMap<u32, Fetch>, Error> {
    let Found {
        messages,
        unreadable,
        ..
    } = found(untagged, Some(wanted));
    if unreadable && messages.len() < wanted.len() {
        return Err(Error::Protocol("FETCH data that cannot be read".to_owned()));
    }
    let lacking = messages
        .values()
        .find_map(|fetch| items.iter().find(|item| !item.is_in(fetch)));
    match lacking {
        Some(item) => Err(Error::Protocol(format!("FETCH data without {item}"))),
        None => Ok(messages),
    }
}

/// All messages that something was said of, each with all of it, later over earlier.
///
/// # Errors
/// [`Error::Protocol`] when a line cannot be read: it may have been about any of them.
pub fn all_by_uid(untagged: Vec<Untagged>) -> Result<BTreeMap<u32, Fetch>, Error> {
    let found = found(untagged, None);
    if found.unreadable {
        return Err(Error::Protocol("FETCH data that cannot be read".to_owned()));
    }
    Ok(found.messages)
}

fn found(untagged: Vec<Untagged>, wanted: Option<&[u32]>) -> Found {
    let mut found = Found::default();
    for data in untagged {
        match data {
            Untagged::Fetch(fetch) => found.fetch(*fetch, wanted),
            Untagged::Expunge(number) => found.expunge(number),
            Untagged::Vanished { uids, .. } => found
                .messages
                .retain(|uid, _| !uids.iter().any(|range| range.contains(uid))),
            Untagged::Other(name) => found.unreadable |= name == "FETCH",
            Untagged::Status { .. }
            | Untagged::Capability(_)
            | Untagged::Enabled(_)
            | Untagged::List(_)
            | Untagged::MailboxStatus(_)
            | Untagged::Search { .. }
            | Untagged::ExtendedSearch(_)
            | Untagged::Exists(_)
            | Untagged::Recent(_)
            | Untagged::Flags(_)
            | Untagged::Namespace(_)
            | Untagged::Id(_)
            | Untagged::MyRights(_)
            | Untagged::Quota(_) => {}
        }
    }
    found
}

#[derive(Debug, Default)]
struct Found {
    messages: BTreeMap<u32, Fetch>,
    /// Number and UID of each message wanted, in the order of numbers.
    numbers: Vec<(u32, u32)>,
    /// Whether there was a line that cannot be read.
    unreadable: bool,
}

impl Found {
    fn fetch(&mut self, fetch: Fetch, wanted: Option<&[u32]>) {
        let at = self
            .numbers
            .binary_search_by_key(&fetch.number, |(number, _)| *number);
        let uid = match (fetch.uid, at) {
            (Some(uid), _) if wanted.is_some_and(|wanted| wanted.binary_search(&uid).is_err()) => {
                return;
            }
            (Some(uid), Ok(at)) => {
                self.numbers[at].1 = uid;
                uid
            }
            (Some(uid), Err(at)) => {
                self.numbers.insert(at, (fetch.number, uid));
                uid
            }
            (None, Ok(at)) => self.numbers[at].1,
            (None, Err(_)) => return,
        };
        match self.messages.get_mut(&uid) {
            Some(known) => merge(known, fetch),
            None => {
                self.messages.insert(uid, fetch);
            }
        }
    }

    /// RFC 9051 §7.5.1: the message is gone, and all behind it move up at once.
    fn expunge(&mut self, number: u32) {
        let found = self
            .numbers
            .binary_search_by_key(&number, |(number, _)| *number);
        let behind = found.unwrap_or_else(|behind| behind);
        if found.is_ok() {
            let (_, uid) = self.numbers.remove(behind);
            self.messages.remove(&uid);
        }
        for (number, _) in &mut self.numbers[behind..] {
            *number -= 1;
        }
    }
}

impl Item {
    /// Whether a message came with it. BINARY.SIZE is never missed: what a server cannot decode it may leave out.
    fn is_in(&self, fetch: &Fetch) -> bool {
        match self {
            Item::Fixed(names) => names.split(' ').all(|name| match name {
                "UID" => fetch.uid.is_some(),
                "FLAGS" => fetch.flags.is_some(),
                "INTERNALDATE" => fetch.internal_date.is_some(),
                "RFC822.SIZE" => fetch.size.is_some(),
                "BODYSTRUCTURE" => fetch.body_structure.is_some(),
                _ => false,
            }),
            Item::ModSeq => fetch.mod_seq.is_some(),
            Item::Partial(section, origin, _) => fetch.section(section, *origin).is_some(),
            Item::BinarySize(_) => true,
            Item::HeaderFields(_) => fetch.header_fields().is_some(),
        }
    }
}

impl Fetch {
    /// What came of a section from this octet on.
    #[must_use]
    pub fn section(&self, section: &SectionName, origin: u64) -> Option<&Section> {
        let name = section.to_string();
        self.sections.iter().find(|found| {
            // RFC 9051 §7.5.2: a partial answer says where it begins. Without that it is the section from its start.
            !found.binary && found.name == name && found.origin.unwrap_or(0) == origin
        })
    }

    /// The header fields that were asked for. Servers say their names back in spellings of their own; only one such item is asked for
    /// at a time.
    #[must_use]
    pub fn header_fields(&self) -> Option<&Section> {
        let mut sections = self.sections.iter();
        sections.find(|found| !found.binary && found.name.starts_with("HEADER.FIELDS "))
    }
}

/// What is said again replaces what was said before.
fn merge(known: &mut Fetch, more: Fetch) {
    let Fetch {
        number,
        uid,
        flags,
        mod_seq,
        internal_date,
        size,
        body_structure,
        sections,
        binary_sizes,
        email_id,
    } = more;
    known.number = number;
    known.uid = uid.or(known.uid);
    known.flags = flags.or(known.flags.take());
    known.mod_seq = mod_seq.or(known.mod_seq);
    known.internal_date = internal_date.or(known.internal_date.take());
    known.size = size.or(known.size);
    known.body_structure = body_structure.or(known.body_structure.take());
    known.email_id = email_id.or(known.email_id.take());
    let same = |one: &Section, other: &Section| {
        (one.binary, &one.name, one.origin) == (other.binary, &other.name, other.origin)
    };
    known
        .sections
        .retain(|old| !sections.iter().any(|new| same(old, new)));
    known.sections.extend(sections);
    known
        .binary_sizes
        .retain(|(old, _)| !binary_sizes.iter().any(|(new, _)| old == new));
    known.binary_sizes.extend(binary_sizes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imap::response::Unreadable;

    const ITEMS: [Item; 1] = [Item::Fixed("UID FLAGS")];

    fn line(number: u32, uid: Option<u32>, flags: &[&str]) -> Untagged {
        Untagged::Fetch(Box::new(Fetch {
            number,
            uid,
            flags: Some(flags.iter().map(|flag| (*flag).to_owned()).collect()),
            ..Fetch::default()
        }))
    }

    fn flags(found: &BTreeMap<u32, Fetch>, uid: u32) -> Option<String> {
        Some(found.get(&uid)?.flags.as_ref()?.join(" "))
    }

    #[test]
    fn flags_that_changed_meanwhile_are_those_of_the_known_number() {
        let untagged = vec![
            // Of a message nobody has named yet: it will be named with its flags.
            line(2, None, &["early"]),
            line(1, Some(10), &["a"]),
            line(2, Some(20), &["b"]),
            line(3, Some(30), &["c"]),
            line(2, None, &["changed"]),
            Untagged::Expunge(1),
            line(2, None, &["moved up"]),
        ];
        let found = by_uid(untagged, &[10, 20], &ITEMS).unwrap();
        assert_eq!(flags(&found, 20).as_deref(), Some("changed"));
        assert!(!found.contains_key(&10), "expunged since");
        assert!(!found.contains_key(&30), "nobody wants it");
    }

    #[test]
    fn what_is_said_in_two_lines_is_one_message() {
        let section = |name: &str, bytes: &'static [u8]| Section {
            binary: false,
            name: name.to_owned(),
            origin: None,
            bytes: Some(bytes::Bytes::from_static(bytes)),
        };
        let whole = |size, sections| {
            Untagged::Fetch(Box::new(Fetch {
                number: 1,
                uid: Some(7),
                size,
                sections,
                ..Fetch::default()
            }))
        };
        let untagged = vec![
            whole(
                Some(5),
                vec![section("HEADER", b"old"), section("TEXT", b"t")],
            ),
            whole(None, vec![section("HEADER", b"new")]),
        ];
        let found = by_uid(untagged, &[7], &[Item::Fixed("UID RFC822.SIZE")]).unwrap();
        let fetch = &found[&7];
        assert_eq!((fetch.size, fetch.sections.len()), (Some(5), 2));
        assert!(fetch.sections.contains(&section("HEADER", b"new")));
    }

    #[test]
    fn what_was_asked_for_and_did_not_come_is_a_fault() {
        let window = |origin| Section {
            binary: false,
            name: "1.MIME".to_owned(),
            origin,
            bytes: None,
        };
        let came = |sections| {
            Untagged::Fetch(Box::new(Fetch {
                number: 1,
                uid: Some(7),
                mod_seq: Some(3),
                internal_date: Some(String::new()),
                body_structure: Some(Err(Unreadable)),
                sections,
                ..Fetch::default()
            }))
        };
        let mime = |origin| Item::Partial(SectionName::Mime(vec![1]), origin, 10);
        let lacks = |item: Item, sections| {
            let lacking = by_uid(vec![came(sections)], &[7], std::slice::from_ref(&item));
            lacking.is_err()
        };
        for item in [
            Item::Fixed("UID INTERNALDATE BODYSTRUCTURE"),
            Item::ModSeq,
            Item::BinarySize(SectionName::Part(vec![1])),
        ] {
            assert!(!lacks(item.clone(), Vec::new()), "{item}");
        }
        assert!(lacks(Item::Fixed("UID FLAGS"), Vec::new()));
        assert!(lacks(Item::Fixed("RFC822.SIZE"), Vec::new()));
        assert!(lacks(mime(0), Vec::new()));
        assert!(!lacks(mime(0), vec![window(None)]));
        assert!(!lacks(mime(5), vec![window(Some(5))]));
        assert!(lacks(mime(5), vec![window(None)]));
        assert!(
            by_uid(vec![came(Vec::new())], &[8], &ITEMS).is_ok(),
            "another's"
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_may_be_about_whatever_is_missing() {
        let unreadable = || Untagged::Other("FETCH".to_owned());
        let found = |wanted: &[u32]| {
            let untagged = vec![unreadable(), line(1, Some(7), &[])];
            by_uid(untagged, wanted, &ITEMS).map(|found| found.len())
        };
        assert_eq!(found(&[7]), Ok(1));
        assert!(matches!(found(&[7, 8]), Err(Error::Protocol(_))));
    }

    #[test]
    fn what_has_vanished_is_not_there() {
        let vanished = Untagged::Vanished {
            earlier: false,
            uids: vec![8..=u32::MAX],
        };
        let untagged = vec![line(1, Some(7), &[]), line(2, Some(9), &[]), vanished];
        let found = by_uid(untagged, &[7, 9], &ITEMS).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [7]);
    }

    /// A mailbox that a server tells of in an order of its own.
    #[derive(Debug, Clone)]
    enum Event {
        Show(usize),
        Change(usize),
        Expunge(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0_usize..12).prop_map(Event::Show),
            (0_usize..12).prop_map(Event::Change),
            (0_usize..12).prop_map(Event::Expunge),
        ]
    }

    proptest! {
        #[test]
        fn each_message_ends_with_the_flags_it_has(events in prop::collection::vec(event(), 0..60)) {
            let mut mailbox: Vec<(u32, u32)> = (1..=12).map(|uid| (uid * 5, 0)).collect();
            let wanted: Vec<u32> = mailbox.iter().map(|(uid, _)| *uid).filter(|uid| uid % 2 == 0).collect();
            let mut shown = std::collections::BTreeSet::new();
            let mut untagged = Vec::new();
            for event in events {
                let (Event::Show(at) | Event::Change(at) | Event::Expunge(at)) = event;
                if mailbox.is_empty() {
                    break;
                }
                let at = at % mailbox.len();
                let number = u32::try_from(at).unwrap() + 1;
                let (uid, revision) = mailbox[at];
                match event {
                    Event::Show(_) => {
                        shown.insert(uid);
                        untagged.push(line(number, Some(uid), &[&revision.to_string()]));
                    }
                    Event::Change(_) => {
                        mailbox[at].1 += 1;
                        untagged.push(line(number, None, &[&(revision + 1).to_string()]));
                    }
                    Event::Expunge(_) => {
                        mailbox.remove(at);
                        untagged.push(Untagged::Expunge(number));
                    }
                }
            }
            let found = by_uid(untagged, &wanted, &ITEMS).unwrap();
            for (uid, revision) in &mailbox {
                let expected = (shown.contains(uid) && wanted.contains(uid)).then(|| revision.to_string());
                prop_assert_eq!(flags(&found, *uid), expected);
            }
            prop_assert!(found.keys().all(|uid| mailbox.iter().any(|(there, _)| there == uid)));
        }
    }
}
