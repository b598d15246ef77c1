//! One header field: folded (RFC 5322 §2.2.3), in encoded words where its text asks for them (RFC 2047).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::scan::LONGEST_LINE;

/// RFC 5322 §2.1.1: characters a line should hold at most.
const GOOD_LINE: usize = 78;
/// RFC 2047 §2: characters of a line that holds an encoded word, and octets of UTF-8 in a word of 75.
const WORDS_LINE: usize = 76;
const WORD: usize = 45;
/// `=?UTF-8?B?` and `?=`.
const AROUND_WORD: usize = 12;

/// The field as any reader gives the text back: as it is where it can be, else in encoded words. `None` when the text holds
/// what no header can: a control other than TAB, or what XML has no way to show.
pub(super) fn text(name: &str, text: &str) -> Option<String> {
    if text.contains(unwritable) {
        return None;
    }
    let plain = !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("=?")
        // Some readers take several blanks for one where a line is folded.
        && (!text.contains("  ") || name.len() + text.len() + 2 <= GOOD_LINE);
    let folded = plain.then(|| folded(name, text)).flatten();
    Some(folded.unwrap_or_else(|| encoded(name, text)))
}

/// The field with text that is one already, folded at single blanks; `None` when it holds anything but printable US-ASCII
/// or a word no line can.
pub(super) fn folded(name: &str, text: &str) -> Option<String> {
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let mut field = format!("{name}: ");
    let (mut line, mut start) = (field.len(), 0);
    while start < text.len() {
        let end = next_fold(text, start);
        let words = &text[start..end];
        let at_start = start == 0;
        if !at_start && line + words.len() > GOOD_LINE {
            field.push_str("\r\n");
            line = 0;
        }
        field.push_str(words);
        line += words.len();
        if line > LONGEST_LINE {
            return None;
        }
        start = end;
    }
    field.push_str("\r\n");
    Some(field)
}

/// Where the text can next be folded: before a blank that stands alone.
fn next_fold(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let alone = |at: &usize| {
        bytes[*at] == b' '
            && bytes[at - 1] != b' '
            && bytes.get(at + 1).is_some_and(|next| *next != b' ')
    };
    (start + 1..text.len()).find(alone).unwrap_or(text.len())
}

/// The field in encoded words.
pub(super) fn encoded(name: &str, text: &str) -> String {
    // The first line has less room, unless the name leaves none that is worth it.
    let room = WORDS_LINE.saturating_sub(name.len() + 2 + AROUND_WORD) / 4 * 3;
    let first = if room < 6 { WORD } else { room.min(WORD) };
    format!("{name}: {}\r\n", words(text, first).join("\r\n "))
}

/// Encoded words that say the text, the first of them at most so many octets of it; each holds whole characters.
pub(super) fn words(text: &str, first: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut room = first;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(room);
        let (word, after) = rest.split_at(end);
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        (rest, room) = (after, WORD);
    }
    words
}

/// What a reader would replace.
pub(super) fn unwritable(character: char) -> bool {
    (character.is_control() && character != '\t') || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// RFC 5322 §3.6.8, and no longer than a line has room for beside its text.
pub(super) fn is_name(name: &str) -> bool {
    const LONGEST: usize = 200;
    (1..=LONGEST).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::header::Header;
    use super::*;

    fn lines(field: &str) -> Vec<&str> {
        field.strip_suffix("\r\n").unwrap().split("\r\n").collect()
    }

    #[test]
    fn plain_text_stays_and_is_folded_at_78_characters() {
        assert_eq!(
            text("Subject", "a \"b\" <c>: =?").unwrap(),
            "Subject: =?UTF-8?B?YSAiYiIgPGM+OiA9Pw==?=\r\n"
        );
        assert_eq!(
            text("Subject", "a  \"b\" <c>: ?=").unwrap(),
            "Subject: a  \"b\" <c>: ?=\r\n"
        );
        let long = text("Subject", "word ".repeat(40).trim_end()).unwrap();
        assert_eq!(lines(&long).len(), 3);
        assert!(lines(&long).iter().all(|line| line.len() <= 78), "{long}");
        let exact = "a".repeat(69);
        assert_eq!(
            text("Subject", &format!("{exact} b")).unwrap(),
            format!("Subject: {exact}\r\n b\r\n")
        );
    }

    #[test]
    fn a_word_longer_than_a_line_is_encoded() {
        let word = "a".repeat(998 - "Subject: ".len());
        assert_eq!(
            text("Subject", &word).unwrap(),
            format!("Subject: {word}\r\n")
        );
        assert!(
            text("Subject", &format!("{word}a"))
                .unwrap()
                .starts_with("Subject: =?UTF-8?B?")
        );
        assert_eq!(folded("Subject", &format!("b {word}aaaaaaaaa")), None);
    }

    #[test]
    fn text_that_folding_could_change_is_encoded() {
        for awkward in [
            " a",
            "a ",
            "a\tb",
            "=?utf-8?q?a?=",
            "é",
            "\u{7fff}",
            &"a  b ".repeat(20),
        ] {
            assert!(
                text("Subject", awkward)
                    .unwrap()
                    .starts_with("Subject: =?UTF-8?B?"),
                "{awkward:?}"
            );
        }
    }

    #[test]
    fn encoded_words_hold_whole_characters_and_fit_their_lines() {
        for name in ["S", "Subject", &"N".repeat(50), &"N".repeat(70)] {
            let field = text(name, &"😀é".repeat(60)).unwrap();
            for (index, line) in lines(&field).into_iter().enumerate() {
                assert!(
                    line.len() <= 76 || (index == 0 && name.len() > 54),
                    "{line}"
                );
                let word = line.rsplit(' ').next().unwrap();
                assert!(word.len() <= 75);
                let content = word
                    .strip_prefix("=?UTF-8?B?")
                    .unwrap()
                    .strip_suffix("?=")
                    .unwrap();
                assert!(String::from_utf8(STANDARD.decode(content).unwrap()).is_ok());
            }
        }
    }

    #[test]
    fn controls_are_refused() {
        for bad in [
            "\r", "\n", "\0", "a\u{1b}", "\u{7f}", "\u{85}", "\u{fffe}", "\u{ffff}",
        ] {
            assert_eq!(text("Subject", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn names_are_printable_without_a_colon() {
        for good in ["a", "X-1", "\"", &"n".repeat(200)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a:", "a b", "a\t", "é", "a\r", &"n".repeat(201)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_by_two_readers(name in "[A-Za-z][!-9;-~]{0,60}", value in prop_oneof![
            "[ -~]{1,300}", "[ a=?\t]{1,60}", "\\PC{1,200}", "[a-z]{900,1200}"]) {
            prop_assume!(!["Content-Type", "Content-Disposition"].iter().any(|known| name.eq_ignore_ascii_case(known)));
            let Some(field) = text(&name, &value) else {
                prop_assert!(value.contains(unwritable));
                return Ok(());
            };
            prop_assert!(super::super::super::scan::Scan::of(field.as_bytes()).safe && field.is_ascii());
            let header = Header::parse(field.as_bytes());
            prop_assert_eq!(header.fields().collect::<Vec<_>>(), [(name.as_str(), value.clone())]);
            let message = format!("X-First: 1\r\n{field}\r\n");
            let parser = mail_parser::MessageParser::new().header_text(mail_parser::HeaderName::Subject).default_header_text();
            let other = parser.parse_headers(message.as_bytes()).unwrap();
            let other = other.parts[0].headers.iter().find(|header| header.name.as_str() == name);
            prop_assert_eq!(other.and_then(|header| header.value.as_text()), Some(value.as_str()));
        }
    }
}
