//! Many objects in one request (contract §3.4).

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Form, Made, Stored, assert_refused, reference};
use crate::{
    folders::reason,
    support::{
        bridge::Bridge,
        courier, cyrus,
        http::{Answer, Request},
        proxy::Proxy,
        scripted::{Script, Scripted},
        store::{COURIER, CYRUS, Kind, Store},
    },
};

const RESOURCE: &str = "objects/operations/bulkCreation";

/// A form of these objects, each with its attachment, a text, if it has one.
fn form(objects: &[(Value, Option<&str>)]) -> Form {
    let documents: Vec<&Value> = objects.iter().map(|(object, _)| object).collect();
    let form = Form::new(&json!({"objectList": {"object": documents}}));
    objects.iter().fold(form, |form, (_, text)| match text {
        Some(text) => form.attachment("text/plain", text.as_bytes()),
        None => form.nothing(),
    })
}

async fn ask(request: Request, objects: &[(Value, Option<&str>)]) -> Answer {
    form(objects).on(request).send().await
}

/// What became of each.
fn responses(answer: Answer) -> Vec<Value> {
    let document = answer.expect(200).json();
    let responses = document["bulkResponseList"]["response"].clone();
    assert_eq!(
        document,
        json!({"bulkResponseList": {"response": responses}})
    );
    responses.as_array().unwrap().clone()
}

/// The objects of an answer that says nothing but success.
fn all_made(answer: Answer) -> Vec<Made> {
    let responses = responses(answer);
    responses.iter().map(made).collect()
}

fn made(response: &Value) -> Made {
    let success = &response["success"];
    let whole = json!({"code": 201, "reason": "Created", "success": success});
    assert_eq!(*response, whole);
    reference(success)
}

fn numbered(folder: &str, number: usize) -> Value {
    json!({"parentFolderPath": folder, "attributes": {"attribute": [{"name": "Subject", "value": number.to_string()}]}})
}

/// How many commands of that name there were.
fn count(proxy: &Proxy, command: &str) -> usize {
    let said = proxy.said().concat();
    String::from_utf8_lossy(&said)
        .matches(&format!(" {command} "))
        .count()
}

