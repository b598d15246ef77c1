//! What a client sends and takes (contract §9.4): JSON and XML.

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::error::Failure;
use crate::nms::{Fault, encode::Format};

/// Media types of each form; the first is what is sent.
const JSON: &[&str] = &["application/json"];
const XML: &[&str] = &["application/xml", "text/xml"];

/// The form of a body by its headers; `None` when they do not say.
///
/// # Errors
/// 415 for one in neither form, or compressed.
pub(super) fn sent(headers: &HeaderMap) -> Result<Option<Format>, Failure> {
    not_encoded(headers)?;
    let Some(media_type) = media_type(headers) else {
        return Ok(None);
    };
    let is = |known: &&str| media_type.eq_ignore_ascii_case(known.as_bytes());
    if JSON.iter().any(is) {
        Ok(Some(Format::Json))
    } else if XML.iter().any(is) {
        Ok(Some(Format::Xml))
    } else {
        Err(Failure::unsupported_media_type("Content-Type"))
    }
}

/// That a body is a form (contract §3.1).
///
/// # Errors
/// 415 for one that is none, or compressed.
pub(super) fn form(headers: &HeaderMap) -> Result<(), Failure> {
    not_encoded(headers)?;
    let is_form = media_type(headers)
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case(b"multipart/form-data"));
    if is_form {
        Ok(())
    } else {
        Err(Failure::unsupported_media_type("Content-Type"))
    }
}

fn not_encoded(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Failure::unsupported_media_type("Content-Encoding"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The media type of a body without its parameters, which may hold what is no ASCII.
fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let essence = value.split(|octet| *octet == b';').next();
    Some(essence.unwrap_or_default().trim_ascii())
}

/// The form a client wants its answer in (RFC 9110 §12.5.1): for each form the range that fits it best says how much it is
/// wanted. `None` when both are as welcome, or nothing is said.
///
/// # Errors
/// 406 `Accept` when neither is taken.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Option<Format>, Failure> {
    let ranges = ranges(headers, &header::ACCEPT);
    if ranges.is_empty() {
        return Ok(None);
    }
    let (json, xml) = (weight(&ranges, JSON), weight(&ranges, XML));
    if json.max(xml) <= 0.0 {
        return Err(Failure::new(
            StatusCode::NOT_ACCEPTABLE,
            Fault::InvalidInput,
            &["Accept"],
        ));
    }
    Ok(if json > xml {
        Some(Format::Json)
    } else if xml > json {
        Some(Format::Xml)
    } else {
        None
    })
}

/// The form of an answer that says what is wrong, whatever is wrong with the headers too.
pub(super) fn for_failures(headers: &HeaderMap) -> Format {
    let wanted = wanted(headers).ok().flatten();
    let like_the_body = || sent(headers).ok().flatten();
    wanted.or_else(like_the_body).unwrap_or(Format::Json)
}

/// Whether a client would rather have documents compressed (RFC 9110 §12.5.3). It takes them as they are in any case: to refuse
/// that too is no reason to answer nothing.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let codings = ranges(headers, &header::ACCEPT_ENCODING);
    let weight = |names: &[&str]| {
        let named = codings
            .iter()
            .find(|(name, _)| names.contains(&name.as_str()));
        named.map(|(_, weight)| *weight)
    };
    let gzip = weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"]));
    gzip.is_some_and(|gzip| gzip > 0.0 && weight(&["identity"]).is_none_or(|plain| gzip >= plain))
}

/// The elements of a header with their weights.
fn ranges(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, f32)> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .map(range)
        .collect()
}

/// A media range and its weight (RFC 9110 §12.4.2): what is no number is no weight.
fn range(text: &str) -> (String, f32) {
    let mut pieces = text.split(';').map(str::trim);
    let media = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let weight = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        let weight = name.trim().eq_ignore_ascii_case("q");
        value.trim().parse::<f32>().ok().filter(|_| weight)
    });
    (media, weight.unwrap_or(1.0))
}

/// How much one of these media types is wanted.
fn weight(ranges: &[(String, f32)], media_types: &[&str]) -> f32 {
    let fits = |range: &str| {
        let group = range.strip_suffix("/*");
        if media_types.contains(&range) {
            Some(2)
        } else if range == "*/*" {
            Some(0)
        } else {
            let known = |media_type: &&str| media_type.split('/').next() == group;
            media_types.iter().any(known).then_some(1)
        }
    };
    let best = ranges
        .iter()
        .filter_map(|(range, weight)| Some((fits(range)?, *weight)))
        .max_by_key(|(precision, _)| *precision);
    best.map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
        let takes = |values: &[&str]| wanted(&with(header::ACCEPT, values)).ok();
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["*/*"], None),
            (&["text/html, application/*;q=0.1"], None),
            (&["application/xml, application/json"], None),
            (&["Application/JSON; charset=utf-8"], Some(Format::Json)),
            (&["*/*;q=0, application/json"], Some(Format::Json)),
            (&["application/xml;q=0", "*/*"], Some(Format::Json)),
            (
                &["image/gif, image/*, application/json"],
                Some(Format::Json),
            ),
            (&["text/xml"], Some(Format::Xml)),
            (&["text/*"], Some(Format::Xml)),
            (
                &["application/xml", "application/json;q=0.001"],
                Some(Format::Xml),
            ),
            (&["application/json;q=0, */*"], Some(Format::Xml)),
            (
                &["application/json; v=1; q=0.2, application/xml;q=0.3"],
                Some(Format::Xml),
            ),
        ] {
            assert_eq!(takes(values), Some(expected), "{values:?}");
        }
        for values in [
            &["image/png"][..],
            &["application/json;q=0"],
            &["application/json; Q=0.000, text/html"],
            &["application/*;q=0", "*/*;q=0"],
        ] {
            assert_eq!(takes(values), None, "{values:?}");
        }
    }

    #[test]
    fn documents_are_compressed_for_who_prefers_that() {
        for (values, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["deflate", "X-GZIP"], true),
            (&["br;q=1.0, gzip;q=0.8, *;q=0.1"], true),
            (&["*"], true),
            (&["gzip;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["*;q=0"], false),
            (&["identity, gzip;q=0.5"], false),
            (&["identity;q=0.5, gzip"], true),
            (&["identity;q=0"], false),
            (&["br"], false),
        ] {
            let headers = with(header::ACCEPT_ENCODING, values);
            assert_eq!(gzip(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn a_body_is_json_or_xml_and_not_compressed() {
        let format = |value: &str| sent(&with(header::CONTENT_TYPE, &[value]));
        for value in ["application/json", "Application/JSON ;charset=\"utf-8\""] {
            assert_eq!(format(value), Ok(Some(Format::Json)), "{value}");
        }
        for value in ["application/xml", "text/xml; charset=utf-8"] {
            assert_eq!(format(value), Ok(Some(Format::Xml)), "{value}");
        }
        for value in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "json",
        ] {
            let refused = Failure::unsupported_media_type("Content-Type");
            assert_eq!(format(value), Err(refused), "{value}");
        }
        assert_eq!(sent(&HeaderMap::new()), Ok(None));
        let encoded = |value| sent(&with(header::CONTENT_ENCODING, &[value]));
        assert_eq!(encoded("identity"), Ok(None));
        let refused = Failure::unsupported_media_type("Content-Encoding");
        assert_eq!(encoded("gzip"), Err(refused));
    }
}
