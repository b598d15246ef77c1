//! Every URL that is sent out is built here, from the base and box spelling of the request it answers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Builds the URLs of one box and parses them back by path. What is kept of one (three members, as [`Self::new`] takes them)
/// and read again builds the same; [`Self::spelled_alike`] is to be said once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Urls {
    /// `{scheme}://{authority}{base_path}` without a final slash.
    base: String,
    store: String,
    #[serde(rename = "box")]
    box_segment: String,
    /// Brings the box of a URL, decoded, into one spelling; `None` for what is no box.
    #[serde(skip, default = "as_it_is")]
    one_spelling: fn(&str) -> Option<String>,
}

impl Urls {
    /// `base` is `{scheme}://{authority}{base_path}`; `store` and `box_segment` are the path segments as the client spelled them.
    #[must_use]
    pub fn new(base: &str, store: &str, box_segment: &str) -> Self {
        Self {
            base: base.to_owned(),
            store: store.to_owned(),
            box_segment: box_segment.to_owned(),
            one_spelling: as_it_is(),
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
        self.below("objects", id)
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
        self.below("folders", id)
    }

    /// URL of the box's subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> String {
        format!("{}/subscriptions", self.root())
    }

    /// URL of a subscription.
    #[must_use]
    pub fn subscription(&self, id: &str) -> String {
        self.below("subscriptions", id)
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

    /// The subscription id in a URL of this box, matched likewise.
    #[must_use]
    pub fn subscription_id(&self, url: &str) -> Option<String> {
        self.id_below("subscriptions", url)
    }

    fn root(&self) -> String {
        let Self {
            base,
            store,
            box_segment,
            ..
        } = self;
        format!("{base}/nms/v1/{store}/{box_segment}")
    }

    fn below(&self, kind: &str, id: &str) -> String {
        format!("{}/{kind}/{}", self.root(), segment(id))
    }

    fn id_below(&self, kind: &str, url: &str) -> Option<String> {
        let (rest, id) = path_of(url).rsplit_once('/')?;
        let (rest, found) = rest.rsplit_once('/')?;
        let (above, box_segment) = rest.rsplit_once('/')?;
        let root = self.root();
        let (own_above, own_box) = path_of(&root).rsplit_once('/')?;
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

fn as_it_is() -> fn(&str) -> Option<String> {
    |decoded| Some(decoded.to_owned())
}

/// Builds the URLs of one box's notification channels (contract §1.3). What is kept of one builds the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelUrls {
    /// `{scheme}://{authority}{base_path}` without a final slash.
    base: String,
    api: String,
    #[serde(rename = "box")]
    box_segment: String,
}

impl ChannelUrls {
    /// What the API is called in a path; the first is the contract's name, the other one that clients have (contract §11.1 row 2).
    pub const APIS: [&str; 2] = ["notificationchannel", "nc"];

    /// `base` is `{scheme}://{authority}{base_path}`; `api` (one of [`Self::APIS`]) and `box_segment` are the path segments as
    /// the client spelled them.
    #[must_use]
    pub fn new(base: &str, api: &str, box_segment: &str) -> Self {
        Self {
            base: base.to_owned(),
            api: api.to_owned(),
            box_segment: box_segment.to_owned(),
        }
    }

    /// URL of the box's channels.
    #[must_use]
    pub fn channels(&self) -> String {
        let Self {
            base,
            api,
            box_segment,
        } = self;
        format!("{base}/{api}/v1/{box_segment}/channels")
    }

    /// URL of a channel.
    #[must_use]
    pub fn channel(&self, id: &str) -> String {
        format!("{}/{}", self.channels(), segment(id))
    }

    /// URL of a channel's lifetime.
    #[must_use]
    pub fn lifetime(&self, id: &str) -> String {
        format!("{}/channelLifetime", self.channel(id))
    }

    /// `channelURL` of a channel that is polled.
    #[must_use]
    pub fn notifications(&self, id: &str) -> String {
        format!("{}/notifications", self.channel(id))
    }

    /// `channelURL` of a channel that is a WebSocket: ws where `base` is http, wss where it is https (RFC 6455 §3).
    #[must_use]
    pub fn web_socket(&self, id: &str) -> String {
        let url = format!("{}/websocket", self.channel(id));
        url.strip_prefix("http")
            .map_or_else(|| url.clone(), |rest| format!("ws{rest}"))
    }

    /// `callbackURL` of a channel.
    #[must_use]
    pub fn callback(&self, id: &str) -> String {
        format!("{}/callback", self.channel(id))
    }

    /// The box, decoded but spelled as it is, and the channel id in a `callbackURL`, matched by the end of its path alone: scheme,
    /// authority and base path may differ behind a proxy. `None` for what is no such URL.
    #[must_use]
    pub fn of_callback(url: &str) -> Option<(String, String)> {
        let mut segments = path_of(url).rsplit('/').map(decoded);
        let mut next = || segments.next().flatten();
        let (callback, id, channels) = (next()?, next()?, next()?);
        let (box_name, version, api) = (next()?, next()?, next()?);
        let is_ours = callback == "callback"
            && channels == "channels"
            && version == "v1"
            && Self::APIS.contains(&api.as_str());
        (is_ours && !id.is_empty() && !box_name.is_empty()).then_some((box_name, id))
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

    #[test]
    fn urls_are_the_same_after_being_kept() {
        let urls = Urls::new("https://a:1/oma", "cpm", "tel:%2B1");
        let kept = serde_json::to_string(&urls).unwrap();
        assert_eq!(
            kept,
            r#"{"base":"https://a:1/oma","store":"cpm","box":"tel:%2B1"}"#
        );
        let read: Urls = serde_json::from_str(&kept).unwrap();
        for urls in [urls, read] {
            let url = urls.subscription("s/8");
            assert_eq!(
                url,
                "https://a:1/oma/nms/v1/cpm/tel:%2B1/subscriptions/s%2F8"
            );
            assert_eq!(url.strip_suffix("/s%2F8"), Some(&urls.subscriptions()[..]));
            assert_eq!(urls.subscription_id(&url).as_deref(), Some("s/8"));
            assert_eq!(urls.subscription_id(&urls.object("s")), None);
        }
        let urls = ChannelUrls::new("http://a", "nc", "tel:%2B1");
        let kept = serde_json::to_string(&urls).unwrap();
        assert_eq!(serde_json::from_str::<ChannelUrls>(&kept).unwrap(), urls);
    }

    #[test]
    fn a_channel_is_known_by_its_callback() {
        for (base, api) in [
            ("https://nms.example.net/oma/x", "notificationchannel"),
            ("http://127.0.0.1:80", "nc"),
        ] {
            let urls = ChannelUrls::new(base, api, "tel%3A%2B1");
            let callback = urls.callback("c~/3");
            let channel = format!("{base}/{api}/v1/tel%3A%2B1/channels/c~%2F3");
            assert_eq!(callback, format!("{channel}/callback"));
            let (_, path) = callback.split_at(base.len());
            for url in [&callback[..], path, &format!("{callback}?x=/y#z/z")] {
                let known = ChannelUrls::of_callback(url);
                assert_eq!(
                    known,
                    Some(("tel:+1".to_owned(), "c~/3".to_owned())),
                    "{url}"
                );
            }
            for url in [
                urls.channels(),
                urls.channel("c"),
                urls.lifetime("c"),
                urls.notifications("c"),
                urls.web_socket("c"),
                urls.callback(""),
                urls.callback("c") + "/",
                callback.replace("v1", "v2"),
                callback.replace(api, "nms"),
                callback.replace("tel", "%FF"),
                callback.replace("tel%3A%2B1", ""),
                "callback".to_owned(),
                String::new(),
            ] {
                assert_eq!(ChannelUrls::of_callback(&url), None, "{url}");
            }
        }
        let urls = |base| ChannelUrls::new(base, "nc", "b").web_socket("c");
        assert_eq!(urls("http://a"), "ws://a/nc/v1/b/channels/c/websocket");
        assert_eq!(urls("https://a"), "wss://a/nc/v1/b/channels/c/websocket");
    }
}
