//! Attachments to the body of a message and the fields that describe it (RFC 2045, RFC 2183).

use super::super::Attribute;
use super::super::encoding::TransferEncoding;
use super::super::parameters::{self, ContentType, is_token};
use super::super::scan::{self, Found, FoundOf, Scan};
use super::body::{Body, base64};
use super::{Entity, Invalid, attributes, field, multipart};

/// The fields of an entity and its body.
type Written = (String, Body);

/// Text that is a payload of its own.
pub(super) fn text(text: &str) -> Written {
    let mut body = Body::default();
    let found = Scan::of(text.as_bytes());
    let encoding = if found.safe {
        body.bytes(text.as_bytes());
        body.encoding()
    } else {
        body.bytes(&base64(text.as_bytes()));
        "base64"
    };
    let fields = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    );
    (fields, body)
}

/// The one attachment of an object. Its fields become the message's own, unless an attribute says otherwise.
pub(super) fn payload(
    blob: usize,
    entity: &Entity<'_>,
    all: &[Attribute],
) -> Result<Written, Invalid> {
    let plain = content_type_of(entity).is_some_and(|content_type| content_type.is("text/plain"));
    let (mut fields, body) = structure(blob, entity)?;
    for name in DESCRIPTIONS {
        if !attributes::has(all, name) {
            fields.push_str(&description(entity, name)?);
        }
    }
    if !attributes::has(all, "Content-Disposition") {
        fields.push_str(&disposition(entity, !plain)?);
    }
    Ok((fields, body))
}

