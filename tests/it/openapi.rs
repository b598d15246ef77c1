//! `openapi.yaml` against the table of routes, the answers that are kept as snapshots, and the schema of the documents; and
//! how it is served.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{
    support::{
        bridge::Bridge,
        http::Client,
        xml::{Element, assert_valid},
    },
    surface,
};

/// Resources that are described and not there.
const NOT_YET: &[(&str, &str)] = &[];
/// The description itself, which is no resource of a box.
const ITSELF: (&str, &str) = ("GET", "/openapi.yaml");
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// A file of this repository.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document() -> Value {
    serde_saphyr::from_str(&file("openapi.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

/// What a reference leads to, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else {
        return value;
    };
    let pointer = reference.strip_prefix('#').expect(reference);
    let found = document.pointer(pointer);
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Method, path and description of each operation.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                operations.push((method.to_uppercase(), path.as_str(), operation));
            }
        }
    }
    operations
}

/// All values, outermost first, with the way to each.
fn walk(value: &Value, way: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(way, value);
    for (name, member) in value.as_object().into_iter().flatten() {
        walk(member, &format!("{way}/{name}"), visit);
    }
    for (index, member) in value.as_array().into_iter().flatten().enumerate() {
        walk(member, &format!("{way}/{index}"), visit);
    }
}

#[test]
fn every_method_of_every_resource_is_described_and_no_other() {
    let document = document();
    let described: Vec<_> = operations(&document)
        .iter()
        .map(|(method, path, _)| surface::pair(method, path))
        .collect();
    let mut expected = surface::surface();
    for (method, path) in NOT_YET.iter().chain([&ITSELF]) {
        let new = expected.insert(surface::pair(method, path));
        assert!(new, "{method} {path} is there");
    }
    let once: BTreeSet<_> = described.iter().cloned().collect();
    assert_eq!(once.len(), described.len(), "one is there twice");
    assert_eq!(once, expected);
}

#[test]
fn the_version_is_that_of_the_program() {
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_do() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let tags = operation["tags"].as_array().unwrap();
        assert!(!tags.is_empty(), "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let document = document();
    let mut referred = BTreeSet::new();
    walk(&document, "", &mut |_, value| {
        if let Some(reference) = value.get("$ref") {
            resolved(&document, value);
            referred.insert(reference.as_str().unwrap()[1..].to_owned());
        }
    });
    for (kind, components) in document["components"].as_object().unwrap() {
        if kind == "securitySchemes" {
            continue;
        }
        for name in components.as_object().unwrap().keys() {
            let pointer = format!("/components/{kind}/{name}");
            assert!(referred.contains(&pointer), "nobody refers to {pointer}");
        }
    }
}

#[test]
fn parameters_of_a_path_are_described() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let pieces = path.split('{').skip(1);
        let named: BTreeSet<_> = pieces
            .map(|piece| piece.split_once('}').unwrap().0)
            .collect();
        let parameters = item["parameters"].as_array().unwrap().iter();
        let described: BTreeSet<_> = parameters
            .map(|parameter| resolved(&document, parameter))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(described, named, "{path}");
    }
}

/// Every place with media types, and what they are.
fn contents(document: &Value) -> Vec<(String, &Value)> {
    let mut ways = Vec::new();
    walk(document, "", &mut |way, _| {
        if way.ends_with("/content") {
            ways.push(way.to_owned());
        }
    });
    let content = |way: String| {
        // A member's name may hold a slash, so the way cannot be a pointer as it is.
        let mut value = document;
        let mut rest = &way[1..];
        while !rest.is_empty() {
            let members = value.as_object();
            let fits = |name: &&str| rest == *name || rest.starts_with(&format!("{name}/"));
            let names = members.into_iter().flatten().map(|(name, _)| name.as_str());
            let name = names.filter(fits).max_by_key(|name| name.len());
            let index = rest.split('/').next().unwrap();
            value = match name {
                Some(name) => &value[name],
                None => &value[index.parse::<usize>().unwrap()],
            };
            rest = &rest[name.unwrap_or(index).len()..];
            rest = rest.strip_prefix('/').unwrap_or(rest);
        }
        (way, value)
    };
    ways.into_iter().map(content).collect()
}

