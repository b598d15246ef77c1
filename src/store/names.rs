//! Folder names and mailbox names: the levels of one become those of the other, and back.
//!
//! NMS separates levels with `/`, the server with whatever it likes. Where that is not `/`, a name may hold it, and is then
//! written with `%` and two hex digits; ordinary names (`tel:+…`, UUIDs) look the same to other IMAP clients.

use crate::imap::MailboxName;

/// How the names of an account are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming {
    /// Prefix of the personal namespace, such as `INBOX.`; empty on most servers.
    pub(super) prefix: String,
    /// Hierarchy separator; `None` on a server without levels.
    pub(super) separator: Option<char>,
    /// Prefixes of what is not the user's own.
    pub(super) foreign: Vec<String>,
    /// Whether names are UTF-8 on the wire; else they are modified UTF-7.
    pub(super) utf_8: bool,
}

impl Naming {
    /// The levels of a mailbox's name; `None` for one that is not in the personal namespace.
    pub(super) fn levels(&self, mailbox: &MailboxName) -> Option<Vec<String>> {
        if mailbox.is_inbox() {
            return Some(vec!["INBOX".to_owned()]);
        }
        let text = self.text(mailbox);
        if self
            .foreign
            .iter()
            .any(|prefix| self.is_below(&text, prefix))
        {
            return None;
        }
        let own = text.strip_prefix(self.prefix.as_str())?;
        let levels: Vec<String> = match self.separator {
            Some(separator) => own
                .split(separator)
                .map(|level| self.shown(level))
                .collect(),
            None => vec![self.shown(own)],
        };
        // A name that NMS has no path for does not exist there.
        levels
            .iter()
            .all(|level| !level.is_empty())
            .then_some(levels)
    }

    /// The mailbox of a path of levels; `None` when the server has no such names.
    pub(super) fn mailbox(&self, levels: &[&str]) -> Option<MailboxName> {
        if let ["INBOX"] = levels {
            return MailboxName::from_text("INBOX").ok();
        }
        let written: Vec<String> = levels.iter().map(|level| self.written(level)).collect();
        let name = match self.separator {
            Some(separator) => written.join(&separator.to_string()),
            None if written.len() == 1 => written.concat(),
            None => return None,
        };
        let name = format!("{}{name}", self.prefix);
        if self.utf_8 {
            MailboxName::from_utf_8(&name).ok()
        } else {
            MailboxName::from_text(&name).ok()
        }
    }

    /// Whether a name is the namespace of that prefix or below it.
    fn is_below(&self, name: &str, prefix: &str) -> bool {
        let bare = self
            .separator
            .and_then(|separator| prefix.strip_suffix(separator))
            .unwrap_or(prefix);
        !prefix.is_empty() && (name.starts_with(prefix) || name == bare)
    }

    /// One level as NMS shows it: without `/`, with the separator.
    fn shown(&self, level: &str) -> String {
        match self.separator.filter(|separator| *separator != '/') {
            Some(separator) => escape(&unescape(level, separator), '/'),
            None => level.to_owned(),
        }
    }

    /// One level as the server has it: without the separator, with `/`.
    fn written(&self, level: &str) -> String {
        match self.separator.filter(|separator| *separator != '/') {
            Some(separator) => escape(&unescape(level, '/'), separator),
            None => level.to_owned(),
        }
    }

    /// A mailbox's name as text; servers of IMAP4rev2 alone write UTF-8 (RFC 9051 §5.1).
    fn text(&self, mailbox: &MailboxName) -> String {
        if self.utf_8 {
            String::from_utf8_lossy(mailbox.as_bytes()).into_owned()
        } else {
            mailbox.to_text()
        }
    }
}

/// Writes a character as `%` and two hex digits; what looked like that already gets one more `%25`, so that no two names
/// become one.
fn escape(text: &str, character: char) -> String {
    let code = escaped(character);
    let mut output = String::with_capacity(text.len());
    for (at, found) in text.char_indices() {
        if found == character {
            output.push_str(&code);
        } else if found == '%' && is_escape(&text[at..], &code) {
            output.push_str("%25");
        } else {
            output.push(found);
        }
    }
    output
}

