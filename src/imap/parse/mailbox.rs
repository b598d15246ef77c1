//! Responses about mailboxes and their contents: LIST, STATUS, NAMESPACE, ESEARCH, VANISHED, MYRIGHTS, and ID.

use super::super::MailboxName;
use super::super::response::{ExtendedSearch, ListEntry, MailboxStatus, Namespace, Untagged};
use super::cursor::{Cursor, number_set, object_id, text};

/// `(attributes) separator mailbox [extended data]` (RFC 9051 §7.3.1).
pub(super) fn list(cursor: &mut Cursor<'_>) -> Option<ListEntry> {
    let attributes = cursor.words()?;
    let separator = separator(cursor)?;
    let mailbox = cursor.astring()?;
    let mut entry = ListEntry {
        attributes,
        separator,
        mailbox: Some(MailboxName::from_wire(mailbox)),
        old_name: None,
    };
    // Extended data that does not parse is left out; the mailbox is still there.
    if cursor.accept(b'(') {
        while !cursor.accept(b')') {
            let Some(name) = cursor.astring() else { break };
            let Some(value) = cursor.value() else { break };
            if name.eq_ignore_ascii_case(b"OLDNAME") {
                let mut value = Cursor::new(value, cursor.depth());
                value.accept(b'(');
                entry.old_name = value.astring().map(MailboxName::from_wire);
            }
        }
    }
    Some(entry)
}

/// One byte in quotes, or NIL.
fn separator(cursor: &mut Cursor<'_>) -> Option<Option<u8>> {
    let string = cursor.nstring()?;
    Some(string.and_then(|bytes| bytes.first().copied()))
}

/// `mailbox (item value …)` (RFC 9051 §7.3.4). What does not parse is left out.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Option<MailboxStatus> {
    let mut status = MailboxStatus {
        mailbox: Some(MailboxName::from_wire(cursor.astring()?)),
        ..MailboxStatus::default()
    };
    if !cursor.accept(b'(') {
        return None;
    }
    while !cursor.accept(b')') {
        let Some(name) = cursor.name() else { break };
        if name == "MAILBOXID" {
            // Its bytes can be random, quotes and parentheses included.
            cursor.accept(b'(');
            status.mailbox_id = cursor.until(b')').and_then(object_id);
            continue;
        }
        let Some(value) = cursor.value() else { break };
        let mut value = Cursor::new(value, cursor.depth());
        match name.as_str() {
            "MESSAGES" => status.messages = value.number(),
            "UIDNEXT" => status.uid_next = value.number(),
            "UIDVALIDITY" => status.uid_validity = value.number(),
            "UNSEEN" => status.unseen = value.number(),
            "HIGHESTMODSEQ" => status.highest_mod_seq = value.number(),
            "SIZE" => status.size = value.number(),
            _ => {}
        }
    }
    Some(status)
}

/// RFC 2342 §5: personal, other users', shared.
pub(super) fn namespace(cursor: &mut Cursor<'_>) -> Option<Namespace> {
    Some(Namespace {
        personal: namespaces(cursor)?,
        other: namespaces(cursor)?,
        shared: namespaces(cursor)?,
    })
}

fn namespaces(cursor: &mut Cursor<'_>) -> Option<Vec<(Vec<u8>, Option<u8>)>> {
    if !cursor.accept(b'(') {
        return cursor.nstring()?.is_none().then(Vec::new);
    }
    let mut namespaces = Vec::new();
    while !cursor.accept(b')') {
        if !cursor.accept(b'(') {
            return None;
        }
        let prefix = cursor.astring()?.into_owned();
        namespaces.push((prefix, separator(cursor)?));
        cursor.close()?;
    }
    Some(namespaces)
}

/// RFC 4731 §3.1. An unknown element is skipped with its value; a known one that does not parse spoils the answer.
pub(super) fn extended_search(cursor: &mut Cursor<'_>) -> Option<ExtendedSearch> {
    let mut search = ExtendedSearch::default();
    if cursor.accept(b'(') {
        while !cursor.accept(b')') {
            let name = cursor.name()?;
            let value = cursor.astring()?;
            if name == "TAG" {
                search.tag = Some(text(&value).into_owned());
            }
        }
    }
    while !cursor.is_end() {
        match cursor.name()?.as_str() {
            "UID" => search.uid = true,
            "MIN" => search.min = Some(cursor.number()?),
            "MAX" => search.max = Some(cursor.number()?),
            "COUNT" => search.count = Some(cursor.number()?),
            "ALL" => search.all = number_set(cursor.word()?)?,
            "MODSEQ" => search.mod_seq = Some(cursor.number()?),
            _ => {
                cursor.value()?;
            }
        }
    }
    Some(search)
}

/// RFC 7162 §3.2.10.
pub(super) fn vanished(cursor: &mut Cursor<'_>) -> Option<Untagged> {
    let mut earlier = false;
    if cursor.accept(b'(') {
        earlier = cursor.name()? == "EARLIER";
        cursor.close()?;
    }
    let uids = number_set(cursor.word()?)?;
    Some(Untagged::Vanished { earlier, uids })
}

/// RFC 4314 §3.8: the mailbox, then letters.
pub(super) fn my_rights(cursor: &mut Cursor<'_>) -> Option<String> {
    cursor.astring()?;
    Some(text(&cursor.astring()?).into_owned())
}

/// RFC 2971 §3.2: pairs of strings, or NIL for nothing.
pub(super) fn id(cursor: &mut Cursor<'_>) -> Option<Vec<(String, Option<String>)>> {
    let mut fields = Vec::new();
    if !cursor.accept(b'(') {
        return cursor.nstring()?.is_none().then_some(fields);
    }
    while !cursor.accept(b')') {
        let name = text(&cursor.astring()?).into_owned();
        let value = cursor.nstring()?.map(|value| text(&value).into_owned());
        fields.push((name, value));
    }
    Some(fields)
}
