//! Any name, flag or path: it is kept as it is, or refused, and what REST then says is what a direct session sees.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{Target, strings::encoded};

/// Anything, and more often what means something to IMAP, HTTP or JSON.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9 ]{1,12}",
        "[\"\\\\{}()%*&+,/~.\\[\\]\\r\\n\\x00\\t a-c1-3]{0,16}",
        "\\PC{0,40}",
        "(\\\\|\\$)?[!-~]{1,20}",
        "[a-z]{0,4}\r\nA000[1-9] DELETE canary\r\n",
        "&[A-Za-z0-9,]{0,8}-?",
    ]
}

/// Runs a property against one bridge; the cases come one after another.
fn hold(test: &str, property: impl AsyncFn(&Target, String) -> Result<(), TestCaseError>) {
    let runtime = Runtime::new().unwrap();
    let target = runtime.block_on(Target::start(test));
    let config = Config {
        cases: 96,
        // The bridge stays as the cases before have left it, so a case is no use without them.
        failure_persistence: None,
        max_shrink_iters: 50,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&text(), |text| runtime.block_on(property(&target, text)))
        .unwrap();
    runtime.block_on(target.end());
}

#[test]
fn any_name_of_a_folder_is_kept_or_refused() {
    hold("any_name", async |target, name| {
        let body = json!({"folder": {"parentFolderPath": "/scratch", "name": name}});
        let made = target.request("POST", "folders").json(&body).send().await;
        prop_assert!(
            [201, 400, 409].contains(&made.status),
            "{} {}",
            made.status,
            made.text()
        );
        let path = format!("/scratch/{name}");
        let found = target
            .request(
                "GET",
                &format!(
                    "folders/operations/pathToId?path={}",
                    encoded(path.as_bytes())
                ),
            )
            .send()
            .await;
        if made.status != 201 {
            // What is refused was not made: it is not there unless it was before, or is the path of something else.
            prop_assert!(
                made.status == 409 || found.status == 404 || name.contains('/') || name.is_empty()
            );
            return Ok(());
        }
        prop_assert_eq!(found.status, 200);
        prop_assert_eq!(&found.json()["reference"]["path"], &json!(path));
        let folder = crate::objects::below_box(&found.json()["reference"]["resourceURL"]);
        let shown = target
            .request("GET", &format!("{folder}/folderName"))
            .send()
            .await;
        prop_assert_eq!(&shown.json()["name"], &json!(name));
        prop_assert_eq!(mailboxes_below_scratch(target).await, 1);
        let gone = target.request("DELETE", &folder).send().await;
        prop_assert_eq!(gone.status, 204);
        prop_assert_eq!(mailboxes_below_scratch(target).await, 0);
        Ok(())
    });
}

async fn mailboxes_below_scratch(target: &Target) -> usize {
    let listed = target
        .witness()
        .await
        .command("LIST \"\" \"scratch/*\"")
        .await
        .ok();
    listed.untagged.len()
}

#[test]
fn any_flag_is_kept_or_refused() {
    hold("any_flag", async |target, flag| {
        let resource = format!("{}/flags/{}", target.object, encoded(flag.as_bytes()));
        let set = target.request("PUT", &resource).send().await;
        prop_assert!(
            [201, 204, 400, 403, 404].contains(&set.status),
            "{}",
            set.status
        );
        let get = target.request("GET", &resource).send().await;
        let kept = [201, 204].contains(&set.status);
        prop_assert_eq!(
            get.status == 204,
            kept,
            "{} then {}",
            set.status,
            get.status
        );
        let all = target.resource(&format!("{}/flags", target.object)).await;
        let listed = all["flagList"]["flag"].as_array().unwrap();
        let is_it = |shown: &serde_json::Value| shown.as_str().unwrap().eq_ignore_ascii_case(&flag);
        prop_assert_eq!(listed.iter().any(is_it), kept);
        // The same by the list of all flags.
        let body = json!({"flagList": {"flag": [flag, "\\Flagged"]}});
        let put = target
            .request("PUT", &format!("{}/flags", target.object))
            .json(&body)
            .send()
            .await;
        prop_assert!([200, 400, 403].contains(&put.status), "{}", put.status);
        if kept {
            prop_assert_eq!(put.status, 200);
            let taken = target.request("DELETE", &resource).send().await;
            prop_assert_eq!(taken.status, 204);
        }
        Ok(())
    });
}

#[test]
fn any_path_is_found_or_not() {
    hold("any_path", async |target, path| {
        for kind in ["folders", "objects"] {
            let resource = format!("{kind}/operations/pathToId");
            let query = format!("{resource}?path={}", encoded(path.as_bytes()));
            let one = target.request("GET", &query).send().await;
            prop_assert!([200, 400, 404].contains(&one.status), "{}", one.status);
            let body = json!({"pathList": {"path": [path]}});
            let list = target.request("POST", &resource).json(&body).send().await;
            prop_assert_eq!(list.status, 200, "{}", list.text());
            let item = &list.json()["bulkResponseList"]["response"][0]["code"];
            prop_assert_eq!(
                item == 200,
                one.status == 200,
                "{} and {}",
                one.status,
                item
            );
        }
        Ok(())
    });
}
