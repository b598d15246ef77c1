//! `Content-Type` and its relatives: a value and parameters behind it (RFC 2045 §5.1, RFC 2231), read leniently.

use super::encoding::{TransferEncoding, decode};
use super::text::text;
use super::words;

/// More parameters than any honest field has; the rest is not read.
const MOST_PARAMETERS: usize = 128;

/// A media type as a header field names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// The unfolded field text.
    pub text: String,
    /// `type/subtype` in lower case.
    pub media_type: String,
    /// Parameters in order, names in lower case, values decoded (RFC 2231, RFC 2047), continuations joined.
    pub parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads a field's text; `None` when it names no `type/subtype`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (value, parameters) = split(text);
        let media_type = value
            .trim_matches(is_quote)
            .split_whitespace()
            .next()?
            .to_ascii_lowercase();
        let (kind, subtype) = media_type.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            parameters,
            media_type,
        })
    }

    /// The first value of a parameter; the name in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether this is exactly `media_type`, which is given in lower case.
    #[must_use]
    pub fn is(&self, media_type: &str) -> bool {
        self.media_type == media_type
    }

    /// Whether this is some `multipart/…`.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }
}

/// Field text with its RFC 2231 parameters written plainly; text without such parameters only loses its encoded words.
#[must_use]
pub fn decoded(raw: &str) -> String {
    let extended = raw.match_indices('*').any(|(at, _)| {
        raw[at + 1..].starts_with(|next: char| next == '=' || next.is_ascii_digit())
    });
    if !extended {
        return words::decode(raw);
    }
    let (value, parameters) = split(raw);
    let mut output = words::decode(value);
    for (name, value) in parameters {
        output.push_str("; ");
        output.push_str(&name);
        output.push('=');
        push_value(&value, &mut output);
    }
    output
}

/// Field text that any reader of RFC 2045 and RFC 2231 understands: printable US-ASCII, unless `value` or a name is not.
pub(crate) fn written(value: &str, parameters: &[(String, String)]) -> String {
    let mut output = value.to_owned();
    for (name, value) in parameters {
        output.push_str("; ");
        output.push_str(name);
        if is_printable(value) && !value.contains("=?") {
            output.push('=');
            push_value(value, &mut output);
        } else {
            output.push_str("*=UTF-8''");
            push_percent(value, &mut output);
        }
    }
    output
}

/// Field text as HTTP can carry it: as it is when that is printable US-ASCII, else written anew. `None` when it is no media type
/// then.
#[must_use]
pub fn in_ascii(text: &str) -> Option<String> {
    if is_printable(text) {
        return Some(text.to_owned());
    }
    let (value, mut parameters) = split(text);
    let media_type = ContentType::parse(value)?.media_type;
    parameters.retain(|(name, _)| is_token(name));
    Some(written(&media_type, &parameters)).filter(|text| is_printable(text))
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// RFC 2231 §7: an attribute character stands for itself.
fn push_percent(value: &str, output: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
            output.push(char::from(byte));
        } else {
            output.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The names of the parameters of field text that is `type/subtype` and parameters as RFC 2045 §5.1 writes them; a last
/// semicolon is forgiven.
pub(crate) fn well_formed(text: &str) -> Option<Vec<&str>> {
    let (media_type, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let (kind, subtype) = media_type.trim_ascii().split_once('/')?;
    let mut names = Vec::new();
    while !rest.trim_ascii().is_empty() {
        let (name, from) = rest.trim_ascii_start().split_once('=')?;
        names.push(name);
        let end = match from.strip_prefix('"') {
            Some(quoted) => quoted_end(quoted)? + 1,
            None => {
                let end = from.find([';', ' ']).unwrap_or(from.len());
                is_token(&from[..end]).then_some(end)?
            }
        };
        let after = from[end..].trim_ascii_start();
        rest = match after.strip_prefix(';') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    let tokens = [kind, subtype].into_iter().chain(names.iter().copied());
    tokens.into_iter().all(is_token).then_some(names)
}

/// Where a quoted string whose first mark is gone ends, its last mark included.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.find(|character: char| {
        let special = !std::mem::take(&mut escaped);
        escaped = special && character == '\\';
        special && character == '"'
    })?;
    Some(end + 1)
}

/// RFC 2045 §5.1.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c))
}

fn push_value(value: &str, output: &mut String) {
    // RFC 2045 §5.1: what is not a token is quoted.
    if is_token(value) {
        output.push_str(value);
        return;
    }
    output.push('"');
    for character in value.chars() {
        if character == '"' || character == '\\' {
            output.push('\\');
        }
        output.push(character);
    }
    output.push('"');
}

pub(crate) fn is_quote(character: char) -> bool {
    // Typographic quotes were copied from specifications into some writers.
    matches!(character, '"' | '”' | '“' | '„')
}