/// The examples of one media type, with their names.
fn examples(content: &Value) -> Vec<(&str, &Value)> {
    if let Some(example) = content.get("example") {
        return vec![("", example)];
    }
    let named = content["examples"].as_object().into_iter().flatten();
    named
        .map(|(name, example)| (name.as_str(), &example["value"]))
        .collect()
}

/// Roots that a schema of JSON documents allows.
fn roots(schema: &Value) -> Vec<&str> {
    let several = schema["oneOf"]
        .as_array()
        .map_or(std::slice::from_ref(schema), |one| one);
    several
        .iter()
        .flat_map(|schema| schema["required"].as_array().unwrap())
        .map(|root| root.as_str().unwrap())
        .collect()
}

/// An example without the white space people read it by.
fn packed(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
        lines.collect::<String>()
    )
}

#[test]
fn every_document_has_an_example_in_json_and_the_same_valid_one_in_xml() {
    let document = document();
    let (mut documents, mut all) = (Vec::new(), 0);
    for (way, content) in contents(&document) {
        let (json, xml) = (&content["application/json"], &content["application/xml"]);
        assert_eq!(json.is_null(), xml.is_null(), "{way}");
        if json.is_null() {
            continue;
        }
        let (in_json, in_xml) = (examples(json), examples(xml));
        assert!(!in_json.is_empty(), "{way} has no example");
        assert_eq!(in_json.len(), in_xml.len(), "{way}");
        for ((name, json_example), (same_name, xml_example)) in in_json.iter().zip(in_xml) {
            assert_eq!(*name, same_name, "{way}");
            let members = json_example.as_object().unwrap();
            let root = members.keys().next().unwrap();
            assert_eq!(members.len(), 1, "{way} {name}");
            assert!(
                roots(&json["schema"]).contains(&root.as_str()),
                "{way} {name}"
            );
            let text = packed(xml_example.as_str().unwrap());
            assert_eq!(
                Element::read(&text).laid_out(""),
                Element::of_json(json_example).laid_out(""),
                "{way} {name}"
            );
            documents.push(text.into_bytes());
            all += 1;
        }
    }
    assert!(all > 40, "{all}");
    assert_valid(documents.iter().map(Vec::as_slice));
}

#[tokio::test]
async fn examples_of_requests_can_be_sent_as_they_are() {
    let bridge = Bridge::builder("openapi_examples").start().await;
    let document = document();
    let mut sent = 0;
    for (method, path, operation) in operations(&document) {
        let body = resolved(&document, &operation["requestBody"]);
        for media_type in ["application/json", "application/xml"] {
            for (name, example) in examples(&body["content"][media_type]) {
                let text = example
                    .as_str()
                    .map_or_else(|| example.to_string(), str::to_owned);
                let target = path[1..].replace(['{', '}'], "");
                let request = bridge.request(&method, &target).body(media_type, text);
                let answer = request.send().await;
                assert!(answer.status < 500, "{method} {path} {name}: {answer:?}");
                assert_ne!(answer.status, 415, "{method} {path} {name}");
                // To blame is a folder that is not there, not the document.
                let blamed = roots(&body["content"]["application/json"]["schema"])[0];
                let text = String::from_utf8_lossy(&answer.body);
                assert!(
                    !text.contains(&format!("[\"{blamed}\"]"))
                        && !text.contains(&format!("<variables>{blamed}</variables>")),
                    "{method} {path} {name}: {text}"
                );
                sent += 1;
            }
        }
    }
    assert!(sent > 20, "{sent}");
}

