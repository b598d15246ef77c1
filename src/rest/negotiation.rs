//! What a client sends and takes (contract §9.4): JSON so far.

use http::{HeaderMap, StatusCode, header};

use super::error::Failure;
use crate::nms::Fault;

/// Bodies are JSON, and not compressed; what says nothing is taken for it.
///
/// # Errors
/// 415 with the header that says otherwise.
pub(super) fn json_content(headers: &HeaderMap) -> Result<(), Failure> {
    for (name, readable) in [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "identity"),
    ] {
        let Some(value) = headers.get(name) else {
            continue;
        };
        let essence = value.to_str().unwrap_or_default().split(';').next();
        if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(readable)) {
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Fault::InvalidInput,
                &[name],
            ));
        }
    }
    Ok(())
}

/// Whether the client takes JSON (RFC 9110 §12.5.1): the range that fits it best says so, or there is no Accept.
///
/// # Errors
/// 406 `Accept`.
pub(super) fn accepts_json(headers: &HeaderMap) -> Result<(), Failure> {
    let values = headers.get_all(header::ACCEPT).iter();
    let mut ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let best = ranges
        .filter_map(fit)
        .max_by_key(|(precision, _)| *precision);
    if best.is_some_and(|(_, taken)| taken) {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::NOT_ACCEPTABLE,
        Fault::InvalidInput,
        &["Accept"],
    ))
}

/// How exactly a media range names JSON, and whether it wants it; `None` for a range of something else.
fn fit(range: &str) -> Option<(u8, bool)> {
    let mut pieces = range.split(';').map(str::trim);
    let media = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let precision = match media.as_str() {
        "application/json" => 2,
        "application/*" => 1,
        "*/*" => 0,
        _ => return None,
    };
    // RFC 9110 §12.4.2: a weight of 0 is "not acceptable"; what is no number is no weight.
    let refused = pieces.any(|piece| {
        let weight = piece
            .split_once('=')
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        weight.is_some_and(|(_, value)| {
            value
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight <= 0.0)
        })
    });
    Some((precision, !refused))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_range_that_fits_best_decides() {
        let takes = |values: &[&str]| accepts_json(&with(header::ACCEPT, values)).is_ok();
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/html, application/*;q=0.1"],
            &["Application/JSON; charset=utf-8"],
            &["*/*;q=0, application/json"],
            &["application/xml", "application/json;q=0.001"],
        ] {
            assert!(takes(values), "{values:?}");
        }
        for values in [
            &["application/xml"][..],
            &["application/json;q=0, */*"],
            &["application/json; Q=0.000"],
            &["application/*;q=0", "*/*"],
            &["application/json5, text/json"],
        ] {
            assert!(!takes(values), "{values:?}");
        }
    }

    #[test]
    fn a_body_that_is_no_plain_json_is_named_by_its_header() {
        let refused = |name: HeaderName, value: &str| {
            let failure = json_content(&with(name, &[value])).err()?;
            Some(failure.error.service_exception?.variables.concat())
        };
        for (name, value, part) in [
            (
                header::CONTENT_TYPE,
                "application/json ; charset=UTF-8",
                None,
            ),
            (header::CONTENT_TYPE, "APPLICATION/JSON", None),
            (
                header::CONTENT_TYPE,
                "application/jsonp",
                Some("Content-Type"),
            ),
            (header::CONTENT_TYPE, "", Some("Content-Type")),
            (header::CONTENT_ENCODING, "Identity", None),
            (header::CONTENT_ENCODING, "gzip", Some("Content-Encoding")),
        ] {
            assert_eq!(refused(name, value).as_deref(), part, "{value}");
        }
        assert!(json_content(&HeaderMap::new()).is_ok());
    }
}
