//! What clients in the field need (contract §11.1), a test for each row that is not already another test's business: what comes
//! between the quotes of a comment is the contract's.
//!
//! Row 13, URLs, is in `surface::bases`; searches, bulk changes and channels are where those are.

use serde_json::{Value, json};

use crate::{
    creation::{Form, made},
    objects::{below_box, folder_of, objects_of},
    support::{
        bridge::Bridge,
        dovecot,
        http::{Answer, Client},
        proxy::{Fault, Proxy},
    },
};
use cpm_bridge::demo::service;

/// A box with an MMS and, newer, a text.
async fn filled(test: &str) -> (Bridge, String) {
    let bridge = Bridge::builder(test)
        .message("INBOX", "f05-mms-plain.eml")
        .start()
        .await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    (bridge, object)
}

/// "Base paths configurable: `/nms/v1/base`, `/phone20/mStoreRelay/oemclient/nms/v1/ums`, `/nms/v1/os`".
#[tokio::test]
async fn row_1_base_path_and_store_names_are_those_of_the_operator() {
    let account = dovecot::account("dialect_row_1");
    for (base_path, stores) in [
        ("", &["base", "os"][..]),
        ("/phone20/mStoreRelay/oemclient", &["ums"]),
    ] {
        let mut configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\nbase_path = \"{base_path}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"
        );
        for store in stores {
            let (host, port) = (account.imap.ip(), account.imap.port());
            configuration += &format!(
                "[[stores]]\nname = \"{store}\"\nhost = \"{host}\"\nport = {port}\ntls = \"off\"\n"
            );
        }
        let service = service::start(&configuration).await.unwrap();
        let client = Client::new(service.http).basic(&account.login, "secret");
        for store in stores {
            let box_path = format!("{base_path}/nms/v1/{store}/{}", account.box_id());
            let root = client
                .get(&format!("{box_path}/folders/operations/pathToId"))
                .await;
            let url = root.expect(200).json()["reference"]["resourceURL"].clone();
            let expected = format!("http://{}{box_path}/folders/", service.http);
            assert!(url.as_str().unwrap().starts_with(&expected), "{url}");
            let other = format!("/other{box_path}/folders/operations/pathToId");
            client.get(&other).await.expect(404);
        }
        service.stop().await;
    }
}