/// The answers in a snapshot: a status below a blank line.
fn statuses(snapshot: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = snapshot.lines().collect();
    let pairs = lines.windows(2);
    pairs
        .filter(|pair| pair[0].is_empty() && pair[1].len() == 3)
        .map(|pair| pair[1])
        .filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_status_that_was_seen_is_described() {
    let document = document();
    for (method, path, name) in surface::asked() {
        let operations = operations(&document).into_iter();
        let mut same = operations.filter(|(described, at, _)| {
            surface::pair(described, at) == surface::pair(method, path)
        });
        let (_, _, operation) = same.next().unwrap();
        let mut seen = BTreeSet::new();
        for form in ["", ".xml"] {
            let snapshot = format!("tests/it/surface/snapshots/{name}{form}.snap");
            seen.append(&mut statuses(&file(&snapshot)));
        }
        assert!(!seen.is_empty(), "{name}");
        for status in seen {
            let described = &operation["responses"][&status];
            let response = resolved(&document, described);
            assert!(response.is_object(), "{method} {path} can be {status}");
        }
    }
}

#[test]
fn what_any_request_can_meet_is_described_everywhere() {
    let document = document();
    let everywhere = [
        "400", "401", "403", "404", "408", "413", "414", "429", "431", "500", "502", "503", "504",
    ];
    for (method, path, operation) in operations(&document) {
        if (method.as_str(), path) == ITSELF {
            continue;
        }
        let mut expected = everywhere.to_vec();
        if !path.ends_with("/payload") && !path.contains("/payloadParts/") {
            expected.push("406");
        }
        // Contract §11.1 rows 5 and 6: the body of one flag, and of a poll, means nothing.
        let any_body = path.contains("/flags/") || path.ends_with("/notifications");
        if operation.get("requestBody").is_some() && !any_body {
            expected.push("415");
        }
        for status in expected {
            assert!(
                operation["responses"][status].is_object(),
                "{method} {path} can be {status}"
            );
        }
    }
}

#[tokio::test]
async fn the_description_is_served_to_anybody_and_not_sent_twice() {
    let bridge = Bridge::builder("openapi").http_setting("base_path = \"/phone\"");
    let bridge = bridge.start().await;
    let anyone = Client::new(bridge.client.address());
    let answer = anyone
        .request("GET", "/phone/openapi.yaml")
        .send()
        .await
        .expect(200);
    assert_eq!(answer.text(), file("openapi.yaml"));
    assert_eq!(answer.header("content-type"), Some("application/yaml"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    assert!(answer.header("x-request-id").is_some());
    let tag = answer.header("etag").unwrap().to_owned();
    let head = anyone
        .request("HEAD", "/phone/openapi.yaml")
        .send()
        .await
        .expect(200);
    assert_eq!(
        head.header("content-length"),
        answer.header("content-length")
    );
    assert_eq!(head.header("etag"), Some(tag.as_str()));
    assert_eq!(head.body, b"");
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let request = anyone
            .request("GET", "/phone/openapi.yaml")
            .header("If-None-Match", &known);
        let again = request.send().await.expect(304);
        assert_eq!(again.header("etag"), Some(tag.as_str()), "{known}");
        assert_eq!(again.body, b"");
    }
    let request = anyone
        .request("GET", "/phone/openapi.yaml")
        .header("If-None-Match", "\"x\"");
    request.send().await.expect(200);
    let options = anyone
        .request("OPTIONS", "/phone/openapi.yaml")
        .send()
        .await
        .expect(204);
    assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"));
    let post = anyone
        .request("POST", "/phone/openapi.yaml")
        .send()
        .await
        .expect(405);
    assert_eq!(post.header("allow"), Some("GET, HEAD, OPTIONS"));
    for elsewhere in [
        "/openapi.yaml",
        "/phone/openapi.yaml/",
        "/phone/nms/v1/cpm/tel:+1/openapi.yaml",
    ] {
        anyone.request("GET", elsewhere).send().await.expect(404);
    }
    let metrics = bridge
        .admin()
        .request("GET", "/metrics")
        .send()
        .await
        .expect(200);
    assert!(
        metrics.text().contains("op=\"get_openapi\",code=\"200\""),
        "{}",
        metrics.text()
    );
}