/// Several attachments as one payload.
pub(super) fn mixed(entities: &[(usize, &Entity<'_>)]) -> Result<Written, Invalid> {
    let mut parts = Vec::new();
    let mut taken = 0;
    for (blob, entity) in entities {
        let (mut fields, body) = structure(*blob, entity)?;
        for name in DESCRIPTIONS {
            fields.push_str(&description(entity, name)?);
        }
        fields.push_str(&disposition(entity, true)?);
        taken |= body.own_boundaries;
        parts.push((fields, body));
    }
    // RFC 2046 §5.1.1: no line inside may begin with a delimiter; who has used up all sixteen has tried to.
    let digit = (0..u16::BITS).find(|digit| taken & (1 << digit) == 0);
    let boundary = digit
        .map(scan::own_boundary)
        .ok_or(Invalid("attachments"))?;
    let mut whole = Body::default();
    for (index, (fields, body)) in parts.into_iter().enumerate() {
        let line_break = if index == 0 { "" } else { "\r\n" };
        whole.bytes(format!("{line_break}--{boundary}\r\n{fields}\r\n").as_bytes());
        whole.append(body);
    }
    whole.bytes(format!("\r\n--{boundary}--\r\n").as_bytes());
    let encoding = whole.encoding();
    let fields = format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\nContent-Transfer-Encoding: {encoding}\r\n"
    );
    Ok((fields, whole))
}

/// Content-Type, Content-Transfer-Encoding and the body they describe.
fn structure(blob: usize, entity: &Entity<'_>) -> Result<Written, Invalid> {
    let (content_type, encoding, body) = match entity.found {
        FoundOf::Multipart(found) => {
            let body = multipart::body(blob, found)?;
            let boundary = found.boundary.as_deref().unwrap_or_default();
            (multipart_type(entity, boundary)?, body.encoding(), body)
        }
        FoundOf::Leaf(found) => leaf(blob, entity, found)?,
        FoundOf::Unread(octets) => {
            // Nothing is known of the bytes, so they have to be such as base64 can hold.
            if scan::needs_scan(entity.header) {
                return Err(Invalid("attachments"));
            }
            let found = Found {
                octets: *octets,
                decoded: *octets,
                safe: false,
                ..Scan::of(b"")
            };
            leaf(blob, entity, &found)?
        }
    };
    let fields = format!("{content_type}Content-Transfer-Encoding: {encoding}\r\n");
    Ok((fields, body))
}

/// Encoded as it came, as it is, or in base64: what keeps the bytes. RFC 2045 §6.2 has `binary` for the rest, which no
/// store can be trusted with.
fn leaf(
    blob: usize,
    entity: &Entity<'_>,
    found: &Found,
) -> Result<(String, &'static str, Body), Invalid> {
    let mut body = Body::default();
    let own = match found.encoding {
        TransferEncoding::Identity => None,
        TransferEncoding::Base64 => Some("base64"),
        TransferEncoding::QuotedPrintable => Some("quoted-printable"),
    };
    let encoding = match own {
        Some(own) if found.safe && !found.eight_bit => {
            body.identity(blob, 0..found.octets, found);
            own
        }
        None if found.safe => {
            body.identity(blob, 0..found.octets, found);
            body.encoding()
        }
        Some(_) | None => {
            body.base64(blob, 0..found.octets, found);
            "base64"
        }
    };
    Ok((leaf_type(entity)?, encoding, body))
}

/// The entity's own type, as it was written where a header can hold that.
fn leaf_type(entity: &Entity<'_>) -> Result<String, Invalid> {
    let Some((text, own)) = usable_type(entity) else {
        return Ok("Content-Type: application/octet-stream\r\n".to_owned());
    };
    if own.is_multipart() {
        // Base64 cannot be taken off a multipart again (RFC 2045 §6.4), so what is one has to be scanned as one.
        return Err(Invalid("Content-Type"));
    }
    field::folded("Content-Type", &text)
        .or_else(|| field::folded("Content-Type", &rewritten(&text, own.parameters)))
        .ok_or(Invalid("Content-Type"))
}

/// The entity's own type with the boundary that its delimiters have.
fn multipart_type(entity: &Entity<'_>, boundary: &str) -> Result<String, Invalid> {
    let (text, own) = usable_type(entity).ok_or(Invalid("Content-Type"))?;
    // RFC 2046 §5.1.1, but for the characters: those seen in the wild are more.
    let printable = boundary.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !printable || !(1..=70).contains(&boundary.len()) {
        return Err(Invalid("Content-Type"));
    }
    // As it was written, if no reader could take it for another.
    let plainly = parameters::well_formed(&text).is_some_and(|names| {
        let is = |name: &&str| name.to_ascii_lowercase().starts_with("boundary");
        let named: Vec<&str> = names.into_iter().filter(is).collect();
        matches!(named.as_slice(), [only] if only.eq_ignore_ascii_case("boundary"))
    });
    let mut parameters = own.parameters;
    match parameters.iter_mut().find(|(name, _)| name == "boundary") {
        Some((_, named)) if named == boundary && plainly => {
            if let Some(verbatim) = field::folded("Content-Type", &text) {
                return Ok(verbatim);
            }
        }
        Some((_, named)) => boundary.clone_into(named),
        None => parameters.push(("boundary".to_owned(), boundary.to_owned())),
    }
    field::folded("Content-Type", &rewritten(&text, parameters)).ok_or(Invalid("Content-Type"))
}

/// The media type of `text` with these parameters.
fn rewritten(text: &str, parameters: Vec<(String, String)>) -> String {
    let media_type = parameters::split(text).0;
    let media_type = media_type
        .trim_matches(parameters::is_quote)
        .split_whitespace()
        .next();
    let parameters: Vec<_> = parameters
        .into_iter()
        .filter(|(name, _)| is_token(name))
        .collect();
    parameters::written(media_type.unwrap_or_default(), &parameters)
}

/// A Content-Type that names a type, with its text as a header may hold it.
fn usable_type(entity: &Entity<'_>) -> Option<(String, ContentType)> {
    let text = usable(scan::value(entity.header, "Content-Type")?)?;
    let own = ContentType::parse(&text)?;
    let (kind, subtype) = own.media_type.split_once('/')?;
    (is_token(kind) && is_token(subtype)).then_some((text, own))
}

fn content_type_of(entity: &Entity<'_>) -> Option<ContentType> {
    usable_type(entity).map(|(_, own)| own)
}

/// Field text without TABs; `None` when it holds another control.
fn usable(text: &str) -> Option<String> {
    (!text.contains(field::unwritable)).then(|| text.trim().replace('\t', " "))
}

/// Fields of an entity that say something about it.
const DESCRIPTIONS: [&str; 3] = ["Content-ID", "Content-Location", "Content-Description"];

/// One of them, as it was written; nothing where it is absent.
fn description(entity: &Entity<'_>, name: &'static str) -> Result<String, Invalid> {
    let Some(text) = scan::value(entity.header, name) else {
        return Ok(String::new());
    };
    let text = usable(text).ok_or(Invalid(name))?;
    if text.is_empty() {
        return Ok(String::new());
    }
    field::folded(name, &text)
        .or_else(|| field::text(name, &super::super::words::decode(&text)))
        .ok_or(Invalid(name))
}

/// RFC 7578 §4.2: what form-data says is about the form, except for the file's name.
fn disposition(entity: &Entity<'_>, with_file_name: bool) -> Result<String, Invalid> {
    const NAME: &str = "Content-Disposition";
    let Some(text) = scan::value(entity.header, NAME) else {
        return Ok(String::new());
    };
    let text = usable(text).ok_or(Invalid(NAME))?;
    let (kind, parameters) = parameters::split(&text);
    let form = ["form-data", "multipart/form-data"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known));
    let parameters: Vec<(String, String)> = parameters
        .into_iter()
        .filter(|(name, value)| match name.as_str() {
            "filename" => with_file_name && !value.is_empty(),
            "name" => false,
            other => !form && is_token(other),
        })
        .collect();
    if form && parameters.is_empty() || kind.is_empty() {
        return Ok(String::new());
    }
    let kind = if form || !is_token(kind) {
        "attachment"
    } else {
        kind
    };
    if parameters
        .iter()
        .any(|(_, value)| value.contains(field::unwritable))
    {
        return Err(Invalid(NAME));
    }
    field::folded(NAME, &parameters::written(kind, &parameters)).ok_or(Invalid(NAME))
}
