//! What a client sends to create objects (contract §2.3, §3): the document beside the attachments.
//!
//! What only the server sets, and what nobody knows, is ignored.

use serde::Deserialize;

use super::{
    encode::Malformed,
    object::{AttributeList, FlagList},
    tolerant::{list_of_members, members, text_if_any},
};

/// The root element `object` of a creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewObject {
    #[serde(rename = "parentFolder", default)]
    parent_folder: Option<String>,
    #[serde(rename = "parentFolderPath", default)]
    parent_folder_path: Option<String>,
    /// Attributes in the client's order; an absent list is an empty one.
    #[serde(default, deserialize_with = "members")]
    pub attributes: AttributeList,
    /// Flags to set; an absent list is an empty one.
    #[serde(default, deserialize_with = "members")]
    pub flags: FlagList,
    /// The client's own id, kept verbatim.
    #[serde(rename = "correlationId", default)]
    pub correlation_id: Option<String>,
    /// The client's own tag, kept verbatim.
    #[serde(rename = "correlationTag", default)]
    pub correlation_tag: Option<String>,
    /// By which a repeated creation is known again; never empty.
    #[serde(rename = "clientCorrelator", default, deserialize_with = "text_if_any")]
    pub client_correlator: Option<String>,
}

/// The root element `objectList` of a bulk creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewObjectList {
    /// One for each attachment, in their order.
    #[serde(default, deserialize_with = "list_of_members")]
    pub object: Vec<NewObject>,
}

