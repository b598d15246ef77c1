//! What is searched for.

use super::scene::Ask;

pub(super) const POST_OBJECT_SEARCH: &[Ask] = &[
    Ask::new("without criteria, a page", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":2}}"#),
    Ask::new("the rest", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":"10","fromCursor":"{cursor}"}}"#),
    Ask::new("the cursor of another search", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"fromCursor":"{cursor}","nonRecursiveScope":true}}"#),
    Ask::new("by date and flag, in a folder, oldest first", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":2,"searchCriteria":{"criterion":[
  {"type":"Date","value":"minDate=2020-01-01T00:00:00Z&maxDate=2040-04-01T00:00Z"},
  {"type":"Flag","name":"\\Seen","value":"false"}],"operator":"And"},
 "searchScope":{"resourceURL":"https://elsewhere/nms/v1/cpm/tel%3A%2B{number}/folders/{inbox}"},
 "sortCriteria":{"criterion":[{"type":"Date","order":"Ascending"}]}}}"#),
    Ask::new("nothing", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":{"type":"Attribute","name":"Subject","value":"none"}}}}"#),
    Ask::new("unwrapped, in the older spelling of the order", "objects/operations/search")
        .body(r#"{"maxEntries":1,"searchScope":{"path":"/Albums"},"sortCriterion":{"type":"Attribute","name":"From"}}"#),
    Ask::new("what was created, ever", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":1,"searchScope":{"path":"/Albums"},"searchCriteria":{"criterion":[{"type":"CreatedObjects","value":""}]}}}"#),
    Ask::new("what was created since", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":50,"searchCriteria":{"criterion":[{"type":"CreatedObjects","value":"{since}"}]}}}"#),
    Ask::new("a preset of a client", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":1,"searchScope":{"path":"/Albums"},"searchCriteria":{"criterion":[{"type":"PresetSearch","name":"UPOneDotO","value":""}]}}}"#),
    Ask::new("in XML", "objects/operations/search")
        .headers(&[("Content-Type", "application/xml"), ("Accept", "application/xml")])
        .body(r#"<nms:selectionCriteria xmlns:nms="urn:oma:xml:rest:netapi:nms:1"><maxEntries>1</maxEntries><searchCriteria><criterion><type>Flag</type><name>\Draft</name><value>true</value></criterion></searchCriteria></nms:selectionCriteria>"#),
    Ask::new("an unknown type", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"Conversation","value":"x"}]}}}"#),
    Ask::new("an unknown operator", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"operator":"Nand","criterion":[{"type":"Flag","name":"\\Seen","value":""}]}}}"#),
    Ask::new("no type", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"name":"To","value":"x"}]}}}"#),
    Ask::new("an attribute without a name", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"Attribute","value":"x"}]}}}"#),
    Ask::new("a command in a value", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"Attribute","name":"To","value":"x\r\nA1 LOGOUT"}]}}}"#),
    Ask::new("an unknown folder", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchScope":{"resourceURL":"{B}/folders/none"}}}"#),
    Ask::new("a folder of another box", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"searchScope":{"resourceURL":"http://{host}/nms/v1/cpm/tel:%2B1/folders/{inbox}"}}}"#),
    Ask::new("no entries", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":0}}"#),
    Ask::new("a made-up cursor", "objects/operations/search")
        .body(r#"{"selectionCriteria":{"fromCursor":"k:1709968502:411"}}"#),
    Ask::new("no body", "objects/operations/search"),
    Ask::new("a list", "objects/operations/search").body("[]"),
];

pub(super) const POST_FOLDER_SEARCH: &[Ask] = &[
    Ask::new("roots, with their children", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":5,"searchCriteria":{"criterion":[{"type":"Attribute","name":"Root","value":"Yes"}]}}}"#),
    Ask::new("unwrapped", "folders/operations/search")
        .body(r#"{"maxEntries":5,"searchCriteria":{"criterion":[{"type":"Attribute","name":"Name","value":"deep"}]}}"#),
    Ask::new("below a folder, a page", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":1,"searchScope":{"path":"/Albums"}}}"#),
    Ask::new("the rest", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":1,"fromCursor":"{cursor}","searchScope":{"path":"/Albums"}}}"#),
    Ask::new("directly below the root, by name, backwards", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"maxEntries":2,"searchScope":{"resourceURL":"{B}/folders/{root}"},"nonRecursiveScope":true,"sortCriteria":{"criterion":[{"type":"Attribute","name":"Name"}]}}}"#),
    Ask::new("part of a name, in any case", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"AllTextAttributes","value":"EMP"}]}}}"#),
    Ask::new("nothing", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"Attribute","name":"Name","value":"none"}]}}}"#),
    Ask::new("what only objects have", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"Flag","name":"\\Seen","value":""}]}}}"#),
    Ask::new("what is gone", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"searchCriteria":{"criterion":[{"type":"VanishedObjects","value":""}]}}}"#),
    Ask::new("a cursor of another search", "folders/operations/search")
        .body(r#"{"selectionCriteria":{"fromCursor":"{cursor}"}}"#),
    Ask::new("no body", "folders/operations/search"),
];
