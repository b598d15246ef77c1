//! What is asked when objects are created.

use super::scene::Ask;

const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=Outer7");
const KEYED: &[(&str, &str)] = &[FORM, ("Idempotency-Key", "k")];
const TWICE_KEYED: &[(&str, &str)] = &[FORM, ("Idempotency-Key", "k"), ("Idempotency-Key", "l")];

/// A form: the document, and the header and content of each attachment.
macro_rules! form {
    ($document:literal $(, $header:literal => $content:literal)*) => {
        concat!(
            "--Outer7\r\nContent-Disposition: form-data; name=\"root-fields\"\r\n",
            "Content-Type: application/json\r\n\r\n", $document, "\r\n",
            $("--Outer7\r\nContent-Disposition: form-data; name=\"attachments\"\r\n", $header, "\r\n\r\n", $content, "\r\n",)*
            "--Outer7--\r\n"
        )
    };
}

/// Asks with a form.
const fn ask(what: &'static str, body: &'static str) -> Ask {
    Ask::new(what, "objects").headers(&[FORM]).body(body)
}

/// The same for many.
const fn ask_many(what: &'static str, body: &'static str) -> Ask {
    let target = "objects/operations/bulkCreation";
    Ask::new(what, target).headers(&[FORM]).body(body)
}

