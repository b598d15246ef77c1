//! A reader of messages that forgives nothing (RFC 5322, RFC 2045, RFC 2046) and shares no code with the bridge: what it takes, any
//! reader takes. Addresses are not looked at, which in a CPM store are URIs and not those of RFC 5322.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::DateTime;

/// A message, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entity {
    /// Names and texts, unfolded and otherwise as they stand.
    pub(crate) fields: Vec<(String, String)>,
    /// The content of a leaf, without its transfer encoding; of a multipart as it stands.
    pub(crate) content: Vec<u8>,
    /// The parts of a multipart.
    pub(crate) parts: Vec<Entity>,
}

type Read<T> = Result<T, String>;

/// Fields that a header holds at most once (RFC 5322 §3.6, RFC 2045 §3).
const ONCE: [&str; 16] = [
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-id",
    "content-disposition",
];

/// Reads a whole message; else which rule it breaks.
pub(crate) fn read(message: &[u8]) -> Read<Entity> {
    lines(message)?;
    let entity = entity(message)?;
    let dates = entity.all("Date");
    let [date] = dates.as_slice() else {
        return Err(format!("{} dates", dates.len()));
    };
    DateTime::parse_from_rfc2822(date).map_err(|error| format!("{date}: {error}"))?;
    if entity.first("Content-Transfer-Encoding").is_none() && !message.is_ascii() {
        return Err("8-bit octets without a word".to_owned());
    }
    let versions = entity.all("MIME-Version");
    if entity.first("Content-Type").is_some() && versions != ["1.0"] {
        return Err(format!("MIME-Version {versions:?}"));
    }
    Ok(entity)
}

impl Entity {
    /// All texts of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .fields
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, text)| text.as_str()).collect()
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// RFC 5322 §2.1.1 and §2.3.
fn lines(message: &[u8]) -> Read<()> {
    if message.contains(&0) {
        return Err("a NUL".to_owned());
    }
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if text.contains(&b'\r') || text.contains(&b'\n') {
            return Err(format!(
                "a lone CR or LF: {}",
                String::from_utf8_lossy(line)
            ));
        }
        if text.len() > 998 {
            return Err(format!("a line of {} octets", text.len()));
        }
    }
    Ok(())
}

fn entity(bytes: &[u8]) -> Read<Entity> {
    let (header, body) = if let Some(body) = bytes.strip_prefix(b"\r\n") {
        (&b""[..], body)
    } else {
        let end = find(bytes, b"\r\n\r\n").ok_or("a header without an end")?;
        (&bytes[..end + 2], &bytes[end + 4..])
    };
    let mut entity = Entity {
        fields: fields(header)?,
        content: Vec::new(),
        parts: Vec::new(),
    };
    let (media_type, parameters) = match entity.first("Content-Type") {
        Some(text) => content_type(text)?,
        None => ("text/plain".to_owned(), Vec::new()),
    };
    // A part that does not say it is a client's own, kept as it was given.
    let encoding = entity.first("Content-Transfer-Encoding").unwrap_or("8bit");
    let encoding = encoding.to_ascii_lowercase();
    if encoding == "7bit" && !body.is_ascii() {
        return Err("8-bit octets in 7bit".to_owned());
    }
    if media_type.starts_with("multipart/") {
        if !["7bit", "8bit", "binary"].contains(&encoding.as_str()) {
            return Err(format!("a multipart in {encoding}"));
        }
        let boundary = parameters.iter().find(|(name, _)| name == "boundary");
        let (_, boundary) = boundary.ok_or("a multipart without a boundary")?;
        // RFC 2046 §5.1.1 says of an empty one nothing; an object without a body is none.
        if !body.is_empty() {
            entity.parts = parts(body, boundary)?;
        }
        entity.content = body.to_vec();
    } else {
        entity.content = decoded(&encoding, body)?;
    }
    Ok(entity)
}

/// RFC 5322 §2.2: US-ASCII, printable names, no line of blanks alone.
fn fields(header: &[u8]) -> Read<Vec<(String, String)>> {
    let header = std::str::from_utf8(header)
        .ok()
        .filter(|text| text.is_ascii());
    let header = header.ok_or("8-bit octets in a header")?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in header.split_terminator("\r\n") {
        if line.starts_with([' ', '\t']) {
            let (_, text) = fields
                .last_mut()
                .ok_or("a header that begins with a fold")?;
            if line.trim().is_empty() {
                return Err("a line of blanks".to_owned());
            }
            text.push_str(line);
            continue;
        }
        let (name, text) = line.split_once(':').ok_or(format!("no field: {line}"))?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("no name of a field: {name}"));
        }
        if text
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(format!("a control in {name}"));
        }
        fields.push((name.to_owned(), text.to_owned()));
    }
    for (_, text) in &mut fields {
        *text = text.trim().to_owned();
    }
    for once in ONCE {
        let same = fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(once));
        if same.count() > 1 {
            return Err(format!("{once} twice"));
        }
    }
    Ok(fields)
}

