//! What is asked about objects.

use super::scene::Ask;

pub(super) const GET_OBJECT: &[Ask] = &[
    Ask::new("a message/cpim", "objects/{sms}"),
    Ask::new("a multipart", "objects/{mms}"),
    Ask::new("a short text", "objects/{text}"),
    Ask::new("nothing but a header", "objects/{bare}"),
    Ask::new(
        "a query that means nothing",
        "objects/{bare}?path=Yes&path=No",
    ),
    Ask::new("a body that means nothing", "objects/{bare}")
        .headers(&[("Content-Type", "text/plain")])
        .body("x"),
    Ask::new("an id that was made up", "objects/none"),
    Ask::new("an id with a character too many", "objects/{sms}A"),
    Ask::new("the id of a folder", "objects/{inbox}"),
    Ask::new("an id that is a command", "objects/x%0D%0AA1%20LOGOUT"),
    Ask::new("an id that is no UTF-8", "objects/%FF"),
    Ask::new("the reserved word", "objects/operations"),
    Ask::new("no id", "objects/"),
];

pub(super) const DELETE_OBJECT: &[Ask] = &[
    Ask::new("an object", "objects/{text}"),
    Ask::new("the same again", "objects/{text}"),
    Ask::new("a body that means nothing", "objects/{mms}")
        .headers(&[("Content-Type", "application/xml")])
        .body("<x/>"),
    Ask::new("an id that was made up", "objects/none"),
    Ask::new("the id of a folder", "objects/{inbox}"),
];

pub(super) const GET_FLAGS: &[Ask] = &[
    Ask::new("some flags", "objects/{mms}/flags"),
    Ask::new("no flags", "objects/{text}/flags"),
    Ask::new("an object that was made up", "objects/none/flags"),
    Ask::new("the id of a folder", "objects/{inbox}/flags"),
];

