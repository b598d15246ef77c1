//! The REST surface, resource by resource and method by method: each answer as it goes over the wire, held against the
//! contract when its snapshot was taken (`surface/snapshots`, to be renewed with `INSTA_UPDATE=always` and read before it is kept).

mod bases;
mod bulk;
mod channels;
mod creation;
mod folders;
mod objects;
mod refusals;
mod relocation;
mod scene;
mod search;
mod subscriptions;
mod twin;

use std::{collections::BTreeSet, fs, path::Path};

use cpm_bridge::rest::{CHANNEL_SURFACE, SURFACE};

use self::scene::{Ask, Scene};
use crate::support::xml::assert_valid;

/// What is asked of each resource by each method; the names are those of the snapshots.
#[rustfmt::skip] // A line each, to be read as the table it is.
const ASKED: &[(&str, &str, &str, &[Ask])] = &[
    ("POST", "/objects", "post_objects", creation::POST_OBJECTS),
    ("POST", "/objects/operations/bulkCreation", "post_bulk_creation", creation::POST_BULK_CREATION),
    ("POST", "/objects/operations/search", "post_object_search", search::POST_OBJECT_SEARCH),
    ("POST", "/objects/operations/bulkUpdate", "post_bulk_update", bulk::POST_UPDATE),
    ("POST", "/objects/operations/bulkDelete", "post_bulk_delete", bulk::POST_DELETE),
    ("DELETE", "/objects/operations/bulkDelete", "delete_bulk_delete", bulk::DELETE_DELETE),
    ("GET", "/objects/operations/pathToId", "get_object_path_to_id", objects::GET_PATH_TO_ID),
    ("POST", "/objects/operations/pathToId", "post_object_path_to_id", objects::POST_PATH_TO_ID),
    ("GET", "/objects/{object}", "get_object", objects::GET_OBJECT),
    ("DELETE", "/objects/{object}", "delete_object", objects::DELETE_OBJECT),
    ("GET", "/objects/{object}/flags", "get_flags", objects::GET_FLAGS),
    ("PUT", "/objects/{object}/flags", "put_flags", objects::PUT_FLAGS),
    ("GET", "/objects/{object}/flags/{flag}", "get_flag", objects::GET_FLAG),
    ("PUT", "/objects/{object}/flags/{flag}", "put_flag", objects::PUT_FLAG),
    ("DELETE", "/objects/{object}/flags/{flag}", "delete_flag", objects::DELETE_FLAG),
    ("GET", "/objects/{object}/payload", "get_payload", objects::GET_PAYLOAD),
    ("GET", "/objects/{object}/payloadParts/{part}", "get_payload_part", objects::GET_PAYLOAD_PART),
    ("POST", "/folders", "post_folders", folders::POST_FOLDERS),
    ("POST", "/folders/operations/search", "post_folder_search", search::POST_FOLDER_SEARCH),
    ("GET", "/folders/operations/pathToId", "get_folder_path_to_id", folders::GET_PATH_TO_ID),
    ("POST", "/folders/operations/pathToId", "post_folder_path_to_id", folders::POST_PATH_TO_ID),
    ("POST", "/folders/operations/copyToFolder", "copy_to_folder", relocation::COPY_TO_FOLDER),
    ("POST", "/folders/operations/moveToFolder", "move_to_folder", relocation::MOVE_TO_FOLDER),
    ("GET", "/folders/{folder}", "get_folder", folders::GET_FOLDER),
    ("DELETE", "/folders/{folder}", "delete_folder", folders::DELETE_FOLDER),
    ("GET", "/folders/{folder}/folderName", "get_folder_name", folders::GET_FOLDER_NAME),
    ("PUT", "/folders/{folder}/folderName", "put_folder_name", folders::PUT_FOLDER_NAME),
    ("GET", "/subscriptions", "get_subscriptions", subscriptions::GET_SUBSCRIPTIONS),
    ("POST", "/subscriptions", "post_subscriptions", subscriptions::POST_SUBSCRIPTIONS),
    ("GET", "/subscriptions/{subscription}", "get_subscription", subscriptions::GET_SUBSCRIPTION),
    ("POST", "/subscriptions/{subscription}", "post_subscription", subscriptions::POST_SUBSCRIPTION),
    ("DELETE", "/subscriptions/{subscription}", "delete_subscription", subscriptions::DELETE_SUBSCRIPTION),
    ("GET", "/channels", "get_channels", channels::GET_CHANNELS),
    ("POST", "/channels", "post_channels", channels::POST_CHANNELS),
    ("GET", "/channels/{channel}", "get_channel", channels::GET_CHANNEL),
    ("DELETE", "/channels/{channel}", "delete_channel", channels::DELETE_CHANNEL),
    ("GET", "/channels/{channel}/channelLifetime", "get_channel_lifetime", channels::GET_LIFETIME),
    ("PUT", "/channels/{channel}/channelLifetime", "put_channel_lifetime", channels::PUT_LIFETIME),
    ("POST", "/channels/{channel}/notifications", "post_notifications", channels::POST_NOTIFICATIONS),
    ("GET", "/channels/{channel}/websocket", "get_websocket", channels::GET_WEBSOCKET),
];

