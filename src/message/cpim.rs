//! The body of `message/cpim` (RFC 3862): its own header block and the entity it wraps.
//!
//! - IMAP shows such a body as one leaf, so the parts inside are found here and get ids of their own (`1~1`, `1~1.2`).
//! - Ranges are of the bytes given to [`Cpim::parse`]; no Content-Length inside them is believed.
//! - The bytes may have been cut off anywhere.

use std::ops::Range;

use super::encoding::{TransferEncoding, decode};
use super::header::Header;
use super::imdn::Imdn;
use super::multipart;
use super::parameters::ContentType;
use super::text::text;

/// Parts that are listed, all levels together.
const MOST_PARTS: usize = 1000;
/// Levels of multiparts that are opened.
const DEEPEST: usize = 100;
/// The id of the wrapped entity.
const ENTITY: &str = "1~1";
/// RFC 5438 §5: the namespace of the `imdn.` headers.
const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";

/// A CPIM message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpim {
    headers: Vec<CpimHeader>,
    content_type: String,
    parts: Vec<CpimPart>,
    text: Option<String>,
    imdn: Option<Imdn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CpimHeader {
    /// As written, prefix included.
    name: String,
    value: String,
}

/// The wrapped entity, or a part of it when it is a multipart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpimPart {
    /// `1~1` is the wrapped entity, `1~1.2` the second part of it.
    pub id: String,
    /// Media type with its parameters; `text/plain` where none is given.
    pub content_type: String,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Content-Location.
    pub content_location: Option<String>,
    /// Content-Disposition as text.
    pub content_disposition: Option<String>,
    /// How the bytes of `range` are encoded.
    pub encoding: TransferEncoding,
    /// The part's body, still encoded, inside the CPIM bytes.
    pub range: Range<usize>,
    /// Whether an object lists it as a payload part: the parts of a wrapped multipart, else the wrapped entity.
    pub first_level: bool,
}

impl CpimPart {
    /// Whether this is the wrapped entity itself, and not a part of it.
    #[must_use]
    pub fn is_entity(&self) -> bool {
        self.id == ENTITY
    }
}

impl Cpim {
    /// Reads the bytes of a CPIM body; `None` when they do not begin with a header block.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut block, mut at) = skip_blank_lines(bytes, 0);
        // Some writers repeat `Content-Type: message/cpim` as a block of its own, as MSRP carries it.
        if is_wrapper(&block) {
            (block, at) = skip_blank_lines(bytes, at);
        }
        if block.is_empty() {
            return None;
        }
        let (entity, body) = if block.raw("Content-Type").is_some() {
            // The blank line before the wrapped entity's header was forgotten.
            (block.clone(), at)
        } else {
            wrapped(bytes, at)
        };
        let mut parts = Parts {
            bytes,
            list: Vec::new(),
        };
        parts.add(
            ENTITY.to_owned(),
            &entity,
            body..bytes.len(),
            0,
            "text/plain",
        );
        let mut list = parts.list;
        if let [only] = list.as_mut_slice() {
            only.first_level = true;
        }
        let text = list.first().and_then(|part| plain_text(part, bytes));
        let imdn = list
            .iter()
            .find_map(|part| notification(part, bytes))
            .flatten();
        Some(Self {
            headers: headers(&block),
            content_type: list.first()?.content_type.clone(),
            parts: list,
            text,
            imdn,
        })
    }

    /// The first value of a header, in any case: `From`, `DateTime`, or with its prefix as written.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// The `Message-ID` of the IMDN namespace, whatever its prefix (RFC 5438 §6.3).
    #[must_use]
    pub fn imdn_message_id(&self) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| {
                header.name.split_once('.').is_some_and(|(prefix, name)| {
                    name.eq_ignore_ascii_case("Message-ID") && self.is_imdn(prefix)
                })
            })
            .map(|header| header.value.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Content-Type of the wrapped entity; `text/plain` where none is given.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The text of a wrapped `text/plain`, decoded; as much of it as the bytes held.
    #[must_use]
    pub fn text_content(&self) -> Option<String> {
        self.text.clone()
    }

    /// The wrapped entity and the parts in it, outer before inner; at most 1000, at most 100 levels deep.
    #[must_use]
    pub fn parts(&self) -> &[CpimPart] {
        &self.parts
    }

    /// The disposition notification inside, if there is a whole one.
    #[must_use]
    pub fn imdn(&self) -> Option<&Imdn> {
        self.imdn.as_ref()
    }

    fn is_imdn(&self, prefix: &str) -> bool {
        let declared = self
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("NS"))
            .filter_map(|header| namespace(&header.value))
            .find(|(own, _)| *own == prefix);
        match declared {
            Some((_, uri)) => uri.eq_ignore_ascii_case(IMDN_NAMESPACE),
            // The declaration is missing in some messages.
            None => prefix.eq_ignore_ascii_case("imdn"),
        }
    }
}