/// "Unwrapped JSON bodies": `FlagList` on PUT flags, Folder on POST folders, `PathList` on pathToId, `ObjectList` in one bulkCreation
/// variant; those of searches, copies and moves are where these are.
#[tokio::test]
async fn row_4_bodies_need_no_root_member() {
    let (bridge, object) = filled("dialect_row_4").await;
    let flags = json!({"flag": ["\\Seen"]});
    let flags = bridge.put(&format!("{object}/flags"), &flags).await;
    assert_eq!(flags.expect(200).json()["flagList"]["flag"][0], "\\Seen");
    let folder = json!({"parentFolderPath": "/", "name": "unwrapped"});
    bridge.post("folders", &folder).await.expect(201);
    for kind in ["folders", "objects"] {
        let paths = json!({"path": ["/INBOX", "/none"]});
        let resource = format!("{kind}/operations/pathToId");
        let answer = bridge.post(&resource, &paths).await.expect(200).json();
        let items = answer["bulkResponseList"]["response"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(items, 2, "{kind}");
    }
    let attributes = json!({"attribute": [{"name": "Subject", "value": ["s"]}]});
    let list = json!({"object": [{"attributes": attributes}, {"attributes": attributes}]});
    let request = bridge.request("POST", "objects/operations/bulkCreation");
    let answer = Form::new(&list)
        .nothing()
        .nothing()
        .on(request)
        .send()
        .await
        .expect(200)
        .json();
    let items = &answer["bulkResponseList"]["response"];
    assert_eq!(
        items[1]["code"].to_string().trim_matches('"'),
        "201",
        "{answer}"
    );
    let request = bridge.request("POST", "objects");
    made(
        Form::new(&json!({"attributes": attributes}))
            .on(request)
            .send()
            .await,
    );
}

/// A scalar where the contract has an array (§3.2, §11.1 row 4), and what is a number or a text either way.
#[tokio::test]
async fn one_value_may_stand_for_a_list_and_a_number_for_a_text() {
    let (bridge, object) = filled("dialect_scalars").await;
    let flags = json!({"flagList": {"flag": "\\Seen"}});
    let answer = bridge.put(&format!("{object}/flags"), &flags).await;
    assert_eq!(answer.expect(200).json()["flagList"]["flag"][0], "\\Seen");
    let paths = json!({"pathList": {"path": "/INBOX"}});
    let answer = bridge.post("folders/operations/pathToId", &paths).await;
    let answer = answer.expect(200).json();
    assert_eq!(answer["bulkResponseList"]["response"][0]["code"], 200);
    let object = json!({"object": {
        "attributes": {"attribute": {"name": "X-Count", "value": 5}},
        "flags": {"flag": "\\Seen"},
    }});
    let made = made(
        Form::new(&object)
            .on(bridge.request("POST", "objects"))
            .send()
            .await,
    );
    let shown = bridge.get(&made.object).await.expect(200).json();
    assert_eq!(values(&shown, "X-Count"), json!(["5"]));
}

/// The value of an attribute of an object.
fn values(document: &Value, name: &str) -> Value {
    let attributes = document["object"]["attributes"]["attribute"].as_array();
    let found = attributes.unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {document}"))["value"].clone()
}

/// "Empty-string body with `Content-Type: application/json` on PUT flag"; row 19: "answer 201 when newly set; 204 is mapped to 'not
/// found = fine'"; DELETE: "anything but 401 counts as success".
#[tokio::test]
async fn rows_5_and_19_a_flag_is_put_with_an_empty_body_and_is_201_only_when_it_is_new() {
    let (bridge, object) = filled("dialect_row_5").await;
    for (flag, body) in [("%5CSeen", ""), ("%5CAnswered", "\"\""), ("$MDNSent", "{}")] {
        let flag = format!("{object}/flags/{flag}");
        for status in [201, 204, 204] {
            let request = bridge.request("PUT", &flag);
            request
                .body("application/json", body)
                .send()
                .await
                .expect(status);
        }
        bridge.delete(&flag).await.expect(204);
        let answer = bridge.delete(&flag).await.expect(404);
        assert_eq!(answer.json(), json!({"empty": null}));
    }
}

/// "201 for object create must have `{"reference":{"resourceURL","path"}}`"; row 27: "Content types: always `application/json`; object
/// create `multipart/form-data` with client-generated boundary".
#[tokio::test]
async fn rows_12_and_27_a_form_with_any_boundary_makes_an_object_and_the_answer_refers_to_it_in_json()
 {
    let (bridge, _) = filled("dialect_row_12").await;
    let boundary = "5c7e2a9f-BOUNDARY=_--0016e6d7f05b1c2d";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data;name=\"root-fields\"\r\nContent-Type: application/json\r\n\r\n\
         {{\"object\":{{\"parentFolderPath\":\"/main\",\"attributes\":{{\"attribute\":[{{\"name\":\"Subject\",\"value\":[\"s\"]}}]}}}}}}\r\n\
         --{boundary}--\r\n"
    );
    let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
    let request = bridge.request("POST", "objects").body(&content_type, body);
    let answer = request.send().await.expect(201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    let reference = document["reference"].as_object().unwrap();
    let names: Vec<&String> = reference.keys().collect();
    assert_eq!(names, ["resourceURL", "path"]);
    assert!(reference["path"].as_str().unwrap().starts_with("/main/"));
    bridge
        .get(&below_box(&reference["resourceURL"]))
        .await
        .expect(200);
    // MCS sends no Accept (contract §9.4).
    for resource in ["folders/operations/pathToId", "objects/none"] {
        let answer = bridge.request("GET", resource).send().await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

/// "each attribute's `value` is a non-empty array; omit attributes without value".
#[tokio::test]
async fn row_14_every_attribute_has_an_array_of_values() {
    let builder = Bridge::builder("dialect_row_14");
    let mut witness = builder.account().witness().await;
    let message =
        b"Subject:\r\nFrom: a@example.net\r\nTo: \r\nX-Empty: \t\r\nX-Full: a\r\n\r\nhello";
    witness.append("INBOX", message, "", None).await;
    let bridge = builder.message("INBOX", "f08-chat-group.eml").start().await;
    for object in objects_of(&bridge, "/INBOX").await {
        let document = bridge.get(&object).await.expect(200).json();
        let attributes = document["object"]["attributes"]["attribute"]
            .as_array()
            .unwrap();
        assert!(!attributes.is_empty());
        for attribute in attributes {
            let values = attribute["value"].as_array();
            let values = values.unwrap_or_else(|| panic!("{attribute}"));
            assert!(
                !values.is_empty() && values.iter().all(Value::is_string),
                "{attribute}"
            );
            assert!(
                attribute["name"]
                    .as_str()
                    .is_some_and(|name| !name.is_empty())
            );
        }
    }
}

/// "Redirect: only 302, host swap": the service never sends a client elsewhere, not for a slash nor for another spelling.
#[tokio::test]
async fn row_20_nobody_is_redirected() {
    let (bridge, object) = filled("dialect_row_20").await;
    for target in [
        bridge.target(&object),
        bridge.target(&format!("{object}/")),
        bridge.target("folders/"),
        bridge.target("").trim_end_matches('/').to_owned(),
        bridge.target(&object).replace("/nms/", "//nms/"),
        bridge.target(&object).replace("/nms/", "/NMS/"),
        bridge.target(&object).replace("tel:", "TEL:"),
        "/".to_owned(),
        "/nms".to_owned(),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            let request = bridge.client.request(method, &target);
            let answer = request.header("If-Match", "\"0-none\"").send().await;
            assert!(
                !(300..400).contains(&answer.status),
                "{method} {target}: {answer:?}"
            );
            assert_eq!(answer.header("location"), None, "{method} {target}");
        }
    }
}

/// "Retry-After integer seconds": "waits exactly; non-integer or ≤0 = failure" (§9.3).
#[tokio::test]
async fn row_21_who_has_to_wait_is_told_how_many_seconds() {
    let builder = Bridge::builder("dialect_row_21");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    proxy.set(Fault::Away);
    for resource in ["folders/operations/pathToId", "objects/none"] {
        let answer = bridge.get(resource).await;
        if resource.starts_with("folders") {
            assert_eq!(answer.status, 503);
        }
        let seconds = answer.header("retry-after");
        assert!(
            answer.status != 503 || seconds.is_some_and(is_whole),
            "{answer:?}"
        );
    }
}

fn is_whole(seconds: &str) -> bool {
    seconds.bytes().all(|byte| byte.is_ascii_digit()) && seconds.parse::<u32>().unwrap() > 0
}

/// "`GET payloadURL` of a multipart object must return the multipart with `Content-Type: multipart/…; boundary=…`; the parser needs
/// either the boundary parameter or a body starting with `--`; single parts are fetched by `href`".
#[tokio::test]
async fn row_22_a_multipart_payload_is_a_multipart_and_its_parts_are_there() {
    let (bridge, object) = filled("dialect_row_22").await;
    let object = bridge.get(&object).await.expect(200).json()["object"].clone();
    let payload = bridge.request("GET", &below_box(&object["payloadURL"]));
    // Such a client lists what it can show.
    let images = "image/gif, image/jpeg, image/png, application/json";
    let payload = payload.header("Accept", images).send().await.expect(200);
    let content_type = payload.header("content-type").unwrap().to_owned();
    assert!(content_type.starts_with("multipart/"), "{content_type}");
    let boundary = content_type.split("boundary=").nth(1).unwrap();
    let boundary = boundary.split(';').next().unwrap().trim_matches('"');
    let delimiter = format!("--{boundary}\r\n");
    let body = String::from_utf8_lossy(&payload.body).into_owned();
    assert!(body.contains(&delimiter), "{body}");
    assert!(body.contains(&format!("--{boundary}--")));
    let parts = object["payloadPart"].as_array().unwrap();
    assert_eq!(parts.len(), body.matches(&delimiter).count());
    for part in parts {
        let bytes = bridge.request("GET", &below_box(&part["href"]));
        let bytes = bytes.header("Accept", images).send().await.expect(200);
        assert!(!bytes.body.is_empty());
        assert_eq!(
            bytes.header("content-type").map(essence),
            part["contentType"].as_str().map(essence)
        );
    }
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap()
}

/// "Payload URL scheme may be rewritten by the client (http→https) – same host must answer both or only https": whatever comes
/// before the path of a URL in a body does not count.
#[tokio::test]
async fn row_23_urls_in_bodies_are_known_by_their_path_alone() {
    let (bridge, _) = filled("dialect_row_23").await;
    let folder = bridge.target(&folder_of(&bridge, "/INBOX").await);
    for (number, base) in [
        "http://127.0.0.1:1",
        "https://nms.example.net",
        "HTTPS://x:443",
        "",
    ]
    .iter()
    .enumerate()
    {
        let url = format!("{base}{folder}");
        let made = in_folder(&bridge, &url).await;
        assert_eq!(made.folder, "/INBOX", "{url}");
        let folder = json!({"folder": {"parentFolder": url, "name": format!("n{number}")}});
        bridge.post("folders", &folder).await.expect(201);
    }
}

/// Makes an object in a folder named by its URL.
async fn in_folder(bridge: &Bridge, url: &str) -> crate::creation::Made {
    let attributes = json!({"attribute": [{"name": "Subject", "value": ["s"]}]});
    let object = json!({"object": {"parentFolder": url, "attributes": attributes}});
    made(
        Form::new(&object)
            .on(bridge.request("POST", "objects"))
            .send()
            .await,
    )
}

/// "Decode each segment once; compare decoded values, so `tel:+1…`, `tel:%2B1…` and `tel%3A%2B1…` are the same box" (§1.1).
#[tokio::test]
async fn a_box_is_the_same_in_every_spelling_also_in_bodies() {
    let (bridge, object) = filled("dialect_spellings").await;
    let folder = folder_of(&bridge, "/INBOX").await;
    let number = &bridge.account.login[1..];
    let (country, rest) = number.split_at(4);
    let spellings = [
        format!("tel:+{number}"),
        format!("tel:%2B{number}"),
        format!("tel%3A%2B{number}"),
        format!("TEL%3a%2b{country}-{rest}"),
        format!("tel:+{country}%20({rest})"),
    ];
    for own in &spellings {
        let at = |resource: &str| format!("/nms/v1/cpm/{own}/{resource}");
        bridge.client.get(&at(&object)).await.expect(200);
        for other in &spellings {
            let url = format!("https://nms.example.net/nms/v1/cpm/{other}/{folder}");
            let body = json!({"folder": {"parentFolder": url, "name": "x"}});
            let answer = bridge.client.post(&at("folders"), &body).await.expect(201);
            let made = answer.header("location").unwrap();
            let kept = format!("http://{}{}", bridge.client.address(), at("folders/"));
            assert!(made.starts_with(&kept), "{made}");
            let id = made.rsplit('/').next().unwrap();
            bridge
                .client
                .delete(&at(&format!("folders/{id}")))
                .await
                .expect(204);
        }
    }
    // Another's box is another's, and so is another store's.
    for other in [
        format!("/nms/v1/cpm/tel:+{number}0/{folder}"),
        format!("/nms/v1/other/tel:+{number}/{folder}"),
        format!("/nms/v1/cpm/sip:+{number}@example.org/{folder}"),
    ] {
        let body = json!({"folder": {"parentFolder": other, "name": "x"}});
        bridge.post("folders", &body).await.expect(400);
    }
}

/// "raw `tel:+1555…` / `sip:+49…@…` in the path … accept" (§10.2).
#[tokio::test]
async fn a_sip_box_may_be_written_with_or_without_escapes() {
    let bridge = Bridge::builder("dialect_sip")
        .store_setting(
            "schemes = [\"sip\", \"sips\"]\ndomains = [\"example.org\"]\nlogin = \"{user}\"",
        )
        .start()
        .await;
    let login = &bridge.account.login;
    let escaped = login.replace('+', "%2B");
    let found = async |spelling: &str| -> Answer {
        let target = format!("/nms/v1/cpm/{spelling}/folders/operations/pathToId?path=/INBOX");
        bridge.client.get(&target).await
    };
    let known = found(&format!("sip:{login}@example.org")).await.expect(200);
    let known = known.json()["reference"]["resourceURL"].clone();
    let known = known.as_str().unwrap();
    let id = known.rsplit('/').next().unwrap();
    for spelling in [
        format!("sip:{login}@example.org"),
        format!("sip%3A{escaped}%40example.org"),
        format!("SIP:{escaped}@Example.ORG"),
    ] {
        let url = found(&spelling).await.expect(200).json()["reference"]["resourceURL"].clone();
        let expected = format!("/nms/v1/cpm/{spelling}/folders/{id}");
        assert!(url.as_str().unwrap().ends_with(&expected), "{url}");
        let body = json!({"folder": {"parentFolder": known, "name": "x"}});
        let folders = format!("/nms/v1/cpm/{spelling}/folders");
        let made = bridge.client.post(&folders, &body).await.expect(201);
        let made = made
            .header("location")
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        bridge
            .client
            .delete(&format!("{folders}/{made}"))
            .await
            .expect(204);
    }
    // RFC 3261 §19.1.4: the user has a case, and sips is another scheme.
    found(&format!("sip:{login}@example.net")).await.expect(403);
    let other = found(&format!("sips:{login}@example.org"))
        .await
        .expect(200);
    let other = other.json()["reference"]["resourceURL"].clone();
    assert!(!other.as_str().unwrap().ends_with(id), "ids are of one box");
    let body = json!({"folder": {"parentFolder": other, "name": "x"}});
    let folders = format!("/nms/v1/cpm/sip:{login}@example.org/folders");
    bridge.client.post(&folders, &body).await.expect(400);
}
