//! What of a query a store can be asked: one SEARCH that finds at least what is meant (RFC 9051 §6.4.4).
//!
//! * A key is used only where it cannot miss anything: the bridge holds what is found against the contract's meaning, and what was not
//!   found is never looked at.
//! * Only what finds exactly what is meant is negated.
//! * A keyword is named only where the mailbox lists it: Dovecot makes a keyword of what is searched for.
//! * What no key finds is a known limit: Dovecot drops an encoded word in a character set that it does not know from what it searches.
//! * Texts are words of ASCII letters and digits out of what is looked for: they stand in any encoding as they are, and no character set
//!   has to be named.
//! * One line, of a bounded size. What does not fit is left to the bridge.

use super::criteria::{Criterion, Operator, Query};
use crate::{
    imap::{Command, Flag, UidSet},
    store::{flags::READ_REPORT_SENT, id::MailboxKey, tree::is_within},
};

/// Bytes of all keys.
const LINE: usize = 6 * 1024;
/// Bytes of one text; more of it would find no less.
const TEXT: usize = 64;
/// Bytes of a name of a header field.
const NAME: usize = 100;

/// What one criterion is to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// It can be met by any message.
    All,
    /// By no message of this mailbox.
    None,
    /// By those that these keys find, and maybe not by all of them.
    Find(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(&'static str),
    Text(String),
    Keyword(Flag),
    From(u32),
}

/// What a mailbox is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    tokens: Vec<Token>,
    /// Whether what is found is what is meant.
    pub(super) exact: bool,
}

/// The mailbox that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) key: &'a MailboxKey,
    /// Its flags, keywords included; `None` before it is opened.
    pub(super) flags: Option<&'a [String]>,
    /// The UID that its next message was to get a moment ago.
    pub(super) uid_next: Option<u32>,
}

impl Plan {
    /// For a query in a mailbox; `None` when nothing there can be meant.
    pub(super) fn new(query: &Query, place: Place<'_>) -> Option<Self> {
        let keys = query.criteria.iter().map(|criterion| key(criterion, place));
        match query.operator {
            Operator::And => Self::all_of(keys),
            Operator::Or => Self::any_of(keys),
            // Not all of them: at least one does not hold.
            Operator::Not => Self::any_of(keys.map(negated)),
        }
    }

    fn all_of(keys: impl Iterator<Item = (Key, bool)>) -> Option<Self> {
        let mut plan = Self {
            tokens: Vec::new(),
            exact: true,
        };
        let mut size = 0;
        for (key, exact) in keys {
            plan.exact &= exact;
            match key {
                Key::All => {}
                Key::None => return None,
                Key::Find(tokens) => {
                    let more = size_of(&tokens);
                    if size + more > LINE {
                        plan.exact = false;
                    } else {
                        size += more;
                        plan.tokens.extend(tokens);
                    }
                }
            }
        }
        Some(plan)
    }

    fn any_of(keys: impl Iterator<Item = (Key, bool)>) -> Option<Self> {
        let mut exact = true;
        let mut alternatives: Vec<Vec<Token>> = Vec::new();
        for (key, is_exact) in keys {
            exact &= is_exact;
            match key {
                // Nothing can be left out; that all are meant is known only when this one is exact.
                Key::All => {
                    return Some(Self {
                        tokens: Vec::new(),
                        exact: is_exact,
                    });
                }
                Key::None => {}
                Key::Find(tokens) => alternatives.push(tokens),
            }
        }
        if alternatives.is_empty() {
            return None;
        }
        let unset = alternatives.iter().filter(|one| is_unset(one)).count();
        let unseen = alternatives.iter().any(|one| is_unseen(one));
        let tokens = or(alternatives);
        // Dovecot (seen in 2.3.19) makes one test of two flags that are not set, and begins it at the first message without \Seen: it
        // misses those before that lack the other flag.
        if size_of(&tokens) > LINE || (unseen && unset > 1) {
            return Some(Self {
                tokens: Vec::new(),
                exact: false,
            });
        }
        Some(Self { tokens, exact })
    }

