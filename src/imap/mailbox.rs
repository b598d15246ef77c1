//! Mailbox names as they stand on the wire, and their reading as text (modified UTF-7, RFC 3501 §5.1.3).

use std::fmt;

use base64::{Engine, alphabet, engine::GeneralPurpose, engine::general_purpose::NO_PAD};

/// Base64 with `,` for `/` and no padding (RFC 3501 §5.1.3).
const MODIFIED_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::IMAP_MUTF7, NO_PAD);

/// A mailbox name in the bytes the server uses for it. INBOX is always spelled so (RFC 9051 §5.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(Vec<u8>);

/// A name that no IMAP server can be asked for: it holds CR, LF, NUL or is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mailbox name")]
pub struct InvalidName;

impl MailboxName {
    /// A name as a server sent it; whatever the server lists is a name.
    #[must_use]
    pub fn from_wire(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        if bytes.eq_ignore_ascii_case(b"INBOX") {
            Self(b"INBOX".to_vec())
        } else {
            Self(bytes)
        }
    }

    /// A name from text, written in modified UTF-7.
    ///
    /// # Errors
    /// [`InvalidName`] when the text is empty or holds CR, LF or NUL.
    pub fn from_text(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.contains(['\r', '\n', '\0']) {
            return Err(InvalidName);
        }
        Ok(Self::from_wire(encode(text)))
    }

    /// A name from text, for a server that takes UTF-8 (RFC 9051 §5.1).
    ///
    /// # Errors
    /// As for [`Self::from_text`].
    pub fn from_utf_8(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.contains(['\r', '\n', '\0']) {
            return Err(InvalidName);
        }
        Ok(Self::from_wire(text))
    }

    /// The bytes for the wire, unquoted.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text. What is not modified UTF-7 is read as UTF-8, and what is not that either is replaced by U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> String {
        decode(&self.0).unwrap_or_else(|| String::from_utf8_lossy(&self.0).into_owned())
    }

    /// Whether this is INBOX.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == b"INBOX"
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), formatter)
    }
}

/// Text to modified UTF-7: printable ASCII stands for itself but `&`, which is `&-`; all else is UTF-16 in modified base64.
fn encode(text: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len());
    let mut pending: Vec<u8> = Vec::new();
    for character in text.chars() {
        if matches!(character, ' '..='~') {
            flush(&mut wire, &mut pending);
            wire.push(u8::try_from(character).unwrap_or(b'?'));
            if character == '&' {
                wire.push(b'-');
            }
        } else {
            let mut units = [0_u16; 2];
            pending.extend(
                character
                    .encode_utf16(&mut units)
                    .iter()
                    .flat_map(|unit| unit.to_be_bytes()),
            );
        }
    }
    flush(&mut wire, &mut pending);
    wire
}

fn flush(wire: &mut Vec<u8>, pending: &mut Vec<u8>) {
    if !pending.is_empty() {
        wire.push(b'&');
        wire.extend_from_slice(MODIFIED_BASE64.encode(&*pending).as_bytes());
        wire.push(b'-');
        pending.clear();
    }
}

/// Modified UTF-7 to text; `None` when it is not valid.
fn decode(wire: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'&' {
            if !byte.is_ascii() {
                return None;
            }
            text.push(char::from(byte));
            rest = tail;
            continue;
        }
        let end = tail.iter().position(|&byte| byte == b'-')?;
        if end == 0 {
            text.push('&');
        } else {
            let bytes = MODIFIED_BASE64.decode(&tail[..end]).ok()?;
            if bytes.len() % 2 != 0 {
                return None;
            }
            let units = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            text.extend(
                char::decode_utf16(units)
                    .collect::<Result<Vec<_>, _>>()
                    .ok()?,
            );
        }
        rest = &tail[end + 1..];
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_field_stay_readable_on_the_wire() {
        let name = MailboxName::from_text("Default/tel:+15550100").unwrap();
        assert_eq!(name.as_bytes(), b"Default/tel:+15550100");
    }

    #[test]
    fn ampersands_and_other_scripts_are_encoded() {
        assert_eq!(MailboxName::from_text("a&b").unwrap().as_bytes(), b"a&-b");
        assert_eq!(
            MailboxName::from_text("台北").unwrap().as_bytes(),
            b"&U,BTFw-"
        );
        assert_eq!(
            MailboxName::from_text("\u{1f600}").unwrap().as_bytes(),
            b"&2D3eAA-"
        );
        assert_eq!(
            MailboxName::from_text("tab\t").unwrap().as_bytes(),
            b"tab&AAk-"
        );
    }

    #[test]
    fn inbox_has_one_spelling() {
        assert!(MailboxName::from_wire(*b"inBox").is_inbox());
        assert!(!MailboxName::from_wire(*b"INBOX/a").is_inbox());
    }

    #[test]
    fn a_name_in_raw_utf8_is_read_as_such() {
        assert_eq!(MailboxName::from_wire("台北".as_bytes()).to_text(), "台北");
        assert_eq!(MailboxName::from_wire(*b"odd&x").to_text(), "odd&x");
    }

    #[test]
    fn line_breaks_and_nul_are_no_name() {
        for text in ["", "a\rb", "a\nb", "a\0b"] {
            assert_eq!(MailboxName::from_text(text), Err(InvalidName));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[^\r\n\0]{1,40}") {
            let name = MailboxName::from_text(&text).unwrap();
            prop_assert!(name.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~')));
            if !text.eq_ignore_ascii_case("inbox") {
                prop_assert_eq!(name.to_text(), text);
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let text = MailboxName::from_wire(bytes.clone()).to_text();
            // What it is read as can be said again, and then means the same.
            if let Ok(name) = MailboxName::from_text(&text) {
                prop_assert_eq!(name.to_text(), text);
            } else {
                let unsaid = [0, b'\r', b'\n'];
                prop_assert!(bytes.is_empty() || text.bytes().any(|byte| unsaid.contains(&byte)));
            }
        }
    }
}
