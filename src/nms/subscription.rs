//! Subscriptions: what a client asks for, and what it is told of them (contract §2.10, §7.2).
//!
//! What a client sends is told apart from what it is answered: the first may lack anything, the second never does.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    encode::Format,
    search::SearchCriteria,
    tolerant::{count, count_if_any, list, members, members_if_any, text_if_any},
};

/// In which form event lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NotificationFormat {
    /// `XML`
    #[serde(rename = "XML")]
    Xml,
    /// `JSON`
    #[serde(rename = "JSON")]
    Json,
}

impl From<NotificationFormat> for Format {
    fn from(format: NotificationFormat) -> Self {
        match format {
            NotificationFormat::Xml => Self::Xml,
            NotificationFormat::Json => Self::Json,
        }
    }
}

impl From<Format> for NotificationFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Xml => Self::Xml,
            Format::Json => Self::Json,
        }
    }
}

impl<'de> Deserialize<'de> for NotificationFormat {
    /// In any case of letters.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = [("xml", Self::Xml), ("json", Self::Json)];
        let known = known
            .into_iter()
            .find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        known
            .map(|(_, format)| format)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&name), &"XML or JSON"))
    }
}

/// Where event lists go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallbackReference {
    /// URL they are posted to, or `callbackURL` of a channel; empty, which no URL is, when a client has not said it.
    #[serde(rename = "notifyURL", default)]
    pub notify_url: String,
    /// Comes back in every list.
    #[serde(
        rename = "callbackData",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub callback_data: Option<String>,
    /// Their form; absent: that of the request for the subscription (contract §9.4).
    #[serde(
        rename = "notificationFormat",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub notification_format: Option<NotificationFormat>,
}

/// What a client sends to subscribe: the root element `nmsSubscription` of a creation. `index` is not a client's to say, and
/// makes the document malformed; of `resourceURL` nothing is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewSubscription {
    /// Where events shall go.
    #[serde(rename = "callbackReference", default, deserialize_with = "members")]
    pub callback_reference: CallbackReference,
    /// Seconds; 0 and absent leave it to the server.
    #[serde(default, deserialize_with = "count_if_any")]
    pub duration: Option<u64>,
    /// Which events; absent: all.
    #[serde(default, deserialize_with = "members_if_any")]
    pub filter: Option<SearchCriteria>,
    /// By which a repeated request is known again, as it was sent: [`Self::correlator`] is what it means.
    #[serde(rename = "clientCorrelator", default)]
    pub client_correlator: Option<String>,
    #[serde(default)]
    index: Option<Forbidden>,
    /// From where on changes are sent; absent, also when empty: from now on.
    #[serde(rename = "restartToken", default, deserialize_with = "text_if_any")]
    pub restart_token: Option<String>,
}

impl NewSubscription {
    /// By which a repeated request is known again; an empty text is none (contract §2.10).
    #[must_use]
    pub fn correlator(&self) -> Option<&str> {
        let correlator = self.client_correlator.as_deref();
        correlator.filter(|text| !text.is_empty())
    }
}

/// What a member holds that must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forbidden {}

impl<'de> Deserialize<'de> for Forbidden {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("not a client's to say"))
    }
}

/// The root element `nmsSubscriptionUpdate`: each member stays as it is unless it is said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SubscriptionUpdate {
    /// Seconds from now; 0 leaves it to the server.
    #[serde(default, deserialize_with = "count_if_any")]
    pub duration: Option<u64>,
    /// From where on changes are sent again; absent, also when empty: nothing is.
    #[serde(rename = "restartToken", default, deserialize_with = "text_if_any")]
    pub restart_token: Option<String>,
}

/// The root element `nmsSubscription` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// As the client sent it.
    #[serde(rename = "callbackReference")]
    pub callback_reference: CallbackReference,
    /// Seconds it still lives.
    #[serde(deserialize_with = "count")]
    pub duration: u64,
    /// As the client sent it.
    #[serde(
        default,
        deserialize_with = "members_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub filter: Option<SearchCriteria>,
    /// As the client sent it, also when that was an empty text.
    #[serde(
        rename = "clientCorrelator",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub client_correlator: Option<String>,
    /// Its URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// What the next event list will carry.
    #[serde(deserialize_with = "count")]
    pub index: u64,
    /// Where the subscription stands.
    #[serde(rename = "restartToken")]
    pub restart_token: String,
}