pub(super) const PUT_FLAGS: &[Ask] = &[
    Ask::new("others than before", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Seen","$Forwarded"]}}"#),
    Ask::new("the same again", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["$forwarded","\\SEEN"],"resourceURL":"http://elsewhere"}}"#),
    Ask::new("without the root member", "objects/{mms}/flags").body(r#"{"flag":["\\Answered"]}"#),
    Ask::new("one value in place of a list", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":"\\Draft"}}"#),
    Ask::new("members that are null or unknown", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Draft"],"resourceURL":null,"more":{"flag":1}}}"#),
    Ask::new("\\Recent, which is the store's", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Recent","\\Draft"]}}"#),
    Ask::new("the flag of CPM", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Read-Report-Sent"]}}"#),
    Ask::new("a charset", "objects/{mms}/flags")
        .headers(&[("Content-Type", "application/json; charset=utf-8")])
        .body(r#"{"flagList":{"flag":["new","new","NEW"]}}"#),
    Ask::new("none", "objects/{mms}/flags").body(r#"{"flagList":{"flag":[]}}"#),
    Ask::new("no body", "objects/{mms}/flags"),
    Ask::new("the empty string", "objects/{mms}/flags").body(r#""""#),
    Ask::new("no JSON", "objects/{mms}/flags").body("{\"flagList\":"),
    Ask::new("an array", "objects/{mms}/flags").body(r#"["\\Seen"]"#),
    Ask::new("a root member that is null", "objects/{mms}/flags").body(r#"{"flagList":null}"#),
    Ask::new("a misspelt member", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flags":["\\Seen"]}}"#),
    Ask::new("a list that is null", "objects/{mms}/flags").body(r#"{"flagList":{"flag":null}}"#),
    Ask::new("a null in the list", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Seen",null]}}"#),
    Ask::new("a number", "objects/{mms}/flags").body(r#"{"flagList":{"flag":7}}"#),
    Ask::new("a number in the list", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["\\Seen",7]}}"#),
    Ask::new("a blank in a flag", "objects/{mms}/flags").body(r#"{"flagList":{"flag":["a b"]}}"#),
    Ask::new("a command in a flag", "objects/{mms}/flags")
        .body(r#"{"flagList":{"flag":["a\r\nA1 LOGOUT"]}}"#),
    Ask::new("a NUL in a flag", "objects/{mms}/flags").body(r#"{"flagList":{"flag":["a\u0000"]}}"#),
    Ask::new("a flag without a name", "objects/{mms}/flags").body(r#"{"flagList":{"flag":[""]}}"#),
    Ask::new(
        "a system flag the store does not have",
        "objects/{mms}/flags",
    )
    .body(r#"{"flagList":{"flag":["\\Seen","\\Junk"]}}"#),
    Ask::new("an object that was made up", "objects/none/flags")
        .body(r#"{"flagList":{"flag":["\\Seen"]}}"#),
    Ask::new("the id of a folder", "objects/{inbox}/flags")
        .body(r#"{"flagList":{"flag":["\\Seen"]}}"#),
];

pub(super) const GET_FLAG: &[Ask] = &[
    Ask::new("one that is set", "objects/{mms}/flags/%5CFlagged"),
    Ask::new("in another case", "objects/{mms}/flags/%5cflagged"),
    Ask::new("a keyword", "objects/{mms}/flags/kept"),
    Ask::new("one that is not set", "objects/{mms}/flags/%5CSeen"),
    Ask::new("one of CPM", "objects/{mms}/flags/%5Cread-report-sent"),
    Ask::new("the store's own", "objects/{mms}/flags/%5CRecent"),
    Ask::new(
        "decoded once, not twice",
        "objects/{mms}/flags/%255CFlagged",
    ),
    Ask::new("a blank in its name", "objects/{mms}/flags/a%20b"),
    Ask::new(
        "a command in its name",
        "objects/{mms}/flags/a%0D%0AA1%20LOGOUT",
    ),
    Ask::new("nothing but a backslash", "objects/{mms}/flags/%5C"),
    Ask::new("no name", "objects/{mms}/flags/"),
    Ask::new("an object that was made up", "objects/none/flags/%5CSeen"),
    Ask::new("the id of a folder", "objects/{inbox}/flags/%5CSeen"),
];

pub(super) const PUT_FLAG: &[Ask] = &[
    Ask::new("newly", "objects/{mms}/flags/%5CSeen").body(r#"{"empty":null}"#),
    Ask::new("again", "objects/{mms}/flags/%5CSeen").body(r#"{"empty":null}"#),
    Ask::new("again, in another case", "objects/{mms}/flags/%5CSEEN").body(r#"{"empty":null}"#),
    Ask::new("the empty string", "objects/{mms}/flags/%5CAnswered").body(r#""""#),
    Ask::new("no body", "objects/{mms}/flags/$Forwarded"),
    Ask::new(
        "a body that means nothing",
        "objects/{mms}/flags/%24Forwarded",
    )
    .headers(&[("Content-Type", "application/xml")])
    .body("<nms:empty/>"),
    Ask::new("a flag of the client's own", "objects/{mms}/flags/x'y+z").body(r#"{"empty":null}"#),
    Ask::new("the flag of CPM", "objects/{mms}/flags/%5Cread-report-sent")
        .body(r#"{"empty":null}"#),
    Ask::new("the store's own", "objects/{mms}/flags/%5CRecent").body(r#"{"empty":null}"#),
    Ask::new(
        "a system flag the store does not have",
        "objects/{mms}/flags/%5CJunk",
    )
    .body(r#"{"empty":null}"#),
    Ask::new("a blank in its name", "objects/{mms}/flags/a%20b").body(r#"{"empty":null}"#),
    Ask::new(
        "a command in its name",
        "objects/{mms}/flags/a%0D%0AA1%20LOGOUT",
    ),
    Ask::new("a list as its name", "objects/{mms}/flags/(%5CSeen)"),
    Ask::new("an object that was made up", "objects/none/flags/%5CSeen").body(r#"{"empty":null}"#),
    Ask::new("the id of a folder", "objects/{inbox}/flags/%5CSeen").body(r#"{"empty":null}"#),
];

pub(super) const DELETE_FLAG: &[Ask] = &[
    Ask::new("one that is set", "objects/{mms}/flags/%5CFlagged"),
    Ask::new("the same again", "objects/{mms}/flags/%5CFlagged"),
    Ask::new("a keyword, in another case", "objects/{mms}/flags/KEPT"),
    Ask::new("the store's own", "objects/{mms}/flags/%5CRecent"),
    Ask::new("a blank in its name", "objects/{mms}/flags/a%20b"),
    Ask::new("an object that was made up", "objects/none/flags/%5CSeen"),
    Ask::new("the id of a folder", "objects/{inbox}/flags/%5CSeen"),
];

pub(super) const GET_PAYLOAD: &[Ask] = &[
    Ask::new("a multipart", "objects/{mms}/payload"),
    Ask::new("a message/cpim", "objects/{sms}/payload"),
    Ask::new(
        "a text that is shown as TextContent",
        "objects/{text}/payload",
    ),
    Ask::new(
        "an Accept that is not about the payload",
        "objects/{text}/payload",
    )
    .headers(&[("Accept", "image/gif, image/jpeg")]),
    Ask::new("nothing but a header", "objects/{bare}/payload"),
    Ask::new("an object that was made up", "objects/none/payload"),
    Ask::new("the id of a folder", "objects/{inbox}/payload"),
];

pub(super) const GET_PAYLOAD_PART: &[Ask] = &[
    Ask::new("the first", "objects/{mms}/payloadParts/1"),
    Ask::new("one with parameters", "objects/{mms}/payloadParts/2"),
    Ask::new("one that was in base64", "objects/{mms}/payloadParts/3"),
    Ask::new(
        "one inside a message/cpim",
        "objects/{sms}/payloadParts/1~1",
    ),
    Ask::new(
        "an Accept that is not about the part",
        "objects/{mms}/payloadParts/1",
    )
    .headers(&[("Accept", "image/gif")]),
    Ask::new("one too many", "objects/{mms}/payloadParts/4"),
    Ask::new("one inside a leaf", "objects/{mms}/payloadParts/1.1"),
    Ask::new("number 0", "objects/{mms}/payloadParts/0"),
    Ask::new(
        "a section of IMAP that is no part",
        "objects/{mms}/payloadParts/HEADER",
    ),
    Ask::new(
        "a command",
        "objects/{mms}/payloadParts/1%5D%0D%0AA1%20LOGOUT",
    ),
    Ask::new("no number", "objects/{mms}/payloadParts/"),
    Ask::new("an object that was made up", "objects/none/payloadParts/1"),
    Ask::new("the id of a folder", "objects/{inbox}/payloadParts/1"),
];

pub(super) const GET_PATH_TO_ID: &[Ask] = &[
    Ask::new(
        "an object's path",
        "objects/operations/pathToId?path=%2FINBOX%2F{sms}",
    ),
    Ask::new(
        "with plain slashes",
        "objects/operations/pathToId?path=/INBOX/{sms}",
    ),
    Ask::new(
        "an encoded name",
        "objects/operations/pathToId?p%61th=/INBOX/{sms}",
    ),
    Ask::new(
        "said twice alike",
        "objects/operations/pathToId?path=/INBOX/{sms}&path=/INBOX/{sms}",
    ),
    Ask::new("no path", "objects/operations/pathToId"),
    Ask::new(
        "a name in another case",
        "objects/operations/pathToId?Path=/INBOX/{sms}",
    ),
    Ask::new(
        "two paths",
        "objects/operations/pathToId?path=/INBOX/{sms}&path=/INBOX/{mms}",
    ),
    Ask::new("an empty path", "objects/operations/pathToId?path="),
    Ask::new(
        "no leading slash",
        "objects/operations/pathToId?path=INBOX/{sms}",
    ),
    Ask::new(
        "an empty level",
        "objects/operations/pathToId?path=/INBOX//{sms}",
    ),
    Ask::new(
        "an object that was made up",
        "objects/operations/pathToId?path=/INBOX/none",
    ),
    Ask::new(
        "another folder's",
        "objects/operations/pathToId?path=/Empty/{sms}",
    ),
    Ask::new("a folder's path", "objects/operations/pathToId?path=/INBOX"),
    Ask::new(
        "no folder at all",
        "objects/operations/pathToId?path=/{sms}",
    ),
    Ask::new(
        "controls",
        "objects/operations/pathToId?path=/INBOX%0D%0A/{sms}",
    ),
];

pub(super) const POST_PATH_TO_ID: &[Ask] = &[
    Ask::new("one by one", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":["/INBOX/{sms}","/INBOX//x","/INBOX/none","none","","/Empty/{sms}"]}}"#),
    Ask::new("without the root member", "objects/operations/pathToId")
        .body(r#"{"path":["/INBOX/{sms}"]}"#),
    Ask::new("one value in place of a list", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":"/INBOX/{sms}"}}"#),
    Ask::new("an empty list", "objects/operations/pathToId").body(r#"{"pathList":{"path":[]}}"#),
    Ask::new("no list", "objects/operations/pathToId").body(r#"{"pathList":{}}"#),
    Ask::new("a list that is null", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":null}}"#),
    Ask::new("a null in the list", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":[null]}}"#),
    Ask::new("a number in the list", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":["/INBOX/{sms}",7]}}"#),
    Ask::new("too many", "objects/operations/pathToId")
        .body(r#"{"pathList":{"path":["/a","/b","/c","/d","/e","/f","/g"]}}"#),
    Ask::new("no body", "objects/operations/pathToId"),
    Ask::new("no JSON", "objects/operations/pathToId").body("path=/INBOX"),
];
