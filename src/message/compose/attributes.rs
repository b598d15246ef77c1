//! Attributes to header fields: one for each value, in their order, under their own names (contract §2.5).

use chrono::{DateTime, FixedOffset};

use super::super::attributes::{Attribute, attributes, direction};
use super::super::header::{self, Header};
use super::super::parameters;
use super::{Draft, Invalid, address, date, field};

/// What the payload says, and not an attribute.
const STRUCTURE: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"];
/// What no client may write: the transport's fields.
const TRANSPORT: [&str; 2] = ["Received", "Return-Path"];
const ADDRESSES: [&str; 4] = ["From", "To", "Cc", "Bcc"];
/// Fields a reader of messages takes.
const MOST_FIELDS: usize = 4000;

/// The date of the object.
pub(super) fn date(draft: &Draft<'_>) -> Result<DateTime<FixedOffset>, Invalid> {
    match values(draft.attributes, "Date").as_slice() {
        [] => header::whole_seconds(draft.now.fixed_offset()),
        [text] => date::parse(text),
        [_, _, ..] => None,
    }
    .ok_or(Invalid("Date"))
}

/// The header fields of all attributes, and a Date.
pub(super) fn fields(draft: &Draft<'_>, date: DateTime<FixedOffset>) -> Result<String, Invalid> {
    let all = draft.attributes;
    let mut output = String::new();
    let mut count = 0;
    for (index, attribute) in all.iter().enumerate() {
        let name = attribute.name.as_str();
        if !field::is_name(name) || is_any_of(name, &TRANSPORT) || is_ours(name) {
            return Err(Invalid("name"));
        }
        let own = own_values(attribute);
        count += own.len();
        if own.is_empty() || is_any_of(name, &STRUCTURE) || is(name, "TextContent") {
            continue;
        }
        let first = !has(&all[..index], name);
        if is(name, "Date") {
            output.push_str(&date::field(date));
        } else if is_any_of(name, &ADDRESSES) {
            if first {
                output.push_str(&address::field(name, &values(all, name))?);
            }
        } else if is(name, "Direction") {
            if first {
                output.push_str(&direction_fields(all, name)?);
            }
        } else {
            for value in own {
                output.push_str(&one(name, value)?);
            }
        }
        if count > MOST_FIELDS || output.len() > super::LONGEST_HEADER {
            return Err(Invalid("attributes"));
        }
    }
    if !has(all, "Date") {
        output.push_str(&date::field(date));
    }
    Ok(output)
}

/// The text that is the payload of an object without attachments.
pub(super) fn text_content(attributes: &[Attribute]) -> Result<Option<&str>, Invalid> {
    let bad = |character: char| field::unwritable(character) && !matches!(character, '\r' | '\n');
    match values(attributes, "TextContent").as_slice() {
        [] => Ok(None),
        [text] if !text.contains(bad) => Ok(Some(text)),
        [_, ..] => Err(Invalid("value")),
    }
}

/// Whether an attribute of that name has a value.
pub(super) fn has(attributes: &[Attribute], name: &str) -> bool {
    !values(attributes, name).is_empty()
}

/// Whether our own reader finds these values in a field.
pub(super) fn reads_as(field: &str, name: &str, values: &[&str]) -> bool {
    attributes(&Header::parse(field.as_bytes()), None, None, None)
        .iter()
        .find(|attribute| is(&attribute.name, name))
        .is_some_and(|attribute| attribute.values == values)
}

/// The values of all attributes of that name.
fn values<'a>(attributes: &'a [Attribute], name: &str) -> Vec<&'a str> {
    let named = attributes
        .iter()
        .filter(|attribute| is(&attribute.name, name));
    named.flat_map(own_values).collect()
}

fn own_values(attribute: &Attribute) -> Vec<&str> {
    let values = attribute.values.iter().map(String::as_str);
    values.filter(|value| !value.is_empty()).collect()
}

/// `In` and `Out` are what Message-Direction says, unless that is said too; the reader shows both then.
fn direction_fields(all: &[Attribute], name: &str) -> Result<String, Invalid> {
    let own = values(all, name);
    let given = values(all, "Message-Direction");
    if given.first().and_then(|given| direction(given)).is_some() {
        return Ok(String::new());
    }
    match own.as_slice() {
        [only] if given.is_empty() && is(only, "In") => one("Message-Direction", "received"),
        [only] if given.is_empty() && is(only, "Out") => one("Message-Direction", "sent"),
        _ => own.iter().map(|value| one(name, value)).collect(),
    }
}

/// The field of one value, in the first form that our own reader reads as the value.
fn one(name: &str, value: &str) -> Result<String, Invalid> {
    let reads = |field: &String| reads_as(field, name, &[value]);
    let usual = if is(name, "Content-Disposition") && !value.is_ascii() {
        // As other readers know a parameter that is not US-ASCII.
        let (kind, parameters) = parameters::split(value);
        field::folded(name, &parameters::written(kind, &parameters))
    } else {
        field::text(name, value)
    };
    usual
        .filter(reads)
        // Of Message-Context the reader takes a pair of quotation marks away.
        .or_else(|| field::text(name, &format!("\"{value}\"")).filter(reads))
        .or_else(|| Some(field::encoded(name, value)).filter(reads))
        .ok_or(Invalid("value"))
}

fn is_ours(name: &str) -> bool {
    name.get(..6).is_some_and(|prefix| is(prefix, "X-NMS-"))
}

fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

fn is_any_of(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| is(name, known))
}