pub(crate) type Pairs = BTreeSet<(String, String)>;

/// Method, path and snapshot of all that is asked.
pub(crate) fn asked() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let asked = ASKED.iter();
    asked.map(|(method, path, name, _)| (*method, *path, *name))
}

/// Method and path with nameless parameters.
pub(crate) fn pair(method: &str, path: &str) -> (String, String) {
    let mut nameless = String::new();
    let mut inside = false;
    for character in path.chars() {
        inside &= character != '}';
        if !inside {
            nameless.push(character);
        }
        inside |= character == '{';
    }
    (method.to_owned(), nameless)
}

/// All there is.
pub(crate) fn surface() -> Pairs {
    let resources = SURFACE.iter().chain(&CHANNEL_SURFACE);
    resources
        .flat_map(|(path, _, _, methods)| methods.iter().map(|method| pair(method, path)))
        .collect()
}

/// The table of resources in the README: the methods of the rows that say "yes", and of those that do not.
fn readme() -> (Pairs, Pairs) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(file).unwrap();
    let (mut there, mut missing) = (Pairs::new(), Pairs::new());
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, resource, methods, state] = cells[..] else {
            continue;
        };
        let path = resource.trim_matches('`');
        if !path.starts_with('/') {
            continue;
        }
        for method in methods.split(", ") {
            let rows = match state {
                "not yet" => &mut missing,
                _ if state == "yes" || state.starts_with("yes; ") => &mut there,
                _ => panic!("neither yes nor not yet: {line}"),
            };
            assert!(rows.insert(pair(method, path)), "twice: {line}");
        }
    }
    (there, missing)
}

#[test]
fn the_readme_lists_what_is_there_and_nothing_else() {
    let (there, missing) = readme();
    assert_eq!(there, surface());
    assert!(missing.is_disjoint(&there));
}

#[test]
fn every_method_of_every_resource_is_asked_for() {
    let asked: Pairs = ASKED
        .iter()
        .map(|(method, path, ..)| pair(method, path))
        .collect();
    assert_eq!(asked, surface());
    assert_eq!(asked.len(), ASKED.len(), "one is there twice");
}

#[tokio::test]
async fn every_resource_answers_as_it_did_when_it_was_held_against_the_contract() {
    for (method, path, name, asks) in ASKED {
        let mut scene = Scene::at(path, name).await;
        let (mut text, mut good) = (Vec::new(), 0);
        for ask in *asks {
            let (status, exchange) = scene.ask(method, ask).await;
            assert!(status < 500, "{exchange}");
            good += u32::from(status < 300);
            text.push(exchange);
        }
        assert!(good > 0, "{method} {path} never succeeds");
        same_as_kept(name, &text.join("\n"));
        scene.bridge.stop().await;
    }
}

#[tokio::test]
async fn every_resource_says_in_xml_what_it_says_in_json() {
    for (method, path, name, asks) in ASKED {
        let mut scene = Scene::at(path, name).await;
        let mut other = Scene::at(path, &format!("{name}.xml")).await;
        let (mut text, mut documents) = (Vec::new(), Vec::new());
        for ask in *asks {
            let (in_json, _) = scene.exchange(method, ask).await;
            let Some((in_xml, exchange)) = other.exchange_in_xml(method, ask).await else {
                // Something is there then that `twin` does not know.
                assert_eq!(in_json.status, 400, "{method} {path}: {ask:?}");
                text.push(format!("## {}\n(cannot be said in XML)\n", ask.what));
                continue;
            };
            assert_eq!(in_xml.status, in_json.status, "{method} {path}: {exchange}");
            let same = (scene.element(&in_json), other.element(&in_xml));
            assert_eq!(same.0, same.1, "{method} {path}: {exchange}");
            text.push(exchange);
            if in_xml.header("content-type") == Some("application/xml") {
                documents.push(in_xml.body);
            }
        }
        assert_valid(documents.iter().map(Vec::as_slice));
        same_as_kept(&format!("{name}.xml"), &text.join("\n"));
        scene.bridge.stop().await;
        other.bridge.stop().await;
    }
}

/// Compares with the snapshot of that name.
fn same_as_kept(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "surface/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}