/// The value before the first semicolon, and the decoded parameters.
pub(crate) fn split(text: &str) -> (&str, Vec<(String, String)>) {
    let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut pieces = Vec::new();
    while !rest.is_empty() && pieces.len() < MOST_PARAMETERS {
        let name_end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..name_end].trim().to_ascii_lowercase();
        if !rest[name_end..].starts_with('=') {
            rest = rest.get(name_end + 1..).unwrap_or_default();
            continue;
        }
        let (value, after) = parameter_value(rest[name_end + 1..].trim_start());
        rest = after;
        if !name.is_empty() {
            pieces.push(Piece::new(&name, value));
        }
    }
    (value.trim(), join(pieces))
}

/// A value, and what follows its semicolon.
fn parameter_value(from: &str) -> (String, &str) {
    let mut characters = from.char_indices();
    let Some((_, open)) = characters.next().filter(|(_, first)| is_quote(*first)) else {
        let (value, after) = from.split_once(';').unwrap_or((from, ""));
        // RFC 822 comments follow some values.
        let value = value.split(" (").next().unwrap_or_default();
        return (value.trim().to_owned(), after);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in characters {
        let closes = if open == '"' {
            character == '"'
        } else {
            is_quote(character)
        };
        if escaped {
            value.push(character);
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if closes {
            let behind = &from[at + character.len_utf8()..];
            return (value, behind.split_once(';').map_or("", |(_, after)| after));
        } else {
            value.push(character);
        }
    }
    (value, "")
}

/// One parameter as written; RFC 2231 may spread a value over several.
struct Piece {
    name: String,
    index: usize,
    continued: bool,
    percent: bool,
    value: String,
}

impl Piece {
    fn new(name: &str, value: String) -> Self {
        // RFC 2231 §4.1: `name*`, `name*0`, `name*0*`.
        let (stripped, percent) = name
            .strip_suffix('*')
            .map_or((name, false), |stripped| (stripped, true));
        let numbered = stripped
            .rsplit_once('*')
            .and_then(|(base, number)| Some((base, number.parse::<usize>().ok()?)));
        let (base, index) = numbered.unwrap_or((stripped, 0));
        Self {
            name: base.to_owned(),
            index,
            continued: numbered.is_some(),
            percent,
            value,
        }
    }
}

fn join(pieces: Vec<Piece>) -> Vec<(String, String)> {
    let mut output: Vec<(String, String)> = Vec::new();
    for piece in &pieces {
        if output.iter().any(|(name, _)| *name == piece.name) {
            continue;
        }
        let mut same: Vec<&Piece> = pieces
            .iter()
            .filter(|other| other.name == piece.name)
            .collect();
        // RFC 2231 §4: a reader that knows the extended form prefers it to the plain one.
        if same.iter().any(|other| other.percent || other.continued) {
            same.retain(|other| other.percent || other.continued);
        }
        let value = if same.iter().all(|other| other.continued) {
            same.sort_by_key(|other| other.index);
            extended(&same)
        } else {
            extended(&same[..1])
        };
        output.push((piece.name.clone(), value));
    }
    output
}

fn extended(pieces: &[&Piece]) -> String {
    if !pieces.iter().any(|piece| piece.percent) {
        let value: String = pieces.iter().map(|piece| piece.value.as_str()).collect();
        return words::decode(&value);
    }
    let mut charset = None;
    let mut bytes = Vec::new();
    for (position, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_str();
        if !piece.percent {
            bytes.extend_from_slice(value.as_bytes());
            continue;
        }
        if position == 0
            && let Some((name, rest)) = value.split_once('\'')
            && let Some((_language, rest)) = rest.split_once('\'')
        {
            charset = Some(name);
            value = rest;
        }
        // A percent escape is an equals escape under another sign.
        let mut rest = value.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            match (first, after) {
                (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    bytes.extend(decode(
                        TransferEncoding::QuotedPrintable,
                        &[b'=', *high, *low],
                    ));
                    rest = &after[2..];
                }
                _ => bytes.push(*first),
            }
        }
    }
    text(&bytes, charset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameter(text: &str, name: &str) -> Option<String> {
        ContentType::parse(text)?.parameter(name).map(str::to_owned)
    }

    #[test]
    fn types_and_parameters_are_found_in_any_dress() {
        let parsed =
            ContentType::parse("Multipart/Related;boundary=\"a \\\"b\";  TYPE=text/xml ; ")
                .unwrap();
        assert!(parsed.is("multipart/related") && parsed.is_multipart());
        assert_eq!(parsed.parameter("Boundary"), Some("a \"b"));
        assert_eq!(parsed.parameter("type"), Some("text/xml"));
        assert_eq!(parsed.parameters.len(), 2);
        assert_eq!(
            parameter("text/plain; charset=utf-8 (plain)", "charset").unwrap(),
            "utf-8"
        );
        assert_eq!(parameter("a/b; flag; x=1", "x").unwrap(), "1");
    }

    #[test]
    fn curly_quotes_are_quotes() {
        let text = "multipart/related; type=”Application/X-CPM-Session”; boundary=“cpm\"; x=1";
        assert_eq!(
            parameter(text, "type").unwrap(),
            "Application/X-CPM-Session"
        );
        assert_eq!(parameter(text, "boundary").unwrap(), "cpm");
        assert_eq!(parameter(text, "x").unwrap(), "1");
    }

    #[test]
    fn no_type_is_no_content_type() {
        for text in ["", "text", "/", "text/", "; charset=x"] {
            assert_eq!(ContentType::parse(text), None, "{text}");
        }
    }

    #[test]
    fn extended_and_continued_parameters_are_decoded() {
        assert_eq!(
            parameter("a/b; name*=utf-8'fr'%e2%82%ac%20x; name=plain", "name").unwrap(),
            "€ x"
        );
        assert_eq!(
            parameter("a/b; name*1=\"b c\"; name*0=\"a \"", "name").unwrap(),
            "a b c"
        );
        assert_eq!(
            parameter("a/b; name*0*=iso-8859-1''caf%E9; name*1=.txt", "name").unwrap(),
            "café.txt"
        );
        assert_eq!(
            parameter("a/b; name=\"=?utf-8?q?=C3=A9?=\"", "name").unwrap(),
            "é"
        );
    }

    #[test]
    fn text_is_rewritten_only_for_extended_parameters() {
        assert_eq!(
            decoded("attachment; filename*=utf-8''%C3%A9.txt; size=3"),
            "attachment; filename=\"é.txt\"; size=3"
        );
        assert_eq!(
            decoded("multipart/mixed;boundary=x;"),
            "multipart/mixed;boundary=x;"
        );
    }

    #[test]
    fn parameters_are_written_for_readers_of_either_rfc() {
        let parameters = ["a b", "é'%", "=?utf-8?q?x?=", "", "q\"\\"]
            .map(|value| ("n".to_owned(), value.to_owned()));
        assert_eq!(
            written("a/b", &parameters),
            "a/b; n=\"a b\"; n*=UTF-8''%C3%A9%27%25; n*=UTF-8''%3D%3Futf-8%3Fq%3Fx%3F%3D; n=\"\"; n=\"q\\\"\\\\\""
        );
    }

    #[test]
    fn field_text_is_written_anew_only_where_http_cannot_carry_it() {
        for (text, written) in [
            ("Image/PNG;  name=a", Some("Image/PNG;  name=a")),
            (
                "Image/PNG; name=\"é.png\"",
                Some("image/png; name*=UTF-8''%C3%A9.png"),
            ),
            ("text/plain;\tx=y", Some("text/plain; x=y")),
            (
                "multipart/mixed; boundary=b; é=1",
                Some("multipart/mixed; boundary=b"),
            ),
            ("café", None),
            ("é/b; x=y", None),
        ] {
            assert_eq!(in_ascii(text).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn only_what_every_reader_reads_alike_is_well_formed() {
        for (text, names) in [
            ("a/b", vec![]),
            ("A/b ; x=\"; y=\\\" \" ;y=1;", vec!["x", "y"]),
            ("a/b; x*=utf-8''%41; X=2", vec!["x*", "X"]),
        ] {
            assert_eq!(well_formed(text), Some(names), "{text}");
        }
        for text in [
            "",
            "a",
            "a/",
            "a b/c",
            "a/b c",
            "a/b; x",
            "a/b; x=",
            "a/b; x=1 2",
            "a/b; x=1=2",
            "a/b; =1",
            "a/b; x =1",
            "a/b; x=\"1",
            "a/b; x=\"1\"2",
            "a/b; x=”1”",
            "a/b;; x=1",
        ] {
            assert_eq!(well_formed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec("\\PC{0,20}|[ -~]{0,20}", 0..5)) {
            let parameters: Vec<_> = (0..).zip(values).map(|(n, value)| (format!("p{n}"), value)).collect();
            let text = written("a/b", &parameters);
            prop_assert!(text.is_ascii());
            prop_assert_eq!(ContentType::parse(&text).unwrap().parameters, parameters);
            prop_assert!(well_formed(&text).is_some());
        }

        #[test]
        fn any_text_is_read(text in ".{0,100}", pieces in proptest::collection::vec(
            proptest::sample::select(vec!["a/b", ";", "=", "*", "*0", "*1*", "\"", "”", "\\", "'", "%4", "%C3", "n", " ", "é", "99999999999999999999"]), 0..30)) {
            let _ = ContentType::parse(&text);
            let _ = (decoded(&text), well_formed(&text), well_formed(&pieces.concat()));
            let _ = ContentType::parse(&pieces.concat());
            let _ = decoded(&pieces.concat());
            for text in [in_ascii(&text), in_ascii(&pieces.concat())].into_iter().flatten() {
                prop_assert!(is_printable(&text));
            }
        }
    }
}
