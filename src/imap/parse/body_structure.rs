//! BODYSTRUCTURE (RFC 9051 §7.5.2): a tree as deep as the sender of a message likes, read to a bounded depth.
//!
//! `None` for what does not parse and for what is nested too deep: the message has no structure then, and everything
//! else about it is still known.

use super::super::response::{BodyStructure, Leaf};
use super::cursor::{Cursor, text};

type Parameters = Vec<(String, String)>;

/// Reads one structure.
pub(super) fn body(cursor: &mut Cursor<'_>) -> Option<BodyStructure> {
    part(cursor, cursor.depth())
}

/// `levels` is how many parts may still be nested.
fn part(cursor: &mut Cursor<'_>, levels: usize) -> Option<BodyStructure> {
    let levels = levels.checked_sub(1)?;
    if !cursor.accept(b'(') {
        return None;
    }
    cursor.skip_spaces();
    if cursor.peek() == Some(b'(') {
        multipart(cursor, levels)
    } else {
        leaf(cursor, levels).map(BodyStructure::Leaf)
    }
}

#[inline(never)]
fn multipart(cursor: &mut Cursor<'_>, levels: usize) -> Option<BodyStructure> {
    let mut parts = Vec::new();
    while cursor.peek() == Some(b'(') {
        parts.push(part(cursor, levels)?);
        cursor.skip_spaces();
    }
    let subtype = lower(cursor)?;
    let parameters = parameters(cursor).unwrap_or_default();
    cursor.close()?;
    Some(BodyStructure::Multipart {
        subtype,
        parameters,
        parts,
    })
}

#[inline(never)]
fn leaf(cursor: &mut Cursor<'_>, levels: usize) -> Option<Box<Leaf>> {
    let mut leaf = Box::new(Leaf {
        media_type: lower(cursor)?,
        subtype: lower(cursor)?,
        parameters: parameters(cursor)?,
        id: optional(cursor)?,
        ..Leaf::default()
    });
    optional(cursor)?; // description
    leaf.encoding = lower(cursor)?;
    leaf.octets = cursor.number().unwrap_or_default();
    if leaf.media_type == "message" && next_is(cursor, b'(') {
        cursor.value()?; // envelope
        if next_is(cursor, b'(') {
            leaf.message = Some(part(cursor, levels)?);
        } else {
            cursor.value()?;
        }
    }
    // Lines, of text and of messages.
    cursor.skip_spaces();
    if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        cursor.word()?;
    }
    leaf_extension(cursor, &mut leaf)?;
    cursor.close()?;
    Some(leaf)
}

/// `body-ext-1part`: may end anywhere.
fn leaf_extension(cursor: &mut Cursor<'_>, leaf: &mut Leaf) -> Option<()> {
    cursor.value()?; // MD5
    if next_is(cursor, b'(') {
        cursor.accept(b'(');
        let disposition = lower(cursor)?;
        leaf.disposition = Some((disposition, parameters(cursor).unwrap_or_default()));
        cursor.close()?;
    } else {
        cursor.value()?; // NIL, or nothing
    }
    cursor.value()?; // language
    if !next_is(cursor, b')') && !next_is(cursor, b'(') {
        leaf.location = optional(cursor)?;
    }
    Some(())
}

fn next_is(cursor: &mut Cursor<'_>, byte: u8) -> bool {
    cursor.skip_spaces();
    cursor.peek() == Some(byte)
}

/// `("name" "value" …)` or NIL.
fn parameters(cursor: &mut Cursor<'_>) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    if !cursor.accept(b'(') {
        return cursor.nstring()?.is_none().then_some(parameters);
    }
    while !cursor.accept(b')') {
        let name = lower(cursor)?;
        parameters.push((name, optional(cursor)?.unwrap_or_default()));
    }
    Some(parameters)
}

/// A string in lower case; NIL is empty.
fn lower(cursor: &mut Cursor<'_>) -> Option<String> {
    Some(optional(cursor)?.unwrap_or_default().to_ascii_lowercase())
}

fn optional(cursor: &mut Cursor<'_>) -> Option<Option<String>> {
    let string = cursor.nstring()?;
    Some(string.map(|bytes| text(&bytes).into_owned()))
}
