//! What is asked about folders.

use super::scene::Ask;

pub(super) const POST_FOLDERS: &[Ask] = &[
    Ask::new("below a path", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","attributes":{"attribute":[]},"name":"Club"}}"#),
    Ask::new("below a URL, whatever its host", "folders")
        .body(r#"{"folder":{"parentFolder":"https://elsewhere/nms/v1/cpm/tel%3A%2B{number}/folders/{new}","name":"Été & co"}}"#),
    Ask::new("below the root, by /", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/","name":"tel:+15550199"}}"#),
    Ask::new("below the root, by nothing", "folders")
        .body(r#"{"folder":{"parentFolderPath":"","name":"a.b"}}"#),
    Ask::new("below the root, by its URL", "folders")
        .body(r#"{"folder":{"parentFolder":"{B}/folders/{root}","name":"100%"}}"#),
    Ask::new("without the root member", "folders")
        .body(r#"{"parentFolderPath":"/Empty","name":"unwrapped"}"#),
    Ask::new("members that are null or the server's", "folders")
        .body(r#"{"folder":{"parentFolder":null,"parentFolderPath":"/Empty","name":"nulls","attributes":null,"path":"/x","lastModSeq":"1"}}"#),
    Ask::new("a sibling of that name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":"Club"}}"#),
    Ask::new("INBOX in another case", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/","name":"Inbox"}}"#),
    Ask::new("no parent", "folders").body(r#"{"folder":{"name":"x"}}"#),
    Ask::new("two parents", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","parentFolder":"{B}/folders/{empty}","name":"x"}}"#),
    Ask::new("an unknown parent's path", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/none","name":"x"}}"#),
    Ask::new("a malformed parent's path", "folders")
        .body(r#"{"folder":{"parentFolderPath":"Empty//","name":"x"}}"#),
    Ask::new("an unknown parent's URL", "folders")
        .body(r#"{"folder":{"parentFolder":"{B}/folders/none","name":"x"}}"#),
    Ask::new("a parent in another box", "folders")
        .body(r#"{"folder":{"parentFolder":"http://{host}/nms/v1/cpm/tel:%2B1/folders/{empty}","name":"x"}}"#),
    Ask::new("a parent in another store", "folders")
        .body(r#"{"folder":{"parentFolder":"http://{host}/nms/v1/other/tel:%2B{number}/folders/{empty}","name":"x"}}"#),
    Ask::new("an object as parent", "folders")
        .body(r#"{"folder":{"parentFolder":"{B}/objects/{sms}","name":"x"}}"#),
    Ask::new("an object's id as parent", "folders")
        .body(r#"{"folder":{"parentFolder":"{B}/folders/{sms}","name":"x"}}"#),
    Ask::new("no URL as parent", "folders").body(r#"{"folder":{"parentFolder":"","name":"x"}}"#),
    Ask::new("no name", "folders").body(r#"{"folder":{"parentFolderPath":"/Empty"}}"#),
    Ask::new("an empty name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":""}}"#),
    Ask::new("a number as name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":7}}"#),
    Ask::new("a list as parent", "folders")
        .body(r#"{"folder":{"parentFolderPath":["/Empty","/INBOX"],"name":"x"}}"#),
    Ask::new("a slash in the name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":"a/b"}}"#),
    Ask::new("a command in the name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":"a\r\nA1 DELETE INBOX"}}"#),
    Ask::new("a NUL in the name", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":"a\u0000b"}}"#),
    Ask::new("two dots", "folders")
        .body(r#"{"folder":{"parentFolderPath":"/Empty","name":".."}}"#),
    Ask::new("no body", "folders"),
    Ask::new("no JSON", "folders").body("name=x"),
    Ask::new("an array", "folders").body("[]"),
];

pub(super) const GET_FOLDER: &[Ask] = &[
    Ask::new("itself alone", "folders/{odd}"),
    Ask::new("with its path", "folders/{odd}?path=Yes"),
    Ask::new(
        "its folders",
        "folders/{albums}?listFilter=Subfolders&path=Yes",
    ),
    Ask::new("its objects", "folders/{inbox}?listFilter=Objects"),
    Ask::new(
        "its objects with their paths",
        "folders/{deep}?listFilter=Objects&path=Yes",
    ),
    Ask::new("all", "folders/{odd}?listFilter=All"),
    Ask::new(
        "none of what could be listed",
        "folders/{empty}?listFilter=All",
    ),
    Ask::new("the root", "folders/{root}?path=Yes&listFilter=Subfolders"),
    Ask::new(
        "the first of several",
        "folders/{root}?listFilter=All&maxEntries=2&path=Yes",
    ),
    Ask::new(
        "the next of them",
        "folders/{root}?listFilter=All&maxEntries=2&path=Yes&fromCursor={cursor}",
    ),
    Ask::new(
        "a cursor of another folder",
        "folders/{inbox}?listFilter=All&fromCursor={cursor}",
    ),
    Ask::new(
        "a cursor of another list",
        "folders/{root}?listFilter=Subfolders&fromCursor={cursor}",
    ),
    Ask::new(
        "a cursor with a character too many",
        "folders/{root}?listFilter=All&fromCursor={cursor}A",
    ),
    Ask::new(
        "an empty cursor",
        "folders/{root}?listFilter=All&fromCursor=",
    ),
    Ask::new(
        "list parameters without a list",
        "folders/{empty}?maxEntries=x&fromCursor=x",
    ),
    Ask::new(
        "names in another case",
        "folders/{inbox}?listfilter=All&Path=Yes",
    ),
    Ask::new(
        "attributes by name",
        "folders/{odd}?attrFilter=Name&attrFilter=Root",
    ),
    Ask::new(
        "attributes that are counted",
        "folders/{albums}?attrFilter=msgcount&attrFilter=SubtreeMsgCount&attrFilter=SubtreeSize&attrFilter=none",
    ),
    Ask::new("another list", "folders/{inbox}?listFilter=all"),
    Ask::new(
        "two lists",
        "folders/{inbox}?listFilter=Objects&listFilter=Subfolders",
    ),
    Ask::new(
        "at most none",
        "folders/{inbox}?listFilter=All&maxEntries=0",
    ),
    Ask::new(
        "at most fewer than none",
        "folders/{inbox}?listFilter=All&maxEntries=-1",
    ),
    Ask::new(
        "at most a word",
        "folders/{inbox}?listFilter=All&maxEntries=many",
    ),
    Ask::new(
        "at most nothing",
        "folders/{inbox}?listFilter=All&maxEntries=",
    ),
    Ask::new(
        "at most more than a number can be",
        "folders/{empty}?listFilter=All&maxEntries=100000000000000000000",
    ),
    Ask::new("an id that was made up", "folders/none"),
    Ask::new("the id of an object", "folders/{sms}"),
    Ask::new("an id that needs escapes", "folders/a%20b%2F%C3%A9%3F"),
    Ask::new("an id that is no UTF-8", "folders/%FF"),
];

pub(super) const DELETE_FOLDER: &[Ask] = &[
    Ask::new("an empty one", "folders/{empty}"),
    Ask::new("the same again", "folders/{empty}"),
    Ask::new("one with others below it", "folders/{albums}"),
    Ask::new("one that went along", "folders/{deep}"),
    Ask::new("INBOX", "folders/{inbox}"),
    Ask::new("the root", "folders/{root}"),
    Ask::new("an id that was made up", "folders/none"),
    Ask::new("the id of an object", "folders/{sms}"),
];

pub(super) const GET_FOLDER_NAME: &[Ask] = &[
    Ask::new("a folder's", "folders/{odd}/folderName"),
    Ask::new("the root's", "folders/{root}/folderName"),
    Ask::new("an id that was made up", "folders/none/folderName"),
    Ask::new("the id of an object", "folders/{sms}/folderName"),
];

pub(super) const PUT_FOLDER_NAME: &[Ask] = &[
    Ask::new("another", "folders/{odd}/folderName").body(r#"{"name":"Chess club"}"#),
    Ask::new("the same again", "folders/{odd}/folderName")
        .body(r#"{"name":"Chess club","more":1}"#),
    Ask::new("odd characters", "folders/{odd}/folderName").body(r#"{"name":"台北 & 100% \"+\""}"#),
    Ask::new("without the root member", "folders/{odd}/folderName").body(r#""bare""#),
    Ask::new("a sibling's", "folders/{empty}/folderName").body(r#"{"name":"Albums"}"#),
    Ask::new("INBOX in another case", "folders/{empty}/folderName").body(r#"{"name":"inbox"}"#),
    Ask::new("of INBOX", "folders/{inbox}/folderName").body(r#"{"name":"x"}"#),
    Ask::new("of the root", "folders/{root}/folderName").body(r#"{"name":"x"}"#),
    Ask::new("none", "folders/{empty}/folderName").body(r#"{"name":""}"#),
    Ask::new("a slash", "folders/{empty}/folderName").body(r#"{"name":"a/b"}"#),
    Ask::new("a command", "folders/{empty}/folderName").body(r#"{"name":"a\r\nA1 LOGOUT"}"#),
    Ask::new("a tab", "folders/{empty}/folderName").body(r#"{"name":"a\tb"}"#),
    Ask::new("null", "folders/{empty}/folderName").body(r#"{"name":null}"#),
    Ask::new("a number", "folders/{empty}/folderName").body(r#"{"name":7}"#),
    Ask::new("a list", "folders/{empty}/folderName").body(r#"{"name":["x"]}"#),
    Ask::new("another member", "folders/{empty}/folderName").body(r#"{"folderName":"x"}"#),
    Ask::new("no body", "folders/{empty}/folderName"),
    Ask::new("no JSON", "folders/{empty}/folderName").body("x"),
    Ask::new("an id that was made up", "folders/none/folderName").body(r#"{"name":"x"}"#),
    Ask::new("the id of an object", "folders/{sms}/folderName").body(r#"{"name":"x"}"#),
];

pub(super) const GET_PATH_TO_ID: &[Ask] = &[
    Ask::new("no path: the only root", "folders/operations/pathToId"),
    Ask::new(
        "a folder's path",
        "folders/operations/pathToId?path=%2FAlbums",
    ),
    Ask::new(
        "an odd one",
        "folders/operations/pathToId?path=/Albums/%C3%89t%C3%A9%20%26%20co/deep",
    ),
    Ask::new(
        "a plus that is one",
        "folders/operations/pathToId?path=/Default/tel:+15550101",
    ),
    Ask::new(
        "a plus that is encoded",
        "folders/operations/pathToId?path=/Default/tel:%2B15550101",
    ),
    Ask::new("the root by /", "folders/operations/pathToId?path=%2F"),
    Ask::new("the root by nothing", "folders/operations/pathToId?path="),
    Ask::new(
        "a plus that is no blank",
        "folders/operations/pathToId?path=/Albums/%C3%89t%C3%A9+%26+co",
    ),
    Ask::new(
        "a name in another case",
        "folders/operations/pathToId?PATH=/Albums",
    ),
    Ask::new(
        "two paths",
        "folders/operations/pathToId?path=/Albums&path=/Empty",
    ),
    Ask::new("an unknown path", "folders/operations/pathToId?path=/none"),
    Ask::new("another case", "folders/operations/pathToId?path=/albums"),
    Ask::new(
        "no leading slash",
        "folders/operations/pathToId?path=Albums",
    ),
    Ask::new(
        "an empty level",
        "folders/operations/pathToId?path=/Albums//deep",
    ),
    Ask::new(
        "a trailing slash",
        "folders/operations/pathToId?path=/Albums/",
    ),
    Ask::new(
        "an object's path",
        "folders/operations/pathToId?path=/INBOX/{sms}",
    ),
    Ask::new("no UTF-8", "folders/operations/pathToId?path=/%FF"),
];

pub(super) const POST_PATH_TO_ID: &[Ask] = &[
    Ask::new("one by one", "folders/operations/pathToId").body(
        r#"{"pathList":{"path":["/Albums","/Albums//x","/none","Albums","/","/INBOX/{sms}"]}}"#,
    ),
    Ask::new("without the root member", "folders/operations/pathToId")
        .body(r#"{"path":"/Albums/Été & co"}"#),
    Ask::new("an empty list", "folders/operations/pathToId").body(r#"{"pathList":{"path":[]}}"#),
    Ask::new("a null in the list", "folders/operations/pathToId")
        .body(r#"{"pathList":{"path":[null,"/Albums"]}}"#),
    Ask::new("an object in the list", "folders/operations/pathToId")
        .body(r#"{"pathList":{"path":[{"path":"/Albums"}]}}"#),
    Ask::new("too many", "folders/operations/pathToId")
        .body(r#"{"pathList":{"path":["/a","/b","/c","/d","/e","/f","/g"]}}"#),
    Ask::new("no body", "folders/operations/pathToId"),
    Ask::new("no JSON", "folders/operations/pathToId").body("/Albums"),
];