/// The reverse of [`escape`].
fn unescape(text: &str, character: char) -> String {
    let code = escaped(character);
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        output.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(&code) {
            output.push(character);
            rest = after;
        } else {
            output.push('%');
            let longer = rest.starts_with("%25") && is_escape(rest, &code);
            rest = &rest[if longer { 3 } else { 1 }..];
        }
    }
    output + rest
}

/// Whether this begins with the code, or with its `%` written as `%25` any number of times.
fn is_escape(text: &str, code: &str) -> bool {
    let Some(mut rest) = text.strip_prefix('%') else {
        return false;
    };
    while let Some(after) = rest.strip_prefix("25") {
        rest = after;
    }
    rest.starts_with(&code[1..])
}

fn escaped(separator: char) -> String {
    format!("%{:02X}", u32::from(separator))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dovecot() -> Naming {
        Naming {
            prefix: String::new(),
            separator: Some('/'),
            foreign: vec!["shared/".to_owned()],
            utf_8: false,
        }
    }

    fn courier() -> Naming {
        Naming {
            prefix: "INBOX.".to_owned(),
            separator: Some('.'),
            foreign: vec!["#shared.".to_owned(), "shared.".to_owned()],
            utf_8: false,
        }
    }

    #[test]
    fn the_prefix_is_not_shown_and_foreign_mailboxes_do_not_exist() {
        let courier = courier();
        let levels = |name: &str| courier.levels(&MailboxName::from_wire(name));
        assert_eq!(levels("INBOX"), Some(vec!["INBOX".to_owned()]));
        assert_eq!(
            levels("INBOX.Default.tel:+15550100"),
            Some(vec!["Default".to_owned(), "tel:+15550100".to_owned()])
        );
        assert_eq!(levels("#shared.bob"), None);
        assert_eq!(
            dovecot().levels(&MailboxName::from_wire("shared/bob/x")),
            None
        );
        assert_eq!(dovecot().levels(&MailboxName::from_wire("shared")), None);
        assert_eq!(dovecot().levels(&MailboxName::from_wire("a//b")), None);
    }

    #[test]
    fn a_separator_inside_a_level_is_escaped_and_ordinary_names_are_not() {
        let courier = courier();
        let name = courier.mailbox(&["Default", "jdoe@ex.com"]).unwrap();
        assert_eq!(name.as_bytes(), b"INBOX.Default.jdoe@ex%2Ecom");
        let name = courier.mailbox(&["100%", "tel:+15550100"]).unwrap();
        assert_eq!(name.as_bytes(), b"INBOX.100%.tel:+15550100");
        assert_eq!(
            dovecot().mailbox(&["a.b", "100%25"]).unwrap().as_bytes(),
            b"a.b/100%25"
        );
    }

    proptest! {
        #[test]
        fn no_two_mailboxes_have_one_path(name in "INBOX\\.([a/%]|25|2E|2F|2e){1,10}") {
            let courier = courier();
            let wire = MailboxName::from_wire(name.as_bytes());
            let levels = courier.levels(&wire).unwrap();
            let borrowed: Vec<&str> = levels.iter().map(String::as_str).collect();
            prop_assert!(borrowed.iter().all(|level| !level.contains('/')));
            prop_assert_eq!(courier.mailbox(&borrowed), Some(wire));
        }

        #[test]
        fn any_levels_come_back(levels in prop::collection::vec("[^\r\n\0/]{1,12}|%2E|%25|%252e|a\\.%2e|%252F", 1..5)) {
            for naming in [dovecot(), courier()] {
                let borrowed: Vec<&str> = levels.iter().map(String::as_str).collect();
                prop_assume!(!(levels.len() == 1 && levels[0].eq_ignore_ascii_case("inbox")));
                let name = naming.mailbox(&borrowed).unwrap();
                prop_assume!(!naming.foreign.iter().any(|prefix| name.to_text().starts_with(prefix)));
                if naming.separator == Some('.') || levels.iter().all(|level| !level.is_empty()) {
                    prop_assert_eq!(naming.levels(&name), Some(levels.clone()));
                }
            }
        }
    }
}
