//! Keys of records: of one size whatever a client sends, and without a name or number of anybody in the file.

use aws_lc_rs::digest::{Context, SHA256};

use super::Note;

/// Half a SHA-256 over account and name; no two of them meet by accident or on purpose.
pub(super) type Key = [u8; 16];

/// The key of something in an account.
pub(super) fn key(account: &str, name: &[u8]) -> Key {
    let mut context = Context::new(&SHA256);
    // With its length in front no account and name look like another pair.
    context.update(&(account.len() as u64).to_be_bytes());
    context.update(account.as_bytes());
    context.update(name);
    let digest = context.finish();
    let mut key = Key::default();
    for (octet, of_digest) in key.iter_mut().zip(digest.as_ref()) {
        *octet = *of_digest;
    }
    key
}

/// The key of a note: kinds do not meet either.
pub(super) fn note_key(note: &Note) -> Key {
    let name = [&[note.kind.number()][..], &note.name].concat();
    key(&note.scope, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_names_do_not_run_into_each_other() {
        assert_ne!(key("ab", b"c"), key("a", b"bc"));
        assert_ne!(key("a", b""), key("", b"a"));
        assert_eq!(key("a", b"b"), key("a", b"b"));
    }

    /// Files are full of them.
    #[test]
    fn keys_are_the_same_in_every_version() {
        let expected = [
            0xb3, 0xdf, 0x09, 0xb4, 0xf8, 0x41, 0xc9, 0xa8, 0x17, 0xf4, 0x09, 0xa1, 0x9a, 0x0b,
            0xcd, 0x7f,
        ];
        assert_eq!(key("cpm/+15550100", b"\x01\x00\x00\x00\x07"), expected);
    }
}
