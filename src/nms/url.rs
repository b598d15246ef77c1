//! Every URL that is sent out is built here, from the base and box spelling of the request it answers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Builds the URLs of one box and parses them back by path.
#[derive(Debug, Clone)]
pub struct Urls {
    /// `{scheme}://{authority}{base_path}/nms/v1/{store}/{box}` without a final slash.
    base: String,
}

impl Urls {
    /// `base` is `{scheme}://{authority}{base_path}`; `store` and `box_segment` are the path segments as the client spelled them.
    #[must_use]
    pub fn new(base: &str, store: &str, box_segment: &str) -> Self {
        Self {
            base: format!("{base}/nms/v1/{store}/{box_segment}"),
        }
    }

    /// URL of an object.
    #[must_use]
    pub fn object(&self, id: &str) -> String {
        format!("{}/objects/{}", self.base, segment(id))
    }

    /// URL of an object's flags.
    #[must_use]
    pub fn flags(&self, id: &str) -> String {
        format!("{}/flags", self.object(id))
    }

    /// URL of one flag of an object.
    #[must_use]
    pub fn flag(&self, id: &str, flag: &str) -> String {
        format!("{}/flags/{}", self.object(id), segment(flag))
    }

    /// URL of an object's payload.
    #[must_use]
    pub fn payload(&self, id: &str) -> String {
        format!("{}/payload", self.object(id))
    }

    /// URL of one part of an object's payload.
    #[must_use]
    pub fn payload_part(&self, id: &str, part: &str) -> String {
        format!("{}/payloadParts/{}", self.object(id), segment(part))
    }

    /// URL of a folder.
    #[must_use]
    pub fn folder(&self, id: &str) -> String {
        format!("{}/folders/{}", self.base, segment(id))
    }

    /// The folder id in a URL of this box, matched by path alone (scheme and authority may differ behind a proxy);
    /// `None` when the URL is of another box or no folder's.
    #[must_use]
    pub fn folder_id(&self, url: &str) -> Option<String> {
        self.id_below("folders", url)
    }

    /// The object id in a URL of this box, matched likewise.
    #[must_use]
    pub fn object_id(&self, url: &str) -> Option<String> {
        self.id_below("objects", url)
    }

    fn id_below(&self, kind: &str, url: &str) -> Option<String> {
        let prefix = format!("{}/{kind}", decoded(path_of(&self.base))?);
        let path = path_of(url);
        let (parent, id) = path.rsplit_once('/')?;
        let id = decoded(id)?;
        (decoded(parent)? == prefix && !id.is_empty()).then_some(id)
    }
}

/// Percent-encodes one path segment.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// The path of a URL, which may be absolute or only a path; what is asked of the resource behind it does not count.
fn path_of(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    }
}
