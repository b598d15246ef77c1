//! Commands made from values, never from text put together: each argument is written as atom, quoted string or
//! literal as it needs, and what no command may hold is refused before anything is sent.

use std::fmt;

use chrono::{DateTime, FixedOffset};

use super::{Flag, MailboxName, UidSet, doorbell::Rings};

/// Quoted strings longer than this are sent as literals; old servers bound their line buffers.
const LONGEST_QUOTED: usize = 1000;

/// A command without its tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    name: &'static str,
    /// Text between the literals; always one more than there are literals.
    text: Vec<String>,
    literals: Vec<Vec<u8>>,
    refused: bool,
    /// The mailbox that was named last.
    mailbox: Option<MailboxName>,
    /// The messages that were named last.
    uids: Option<UidSet>,
}

/// One stretch of a command that is written at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Bytes, without the final CR LF of the command.
    pub bytes: Vec<u8>,
    /// Whether the server must ask for more before the next segment (RFC 9051 §4.3).
    pub wait: bool,
}

impl Command {
    /// Starts a command; the name is fixed text such as `UID FETCH`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            text: vec![name.to_owned()],
            literals: Vec::new(),
            refused: false,
            mailbox: None,
            uids: None,
        }
    }

    /// The name, for logs: arguments are never logged.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether an argument was refused (it holds NUL); such a command must not be sent.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Fixed syntax, such as `(UID FLAGS)`.
    #[must_use]
    pub fn atom(mut self, atom: &'static str) -> Self {
        self.space();
        self.push(atom);
        self
    }

    /// A mailbox name.
    #[must_use]
    pub fn mailbox(mut self, mailbox: &MailboxName) -> Self {
        self.mailbox = Some(mailbox.clone());
        self.string(mailbox.as_bytes())
    }

    /// A string argument.
    #[must_use]
    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.space();
        self.push_string(bytes.as_ref());
        self
    }

    /// A set of UIDs.
    #[must_use]
    pub fn uids(mut self, uids: &UidSet) -> Self {
        self.uids = Some(uids.clone());
        self.space();
        self.push(&uids.to_string());
        self
    }

    /// A list of flags in parentheses.
    #[must_use]
    pub fn flags(mut self, flags: &[Flag]) -> Self {
        self.space();
        let names: Vec<&str> = flags.iter().map(Flag::as_str).collect();
        self.push(&format!("({})", names.join(" ")));
        self
    }

    /// What APPEND says of a message before its octets (RFC 9051 §6.3.12); with LITERAL+ the server is not asked for them.
    #[must_use]
    pub fn message(
        mut self,
        flags: &[Flag],
        internal_date: DateTime<FixedOffset>,
        octets: u64,
        literal_plus: bool,
    ) -> Self {
        self = self.flags(flags);
        // RFC 9051 §9, `date-time`: the day is two characters wide, months are English.
        let date = internal_date.format("%e-%b-%Y %H:%M:%S %z");
        let plus = if literal_plus { "+" } else { "" };
        self.push(&format!(" \"{date}\" {{{octets}{plus}}}"));
        self
    }

    /// One flag, as SEARCH takes it after KEYWORD (RFC 9051 §6.4.4).
    #[must_use]
    pub fn keyword(mut self, flag: &Flag) -> Self {
        self.space();
        self.push(flag.as_str());
        self
    }

    /// `(UNCHANGEDSINCE n)` (RFC 7162 §3.1.3).
    #[must_use]
    pub fn unchanged_since(mut self, mod_seq: u64) -> Self {
        self.space();
        self.push(&format!("(UNCHANGEDSINCE {mod_seq})"));
        self
    }

    /// `(CHANGEDSINCE n)` (RFC 7162 §3.1.4.1).
    #[must_use]
    pub fn changed_since(mut self, mod_seq: u64) -> Self {
        self.space();
        self.push(&format!("(CHANGEDSINCE {mod_seq})"));
        self
    }

    /// FETCH items in parentheses, in order.
    #[must_use]
    pub fn items(mut self, items: &[Item]) -> Self {
        self.space();
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        self.push(&format!("({})", items.join(" ")));
        self
    }

    /// A parenthesised list of pairs of strings, as ID takes it (RFC 2971 §3.1).
    #[must_use]
    pub fn pairs(mut self, pairs: &[(&str, &str)]) -> Self {
        self.space();
        self.push("(");
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 {
                self.push(" ");
            }
            self.push_string(key.as_bytes());
            self.push(" ");
            self.push_string(value.as_bytes());
        }
        self.push(")");
        self
    }

    /// What it changes, carried out with this mailbox open: rung by whoever has sent it, whatever came of it.
    pub(super) fn changes(&self, open: Option<MailboxName>) -> Rings {
        let mut rings = Rings::default();
        let messages = || self.uids.as_ref().map(|uids| uids.uids().collect());
        match (self.name, open) {
            ("UID STORE" | "UID EXPUNGE", Some(open)) => rings.add(open, messages()),
            ("EXPUNGE", Some(open)) => rings.add(open, None),
            ("UID COPY" | "UID MOVE", Some(open)) => {
                // Those of a copy are where they were.
                if self.name == "UID MOVE" {
                    rings.add(open, messages());
                }
                match &self.mailbox {
                    Some(target) => rings.add(target.clone(), None),
                    None => rings.all = true,
                }
            }
            ("CREATE" | "RENAME" | "DELETE", _) => rings.all = true,
            _ => {}
        }
        rings
    }

    /// What goes onto the wire, cut where the server has to ask for a literal. With LITERAL+ (RFC 7888) it need not.
    #[must_use]
    pub fn segments(&self, literal_plus: bool) -> Vec<Segment> {
        let mut segments = vec![Segment {
            bytes: Vec::new(),
            wait: false,
        }];
        for (index, text) in self.text.iter().enumerate() {
            if let Some(last) = segments.last_mut() {
                last.bytes.extend_from_slice(text.as_bytes());
            }
            let Some(literal) = self.literals.get(index) else {
                break;
            };
            let plus = if literal_plus { "+" } else { "" };
            if let Some(last) = segments.last_mut() {
                last.bytes
                    .extend_from_slice(format!("{{{}{plus}}}\r\n", literal.len()).as_bytes());
                last.wait = !literal_plus;
            }
            if literal_plus {
                if let Some(last) = segments.last_mut() {
                    last.bytes.extend_from_slice(literal);
                }
            } else {
                segments.push(Segment {
                    bytes: literal.clone(),
                    wait: false,
                });
            }
        }
        segments
    }

    fn space(&mut self) {
        self.push(" ");
    }

    fn push(&mut self, text: &str) {
        if let Some(last) = self.text.last_mut() {
            last.push_str(text);
        }
    }

    fn push_string(&mut self, bytes: &[u8]) {
        // RFC 9051 §9: a literal may hold any octet but NUL.
        self.refused |= bytes.contains(&0);
        let quotable =
            bytes.len() <= LONGEST_QUOTED && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if !quotable {
            self.literals.push(bytes.to_vec());
            self.text.push(String::new());
            return;
        }
        let mut quoted = String::with_capacity(bytes.len() + 2);
        quoted.push('"');
        for &byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                quoted.push('\\');
            }
            quoted.push(char::from(byte));
        }
        quoted.push('"');
        self.push(&quoted);
    }
}