/// The root element `nmsSubscriptionList`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubscriptionList {
    /// Zero or more.
    #[serde(default, deserialize_with = "list")]
    pub subscription: Vec<Subscription>,
    /// URL of the list.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::nms::encode::Malformed;

    fn read(document: &Value) -> Result<NewSubscription, Malformed> {
        Format::Json.read("nmsSubscription", document.to_string().as_bytes())
    }

    #[test]
    fn a_subscription_is_read_as_clients_send_it() {
        let document = json!({"nmsSubscription": {
            "callbackReference": {"notifyURL": "https://a/cb", "callbackData": " d7", "notificationFormat": "json"},
            "duration": "86400", "clientCorrelator": "", "restartToken": "v5:3001", "resourceURL": 7, "x": {},
            "filter": {"criterion": {"type": "CreatedObjects", "value": ""}},
        }});
        let new = read(&document).unwrap();
        let callback = &new.callback_reference;
        assert_eq!(callback.notify_url, "https://a/cb");
        assert_eq!(callback.callback_data.as_deref(), Some(" d7"));
        assert_eq!(callback.notification_format, Some(NotificationFormat::Json));
        assert_eq!(new.duration, Some(86400));
        assert_eq!(
            (new.client_correlator.as_deref(), new.correlator()),
            (Some(""), None)
        );
        assert_eq!(new.restart_token.as_deref(), Some("v5:3001"));
        assert_eq!(
            serde_json::to_value(&new.filter).unwrap(),
            json!({"criterion": [{"type": "CreatedObjects", "value": ""}]})
        );
        for nothing in [
            json!({}),
            json!({"nmsSubscription": {}}),
            json!({"index": null, "restartToken": ""}),
        ] {
            assert_eq!(read(&nothing), Ok(NewSubscription::default()));
        }
    }

    #[test]
    fn the_format_is_read_in_any_case() {
        for (name, format) in [
            ("XML", Format::Xml),
            ("xMl", Format::Xml),
            ("JSON", Format::Json),
            (" json\n", Format::Json),
        ] {
            let new = read(&json!({"callbackReference": {"notificationFormat": name}})).unwrap();
            let read = new.callback_reference.notification_format.map(Format::from);
            assert_eq!(read, Some(format), "{name}");
            let written = json!(NotificationFormat::from(format));
            assert!(name.trim().eq_ignore_ascii_case(written.as_str().unwrap()));
        }
    }

    fn blamed<T>(read: Result<T, Malformed>) -> String {
        read.map(|_| ()).unwrap_err().part
    }

    #[test]
    fn the_innermost_member_that_is_wrong_is_named() {
        let callback = |content: Value| json!({"callbackReference": content});
        for (document, part) in [
            (json!({"index": 1}), "index"),
            (json!({"index": {}}), "index"),
            (json!({"duration": -1}), "duration"),
            (json!({"duration": 1.5}), "duration"),
            (json!({"duration": ""}), "duration"),
            (json!({"duration": [1]}), "duration"),
            (json!({"restartToken": 7}), "restartToken"),
            (json!({"clientCorrelator": ["a"]}), "clientCorrelator"),
            (json!({"callbackReference": "x"}), "callbackReference"),
            (json!({"callbackReference": ["x"]}), "callbackReference"),
            (callback(json!({"notifyURL": {}})), "notifyURL"),
            (callback(json!({"callbackData": 7})), "callbackData"),
            (
                callback(json!({"notificationFormat": "YAML"})),
                "notificationFormat",
            ),
            (
                callback(json!({"notificationFormat": {"JSON": null}})),
                "notificationFormat",
            ),
            (json!({"filter": "x"}), "filter"),
            (json!({"filter": {"criterion": ["x"]}}), "criterion"),
            (json!({"filter": {"criterion": [{"value": {}}]}}), "value"),
            (json!({"nmsSubscription": []}), "nmsSubscription"),
            (json!({"nmsSubscription": null}), "nmsSubscription"),
        ] {
            assert_eq!(blamed(read(&document)), part, "{document}");
        }
        for (document, part) in [
            (json!({"duration": "soon"}), "duration"),
            (json!({"restartToken": ["v5"]}), "restartToken"),
            (
                json!({"nmsSubscriptionUpdate": [1, "v5"]}),
                "nmsSubscriptionUpdate",
            ),
        ] {
            let document = document.to_string();
            let read: Result<SubscriptionUpdate, _> =
                Format::Json.read("nmsSubscriptionUpdate", document.as_bytes());
            assert_eq!(blamed(read), part, "{document}");
        }
    }

    #[test]
    fn it_is_named_in_xml_too() {
        for (content, part) in [
            ("<index/>", "index"),
            ("<duration/>", "duration"),
            ("<duration>1</duration><duration>1</duration>", "duration"),
            ("<restartToken><a/></restartToken>", "restartToken"),
            (
                "<callbackReference>x</callbackReference>",
                "callbackReference",
            ),
            (
                "<callbackReference><notifyURL><a/></notifyURL></callbackReference>",
                "notifyURL",
            ),
            (
                "<callbackReference><notificationFormat/></callbackReference>",
                "notificationFormat",
            ),
            ("<filter><criterion>x</criterion></filter>", "criterion"),
            (
                "<filter><criterion><value><a/></value></criterion></filter>",
                "value",
            ),
        ] {
            let document = format!("<nmsSubscription>{content}</nmsSubscription>");
            let read: Result<NewSubscription, _> =
                Format::Xml.read("nmsSubscription", document.as_bytes());
            assert_eq!(blamed(read), part, "{content}");
        }
    }

    #[test]
    fn white_space_is_part_of_what_comes_back() {
        let document = "<n:nmsSubscription xmlns:n=\"urn:oma:xml:rest:netapi:nms:1\">
            <callbackReference>
                <notifyURL> https://a/cb </notifyURL><callbackData> d </callbackData>
                <notificationFormat> XML </notificationFormat>
            </callbackReference>
            <duration> 60 </duration><clientCorrelator> c </clientCorrelator><restartToken/>
        </n:nmsSubscription>";
        let new: NewSubscription = Format::Xml
            .read("nmsSubscription", document.as_bytes())
            .unwrap();
        let callback = &new.callback_reference;
        assert_eq!(callback.notify_url, "https://a/cb");
        assert_eq!(callback.callback_data.as_deref(), Some(" d "));
        assert_eq!(callback.notification_format, Some(NotificationFormat::Xml));
        assert_eq!((new.duration, new.correlator()), (Some(60), Some(" c ")));
        assert_eq!(new.restart_token, None);
    }
}
