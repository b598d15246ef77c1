//! From the bytes of one whole response to a typed value.
//!
//! Invariants:
//! * every line becomes exactly one [`Response`]; one that does not parse is [`Untagged::Other`], never an error;
//! * the only error is nesting no honest server would send;
//! * time is linear in the bytes, and the stack is bounded by [`Limits::depth`];
//! * text kept for logs is cut, without controls, and never comes from message data.

mod body_structure;
mod code;
mod cursor;
mod fetch;
mod mailbox;

use bytes::Bytes;

pub(super) use self::cursor::literal_size;
use self::cursor::{Cursor, text};
use super::guard::{Bound, Limits, Violation};
use super::response::{Code, Response, Status, Tagged, Untagged};

/// Characters of human text that are kept.
const TEXT_LENGTH: usize = 200;
/// Bytes of a response's name, and of a tag, that are taken for one.
const NAME_LENGTH: usize = 64;

/// Reads one response. SEARCH and SORT are not read here: they may be too long to be held.
///
/// # Errors
/// [`Bound::Depth`] when parentheses are nested absurdly deep.
pub(super) fn response(frame: &Bytes, limits: &Limits) -> Result<Response, Violation> {
    let line = without_line_end(frame);
    if line.first() == Some(&b'+') {
        return Ok(Response::Continuation);
    }
    let mut cursor = Cursor::new(line, limits.depth);
    if let Some(tag) = (!is_untagged(line)).then(|| tag(&mut cursor)).flatten() {
        return Ok(tagged(tag, &mut cursor));
    }
    if !is_untagged(line) {
        return Ok(Response::Untagged(Untagged::Other("?".to_owned())));
    }
    cursor.accept(b'*');
    let mut name = cursor.name().unwrap_or_default();
    let untagged = if name.starts_with(|character: char| character.is_ascii_digit()) {
        let number = cursor::digits(name.as_bytes());
        name = cursor.name().unwrap_or_default();
        number.and_then(|number| numbered(number, &name, frame, &mut cursor))
    } else {
        untagged(&name, &mut cursor)
    };
    if cursor.is_too_deep() {
        return Err(Violation { what: Bound::Depth });
    }
    Ok(Response::Untagged(
        untagged.unwrap_or_else(|| Untagged::Other(name_for_logs(&name))),
    ))
}

/// The bytes before CR LF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line ends in human text, so that a last `{3}` announces no literal.
pub(super) fn ends_in_text(line: &[u8]) -> bool {
    let mut cursor = Cursor::new(line, 1);
    if line.first() == Some(&b'+') {
        return true;
    }
    let has_status = cursor.word().is_some()
        && cursor
            .word()
            .is_some_and(|word| status(&text(word).to_ascii_uppercase()).is_some());
    // An open response code may hold a string.
    has_status && (!cursor.accept(b'[') || cursor.rest().contains(&b']'))
}

fn is_untagged(line: &[u8]) -> bool {
    line.strip_prefix(b"*")
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b' '))
}

/// A tag (RFC 9051 §9), if the line starts with one and goes on as a tagged line does.
fn tag<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let tag = cursor.word()?;
    let valid = tag.len() <= NAME_LENGTH
        && tag.iter().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'{' | b'%' | b'*' | b'"' | b'\\' | b'+')
        });
    let follows = status(&next_name(cursor)).is_some();
    (valid && (follows || is_own_tag(tag))).then_some(tag)
}

/// Whether it is a tag of async-imap's making (`A0001`): then its line ends a command, be the rest what it may.
fn is_own_tag(tag: &[u8]) -> bool {
    tag.len() == 5 && tag[0] == b'A' && tag[1..].iter().all(u8::is_ascii_digit)
}

/// The next word in upper case, without moving.
fn next_name(cursor: &Cursor<'_>) -> String {
    Cursor::new(cursor.rest(), 1).name().unwrap_or_default()
}

fn tagged(tag: &[u8], cursor: &mut Cursor<'_>) -> Response {
    let (status, code, text) = match status(&next_name(cursor)) {
        Some(status) => {
            cursor.word();
            let (code, text) = response_text(cursor);
            (status, code, text)
        }
        None => (Status::Bad, None, String::new()),
    };
    Response::Tagged(Tagged {
        tag: cursor::text(tag).into_owned(),
        status,
        code,
        text,
    })
}

fn untagged(name: &str, cursor: &mut Cursor<'_>) -> Option<Untagged> {
    if let Some(status) = status(name) {
        let (code, text) = response_text(cursor);
        return Some(Untagged::Status { status, code, text });
    }
    match name {
        "CAPABILITY" => Some(Untagged::Capability(atoms(cursor))),
        "ENABLED" => Some(Untagged::Enabled(atoms(cursor))),
        "FLAGS" => cursor.words().map(Untagged::Flags),
        "LIST" | "LSUB" => mailbox::list(cursor).map(Untagged::List),
        "STATUS" => mailbox::status(cursor).map(Untagged::MailboxStatus),
        "NAMESPACE" => mailbox::namespace(cursor).map(Untagged::Namespace),
        "ESEARCH" => mailbox::extended_search(cursor).map(Untagged::ExtendedSearch),
        "VANISHED" => mailbox::vanished(cursor),
        "MYRIGHTS" => mailbox::my_rights(cursor).map(Untagged::MyRights),
        "ID" => mailbox::id(cursor).map(Untagged::Id),
        _ => None,
    }
}

/// `* 3 EXISTS` and its like.
fn numbered(number: u32, name: &str, frame: &Bytes, cursor: &mut Cursor<'_>) -> Option<Untagged> {
    match name {
        "EXISTS" => Some(Untagged::Exists(number)),
        "RECENT" => Some(Untagged::Recent(number)),
        "EXPUNGE" => Some(Untagged::Expunge(number)),
        "FETCH" => {
            fetch::fetch(number, frame, cursor).map(|fetch| Untagged::Fetch(Box::new(fetch)))
        }
        _ => None,
    }
}

fn atoms(cursor: &mut Cursor<'_>) -> Vec<String> {
    let mut atoms = Vec::new();
    while let Some(word) = cursor.word() {
        atoms.push(text(word).into_owned());
    }
    atoms
}

fn status(name: &str) -> Option<Status> {
    match name {
        "OK" => Some(Status::Ok),
        "NO" => Some(Status::No),
        "BAD" => Some(Status::Bad),
        "PREAUTH" => Some(Status::PreAuth),
        "BYE" => Some(Status::Bye),
        _ => None,
    }
}

/// RFC 9051 §9 `resp-text`: a code in brackets, then text for people.
fn response_text(cursor: &mut Cursor<'_>) -> (Option<Code>, String) {
    let mut code = None;
    if cursor.accept(b'[') {
        let inside = cursor.until(b']').unwrap_or_default();
        code = code::code(inside);
        cursor.skip_spaces();
    }
    (code, text_for_logs(cursor.rest()))
}

/// Cut to a bound, controls replaced: what a server says must not forge a line of a log.
fn text_for_logs(bytes: &[u8]) -> String {
    // A character has at most four bytes, so that the cut costs no more than it keeps.
    let bytes = bytes.get(..TEXT_LENGTH * 4).unwrap_or(bytes);
    text(bytes)
        .trim()
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .take(TEXT_LENGTH)
        .collect()
}

/// The name of a response, if it looks like one: other bytes may be message data of a server out of step.
fn name_for_logs(name: &str) -> String {
    let valid = !name.is_empty()
        && name.len() <= NAME_LENGTH
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if valid { name } else { "?" }.to_owned()
}

#[cfg(test)]
mod tests;
