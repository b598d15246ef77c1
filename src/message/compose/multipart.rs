//! A multipart attachment as the body of a message: byte for byte, but for what no message can hold (RFC 2046 §5.1).

use super::super::header::{Header, line_end, trim_line_end, without_controls};
use super::super::parameters;
use super::super::scan::{FoundMultipart, Kind, Piece, Scan};
use super::super::words;
use super::body::Body;
use super::{Invalid, field};

/// The body with its close delimiter. A part that is not safe is written in base64, a delimiter or header with other line
/// ends gets CRLF, and a preamble or epilogue that is not safe, which no reader shows, is left out.
pub(super) fn body(blob: usize, found: &FoundMultipart) -> Result<Body, Invalid> {
    let boundary = found.boundary.as_deref().ok_or(Invalid("Content-Type"))?;
    let mut body = Body::default();
    if found.whole.safe {
        body.identity(blob, 0..found.whole.octets, &found.whole);
    } else {
        // Too many parts, or too much in their headers, to be put right.
        let pieces = found.pieces.as_deref().ok_or(Invalid("attachments"))?;
        for (index, piece) in pieces.iter().enumerate() {
            let encoded = pieces.get(index + 1).is_some_and(is_to_be_encoded);
            write(blob, piece, encoded, &mut body)?;
        }
    }
    if let Some(missing) = found.missing {
        body.bytes(format!("{missing}--{boundary}--\r\n").as_bytes());
    }
    Ok(body)
}

fn is_to_be_encoded(piece: &Piece) -> bool {
    piece.kind == Kind::Leaf && !piece.found.safe
}

/// `encoded`: what follows is the part's body and is written in base64.
fn write(blob: usize, piece: &Piece, encoded: bool, body: &mut Body) -> Result<(), Invalid> {
    if piece.found.safe && !encoded {
        body.identity(blob, piece.range.clone(), &piece.found);
        return Ok(());
    }
    match &piece.kind {
        Kind::Filler => {}
        Kind::Delimiter(bytes) => {
            let ends_a_line = bytes.starts_with(b"\r") || bytes.starts_with(b"\n");
            if ends_a_line && !body.segments.is_empty() {
                body.bytes(b"\r\n");
            }
            body.bytes(bytes.trim_ascii());
            body.bytes(b"\r\n");
        }
        Kind::Header(header) => body.bytes(&part_header(header, encoded)),
        Kind::Leaf => body.base64(blob, piece.range.clone(), &piece.found),
        // RFC 2045 §6.4: base64 could not be taken off it again.
        Kind::Opaque => return Err(Invalid("Content-Type")),
    }
    Ok(())
}

/// A part's header with what a message cannot hold put right, and for a body that will be in base64 with that said.
fn part_header(header: &[u8], encoded: bool) -> Vec<u8> {
    let mut output = Vec::new();
    let mut at = 0;
    let mut ended = false;
    while at < header.len() {
        let mut end = line_end(header, at);
        if trim_line_end(&header[at..end]).is_empty() {
            ended = true;
            break;
        }
        // RFC 5322 §2.2.3: lines that begin with a blank continue the field.
        while matches!(header.get(end), Some(b' ' | b'\t')) {
            end = line_end(header, end);
        }
        output.extend(part_field(&header[at..end], encoded));
        at = end;
    }
    if encoded {
        output.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n");
    }
    if ended {
        output.extend_from_slice(b"\r\n");
    }
    output
}

/// One field of it, all its lines.
fn part_field(bytes: &[u8], encoded: bool) -> Vec<u8> {
    let header = Header::split(bytes).0;
    let field = header.raw_fields().next();
    let is = |known: &str| field.is_some_and(|(name, _)| name.eq_ignore_ascii_case(known));
    // What counted the octets of the body counted others.
    if encoded && (is("Content-Transfer-Encoding") || is("Content-Length")) {
        return Vec::new();
    }
    let mut lines = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        lines.extend_from_slice(trim_line_end(line));
        lines.extend_from_slice(b"\r\n");
    }
    if Scan::of(&lines).safe {
        return lines;
    }
    let Some((name, raw)) = field.filter(|(name, _)| field::is_name(name)) else {
        return Vec::new();
    };
    let raw = without_controls(raw.to_owned());
    let written = if is("Content-Type") || is("Content-Disposition") {
        let (value, parameters) = parameters::split(&raw);
        field::folded(name, &parameters::written(value, &parameters))
    } else {
        field::text(name, &words::decode(&raw))
    };
    written.unwrap_or_default().into_bytes()
}