/// Only the name: arguments may be secrets or other people's words.
impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Command").field(&self.name).finish()
    }
}

/// One thing to fetch. Everything is asked for with PEEK: reading never sets `\Seen`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// Fixed items such as `UID FLAGS`.
    Fixed(&'static str),
    /// `MODSEQ` (RFC 7162 §3.1.4.2); left out where the mailbox has none.
    ModSeq,
    /// `BODY.PEEK[section]<offset.length>`.
    Partial(SectionName, u64, u64),
    /// `BINARY.SIZE[section]` (RFC 3516 §4.2).
    BinarySize(SectionName),
    /// `BODY.PEEK[HEADER.FIELDS (names)]` (RFC 9051 §6.4.5.1).
    HeaderFields(&'static str),
}

impl fmt::Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Fixed(items) => formatter.write_str(items),
            Item::ModSeq => formatter.write_str("MODSEQ"),
            Item::Partial(section, offset, length) => {
                write!(formatter, "BODY.PEEK[{section}]<{offset}.{length}>")
            }
            Item::BinarySize(section) => write!(formatter, "BINARY.SIZE[{section}]"),
            Item::HeaderFields(names) => {
                write!(formatter, "BODY.PEEK[HEADER.FIELDS ({names})]")
            }
        }
    }
}

/// What stands in the brackets of `BODY[…]` (RFC 9051 §6.4.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SectionName {
    /// All of the message.
    Whole,
    /// All but the header.
    Text,
    /// A part by its numbers.
    Part(Vec<u32>),
    /// The MIME header of a part.
    Mime(Vec<u32>),
    /// Fields of the header: their names in upper case, with a space between them.
    Fields(&'static str),
}

