//! FETCH responses (RFC 9051 §7.5.2): items in any order, unknown ones skipped with their value.

use std::borrow::Cow;

use bytes::Bytes;

use super::super::response::{Fetch, Section, Unreadable};
use super::body_structure;
use super::cursor::{Cursor, digits, object_id, text};

/// A section of at least this size shares the buffer it was read into, when it fills most of it. Smaller ones are copied, lest a
/// few bytes keep a large buffer alive.
const SHARED_SIZE: usize = 16 * 1024;

/// Reads what follows `* n FETCH`. An item with a value of another kind than expected is left out, but not a UID: nobody
/// could tell whose the others are.
pub(super) fn fetch(number: u32, frame: &Bytes, cursor: &mut Cursor<'_>) -> Option<Fetch> {
    let mut fetch = Fetch {
        number,
        ..Fetch::default()
    };
    // RFC 9051 §9, `msg-att`: there is at least one item.
    if !cursor.accept(b'(') || cursor.accept(b')') {
        return None;
    }
    while !cursor.accept(b')') {
        let name = cursor.item_name()?;
        let value = cursor.value()?;
        let mut value = Cursor::new(value, cursor.depth());
        if let Some(bracketed) = Bracketed::parse(name) {
            with_section(&mut fetch, &bracketed, frame, &mut value);
        } else {
            plain(&mut fetch, &text(name).to_ascii_uppercase(), &mut value)?;
        }
    }
    Some(fetch)
}

fn plain(fetch: &mut Fetch, name: &str, value: &mut Cursor<'_>) -> Option<()> {
    match name {
        // RFC 9051 §9, `uniqueid`: zero is none.
        "UID" => fetch.uid = Some(value.number().filter(|uid| *uid != 0)?),
        "FLAGS" => fetch.flags = value.words(),
        "MODSEQ" => {
            value.accept(b'(');
            fetch.mod_seq = value.number();
        }
        "INTERNALDATE" => {
            fetch.internal_date = value.string().map(|date| text(&date).into_owned());
        }
        "RFC822.SIZE" => fetch.size = value.number(),
        "BODYSTRUCTURE" => {
            fetch.body_structure = Some(body_structure::body(value).ok_or(Unreadable));
        }
        "EMAILID" => {
            value.accept(b'(');
            fetch.email_id = value.word().and_then(object_id);
        }
        _ => {}
    }
    Some(())
}

fn with_section(fetch: &mut Fetch, item: &Bracketed, frame: &Bytes, value: &mut Cursor<'_>) {
    match item.kind.as_str() {
        "BINARY.SIZE" => {
            if let Some(size) = value.number() {
                fetch.binary_sizes.push((item.section.clone(), size));
            }
        }
        "BODY" | "BINARY" => {
            let bytes = match value.string() {
                Some(bytes) => Some(keep(bytes, frame)),
                // RFC 9051 §7.5.2: NIL is a part that is not there.
                None if value
                    .word()
                    .is_some_and(|word| word.eq_ignore_ascii_case(b"NIL")) =>
                {
                    None
                }
                None => return,
            };
            fetch.sections.push(Section {
                binary: item.kind == "BINARY",
                name: item.section.clone(),
                origin: item.origin,
                bytes,
            });
        }
        _ => {}
    }
}

fn keep(bytes: Cow<'_, [u8]>, frame: &Bytes) -> Bytes {
    match bytes {
        Cow::Owned(bytes) => bytes.into(),
        Cow::Borrowed(bytes) if bytes.len() >= SHARED_SIZE && bytes.len() >= frame.len() / 2 => {
            frame.slice_ref(bytes)
        }
        Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
    }
}

/// `KIND[section]<origin>`, in upper case.
struct Bracketed {
    kind: String,
    section: String,
    origin: Option<u64>,
}

impl Bracketed {
    fn parse(name: &[u8]) -> Option<Self> {
        let open = name.iter().position(|byte| *byte == b'[')?;
        let close = name.iter().rposition(|byte| *byte == b']')?;
        let origin = name
            .get(close + 1..)?
            .strip_prefix(b"<")
            .and_then(|origin| origin.strip_suffix(b">"));
        Some(Self {
            kind: text(name.get(..open)?).to_ascii_uppercase(),
            // Courier quotes the names of header fields (RFC 9051 §9, `header-fld-name`), which hold no quotes themselves.
            section: text(name.get(open + 1..close)?)
                .to_ascii_uppercase()
                .replace('"', ""),
            origin: origin.and_then(digits),
        })
    }
}