/// RFC 3862 §3.4: `NS: prefix <uri>`.
fn namespace(value: &str) -> Option<(&str, &str)> {
    let (prefix, uri) = value.split_once(['<', ' '])?;
    Some((
        prefix.trim(),
        uri.trim_matches(|c: char| c.is_whitespace() || c == '<' || c == '>'),
    ))
}

fn is_wrapper(block: &Header) -> bool {
    block
        .content_type()
        .is_some_and(|content_type| content_type.is("message/cpim"))
        && block.raw("From").is_none()
        && block.raw("DateTime").is_none()
}

/// The header block at `at` or behind the blank lines there, and where what follows it begins.
fn skip_blank_lines(bytes: &[u8], mut at: usize) -> (Header, usize) {
    while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
        at += 1;
    }
    let (header, length) = Header::split(&bytes[at..]);
    (header, at + length)
}

/// The header of the wrapped entity and where its body begins.
fn wrapped(bytes: &[u8], at: usize) -> (Header, usize) {
    let (header, length) = Header::split(&bytes[at..]);
    let unheaded = header.is_empty() && !matches!(bytes.get(at), Some(b'\r' | b'\n'));
    // RFC 3862 §2: the entity has a header of its own; where it does not look like one, it is content already.
    if unheaded {
        (header, at)
    } else {
        (header, at + length)
    }
}

fn headers(block: &Header) -> Vec<CpimHeader> {
    block
        .raw_fields()
        .map(|(name, raw)| CpimHeader {
            name: name.to_owned(),
            value: unescape(without_language(raw)),
        })
        .collect()
}

/// RFC 3862 §2.3.2: parameters come before the value, as in `Subject:;lang=fr Bonjour`.
fn without_language(raw: &str) -> &str {
    if raw.starts_with(';') {
        raw.split_once(' ').map_or("", |(_, value)| value.trim())
    } else {
        raw
    }
}

/// RFC 3862 §2.3.1: backslash escapes in header values.
fn unescape(value: &str) -> String {
    let mut output = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('\\') {
        output.push_str(before);
        let mut characters = after.chars();
        let plain = match characters.next() {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('u') => match code_point(characters.as_str()) {
                Some((character, length)) => {
                    output.push(character);
                    rest = &after[1 + length..];
                    continue;
                }
                None => 'u',
            },
            Some(other) => other,
            None => '\\',
        };
        output.push(plain);
        rest = characters.as_str();
    }
    output.push_str(rest);
    output
}

/// The character of four hexadecimal digits, or of a surrogate pair of two such escapes, and its length in bytes.
fn code_point(from: &str) -> Option<(char, usize)> {
    let unit = |digits: Option<&str>| {
        digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
    };
    let first = unit(from.get(..4))?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 4));
    }
    let second = from.get(4..6).filter(|escape| *escape == "\\u");
    let second = second.and_then(|_| unit(from.get(6..10)));
    match char::decode_utf16([first, second.unwrap_or_default()]).next()? {
        Ok(character) => Some((character, 10)),
        Err(_) => Some((char::REPLACEMENT_CHARACTER, 4)),
    }
}

struct Parts<'a> {
    bytes: &'a [u8],
    list: Vec<CpimPart>,
}

