//! Bytes of a charset to text.

use mail_parser::decoders::charsets::map::charset_decoder;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Decodes bytes; what the charset cannot say becomes U+FFFD.
///
/// Without a charset, or with one that is unknown or claims plain ASCII, the bytes are UTF-8 if they can be, else
/// windows-1252. UTF-8 that was cut off inside its last character is still UTF-8. A byte order mark at the beginning is no
/// part of the text (RFC 3629 §6).
#[must_use]
pub fn text(bytes: &[u8], charset: Option<&str>) -> String {
    let mut text = with_mark(bytes, charset);
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    text
}

fn with_mark(bytes: &[u8], charset: Option<&str>) -> String {
    let charset = charset
        .map(|name| name.trim_matches(|character: char| " \t\"'”“".contains(character)))
        // RFC 2231 §5: an encoded word may carry a language behind its charset.
        .and_then(|name| name.split('*').next())
        .filter(|name| !name.is_empty());
    if charset.is_some_and(|name| is_any_of(name, &["utf-8", "utf8", "unicode-1-1-utf-8"])) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let named = charset
        .filter(|name| !is_any_of(name, &["us-ascii", "ascii", "ansi_x3.4-1968"]))
        .and_then(|name| charset_decoder(name.as_bytes()));
    match named {
        Some(decoder) => decoder(bytes),
        None => guess(bytes),
    }
}

fn is_any_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Only a multi-byte character before the cut tells UTF-8 from a Latin text that ends in a letter like é.
        Err(error) if error.error_len().is_none() && !bytes[..error.valid_up_to()].is_ascii() => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => decoder(bytes),
            None => bytes.iter().copied().map(char::from).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn named_charsets_are_used() {
        assert_eq!(text(b"caf\xe9", Some("ISO-8859-1")), "café");
        assert_eq!(text(b"\xc7\xc8", Some("koi8-r")), "гх");
        assert_eq!(text(b"\x93\xfa\x96\x7b", Some("Shift_JIS")), "日本");
        assert_eq!(text(b"\x00h\x00i", Some("utf-16be")), "hi");
        assert_eq!(text("é".as_bytes(), Some("\"UTF-8\"")), "é");
        assert_eq!(text("é".as_bytes(), Some("utf-8*fr")), "é");
    }

    #[test]
    fn bytes_the_charset_cannot_say_are_replaced() {
        assert_eq!(text(b"a\xffb", Some("utf-8")), "a\u{fffd}b");
    }

    #[test]
    fn without_a_usable_charset_utf_8_is_tried_first() {
        for charset in [None, Some(""), Some("x-unknown"), Some("us-ascii")] {
            assert_eq!(text("né€".as_bytes(), charset), "né€");
            assert_eq!(text(b"caf\xe9", charset), "café");
            assert_eq!(text(b"\x80 5", charset), "€ 5");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        for charset in [None, Some("utf-8"), Some("us-ascii"), Some("x-unknown")] {
            assert_eq!(text("\u{feff}né".as_bytes(), charset), "né");
            assert_eq!(text("\u{feff}".as_bytes(), charset), "");
            assert_eq!(text("né\u{feff}".as_bytes(), charset), "né\u{feff}");
        }
        for (charset, bytes) in [
            ("utf-16", &b"\xff\xfeh\0i\0"[..]),
            ("utf-16", b"\xfe\xff\0h\0i"),
            ("utf-16le", b"\xff\xfeh\0i\0"),
            ("utf-16be", b"\xfe\xff\0h\0i"),
        ] {
            assert_eq!(text(bytes, Some(charset)), "hi", "{charset}");
        }
    }

    #[test]
    fn utf_8_cut_inside_a_character_stays_utf_8() {
        assert_eq!(text(&"né€".as_bytes()[..5], None), "né\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_charset_become_text(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            charset in prop_oneof![
                proptest::sample::select(vec!["utf-7", "utf-16", "utf-16le", "utf-16be", "gb18030", "iso-2022-jp", "big5",
                    "euc-jp", "euc-kr", "shift_jis", "hz-gb-2312", "ibm850", "macintosh"]).prop_map(str::to_owned),
                ".{0,60}",
            ],
        ) {
            let _ = text(&bytes, Some(&charset));
            let _ = text(&bytes, None);
        }
    }
}