    /// Whether all messages are asked for.
    pub(super) fn is_for_all(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Adds the keys to a command; without any it asks for all.
    pub(super) fn add_to(&self, command: Command) -> Command {
        if self.tokens.is_empty() {
            return command.atom("ALL");
        }
        let add = |command: Command, token: &Token| match token {
            Token::Word(word) => command.atom(word),
            Token::Text(text) => command.string(text),
            Token::Keyword(flag) => command.keyword(flag),
            Token::From(uid) => command.atom("UID").uids(&UidSet::from_on(*uid)),
        };
        self.tokens.iter().fold(command, add)
    }
}

/// Bytes on the wire, at most.
fn size_of(tokens: &[Token]) -> usize {
    let size = |token: &Token| match token {
        Token::Word(word) => word.len() + 1,
        Token::Text(text) => 2 * text.len() + 3,
        Token::Keyword(flag) => flag.as_str().len() + 1,
        Token::From(_) => 26,
    };
    tokens.iter().map(size).sum()
}

/// RFC 9051 §6.4.4: OR takes two keys, each of which may be one.
fn or(alternatives: Vec<Vec<Token>>) -> Vec<Token> {
    let last = alternatives.len().saturating_sub(1);
    let mut tokens = Vec::new();
    for (at, alternative) in alternatives.into_iter().enumerate() {
        if at < last {
            tokens.push(Token::Word("OR"));
        }
        tokens.extend(alternative);
    }
    tokens
}

/// Whether a key asks for a system flag that is not set.
fn is_unset(tokens: &[Token]) -> bool {
    match tokens {
        [Token::Word(word)] => word.starts_with("UN"),
        [Token::Word("NOT"), Token::Word(_)] => true,
        _ => false,
    }
}

fn is_unseen(tokens: &[Token]) -> bool {
    matches!(
        tokens,
        [Token::Word("UNSEEN")] | [Token::Word("NOT"), Token::Word("SEEN")]
    )
}

/// The opposite; what is not exact has none.
fn negated((key, exact): (Key, bool)) -> (Key, bool) {
    let key = match key {
        _ if !exact => Key::All,
        Key::All => Key::None,
        Key::None => Key::All,
        Key::Find(tokens) => {
            let not = std::iter::once(Token::Word("NOT"));
            Key::Find(not.chain(tokens).collect())
        }
    };
    (key, exact)
}

/// What finds a criterion, and whether it finds nothing else. Each is one key, so that OR and NOT can be put before it.
fn key(criterion: &Criterion, place: Place<'_>) -> (Key, bool) {
    match criterion {
        Criterion::Everything | Criterion::CreatedObjects(None) => (Key::All, true),
        // Servers read dates in their own ways, and of a day only: the bridge knows the dates.
        Criterion::Date(..) => (Key::All, false),
        Criterion::Attribute {
            name,
            value,
            any_case: _,
        } => (attribute(name, value), false),
        Criterion::AllTextAttributes(text) => (anywhere(text, is_made_up), false),
        Criterion::WholeWord(word) => (anywhere(word, is_made_up), false),
        Criterion::Flag(flag, set) => flagged(flag, *set, place.flags),
        Criterion::CreatedObjects(Some(since)) => match since.first(place.key) {
            // What has moved here since was made elsewhere.
            0 | 1 => (Key::All, false),
            first if place.uid_next.is_some_and(|next| next <= first) => (Key::None, true),
            first => (Key::Find(vec![Token::From(first)]), false),
        },
        Criterion::Below(path) if is_within(place.path, path) => (Key::All, true),
        Criterion::Below(_) => (Key::None, true),
        Criterion::Party(parties) => (party(parties), false),
    }
}

fn flagged(flag: &Flag, set: bool, listed: Option<&[String]>) -> (Key, bool) {
    const SYSTEM: [(&str, &str, &str); 5] = [
        ("\\Seen", "SEEN", "UNSEEN"),
        ("\\Answered", "ANSWERED", "UNANSWERED"),
        ("\\Flagged", "FLAGGED", "UNFLAGGED"),
        ("\\Deleted", "DELETED", "UNDELETED"),
        ("\\Draft", "DRAFT", "UNDRAFT"),
    ];
    if let Some((_, is, is_not)) = SYSTEM.iter().find(|(name, ..)| flag.is(name)) {
        let word = if set { *is } else { *is_not };
        return (Key::Find(vec![Token::Word(word)]), true);
    }
    // What is recent is so for one session (RFC 9051 §2.3.2), and the one that shows it may be another.
    if flag.is("\\Recent") {
        return (Key::All, false);
    }
    let Some(listed) = listed else {
        return (Key::All, false);
    };
    let (shown, kept) = READ_REPORT_SENT;
    let spellings = if flag.is(shown) || flag.is(kept) {
        vec![shown, kept]
    } else {
        vec![flag.as_str()]
    };
    let there: Vec<&String> = listed
        .iter()
        .filter(|listed| {
            spellings
                .iter()
                .any(|name| listed.eq_ignore_ascii_case(name))
        })
        .collect();
    let keywords: Vec<Flag> = there
        .iter()
        .filter_map(|name| Flag::parse(name).ok())
        .filter(|flag| !flag.as_str().starts_with('\\'))
        .collect();
    match (&keywords[..], there.len()) {
        (_, 0) if set => (Key::None, true),
        (_, 0) => (Key::All, true),
        ([keyword], 1) => {
            let word = if set { "KEYWORD" } else { "UNKEYWORD" };
            let tokens = vec![Token::Word(word), Token::Keyword(keyword.clone())];
            (Key::Find(tokens), true)
        }
        // KEYWORD finds no system flag (RFC 9051 §6.4.4), not even one of the server's own.
        _ => (Key::All, false),
    }
}

/// The longest word of ASCII letters and digits, of which there has to be one.
fn word_of(text: &str) -> Option<String> {
    text.split(|character: char| !character.is_ascii_alphanumeric())
        .max_by_key(|word| word.len())
        .filter(|word| !word.is_empty())
        .map(|word| word[..word.len().min(TEXT)].to_owned())
}

fn header(name: &str, text: &str) -> Vec<Token> {
    let texts = [name, text].map(|text| Token::Text(text.to_owned()));
    std::iter::once(Token::Word("HEADER"))
        .chain(texts)
        .collect()
}

/// A field that holds a word, or an encoded word that the server could not decode.
fn field(name: &str, word: &str) -> [Vec<Token>; 2] {
    [header(name, word), header(name, "=?")]
}

/// Whatever may be made of a CPIM body, which some servers do not search.
fn cpim() -> Vec<Token> {
    header("Content-Type", "cpim")
}

/// What is shown under that name is in the field of that name, or it is made of something else.
fn attribute(name: &str, value: &str) -> Key {
    const HIDDEN: [&str; 4] = [
        "received",
        "return-path",
        "mime-version",
        "content-transfer-encoding",
    ];
    let lower = name.to_ascii_lowercase();
    let is_field = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b':');
    if value.is_empty() || !is_field || HIDDEN.contains(&&*lower) || lower.starts_with("x-nms-") {
        return Key::None;
    }
    let Some(word) = word_of(value).filter(|_| name.len() <= NAME) else {
        return Key::All;
    };
    let made_of_cpim = lower.starts_with("disposition") || matches!(&*lower, "from" | "datetime");
    match &*lower {
        "date" => Key::All,
        "direction" => direction(value, &word),
        "textcontent" => anywhere(value, |_| false),
        // Parameters may be written in pieces (RFC 2231 §3).
        "content-type" | "content-disposition" => {
            let kind = value.split(';').next().and_then(word_of);
            kind.map_or(Key::All, |word| Key::Find(header(name, &word)))
        }
        _ => {
            let cpim = made_of_cpim.then(cpim);
            Key::Find(or(field(name, &word).into_iter().chain(cpim).collect()))
        }
    }
}

