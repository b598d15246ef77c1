//! Encoded words in header text (RFC 2047), read as leniently as mail readers do.

use super::encoding::{TransferEncoding, decode as undo};
use super::text::text;

/// No registered charset name is longer, language tag included.
const LONGEST_CHARSET: usize = 80;

/// Replaces the encoded words of unfolded text by what they say; anything else stays as it is.
pub(crate) fn decode(raw: &str) -> String {
    if !raw.contains("=?") {
        return raw.to_owned();
    }
    let mut output = String::with_capacity(raw.len());
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut rest = raw;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let (charset, bytes, after) = match word(from) {
            Found::Word {
                charset,
                bytes,
                after,
            } => (charset, bytes, after),
            Found::Nothing => {
                flush(&mut pending, &mut output);
                output.push_str(before);
                output.push_str("=?");
                rest = &from[2..];
                continue;
            }
            Found::NoMoreEnds => break,
        };
        // RFC 2047 §6.2: white space between two encoded words only separates them.
        let adjacent = pending.is_some() && before.chars().all(char::is_whitespace);
        match &mut pending {
            // A character may have been cut in two by a careless writer: join before decoding.
            Some((same, held)) if adjacent && same.eq_ignore_ascii_case(charset) => {
                held.extend(bytes);
            }
            _ => {
                flush(&mut pending, &mut output);
                if !adjacent {
                    output.push_str(before);
                }
                pending = Some((charset, bytes));
            }
        }
        rest = after;
    }
    flush(&mut pending, &mut output);
    output.push_str(rest);
    output
}

fn flush(pending: &mut Option<(&str, Vec<u8>)>, output: &mut String) {
    if let Some((charset, bytes)) = pending.take() {
        output.push_str(&text(&bytes, Some(charset)));
    }
}

enum Found<'a> {
    Word {
        charset: &'a str,
        bytes: Vec<u8>,
        after: &'a str,
    },
    Nothing,
    /// No `?=` follows: nothing later can be a word either, which keeps the search linear.
    NoMoreEnds,
}

/// The encoded word at the start of `from`, which begins with `=?`.
fn word(from: &str) -> Found<'_> {
    let inner = &from[2..];
    let Some(charset_end) = inner
        .bytes()
        .take(LONGEST_CHARSET)
        .position(|byte| byte == b'?')
    else {
        return Found::Nothing;
    };
    let (charset, inner) = (&inner[..charset_end], &inner[charset_end + 1..]);
    let base64 = match inner.as_bytes() {
        [b'b' | b'B', b'?', ..] => true,
        [b'q' | b'Q', b'?', ..] => false,
        _ => return Found::Nothing,
    };
    let encoded = &inner[2..];
    if charset.is_empty() || charset.contains(char::is_whitespace) {
        return Found::Nothing;
    }
    let Some(end) = encoded.find("?=") else {
        return Found::NoMoreEnds;
    };
    let (encoded, after) = (&encoded[..end], &encoded[end + 2..]);
    let bytes = if base64 {
        undo(TransferEncoding::Base64, encoded.as_bytes())
    } else {
        q(encoded.as_bytes())
    };
    Found::Word {
        charset,
        bytes,
        after,
    }
}

/// RFC 2047 §4.2: like quoted-printable, but an underscore is a space and there are no lines.
fn q(encoded: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'_', _) => output.push(b' '),
            (b'=', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                output.extend(undo(
                    TransferEncoding::QuotedPrintable,
                    &[b'=', *high, *low],
                ));
                rest = &after[2..];
            }
            _ => output.push(*first),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_both_kinds_are_decoded_in_their_place() {
        assert_eq!(
            decode("=?utf-8?b?w6k=?= and =?ISO-8859-1?Q?caf=E9_noir?=!"),
            "é and café noir!"
        );
        assert_eq!(decode("a=?utf-8?q?b?=c"), "abc");
        assert_eq!(decode("=?utf-8*fr?Q?=C3=A9?="), "é");
    }

    #[test]
    fn space_between_words_goes_and_cut_characters_join() {
        assert_eq!(decode("=?utf-8?q?a?= \t =?utf-8?q?b?= c"), "ab c");
        assert_eq!(decode("=?utf-8?b?w6k=?= =?iso-8859-1?q?=E9?="), "éé");
        assert_eq!(decode("=?utf-8?q?=C3?= =?UTF-8?q?=A9?="), "é");
        assert_eq!(decode("=?utf-8?b?4oI=?= =?utf-8?b?rA==?="), "€");
    }

    #[test]
    fn what_is_no_word_stays() {
        for plain in [
            "=?",
            "=?utf-8?q?open",
            "=?utf-8?x?a?=",
            "=??q?a?=",
            "=? ?q?a?=",
            "1 =? 2 ?= 3",
            "plain é",
        ] {
            assert_eq!(decode(plain), plain);
        }
        assert_eq!(decode("=?=?utf-8?q?a?="), "=?a");
        assert_eq!(decode("=?utf-8?q?a=?= b=Z"), "a= b=Z");
    }

    #[test]
    fn a_megabyte_of_beginnings_is_quick() {
        let raw = "=?a?q?x ".repeat(200_000);
        assert_eq!(decode(&raw), raw);
        let raw = format!("{}?=", "=?a?x?".repeat(200_000));
        assert_eq!(decode(&raw), raw);
    }

    proptest! {
        #[test]
        fn any_text_is_decoded(raw in ".{0,100}", parts in proptest::collection::vec(
            proptest::sample::select(vec!["=?", "?=", "utf-8", "?q?", "?B?", "=C3", " ", "w6k=", "_", "é"]), 0..20)) {
            let _ = decode(&raw);
            let _ = decode(&parts.concat());
        }
    }
}
