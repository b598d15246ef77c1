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
    /// Brings the box of a URL, decoded, into one spelling; `None` for what is no box.
    one_spelling: fn(&str) -> Option<String>,
}

impl Urls {
    /// `base` is `{scheme}://{authority}{base_path}`; `store` and `box_segment` are the path segments as the client spelled them.
    #[must_use]
    pub fn new(base: &str, store: &str, box_segment: &str) -> Self {
        Self {
            base: format!("{base}/nms/v1/{store}/{box_segment}"),
            one_spelling: |decoded| Some(decoded.to_owned()),
        }
    }

    /// Knows the box again in URLs that clients have spelled another way (contract §1.1): those that this function, given the decoded
    /// segment, says the same of.
    #[must_use]
    pub fn spelled_alike(mut self, one_spelling: fn(&str) -> Option<String>) -> Self {
        self.one_spelling = one_spelling;
        self
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
        let (rest, id) = path_of(url).rsplit_once('/')?;
        let (rest, found) = rest.rsplit_once('/')?;
        let (above, box_segment) = rest.rsplit_once('/')?;
        let (own_above, own_box) = path_of(&self.base).rsplit_once('/')?;
        let id = decoded(id)?;
        let is_ours = decoded(found)? == kind
            && decoded(above)? == decoded(own_above)?
            && self.is_same_box(&decoded(box_segment)?, &decoded(own_box)?);
        (is_ours && !id.is_empty()).then_some(id)
    }

    fn is_same_box(&self, one: &str, other: &str) -> bool {
        let spelled = |text: &str| (self.one_spelling)(text);
        one == other || spelled(one).is_some_and(|one| spelled(other) == Some(one))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_box_are_known_by_their_path_in_any_spelling() {
        let digits = |text: &str| {
            let number = text.strip_prefix("tel:+")?;
            Some(number.replace('-', ""))
        };
        let urls = Urls::new("https://nms.example.net/oma", "cpm", "tel%3A%2B15550100");
        let urls = urls.spelled_alike(digits);
        for url in [
            "https://nms.example.net/oma/nms/v1/cpm/tel%3A%2B15550100/folders/a%7Eb",
            "http://other:8080/oma/nms/v1/cpm/tel%3a%2b15550100/folders/a~b?x=/y#z/z",
            "/oma/nms/v1/cpm/tel:+15550100/folders/a~b",
            "/oma/nms/v1/%63pm/tel:%2B1-555-0100/folders/a~b",
        ] {
            assert_eq!(urls.folder_id(url).as_deref(), Some("a~b"), "{url}");
            assert_eq!(urls.object_id(url), None, "{url}");
        }
        for url in [
            "",
            "a~b",
            "folders/a~b",
            "/nms/v1/cpm/tel:+15550100/folders/a",
            "/oma/nms/v1/other/tel:+15550100/folders/a",
            "/oma/nms/v1/cpm/tel:+15550101/folders/a",
            "/oma/nms/v1/cpm/sip:x/folders/a",
            "/oma/nms/v1/cpm/tel:+15550100/folders/",
            "/oma/nms/v1/cpm/tel:+15550100/folders/a/b",
            "/oma/nms/v1/cpm/tel:+15550100/folders/%FF",
            "/oma/nms/v1/cpm/tel:+15550100%2Ffolders/a",
        ] {
            assert_eq!(urls.folder_id(url), None, "{url}");
        }
        let urls = Urls::new("https://nms.example.net", "cpm", "tel:+1");
        assert_eq!(urls.folder_id("/nms/v1/cpm/tel:+1-/folders/a"), None);
    }
}