#[tokio::test]
async fn each_object_has_its_outcome_in_the_order_of_the_request() {
    let bridge = Bridge::builder("bulk_order").start().await;
    let objects = [
        (numbered("/a", 0), Some("zero")),
        (numbered("/", 1), Some("one")),
        (
            json!({"parentFolderPath": "/a", "flags": {"flag": ["a b"]}}),
            Some("two"),
        ),
        (numbered("/b/c", 3), None),
        (
            json!({"parentFolder": "http://a/folders/none"}),
            Some("four"),
        ),
        (json!({}), Some("five")),
        (
            json!({"attributes": {"attribute": [{"name": "Date", "value": "then"}]}}),
            None,
        ),
        (
            json!({"parentFolderPath": "/a", "flags": {"flag": ["\\Junk"]}}),
            Some("seven"),
        ),
        (numbered("/a", 8), Some("eight")),
    ];
    let responses = responses(ask(bridge.request("POST", RESOURCE), &objects).await);
    assert_eq!(responses.len(), objects.len());
    type Expected = Result<&'static str, (u16, &'static str, &'static str, &'static str)>;
    let expected: [Expected; 9] = [
        Ok("/a"),
        Err((403, "Forbidden", "POL1031", "/")),
        Err((400, "Bad Request", "SVC0002", "flag")),
        Ok("/b/c"),
        Err((400, "Bad Request", "SVC0002", "http://a/folders/none")),
        Ok("/INBOX"),
        Err((400, "Bad Request", "SVC0002", "Date")),
        Err((403, "Forbidden", "POL2006", "\\Junk")),
        Ok("/a"),
    ];
    for ((response, expected), (_, text)) in responses.iter().zip(expected).zip(&objects) {
        match expected {
            Ok(folder) => {
                let made = made(response);
                assert_eq!(made.folder, folder);
                let shown = bridge.get(&format!("{}/payload", made.object)).await;
                assert_eq!(shown.expect(200).text(), text.unwrap_or_default());
            }
            Err((code, words, id, variable)) => {
                let failure = &response["failure"];
                let whole = json!({"code": code, "reason": words, "failure": failure});
                assert_eq!(*response, whole);
                let found = reason(&json!({"requestError": failure}));
                assert_eq!(found, (id.to_owned(), vec![variable.to_owned()]));
            }
        }
    }
    for (mailbox, messages) in [("a", 2), ("b/c", 1), ("b", 0), ("INBOX", 1)] {
        assert_eq!(bridge.imap_count(mailbox).await, messages, "{mailbox}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn when_none_is_made_the_answer_is_what_is_wrong_with_the_first() {
    let bridge = Bridge::builder("bulk_none").start().await;
    let objects = [
        (numbered("/", 0), Some("zero")),
        (json!({"flags": {"flag": [""]}}), Some("one")),
    ];
    let answer = ask(bridge.request("POST", RESOURCE), &objects).await;
    assert_refused(&answer, 403, "POL1031", &["/"]);
    let [one, other] = objects;
    let answer = ask(bridge.request("POST", RESOURCE), &[other, one]).await;
    assert_refused(&answer, 400, "SVC0002", &["flag"]);
    assert_eq!(bridge.imap_count("INBOX").await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn which_attachment_is_whose_is_not_guessed() {
    let bridge = Bridge::builder("bulk_count")
        .setting("[limits]\nbulk = 3")
        .start()
        .await;
    let object = || numbered("/new", 0);
    let two = || Form::new(&json!({"objectList": {"object": [object(), object()]}}));
    let list = |count: usize| {
        let objects = vec![(object(), Some("x")); count];
        form(&objects)
    };
    for (form, part) in [
        (two(), "attachments"),
        (two().attachment("text/plain", b"one"), "attachments"),
        (two().nothing().nothing().nothing(), "attachments"),
        (list(0), "object"),
        (list(4), "object"),
        (Form::new(&json!({"objectList": {}})), "object"),
        (list(3).nothing(), "attachments"),
    ] {
        let answer = form.on(bridge.request("POST", RESOURCE)).send().await;
        assert_refused(&answer, 400, "SVC0002", &[part]);
    }
    let keyed = list(2).on(bridge.request("POST", RESOURCE));
    let answer = keyed.header("Idempotency-Key", "k").send().await;
    assert_refused(&answer, 400, "SVC0002", &["Idempotency-Key"]);
    let mut witness = bridge.witness().await;
    let reply = witness.command("LIST \"\" *").await.ok();
    assert_eq!(reply.texts().len(), 1, "{reply:?}");
    let answer = list(3).on(bridge.request("POST", RESOURCE)).send().await;
    assert_eq!(all_made(answer).len(), 3);
    bridge.stop().await;
}

#[tokio::test]
async fn an_unwrapped_list_and_a_multipart_in_it_are_taken() {
    let bridge = Bridge::builder("bulk_unwrapped").start().await;
    let inner = b"--Inner3\r\n\r\none\r\n--Inner3\r\n\r\ntwo\r\n--Inner3--";
    let answer = Form::new(&json!({"object": [{}, {}]}))
        .attachment("multipart/mixed; boundary=Inner3", inner)
        .attachment("text/plain", b"three")
        .on(bridge.request("POST", RESOURCE))
        .send()
        .await;
    let made = all_made(answer);
    let object = bridge.get(&made[0].object).await.expect(200).json();
    assert_eq!(object["object"]["payloadPart"].as_array().unwrap().len(), 2);
    let answer = Form::new(&json!({"objectList": {"object": {"parentFolderPath": "/one"}}}))
        .attachment("text/plain", b"one")
        .on(bridge.request("POST", RESOURCE))
        .send()
        .await;
    assert_eq!(all_made(answer)[0].folder, "/one");
    bridge.stop().await;
}

#[tokio::test]
async fn an_object_with_a_key_is_made_once_in_all_requests_and_in_one() {
    let bridge = Bridge::builder("bulk_keys").start().await;
    let keyed = |key: &str| json!({"clientCorrelator": key});
    let first = [
        (keyed("a"), Some("a")),
        (keyed("b"), Some("b")),
        (keyed("a"), Some("a")),
        (keyed("a"), Some("other")),
        (json!({}), Some("a")),
    ];
    let responses = responses(ask(bridge.request("POST", RESOURCE), &first).await);
    let made: Vec<Made> = [0, 1, 2, 4]
        .iter()
        .map(|index| made(&responses[*index]))
        .collect();
    assert_eq!(made[0], made[2]);
    assert_eq!(responses[3]["code"], 409);
    let failure = json!({"requestError": responses[3]["failure"]});
    let variables = vec!["a".to_owned(), "clientCorrelator".to_owned()];
    assert_eq!(reason(&failure), ("SVC0005".to_owned(), variables));
    assert_eq!(bridge.imap_count("INBOX").await, 3);
    let again = [
        (keyed("c"), None),
        (keyed("b"), Some("b")),
        (keyed("a"), Some("a")),
        (keyed("c"), None),
    ];
    let later = all_made(ask(bridge.request("POST", RESOURCE), &again).await);
    assert_eq!([&later[1], &later[2]], [&made[1], &made[0]]);
    assert_eq!(later[0], later[3]);
    // An attachment that is not there is none, in whatever way that is said.
    let single = Form::new(&json!({"object": keyed("c")}));
    let single = single.on(bridge.request("POST", "objects")).send().await;
    assert_eq!(super::made(single), later[0]);
    assert_eq!(bridge.imap_count("INBOX").await, 4);
    bridge.stop().await;
}

#[tokio::test]
async fn a_folders_objects_go_by_one_command_where_the_store_has_it() {
    let builder = Bridge::builder("bulk_multiappend");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let objects: Vec<_> = (0..30)
        .map(|number| {
            (
                numbered(["/a", "/b", "/c/d"][number % 3], number),
                Some("x"),
            )
        })
        .collect();
    let made = all_made(ask(bridge.request("POST", RESOURCE), &objects).await);
    assert_eq!(count(&proxy, "APPEND"), 3);
    for (number, made) in made.iter().enumerate() {
        let object = bridge.get(&made.object).await.expect(200).json();
        let attributes = object["object"]["attributes"]["attribute"]
            .as_array()
            .unwrap();
        let subject = json!({"name": "Subject", "value": [number.to_string()]});
        assert!(attributes.contains(&subject), "{object}");
    }
    let mut witness = bridge.witness().await;
    witness.examine("c/d").await;
    let newest = Stored::newest(&mut witness).await.text();
    assert!(
        newest.contains("Subject: 29\r\n"),
        "their order is that of the request"
    );
    bridge.stop().await;
}

#[tokio::test]
async fn more_than_one_command_should_hold_go_by_several() {
    let builder = Bridge::builder("bulk_many");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let objects: Vec<_> = (0..250)
        .map(|number| (numbered("/a", number), None))
        .collect();
    let made = all_made(ask(bridge.request("POST", RESOURCE), &objects).await);
    assert_eq!(made.len(), 250);
    assert_eq!(count(&proxy, "APPEND"), 3);
    assert_eq!(bridge.imap_count("a").await, 250);
    bridge.stop().await;
}

#[tokio::test]
async fn one_that_the_store_refuses_does_not_keep_out_the_others() {
    let builder = Bridge::builder("bulk_refused");
    builder.account().limit_storage(20).await;
    let bridge = builder.start().await;
    let large = "x".repeat(60_000);
    let objects = [
        (json!({}), Some("zero")),
        (json!({}), Some(large.as_str())),
        (json!({"flags": {"flag": ["\\Junk"]}}), Some("two")),
        (json!({}), Some("three")),
    ];
    let responses = responses(ask(bridge.request("POST", RESOURCE), &objects).await);
    let codes: Vec<&Value> = responses.iter().map(|response| &response["code"]).collect();
    assert_eq!(codes, [201, 403, 403, 201]);
    let refusal = |index: usize| reason(&json!({"requestError": responses[index]["failure"]}));
    let (over, flag) = (vec!["OverQuota".to_owned()], vec!["\\Junk".to_owned()]);
    assert_eq!(refusal(1), ("POL0001".to_owned(), over));
    assert_eq!(refusal(2), ("POL2006".to_owned(), flag));
    assert_eq!(bridge.imap_count("INBOX").await, 2);
    bridge.stop().await;
}

/// Six objects into two folders, by so many commands.
async fn takes_them(kind: Kind, imap: SocketAddr, commands: usize) {
    let proxy = Proxy::recording(imap).await;
    let store = Store::new(kind, imap, proxy.address(), "+15550100").await;
    let objects: Vec<_> = (0..6)
        .map(|number| (numbered(["/a", "/INBOX"][number % 2], number), Some("x")))
        .collect();
    let made = all_made(ask(store.request("POST", RESOURCE), &objects).await);
    assert_eq!(made.len(), 6);
    assert_eq!(count(&proxy, "APPEND"), commands);
    for (folder, mailbox) in [
        ("/a", store.mailbox(&["a"])),
        ("/INBOX", "INBOX".to_owned()),
    ] {
        let mut own: Vec<_> = made.iter().filter(|made| made.folder == folder).collect();
        own.reverse();
        let own: Vec<&String> = own.iter().map(|made| &made.object).collect();
        assert_eq!(store.objects(folder).await.iter().collect::<Vec<_>>(), own);
        assert_eq!(store.witness().await.examine(&mailbox).await, 3);
    }
    store.stop().await;
}

#[tokio::test]
async fn cyrus_takes_those_of_a_folder_together() {
    let server = cyrus::start().await;
    takes_them(CYRUS, server.imap, 2).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_takes_them_one_by_one() {
    let server = courier::start().await;
    takes_them(COURIER, server.imap, 6).await;
    server.stop().await;
}

/// A server with LITERAL+ and without MULTIAPPEND, up to the commands that store.
fn back_to_back() -> Script {
    Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready")
        .expect("{tag} LOGIN *")
        .send("{tag} OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS LIST-STATUS] in")
        .expect("{tag} LIST \"\" \"\"")
        .send("* LIST (\\Noselect) \"/\" \"\"")
        .send("{tag} OK done")
        .expect("{tag} LIST \"\" \"*\" RETURN (*)")
        .send("* LIST () \"/\" INBOX")
        .send("* STATUS INBOX (UIDVALIDITY 7)")
        .send("{tag} OK done")
}

#[tokio::test]
async fn without_multiappend_the_commands_are_sent_back_to_back() {
    let append = |script: Script, tag: &str, flag: &str| {
        let command = format!("{{{tag}}} APPEND \"INBOX\" ({flag}) \"*\" {{*+}}");
        script.expect(&command).expect_literal().expect("")
    };
    // No answer before all commands are there.
    let script = append(back_to_back(), "tag1", "");
    let script = append(script, "tag2", "kept");
    let script = append(script, "tag3", "")
        .send("{tag1} OK [APPENDUID 7 11] done")
        .send("{tag2} NO [LIMIT] too many flags")
        .send("{tag3} OK [APPENDUID 7 12] done");
    // That one is tried alone, to be told why.
    let script = append(script, "tag4", "kept")
        .send("{tag4} NO [LIMIT] too many flags")
        .expect("{tag} EXAMINE \"INBOX\"")
        .send("* FLAGS (\\Seen)")
        .send("* OK [UIDVALIDITY 7] uids")
        .send("{tag} OK [READ-ONLY] open")
        .expect("{tag} NOOP")
        .send("{tag} OK done")
        .stall();
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("bulk_back_to_back")
        .store(server.address())
        .start()
        .await;
    let objects = [
        (numbered("/INBOX", 0), Some("x")),
        (json!({"flags": {"flag": ["kept"]}}), Some("y")),
        (numbered("/INBOX", 2), None),
    ];
    let answer = ask(bridge.request("POST", RESOURCE), &objects).await;
    let responses = responses(answer);
    assert_eq!(responses[1]["code"], 403);
    let (first, last) = (made(&responses[0]), made(&responses[2]));
    assert_eq!(
        (&first.folder, &last.folder),
        (&"/INBOX".to_owned(), &"/INBOX".to_owned())
    );
    assert_ne!(first.object, last.object);
    bridge.stop().await;
    server.assert_played().await;
}

#[tokio::test]
async fn a_flag_that_could_be_a_mistake_goes_alone_and_is_asked_for() {
    let script = back_to_back()
        .expect("{tag} APPEND \"INBOX\" () \"*\" {*+}")
        .expect_literal()
        .expect("")
        .send("{tag} OK [APPENDUID 7 11] done")
        .expect("{tag} APPEND \"INBOX\" (\\Junk) \"*\" {*7}")
        .send("+ go on")
        .expect_literal()
        .expect("")
        .send("{tag} OK [APPENDUID 7 12] done")
        .stall();
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("bulk_alone").store(server.address());
    let bridge = bridge.start().await;
    let objects = [
        (json!({}), Some("x")),
        (json!({"flags": {"flag": ["\\Junk"]}}), Some("y")),
    ];
    let made = all_made(ask(bridge.request("POST", RESOURCE), &objects).await);
    assert_eq!(made.len(), 2);
    bridge.stop().await;
    server.assert_played().await;
}
