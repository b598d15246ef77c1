//! What is asked to be done to many objects.

use super::scene::Ask;

pub(super) const POST_UPDATE: &[Ask] = &[
    Ask::new("a flag for some", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Seen"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{text}"},{"resourceURL":"{B}/objects/none"},{"resourceURL":"{B}/objects/{note}"},{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("flags taken away, in XML", "objects/operations/bulkUpdate")
        .headers(&[("Content-Type", "application/xml"), ("Accept", "application/json")])
        .body("<nms:bulkUpdate xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"><operation>RemoveFlag</operation><flags><flag>\\Seen</flag><flag>kept</flag></flags><objects><objectReference><resourceURL>{B}/objects/{mms}</resourceURL></objectReference><objectReference><resourceURL>/objects/{mms}</resourceURL></objectReference></objects></nms:bulkUpdate>"),
    Ask::new("without the root member", "objects/operations/bulkUpdate")
        .body(r#"{"operation":"AddFlag","flags":{"flag":"\\Answered"},"objects":{"objectReference":{"resourceURL":"{B}/objects/{bare}"}}}"#),
    Ask::new("a flag the store does not have", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Junk"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{bare}"}]}}}"#),
    Ask::new("an entry without a URL", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Seen"]},"objects":{"objectReference":[{}]}}}"#),
    Ask::new("the store's own flag", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Recent"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("another operation", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"SetFlag","flags":{"flag":["\\Seen"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("no flag", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("a blank in a flag", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["a b"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("no objects", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Seen"]}}}"#),
    Ask::new("objects by name and by selection", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Seen"]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]},"selectionCriteria":{}}}"#),
    Ask::new("too many", "objects/operations/bulkUpdate")
        .body(r#"{"bulkUpdate":{"operation":"AddFlag","flags":{"flag":["\\Seen"]},"objects":{"objectReference":[{},{},{},{},{},{},{}]}}}"#),
    Ask::new("no body", "objects/operations/bulkUpdate"),
];

pub(super) const POST_DELETE: &[Ask] = &[
    Ask::new("some", "objects/operations/bulkDelete")
        .body(r#"{"bulkDelete":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{note}"},{"resourceURL":"{B}/objects/none"},{"resourceURL":"{B}/objects/{text}"},{"resourceURL":"{B}/objects/{note}"}]}}}"#),
    Ask::new("the same again", "objects/operations/bulkDelete")
        .body(r#"{"bulkDelete":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{note}"},{"resourceURL":"{B}/objects/{text}"}]}}}"#),
    Ask::new("without the root member", "objects/operations/bulkDelete")
        .body(r#"{"objects":{"objectReference":{"resourceURL":"{B}/objects/{bare}"}}}"#),
    Ask::new("an empty list", "objects/operations/bulkDelete")
        .body(r#"{"bulkDelete":{"objects":{"objectReference":[]}}}"#),
    Ask::new("a misspelt member", "objects/operations/bulkDelete")
        .body(r#"{"bulkDelete":{"object":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}"#),
    Ask::new("nothing", "objects/operations/bulkDelete").body(r#"{"bulkDelete":{}}"#),
    Ask::new("a folder", "objects/operations/bulkDelete")
        .body(r#"{"bulkDelete":{"objects":{"objectReference":[{"resourceURL":"{B}/folders/{inbox}"}]}}}"#),
    Ask::new("no JSON", "objects/operations/bulkDelete").body("{"),
];

pub(super) const DELETE_DELETE: &[Ask] = &[
    Ask::new("one", "objects/operations/bulkDelete").body(
        r#"{"bulkDelete":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{mms}"}]}}}"#,
    ),
    Ask::new("no body", "objects/operations/bulkDelete"),
    Ask::new("a body of another kind", "objects/operations/bulkDelete")
        .headers(&[("Content-Type", "text/plain")])
        .body("{B}/objects/{sms}"),
];
