//! Anything in a path or a query.

use serde_json::json;

use super::{
    Attempt, BUSY, Target,
    strings::{encoded, lightly_encoded, strings},
};

const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
const OTHER_METHODS: [&str; 6] = ["HEAD", "OPTIONS", "PATCH", "TRACE", "BREW", "get"];

/// Every place of a path that names something, marked `{}`; those that change flags last.
fn places(target: &Target) -> ([String; 15], [String; 2]) {
    let Target { object, folder, .. } = target;
    let box_id = target.account.box_id();
    let below_box = |place: &str| target.target(place);
    let names = [
        below_box("objects/{}"),
        below_box("objects/{}/flags"),
        below_box("objects/{}/flags/%5CSeen"),
        below_box("objects/{}/payload"),
        below_box("objects/{}/payloadParts/1"),
        below_box(&format!("{object}/payloadParts/{{}}")),
        below_box("folders/{}"),
        below_box("folders/{}/folderName"),
        below_box(&format!("{folder}/{{}}")),
        below_box("{}"),
        below_box("objects/operations/{}"),
        below_box("folders/operations/{}"),
        format!("/nms/v1/{{}}/{box_id}/{object}"),
        format!("/nms/v1/cpm/{{}}/{object}"),
        "/{}".to_owned(),
    ];
    let flags = [
        below_box(&format!("{object}/flags/{{}}")),
        below_box(&format!("{object}/{{}}")),
    ];
    (names, flags)
}

/// Every string in a place, by every method.
fn attempts_at(target: &Target, place: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut attempt = |method: &str, spelled: &str| {
        let uri = place.replace("{}", spelled);
        let request = target.client.request(method, &uri);
        attempts.push(Attempt::new(format!("{method} {uri}"), &request));
    };
    for (number, string) in strings().iter().enumerate() {
        for method in METHODS {
            attempt(method, &encoded(string));
        }
        attempt("GET", &lightly_encoded(string));
        attempt(
            OTHER_METHODS[number % OTHER_METHODS.len()],
            &encoded(string),
        );
    }
    attempts
}

#[tokio::test]
async fn anything_in_a_path_is_answered_and_stays_an_argument() {
    let target = Target::start("hostile_paths").await;
    let (places, flags) = places(&target);
    for place in places {
        target.attack(BUSY, attempts_at(&target, &place)).await;
    }
    // One after another: what one sets another would take away meanwhile.
    for place in flags {
        target.attack(1, attempts_at(&target, &place)).await;
    }
    target.end().await;
}

#[tokio::test]
async fn anything_in_a_query_is_answered_and_stays_an_argument() {
    let target = Target::start("hostile_queries").await;
    let resources = [
        ("folders/operations/pathToId", "path"),
        ("objects/operations/pathToId", "path"),
        (&target.folder, "listFilter=All&fromCursor"),
        (&target.folder, "listFilter=Objects&maxEntries"),
        (&target.folder, "listFilter"),
        (&target.folder, "attrFilter"),
        (&target.object, "path"),
    ];
    let mut attempts = Vec::new();
    for (resource, parameter) in resources {
        for string in strings() {
            let (all, some) = (encoded(&string), lightly_encoded(&string));
            for query in [
                format!("{parameter}={all}"),
                format!("{parameter}=/scratch/{some}"),
                format!("{all}={all}&{parameter}={some}&{parameter}={all}"),
            ] {
                let what = format!("GET {resource}?{query}");
                let request = target.request("GET", &format!("{resource}?{query}"));
                attempts.push(Attempt::new(what, &request));
            }
        }
    }
    for odd in [
        "?",
        "??",
        "?&&&=&",
        "?=",
        "?path",
        "?%",
        "?a=%FF",
        "?path=/INBOX&path=/none",
    ] {
        let request = target.request("GET", &format!("folders/operations/pathToId{odd}"));
        attempts.push(Attempt::new(odd, &request));
    }
    target.attack(BUSY, attempts).await;
    target.end().await;
}

/// What was made for one place is no key to another: each is answered as something that does not exist.
#[tokio::test]
async fn ids_and_cursors_out_of_their_place_are_refused() {
    let target = Target::start("hostile_ids").await;
    let object = target.object.strip_prefix("objects/").unwrap();
    let folder = target.folder.strip_prefix("folders/").unwrap();
    let root = target.resource("folders/operations/pathToId").await;
    let root = crate::objects::below_box(&root["reference"]["resourceURL"]);
    let page = target
        .resource(&format!("{root}?listFilter=All&maxEntries=1"))
        .await;
    let cursor = page["folder"]["cursor"].as_str().unwrap();
    for (resource, status) in [
        (format!("objects/{folder}"), 404),
        (format!("folders/{object}"), 404),
        (format!("objects/{cursor}"), 404),
        (format!("folders/{cursor}"), 404),
        (
            format!("{}?listFilter=All&fromCursor={cursor}", target.folder),
            400,
        ),
        (
            format!("{root}?listFilter=Objects&fromCursor={cursor}"),
            400,
        ),
        (format!("{root}?listFilter=All&fromCursor={object}"), 400),
        (format!("{root}?listFilter=All&fromCursor={cursor}"), 200),
    ] {
        let answer = target.request("GET", &resource).send().await;
        assert_eq!(answer.status, status, "{resource}");
    }
    // One character changed, one too many, one too few: never another object.
    let mut attempts = 0;
    for at in 0..object.len() {
        let other = if object.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{other}{}", &object[..at], &object[at + 1..]);
        for id in [
            changed,
            object[..at].to_owned(),
            format!("{object}{}", &object[..=at]),
        ] {
            let answer = target
                .request("GET", &format!("objects/{id}/flags"))
                .send()
                .await;
            assert_eq!(answer.status, 404, "{id}");
            attempts += 1;
        }
    }
    assert!(attempts > 60);
    let put = target.request("PUT", &format!("{}/flags/%5CSeen", target.object));
    put.json(&json!({"empty": null})).send().await.expect(201);
    target.end().await;
}