pub(super) const POST_OBJECTS: &[Ask] = &[
    ask(
        "a short text",
        form!(
            r#"{"object":{"parentFolderPath":"/INBOX","attributes":{"attribute":[{"name":"Subject","value":["s"]}]},"flags":{"flag":["\\Seen"]}}}"#,
            "Content-Type: text/plain" => "hello"
        ),
    ),
    ask(
        "a multipart, in folders that are made",
        form!(
            r#"{"object":{"parentFolderPath":"/main/trip","attributes":{"attribute":[]},"correlationId":"mm-4471"}}"#,
            "Content-Type: multipart/mixed; boundary=Inner3" => "--Inner3\r\n\r\none\r\n--Inner3\r\n\r\ntwo\r\n--Inner3--"
        ),
    ),
    ask(
        "nothing but attributes, without the root member, in the default folder",
        form!(r#"{"attributes":{"attribute":{"name":"Subject","value":"s"}}}"#),
    ),
    ask("nothing at all", form!("{}", "Content-Length: 0" => "")),
    ask(
        "several attachments, in the folder of a URL",
        form!(
            r#"{"object":{"parentFolder":"http://elsewhere/nms/v1/cpm/tel:+{number}/folders/{albums}"}}"#,
            "Content-Type: text/plain" => "one", "Content-Type: text/html" => "<b>two</b>"
        ),
    ),
    ask(
        "with a key",
        form!(r#"{"object":{"clientCorrelator":"k"}}"#, "X: y" => "once"),
    ),
    ask(
        "the same again",
        form!(r#"{"clientCorrelator":"k"}"#, "X: z" => "once"),
    ),
    ask(
        "the key with another body",
        form!(r#"{"object":{"clientCorrelator":"k"}}"#, "X: y" => "twice"),
    ),
    Ask::new("with the key as a header", "objects")
        .headers(KEYED)
        .body(form!("{}")),
    Ask::new("that key with another body", "objects")
        .headers(KEYED)
        .body(form!(r#"{"correlationTag":"t"}"#)),
    Ask::new("with two keys", "objects")
        .headers(TWICE_KEYED)
        .body(form!("{}")),
    ask(
        "in the root that is the whole box",
        form!(r#"{"object":{"parentFolderPath":"/"}}"#),
    ),
    ask(
        "in that root by its URL",
        form!(r#"{"object":{"parentFolder":"{B}/folders/{root}"}}"#),
    ),
    ask(
        "in a folder that is not there",
        form!(r#"{"object":{"parentFolder":"{B}/folders/none"}}"#),
    ),
    ask(
        "in a malformed path",
        form!(r#"{"object":{"parentFolderPath":"/main//trip"}}"#),
    ),
    ask(
        "with both parents",
        form!(r#"{"object":{"parentFolder":"{B}/folders/{albums}","parentFolderPath":"/a"}}"#),
    ),
    ask(
        "a control in a path",
        form!(r#"{"object":{"parentFolderPath":"/a\r\nb"}}"#),
    ),
    ask(
        "a control in a value",
        form!(
            r#"{"object":{"attributes":{"attribute":[{"name":"Subject","value":["a\r\nBcc: b"]}]}}}"#
        ),
    ),
    ask(
        "a control in a name",
        form!(r#"{"object":{"attributes":{"attribute":[{"name":"a\r\nBcc","value":["b"]}]}}}"#),
    ),
    ask(
        "a field that is not the client's",
        form!(r#"{"object":{"attributes":{"attribute":[{"name":"Received","value":["b"]}]}}}"#),
    ),
    ask(
        "no date",
        form!(r#"{"object":{"attributes":{"attribute":[{"name":"Date","value":["then"]}]}}}"#),
    ),
    ask(
        "no flag",
        form!(r#"{"object":{"parentFolderPath":"/new","flags":{"flag":["a b"]}}}"#),
    ),
    ask(
        "a flag the store does not have",
        form!(r#"{"object":{"parentFolderPath":"/INBOX","flags":{"flag":["\\Junk"]}}}"#),
    ),
    ask(
        "a control in an id",
        form!(r#"{"object":{"correlationId":"a\u0000"}}"#),
    ),
    ask(
        "a number for an id",
        form!(r#"{"object":{"correlationId":7}}"#),
    ),
    ask("no JSON", form!("{\"object\":")),
    ask(
        "no document",
        "--Outer7\r\nContent-Disposition: form-data; name=attachments\r\n\r\nx\r\n--Outer7--\r\n",
    ),
    ask("no part", "--Outer7--\r\n"),
    ask(
        "a part of another name",
        "--Outer7\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--Outer7--\r\n",
    ),
    ask(
        "a form that breaks off",
        "--Outer7\r\nContent-Disposition: form-data; name=root-fields\r\n\r\n{}",
    ),
    ask(
        "a multipart without parts",
        form!("{}", "Content-Type: multipart/mixed; boundary=b" => "x"),
    ),
    ask(
        "a document in XML",
        "--Outer7\r\nContent-Disposition: form-data; name=root-fields\r\nContent-Type: application/xml\r\n\r\n<object/>\r\n--Outer7--\r\n",
    ),
    ask(
        "more attachments than allowed",
        form!("{}", "A: 1" => "", "A: 2" => "", "A: 3" => "", "A: 4" => "", "A: 5" => "", "A: 6" => "", "A: 7" => ""),
    ),
    Ask::new("a form without a boundary", "objects")
        .headers(&[("Content-Type", "multipart/form-data")])
        .body(form!("{}")),
    Ask::new("no form", "objects").body(r#"{"object":{}}"#),
    Ask::new("no body", "objects"),
];

pub(super) const POST_BULK_CREATION: &[Ask] = &[
    ask_many(
        "two objects",
        form!(
            r#"{"objectList":{"object":[{"parentFolderPath":"/INBOX","correlationId":"one"},{"parentFolderPath":"/main/a"}]}}"#,
            "Content-Type: text/plain" => "one", "Content-Length: 0" => ""
        ),
    ),
    ask_many(
        "some that can be made and some that cannot",
        form!(
            r#"{"object":[{"parentFolderPath":"/"},{"flags":{"flag":"a b"}},{"parentFolderPath":"/INBOX"},{"flags":{"flag":"\\Junk"}},{"parentFolder":"{B}/folders/none"}]}"#,
            "Content-Type: text/plain" => "one", "A: 2" => "two", "A: 3" => "three", "A: 4" => "four", "A: 5" => "five"
        ),
    ),
    ask_many(
        "with keys, one of them twice",
        form!(
            r#"{"objectList":{"object":[{"clientCorrelator":"k"},{"clientCorrelator":"l"},{"clientCorrelator":"k"},{"clientCorrelator":"l"}]}}"#,
            "A: 1" => "one", "A: 2" => "two", "A: 3" => "one", "A: 4" => "four"
        ),
    ),
    ask_many(
        "one that is no list",
        form!(r#"{"objectList":{"object":{"clientCorrelator":"k"}}}"#, "A: 1" => "one"),
    ),
    ask_many(
        "none that can be made",
        form!(
            r#"{"objectList":{"object":[{"parentFolderPath":"/"},{"flags":{"flag":"a b"}}]}}"#,
            "A: 1" => "one", "A: 2" => "two"
        ),
    ),
    ask_many(
        "fewer attachments than objects",
        form!(r#"{"objectList":{"object":[{},{}]}}"#, "A: 1" => "one"),
    ),
    ask_many("no attachment", form!(r#"{"objectList":{"object":[{}]}}"#)),
    ask_many(
        "more attachments than objects",
        form!(r#"{"objectList":{"object":[{}]}}"#, "A: 1" => "one", "A: 2" => "two"),
    ),
    ask_many("no object", form!(r#"{"objectList":{"object":[]}}"#)),
    ask_many(
        "more objects than allowed",
        form!(r#"{"objectList":{"object":[{},{},{},{},{},{},{}]}}"#),
    ),
    Ask::new("one key for all", "objects/operations/bulkCreation")
        .headers(KEYED)
        .body(form!(r#"{"objectList":{"object":[{}]}}"#, "A: 1" => "one")),
    ask_many(
        "what is asked of one",
        form!(r#"{"object":{"flags":"x"}}"#, "A: 1" => "one"),
    ),
    Ask::new("no form", "objects/operations/bulkCreation").body(r#"{"objectList":{"object":[]}}"#),
];
