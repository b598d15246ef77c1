//! What a client sends and takes (contract §9.4): JSON so far.

use http::{HeaderMap, StatusCode, header};

use super::error::Failure;
use crate::nms::Fault;

/// Bodies are JSON; what says nothing is taken for it.
pub(super) fn json_content(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Fault::InvalidInput,
        &["Content-Type"],
    ))
}

/// Whether the client takes JSON (RFC 9110 §12.5.1). An Accept that names only other types is refused.
pub(super) fn accepts_json(headers: &HeaderMap) -> Result<(), Failure> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let json = |range: &str| {
        let mut pieces = range.split(';').map(str::trim);
        let media = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let refused = pieces.any(|piece| {
            piece
                .strip_prefix("q=")
                .and_then(|quality| quality.parse::<f32>().ok())
                .is_some_and(|quality| quality <= 0.0)
        });
        !refused && matches!(media.as_str(), "*/*" | "application/*" | "application/json")
    };
    if ranges.any(json) {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::NOT_ACCEPTABLE,
        Fault::InvalidInput,
        &["Accept"],
    ))
}