/// Shown for the field Message-Direction, or a field of its own.
fn direction(value: &str, word: &str) -> Key {
    let own = header("Direction", word);
    let sent = if value.eq_ignore_ascii_case("In") {
        "received"
    } else if value.eq_ignore_ascii_case("Out") {
        "sent"
    } else {
        return Key::Find(own);
    };
    Key::Find(or(vec![header("Message-Direction", sent), own]))
}

/// A text somewhere in what is shown, unless that may be `made_up`: then nobody finds it in the message.
fn anywhere(text: &str, made_up: impl Fn(&str) -> bool) -> Key {
    let Some(word) = word_of(text).filter(|_| !made_up(text)) else {
        return Key::All;
    };
    let text = |text: String| vec![Token::Word("TEXT"), Token::Text(text)];
    Key::Find(or(vec![
        text(word),
        // Where the server could not decode, or where a parameter is written in pieces (RFC 2231 §3).
        text("=?".to_owned()),
        header("Content-Type", "*"),
        header("Content-Disposition", "*"),
        cpim(),
    ]))
}

/// Whether a text, in lower case, may be part of a date as it is shown, or of a direction.
fn is_made_up(text: &str) -> bool {
    let stamp = |character: char| character.is_ascii_digit() || "-:tz".contains(character);
    text.chars().all(stamp) || "in".contains(text) || "out".contains(text)
}

/// Any of them as the sender or a recipient.
fn party(parties: &[String]) -> Key {
    if parties.is_empty() {
        return Key::None;
    }
    let words: Option<Vec<String>> = parties.iter().map(|party| word_of(party)).collect();
    let Some(words) = words else {
        return Key::All;
    };
    let fields = words
        .iter()
        .flat_map(|word| [header("From", word), header("To", word)]);
    let others = [header("From", "=?"), header("To", "=?"), cpim()];
    Key::Find(or(fields.chain(others).collect()))
}

#[cfg(test)]
mod tests;