impl Parts<'_> {
    fn add(
        &mut self,
        id: String,
        header: &Header,
        body: Range<usize>,
        depth: usize,
        default_type: &str,
    ) {
        if self.list.len() >= MOST_PARTS {
            return;
        }
        let text = |name: &str| header.first(name).filter(|value| !value.is_empty());
        self.list.push(CpimPart {
            id: id.clone(),
            content_type: text("Content-Type").unwrap_or_else(|| default_type.to_owned()),
            content_id: text("Content-ID")
                .map(|value| value.trim_matches(['<', '>', ' ', '\t']).to_owned()),
            content_location: text("Content-Location"),
            content_disposition: text("Content-Disposition"),
            encoding: header.transfer_encoding(),
            range: body.clone(),
            first_level: depth == 1,
        });
        if depth >= DEEPEST {
            return;
        }
        let Some(content_type) = header.content_type().filter(ContentType::is_multipart) else {
            return;
        };
        let boundary = content_type.parameter("boundary").unwrap_or_default();
        // RFC 2046 §5.1.5: inside a digest a part without a type is a message.
        let default_type = if content_type.is("multipart/digest") {
            "message/rfc822"
        } else {
            "text/plain"
        };
        // RFC 2045 §6.4: a multipart has no transfer encoding to take off, whatever it claims.
        if let Some(own) = self.list.last_mut() {
            own.encoding = TransferEncoding::Identity;
        }
        let left = MOST_PARTS - self.list.len();
        let entities = multipart::entities(&self.bytes[body.clone()], boundary, left);
        for (position, entity) in entities.into_iter().enumerate() {
            let (start, end) = (body.start + entity.start, body.start + entity.end);
            let (header, length) = Header::split(&self.bytes[start..end]);
            let id = format!("{id}.{}", position + 1);
            self.add(id, &header, start + length..end, depth + 1, default_type);
        }
    }
}

fn plain_text(part: &CpimPart, bytes: &[u8]) -> Option<String> {
    let content_type = match ContentType::parse(&part.content_type) {
        Some(parsed) if parsed.is("text/plain") => Some(parsed),
        Some(_) => return None,
        None => None,
    };
    let charset = content_type
        .as_ref()
        .and_then(|own| own.parameter("charset"));
    let content = decode(part.encoding, bytes.get(part.range.clone())?);
    Some(text(&content, charset))
}