impl fmt::Display for SectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |path: &[u32]| {
            path.iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(".")
        };
        match self {
            SectionName::Whole => Ok(()),
            SectionName::Text => formatter.write_str("TEXT"),
            SectionName::Part(path) => formatter.write_str(&numbers(path)),
            SectionName::Mime(path) => write!(formatter, "{}.MIME", numbers(path)),
            SectionName::Fields(names) => write!(formatter, "HEADER.FIELDS ({names})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use imap_codec::{
        CommandCodec,
        decode::Decoder,
        imap_types::{
            command::CommandBody,
            flag::{Flag as CodecFlag, StoreResponse, StoreType},
            mailbox::Mailbox,
        },
    };
    use proptest::prelude::*;

    use super::*;

    fn wire(command: &Command) -> Vec<u8> {
        let mut wire = b"A1 ".to_vec();
        command
            .segments(false)
            .into_iter()
            .for_each(|segment| wire.extend(segment.bytes));
        wire.extend_from_slice(b"\r\n");
        wire
    }

    fn decoded(wire: &[u8]) -> CommandBody<'_> {
        let (rest, command) = CommandCodec::default()
            .decode(wire)
            .expect("a command as RFC 9051 has it");
        assert!(rest.is_empty(), "one command and nothing after it");
        command.body
    }

    #[test]
    fn plain_names_are_quoted_and_odd_ones_are_literals() {
        let name = MailboxName::from_wire(*b"a\"b\\c");
        assert_eq!(
            wire(&Command::new("EXAMINE").mailbox(&name)),
            b"A1 EXAMINE \"a\\\"b\\\\c\"\r\n"
        );
        let raw = MailboxName::from_wire("é".as_bytes());
        assert_eq!(
            wire(&Command::new("EXAMINE").mailbox(&raw)),
            "A1 EXAMINE {2}\r\né\r\n".as_bytes()
        );
    }

    #[test]
    fn a_literal_waits_unless_the_server_has_literal_plus() {
        let command = Command::new("EXAMINE").string("\r\nA2 DELETE x");
        let waiting = command.segments(false);
        assert_eq!((waiting.len(), waiting[0].wait), (2, true));
        let whole = command.segments(true);
        assert_eq!(
            whole,
            [Segment {
                bytes: b"EXAMINE {13+}\r\n\r\nA2 DELETE x".to_vec(),
                wait: false
            }]
        );
    }

    #[test]
    fn what_a_command_changes_is_known_from_its_values() {
        let [a, b] = ["a", "b"].map(MailboxName::from_wire);
        let set: UidSet = [1, 3].into_iter().collect();
        let changes = |command: Command| command.changes(Some(a.clone()));
        let some = Some([1, 3].into());
        let stored = changes(Command::new("UID STORE").uids(&set).atom("+FLAGS"));
        assert_eq!(stored.mailboxes, [(a.clone(), some.clone())].into());
        let moved = changes(Command::new("UID MOVE").uids(&set).mailbox(&b));
        assert_eq!(
            moved.mailboxes,
            [(a.clone(), some), (b.clone(), None)].into()
        );
        assert!(changes(Command::new("RENAME").mailbox(&a).mailbox(&b)).all);
        assert!(changes(Command::new("UID FETCH").uids(&set)).is_empty());
        assert!(changes(Command::new("STATUS").mailbox(&b)).is_empty());
    }

    #[test]
    fn nul_is_refused() {
        assert!(Command::new("CREATE").string("a\0b").is_refused());
        assert!(!Command::new("CREATE").string("a b").is_refused());
    }

    #[test]
    fn debug_shows_no_arguments() {
        assert_eq!(
            format!("{:?}", Command::new("LOGIN").string("secret")),
            "Command(\"LOGIN\")"
        );
    }

    proptest! {
        #[test]
        fn any_mailbox_decodes_to_itself(bytes in prop::collection::vec(1_u8..=255, 1..80)) {
            let mailbox = MailboxName::from_wire(bytes);
            let wire = wire(&Command::new("EXAMINE").mailbox(&mailbox));
            let CommandBody::Examine { mailbox: read, .. } = decoded(&wire) else { panic!("not EXAMINE") };
            match read {
                Mailbox::Inbox => prop_assert!(mailbox.is_inbox()),
                Mailbox::Other(read) => prop_assert_eq!(read.inner().as_ref(), mailbox.as_bytes()),
            }
        }

        #[test]
        fn any_store_decodes_to_itself(keyword in "[!#$&'+,./0-9:;<=>?@A-Z\\[^_`a-z|}~-]{1,30}", uids in prop::collection::btree_set(1_u32.., 1..40)) {
            let set: UidSet = uids.iter().copied().collect();
            let flags = [Flag::parse("\\Seen").unwrap(), Flag::parse(&keyword).unwrap()];
            let wire = wire(&Command::new("UID STORE").uids(&set).atom("+FLAGS").flags(&flags));
            let CommandBody::Store { sequence_set, kind, response, flags: read, uid, .. } = decoded(&wire) else { panic!("not STORE") };
            prop_assert!(uid);
            prop_assert_eq!((kind, response), (StoreType::Add, StoreResponse::Answer));
            prop_assert_eq!(read[1].to_string(), CodecFlag::try_from(keyword.as_str()).unwrap().to_string());
            let largest = std::num::NonZeroU32::new(u32::MAX).unwrap();
            let read: BTreeSet<u32> = sequence_set.iter(largest).map(u32::from).take(1000).collect();
            prop_assert_eq!(read, uids);
        }
    }
}
