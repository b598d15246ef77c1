//! The header of a part, and the parameters of its fields, read as leniently as clients write them (contract §3.2).

use crate::nms::encode::Malformed;

/// Names and values in the order they came; unfolded, without line ends and other controls.
pub(in crate::rest) type Fields = Vec<(String, String)>;

/// The field that says which part it is.
pub(super) const DISPOSITION: &str = "Content-Disposition";
/// Most fields of a part.
const FIELDS: usize = 32;
/// RFC 2046 §5.1.1 has 70.
const LONGEST_BOUNDARY: usize = 200;

pub(super) fn malformed(part: &str) -> Malformed {
    Malformed {
        part: part.to_owned(),
    }
}

/// The fields of a header without its blank line. Octets that are no UTF-8 are replaced.
///
/// # Errors
/// A line that is no field, too many fields, controls: never skipped, for a content without a blank line before it looks alike.
pub(super) fn parse(header: &[u8]) -> Result<Fields, Malformed> {
    let text = String::from_utf8_lossy(header);
    let mut fields = Fields::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or_else(|| malformed(DISPOSITION))?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let field = line.split_once(':').filter(|_| fields.len() < FIELDS);
        let (name, value) = field.ok_or_else(|| malformed(DISPOSITION))?;
        let name = name.trim_end();
        // RFC 5322 §3.6.8.
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(malformed(DISPOSITION));
        }
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let control = |value: &str| value.chars().any(|c| c.is_control() && c != '\t');
    match fields.iter().find(|(_, value)| control(value)) {
        Some((name, _)) => Err(malformed(name)),
        None => Ok(fields),
    }
}

/// The first value of a field.
pub(in crate::rest) fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The name of a form's part. Its disposition is `form-data`, but clients write others.
pub(super) fn name(fields: &Fields) -> Option<String> {
    parameter(field(fields, DISPOSITION)?, "name")
}

/// The boundary of a `Content-Type`.
pub(in crate::rest) fn boundary(content_type: &str) -> Option<String> {
    let boundary = parameter(content_type, "boundary")?;
    // RFC 2046 §5.1.1: white space at its end was added on the way.
    let boundary = boundary.trim_end();
    let valid =
        (1..=LONGEST_BOUNDARY).contains(&boundary.len()) && !boundary.chars().any(char::is_control);
    valid.then(|| boundary.to_owned())
}

/// A parameter's value, whatever quotes it has around it, blanks missing or semicolons too many.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = text.split_once(';')?;
    loop {
        let end = rest.find(['=', ';'])?;
        let (name, behind) = rest.split_at(end);
        rest = &behind[1..];
        if behind.starts_with(';') {
            continue;
        }
        let (value, behind) = value(rest.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind;
    }
}

/// A value, and what follows its semicolon.
fn value(text: &str) -> (String, &str) {
    let mut characters = text.chars();
    if let Some(open) = characters.next().filter(|first| is_quote(*first)) {
        // Typographic quotes come in any pair.
        let closes = |c: char| if open == '"' { c == '"' } else { is_quote(c) };
        let mut value = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\\' if open == '"' => value.extend(characters.next()),
                character if closes(character) => {
                    let behind = characters.as_str().split_once(';');
                    return (value, behind.map_or("", |(_, behind)| behind));
                }
                character => value.push(character),
            }
        }
    }
    let (value, behind) = text.split_once(';').unwrap_or((text, ""));
    let value = value.trim().trim_matches(is_quote);
    let bare = value
        .strip_prefix('\'')
        .and_then(|value| value.strip_suffix('\''));
    (bare.unwrap_or(value).to_owned(), behind)
}

/// What stands for a quote: typographic ones were copied from the specification, and outside of UTF-8 they are replaced.
fn is_quote(character: char) -> bool {
    matches!(
        character,
        '"' | '“' | '”' | '„' | char::REPLACEMENT_CHARACTER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_dress() {
        for disposition in [
            r#"form-data; name="attachments""#,
            r#"form-data;name="attachments""#,
            "form-data; name=attachments",
            r#"multipart/form-data; name="attachments"; filename="a;b.txt""#,
            r#"form-data; filename="a; name=x \" y"; name="attachments""#,
            "form-data; name=”attachments”",
            "form-data; name=“attachments”;",
            "form-data; name=\"attachments”",
            "form-data; name='attachments'",
            "form-data; NAME = \"attachments\"",
            "form-data;; name=attachments ;",
            "form-data; name=\u{FFFD}attachments\u{FFFD}",
        ] {
            let fields = vec![("content-disposition".to_owned(), disposition.to_owned())];
            assert_eq!(
                name(&fields).as_deref(),
                Some("attachments"),
                "{disposition}"
            );
        }
        for disposition in [
            "",
            "form-data",
            "form-data; filename=name",
            "name=attachments",
        ] {
            let fields = vec![(DISPOSITION.to_owned(), disposition.to_owned())];
            assert_eq!(name(&fields), None, "{disposition}");
        }
    }

    #[test]
    fn boundaries_are_found_in_any_dress() {
        for (content_type, found) in [
            ("multipart/form-data; boundary=Outer7", "Outer7"),
            ("multipart/form-data;boundary=\"Outer7\";", "Outer7"),
            ("multipart/form-data; boundary=”Outer7”", "Outer7"),
            (
                "multipart/form-data; charset=utf-8; Boundary=a; boundary=b",
                "a",
            ),
            (
                "multipart/form-data; boundary=\"--=-sep= -=\"",
                "--=-sep= -=",
            ),
            ("multipart/form-data; boundary=--=-sep-=--;", "--=-sep-=--"),
            ("multipart/form-data; boundary=\"a \"", "a"),
            ("multipart/form-data; boundary=--", "--"),
        ] {
            assert_eq!(
                boundary(content_type).as_deref(),
                Some(found),
                "{content_type}"
            );
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(201));
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\" \"",
            &long,
        ] {
            assert_eq!(boundary(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn fields_are_unfolded_and_keep_their_order() {
        let fields =
            parse(b"A:1\r\nContent-Type : text/plain;\r\n\tcharset=\"\xc3\xa9\"\nB: \xff\r\n");
        let expected = [
            ("A", "1"),
            ("Content-Type", "text/plain; charset=\"é\""),
            ("B", "\u{FFFD}"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields.unwrap(), expected);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let many = "A: 1\r\n".repeat(33);
        for (header, part) in [
            ("no field\r\n", DISPOSITION),
            (" folded: 1\r\n", DISPOSITION),
            (": 1\r\n", DISPOSITION),
            ("A B: 1\r\n", DISPOSITION),
            ("é: 1\r\n", DISPOSITION),
            (&many[..], DISPOSITION),
            ("A: 1\r\nB: x\0\r\n", "B"),
            ("A: x\ry\r\n", "A"),
            ("A: x\u{85}y\r\n", "A"),
        ] {
            assert_eq!(
                parse(header.as_bytes()).unwrap_err().part,
                part,
                "{header:?}"
            );
        }
        assert_eq!(parse(&many.as_bytes()[6..]).unwrap().len(), 32);
    }
}
