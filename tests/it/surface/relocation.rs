//! What is asked to be copied and moved.

use super::scene::Ask;

const COPY: &str = "folders/operations/copyToFolder";
const MOVE: &str = "folders/operations/moveToFolder";

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const COPY_TO_FOLDER: &[Ask] = &[
    Ask::new("a folder, an object, and what is none", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{odd}"},{"resourceURL":"{B}/folders/none"}]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"},{"resourceURL":"{B}/objects/o-bad"},{"resourceURL":"{B}/folders/{odd}"}]}}}}"#),
    Ask::new("without the root member, whatever the host", COPY)
        .body(r#"{"targetRef":{"resourceURL":"https://elsewhere/nms/v1/cpm/tel%3A%2B{number}/folders/{empty}","path":"/x"},"sourceRefs":{"objects":{"objectReference":{"resourceURL":"/nms/v1/cpm/tel%3A%2B{number}/objects/{text}"}}}}"#),
    Ask::new("into its own folder, and twice", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{inbox}"},"sourceRefs":{"folders":null,"objects":{"objectReference":[{"resourceURL":"{B}/objects/{text}"},{"resourceURL":"{B}/objects/{text}"}]}}}}"#),
    Ask::new("a name that is taken", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{albums}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{odd}"}]}}}}"#),
    Ask::new("into itself, and below itself", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{deep}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{deep}"},{"resourceURL":"{B}/folders/{albums}"},{"resourceURL":"{B}/folders/{root}"}]}}}}"#),
    Ask::new("entries without a URL", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{}]},"objects":{"objectReference":[{"resourceURL":""}]}}}}"#),
    Ask::new("objects to the root", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{root}"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("to an unknown folder", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/none"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("to an object", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/objects/{sms}"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("to another's box", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"/nms/v1/cpm/tel%3A%2B15559999999/folders/{empty}"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("nowhere", COPY)
        .body(r#"{"targetSourceRef":{"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("nothing", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[]},"objects":{"objectReference":[]}}}}"#),
    Ask::new("too much", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{},{},{}]},"objects":{"objectReference":[{},{},{},{}]}}}}"#),
    Ask::new("a target that is a text", COPY)
        .body(r#"{"targetSourceRef":{"targetRef":"{B}/folders/{empty}"}}"#),
    Ask::new("no body", COPY),
    Ask::new("no JSON", COPY).body("x"),
];

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const MOVE_TO_FOLDER: &[Ask] = &[
    Ask::new("a folder, an object, and what is none", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{odd}"},{"resourceURL":"{B}/folders/none"}]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"},{"resourceURL":"{B}/objects/o-bad"},{"resourceURL":"{B}/objects/{note}"}]}}}}"#),
    Ask::new("the same again", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{odd}"}]},"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"},{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("back, a folder to the root", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{root}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{odd}"}]}}}}"#),
    Ask::new("back, an object", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{inbox}"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("INBOX and the root", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{inbox}"},{"resourceURL":"{B}/folders/{root}"}]}}}}"#),
    Ask::new("into itself, and below itself", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{contact}"},"sourceRefs":{"folders":{"folderReference":[{"resourceURL":"{B}/folders/{contact}"},{"resourceURL":"{B}/folders/{default}"}]}}}}"#),
    Ask::new("objects to the root", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{root}"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("to an unknown folder", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/none"},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("nowhere", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{},"sourceRefs":{"objects":{"objectReference":[{"resourceURL":"{B}/objects/{sms}"}]}}}}"#),
    Ask::new("nothing", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"}}}"#),
    Ask::new("too much", MOVE)
        .body(r#"{"targetSourceRef":{"targetRef":{"resourceURL":"{B}/folders/{empty}"},"sourceRefs":{"objects":{"objectReference":[{},{},{},{},{},{},{}]}}}}"#),
    Ask::new("no body", MOVE),
];