/// The report in a part that is a notification: `Some(None)` when it is one, but broken.
fn notification(part: &CpimPart, bytes: &[u8]) -> Option<Option<Imdn>> {
    let content_type = ContentType::parse(&part.content_type)?;
    if !content_type.is("message/imdn+xml") {
        return None;
    }
    let document = decode(part.encoding, bytes.get(part.range.clone())?);
    Some(Imdn::parse(&document, content_type.parameter("charset")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAT: &str = "From: Ann <sip:anonymous@anonymous.invalid>\r\nTo: <sip:anonymous@anonymous.invalid>\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: Msg1\r\nDateTime: 2026-06-01T12:20:30.123+0200\r\n\
        Subject:;lang=fr Caf\\u00e9 \\\"x\\\"\r\n\r\n\
        Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nh\u{e9}llo\r\n";

    fn parts(body: &str) -> Vec<(String, String, bool)> {
        let cpim = Cpim::parse(body.as_bytes()).unwrap();
        cpim.parts()
            .iter()
            .map(|part| {
                (
                    part.id.clone(),
                    body[part.range.clone()].to_owned(),
                    part.first_level,
                )
            })
            .collect()
    }

    #[test]
    fn a_chat_message_has_headers_text_and_one_part() {
        let cpim = Cpim::parse(CHAT.as_bytes()).unwrap();
        assert_eq!(
            cpim.header("datetime"),
            Some("2026-06-01T12:20:30.123+0200")
        );
        assert_eq!(cpim.header("Subject"), Some("Café \"x\""));
        assert_eq!(cpim.header("Cc"), None);
        assert_eq!(cpim.imdn_message_id(), Some("Msg1"));
        assert_eq!(cpim.content_type(), "text/plain;charset=UTF-8");
        assert_eq!(cpim.text_content().unwrap(), "héllo\r\n");
        assert_eq!(
            parts(CHAT),
            [("1~1".to_owned(), "héllo\r\n".to_owned(), true)]
        );
    }

    #[test]
    fn the_imdn_prefix_is_what_its_namespace_says() {
        let id = |block: &str| {
            let cpim = Cpim::parse(block.as_bytes()).unwrap();
            cpim.imdn_message_id().map(str::to_owned)
        };
        assert_eq!(
            id("NS: m <urn:ietf:params:imdn>\nm.message-id: 1\n\n").unwrap(),
            "1"
        );
        assert_eq!(id("NS: imdn <urn:other>\nimdn.Message-ID: 1\n\n"), None);
        assert_eq!(id("imdn.Message-ID: 1\n\n").unwrap(), "1");
        assert_eq!(id("x.Message-ID: 1\nMessage-ID: 2\n\n"), None);
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            unescape("a\\tb\\\\c\\'d\\u20acx\\ud83d\\ude00\\ud83dz\\u12\\"),
            "a\tb\\c'd€x😀\u{fffd}zu12\\"
        );
    }

    #[test]
    fn forgotten_and_doubled_blank_lines_are_forgiven() {
        let text = |body: &str| {
            Cpim::parse(body.as_bytes())
                .unwrap()
                .text_content()
                .unwrap()
        };
        assert_eq!(
            text("\r\n\r\nFrom: <x>\n\nContent-Type: text/plain\n\nhi"),
            "hi"
        );
        assert_eq!(
            text("From: <x>\r\nContent-Type: text/plain\r\n\r\nhi"),
            "hi"
        );
        assert_eq!(
            text(
                "Content-Type: message/cpim\r\n\r\nFrom: <x>\r\n\r\nContent-Type: text/plain\r\n\r\nhi"
            ),
            "hi"
        );
        assert_eq!(
            text("From: <x>\r\n\r\njust text, no header\r\n\r\nmore"),
            "just text, no header\r\n\r\nmore"
        );
        assert_eq!(text("From: <x>\r\n\r\n\r\nhi"), "hi");
        assert_eq!(text("From: <x>"), "");
    }

    #[test]
    fn bytes_without_a_header_block_are_no_cpim() {
        for body in ["", "\r\n", "hello\r\n\r\nFrom: <x>\r\n"] {
            assert_eq!(Cpim::parse(body.as_bytes()), None, "{body:?}");
        }
    }

    #[test]
    fn parts_of_a_wrapped_multipart_are_first_level_and_deeper_ones_addressable() {
        let body = "From: <x>\r\n\r\nContent-Type: multipart/related; boundary=\"b\";\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\nContent-ID: <a@x>\r\n\r\none\r\n\
            --b\r\nContent-Type: multipart/alternative; boundary=c\r\nContent-Transfer-Encoding: base64\r\n\r\n--c\r\n\r\ntwo\r\n--c--\r\n\
            --b--\r\n";
        let found = parts(body);
        let ids: Vec<_> = found
            .iter()
            .map(|(id, _, first)| (id.as_str(), *first))
            .collect();
        assert_eq!(
            ids,
            [
                ("1~1", false),
                ("1~1.1", true),
                ("1~1.2", true),
                ("1~1.2.1", false)
            ]
        );
        assert_eq!(found[1].1, "one");
        assert_eq!(found[2].1, "--c\r\n\r\ntwo\r\n--c--");
        assert_eq!(found[3].1, "two");
        let cpim = Cpim::parse(body.as_bytes()).unwrap();
        assert_eq!(cpim.parts()[1].content_id.as_deref(), Some("a@x"));
        assert_eq!(cpim.parts()[2].encoding, TransferEncoding::Identity);
        assert_eq!(cpim.parts()[3].content_type, "text/plain");
        assert_eq!(cpim.text_content(), None);
    }

    #[test]
    fn a_multipart_without_its_boundary_is_one_part() {
        assert_eq!(
            parts("From: <x>\n\nContent-Type: multipart/mixed\n\n--b\n\none\n--b--"),
            [("1~1".to_owned(), "--b\n\none\n--b--".to_owned(), true)]
        );
    }

    #[test]
    fn parts_and_depth_have_a_bound() {
        let flat = format!(
            "From: <x>\n\nContent-Type: multipart/mixed; boundary=b\n\n{}",
            "--b\n\nx\n".repeat(5000)
        );
        assert_eq!(parts(&flat).len(), MOST_PARTS);
        let mut deep = "From: <x>\n\n".to_owned();
        for level in 0..500 {
            deep += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        }
        let found = parts(&deep);
        assert_eq!(found.len(), DEEPEST + 1);
    }

    #[test]
    fn a_cpim_cut_off_anywhere_is_still_read() {
        for end in 7..CHAT.len() {
            let cpim = Cpim::parse(&CHAT.as_bytes()[..end]).unwrap();
            assert!(cpim.header("From").is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200), pieces in proptest::collection::vec(
            proptest::sample::select(vec!["From: <x>", "\r\n", "\r\n\r\n", "NS: imdn <urn:ietf:params:imdn>", "imdn.Message-ID: é", "\\u12", "\\",
                "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/imdn+xml", "--b", "--b--", "<imdn>", "Content-Transfer-Encoding: base64"]), 0..30)) {
            for body in [bytes, pieces.concat().into_bytes()] {
                if let Some(cpim) = Cpim::parse(&body) {
                    prop_assert!(cpim.parts().iter().all(|part| part.range.start <= part.range.end && part.range.end <= body.len()));
                    prop_assert!(cpim.parts().iter().any(|part| part.first_level));
                    let _ = (cpim.text_content(), cpim.imdn_message_id(), cpim.imdn());
                }
            }
        }
    }
}