/// RFC 2045 §5.1; the names of parameters in lower case.
fn content_type(text: &str) -> Read<(String, Vec<(String, String)>)> {
    let bad = || format!("no Content-Type: {text}");
    let mut rest = text;
    let kind = token(&mut rest).ok_or_else(bad)?;
    rest = rest.strip_prefix('/').ok_or_else(bad)?;
    let subtype = token(&mut rest).ok_or_else(bad)?;
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((format!("{kind}/{subtype}").to_ascii_lowercase(), parameters));
        }
        rest = rest.strip_prefix(';').ok_or_else(bad)?.trim_start();
        let name = token(&mut rest).ok_or_else(bad)?.to_ascii_lowercase();
        rest = rest.strip_prefix('=').ok_or_else(bad)?;
        let value = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = quoted_string(quoted).ok_or_else(bad)?;
                rest = behind;
                value
            }
            None => token(&mut rest).ok_or_else(bad)?.to_owned(),
        };
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(format!("{name} twice"));
        }
        parameters.push((name, value));
    }
}

fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let special = |c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?=".contains(c);
    let end = rest.find(special).unwrap_or(rest.len());
    let (token, behind) = rest.split_at(end);
    *rest = behind;
    (!token.is_empty()).then_some(token)
}

fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
    None
}

/// RFC 2046 §5.1.1: at least one part, and a close delimiter.
fn parts(body: &[u8], boundary: &str) -> Read<Vec<Entity>> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if !(1..=70).contains(&boundary.len()) || !boundary.bytes().all(good) || boundary.ends_with(' ')
    {
        return Err(format!("no boundary: {boundary}"));
    }
    let dashed = format!("--{boundary}");
    // The first delimiter may be the first line, and a part ends where the line end before a delimiter begins.
    let whole = [b"\r\n", body].concat();
    let mut found = Vec::new();
    let mut start = None;
    let mut at = 0;
    while let Some(next) = find(&whole[at..], b"\r\n--") {
        let line = at + next + 2;
        let end = find(&whole[line..], b"\r\n").map_or(whole.len(), |length| line + length);
        at = line;
        let text = whole[line..end].trim_ascii_end();
        let close = text == format!("{dashed}--").as_bytes();
        if text != dashed.as_bytes() && !close {
            continue;
        }
        if let Some(start) = start {
            found.push(entity(whole.get(start..line - 2).unwrap_or_default())?);
        }
        if close {
            let any = !found.is_empty();
            return any.then_some(found).ok_or("no part".to_owned());
        }
        start = Some(end + 2);
        // A part without a header begins with a line end, which may be that of this delimiter's next.
        at = end;
    }
    Err("no close delimiter".to_owned())
}

fn decoded(encoding: &str, body: &[u8]) -> Read<Vec<u8>> {
    match encoding {
        "7bit" | "8bit" | "binary" => Ok(body.to_vec()),
        "base64" => {
            let text = String::from_utf8(body.to_vec()).map_err(|error| error.to_string())?;
            if text.lines().any(|line| line.len() > 76) {
                return Err("a line of base64 that is too long".to_owned());
            }
            let text = text.replace("\r\n", "");
            STANDARD.decode(text).map_err(|error| error.to_string())
        }
        "quoted-printable" => quoted_printable(body),
        other => Err(format!("no encoding: {other}")),
    }
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &[u8]) -> Read<Vec<u8>> {
    let mut decoded = Vec::new();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if text.len() > 76 || text.ends_with(b" ") || text.ends_with(b"\t") {
            return Err(format!("no line: {}", String::from_utf8_lossy(text)));
        }
        let soft = text.strip_suffix(b"=");
        let mut octets = soft.unwrap_or(text).iter().copied();
        while let Some(octet) = octets.next() {
            if octet != b'=' {
                decoded.push(octet);
                continue;
            }
            let digits = [octets.next(), octets.next()].map(|digit| digit.unwrap_or(b' '));
            let digits = String::from_utf8_lossy(&digits).into_owned();
            let value = u8::from_str_radix(&digits, 16);
            decoded.push(value.map_err(|error| format!("={digits}: {error}"))?);
        }
        if soft.is_none() && text.len() < line.len() {
            decoded.extend(b"\r\n");
        }
    }
    Ok(decoded)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