/// Where a client wants an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent<'a> {
    /// In the folder with this URL.
    Url(&'a str),
    /// In the folder with this path, which is made where it is missing.
    Path(&'a str),
    /// Wherever the server puts such objects.
    Unsaid,
}

impl NewObject {
    /// Where the object shall be.
    ///
    /// # Errors
    /// [`Malformed`] naming `parentFolder` when both forms are given (contract §2.3).
    pub fn parent(&self) -> Result<Parent<'_>, Malformed> {
        match (&self.parent_folder, &self.parent_folder_path) {
            (Some(_), Some(_)) => Err(Malformed {
                part: "parentFolder".to_owned(),
            }),
            (Some(url), None) => Ok(Parent::Url(url)),
            (None, Some(path)) => Ok(Parent::Path(path)),
            (None, None) => Ok(Parent::Unsaid),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::nms::encode::Format;

    fn object(document: &serde_json::Value) -> Result<NewObject, Malformed> {
        Format::Json.read("object", document.to_string().as_bytes())
    }

    fn objects(document: &serde_json::Value) -> Result<NewObjectList, Malformed> {
        Format::Json.read("objectList", document.to_string().as_bytes())
    }

    fn values(object: &NewObject) -> Vec<&[String]> {
        let attributes = object.attributes.attribute.iter();
        attributes.map(|attribute| &attribute.value[..]).collect()
    }

    #[test]
    fn an_object_is_read_wrapped_and_unwrapped() {
        let content = json!({
            "parentFolderPath": "/main/trip",
            "attributes": {"attribute": [{"name": "To", "value": ["tel:+1", "tel:+2"]}, {"name": "Date", "value": ["x"]}]},
            "flags": {"flag": ["\\Seen"], "resourceURL": "http://a/flags"},
            "correlationId": "mm-4471", "correlationTag": "t", "clientCorrelator": "c",
            "resourceURL": 7, "path": {}, "payloadURL": [], "payloadPart": "x", "lastModSeq": "many", "x-own": 1,
        });
        let read = object(&json!({"object": content})).unwrap();
        assert_eq!(object(&content).unwrap(), read);
        assert_eq!(read.parent(), Ok(Parent::Path("/main/trip")));
        assert_eq!(read.flags.flag, ["\\Seen"]);
        assert_eq!(values(&read), [&["tel:+1", "tel:+2"][..], &["x"]]);
        assert_eq!(read.correlation_id.as_deref(), Some("mm-4471"));
        assert_eq!(read.correlation_tag.as_deref(), Some("t"));
        assert_eq!(read.client_correlator.as_deref(), Some("c"));
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        let nothing = NewObject::default();
        for document in [
            json!({}),
            json!({"object": {}}),
            json!({"object": {"attributes": null, "flags": null, "correlationId": null, "clientCorrelator": ""}}),
            json!({"object": {"attributes": {}, "flags": {"flag": null}}}),
            json!({"attributes": {"attribute": null}, "flags": {}}),
        ] {
            assert_eq!(object(&document).unwrap(), nothing, "{document}");
            let bulk = objects(&json!({"object": [document]})).unwrap();
            assert_eq!(bulk.object, std::slice::from_ref(&nothing), "{document}");
        }
        assert_eq!(nothing.parent(), Ok(Parent::Unsaid));
    }

    #[test]
    fn lists_may_be_their_one_element() {
        let read = object(&json!({
            "attributes": {"attribute": {"name": "Subject", "value": "one"}}, "flags": {"flag": "\\Seen"},
        }))
        .unwrap();
        assert_eq!(values(&read), [["one"]]);
        assert_eq!(read.flags.flag, ["\\Seen"]);
        let one = objects(&json!({"objectList": {"object": {"correlationId": "a"}}})).unwrap();
        assert_eq!(one.object.len(), 1);
    }

    #[test]
    fn numbers_and_booleans_are_taken_as_text() {
        let attribute =
            |value| json!({"attributes": {"attribute": [{"name": "n", "value": value}]}});
        for (value, text) in [
            (json!(7), "7"),
            (json!(-7), "-7"),
            (json!(1.5), "1.5"),
            (json!(true), "true"),
            (
                json!(18_446_744_073_709_551_615_u64),
                "18446744073709551615",
            ),
        ] {
            assert_eq!(
                values(&object(&attribute(value.clone())).unwrap()),
                [[text]]
            );
            assert_eq!(
                values(&object(&attribute(json!([value]))).unwrap()),
                [[text]]
            );
        }
        let none = object(&json!({"attributes": {"attribute": [{"name": "n"}]}})).unwrap();
        assert!(values(&none)[0].is_empty());
    }

    #[test]
    fn the_member_to_blame_is_named() {
        for (document, part) in [
            (json!({"correlationId": 7}), "correlationId"),
            (json!({"parentFolder": []}), "parentFolder"),
            (json!({"attributes": []}), "attributes"),
            (json!({"attributes": {"attribute": 7}}), "attribute"),
            (
                json!({"attributes": {"attribute": [{"name": "n", "value": [{}]}]}}),
                "value",
            ),
            (
                json!({"attributes": {"attribute": {"name": "n", "value": {}}}}),
                "value",
            ),
            (json!({"attributes": {"attribute": [{"name": 7}]}}), "name"),
            (json!({"flags": {"flag": [7]}}), "flag"),
            (json!({"flags": "x"}), "flags"),
            (json!({"flags": ["\\Seen", "\\Draft"]}), "flags"),
            (json!([]), "object"),
        ] {
            let malformed = object(&json!({"object": document})).unwrap_err();
            assert_eq!(malformed.part, part, "{document}");
        }
        let bulk = objects(&json!({"object": [{}, {"flags": {"flag": {}}}]})).unwrap_err();
        assert_eq!(bulk.part, "flag");
    }

    #[test]
    fn both_parents_are_one_too_many() {
        let both = json!({"parentFolder": "http://a/folders/1", "parentFolderPath": "/a"});
        let part = "parentFolder".to_owned();
        assert_eq!(object(&both).unwrap().parent(), Err(Malformed { part }));
        let url = object(&json!({"parentFolder": "http://a/folders/1"})).unwrap();
        assert_eq!(url.parent(), Ok(Parent::Url("http://a/folders/1")));
    }
}
