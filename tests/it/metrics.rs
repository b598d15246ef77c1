//! What operators' monitoring reads, and what it must never read.

use std::collections::{BTreeMap, BTreeSet};

use cpm_bridge::demo::service;

use crate::{
    objects::objects_of,
    support::{
        bridge::Bridge,
        dovecot,
        http::Client,
        proxy::{Fault, Proxy},
    },
};

/// Every metric, and the labels it has beside `le`.
const METRICS: [(&str, &[&str]); 14] = [
    ("build_info", &["version"]),
    ("cache_evictions_total", &["cache"]),
    ("cache_hits_total", &["cache"]),
    ("cache_misses_total", &["cache"]),
    ("events_total", &["kind"]),
    ("http_request_duration_seconds", &["op", "code"]),
    (
        "imap_command_duration_seconds",
        &["store", "command", "result"],
    ),
    ("imap_connections", &["store", "state"]),
    ("imap_pool_wait_seconds", &[]),
    ("imap_reconnects_total", &["store", "reason"]),
    ("long_polls_parked", &[]),
    ("notification_channels", &[]),
    ("queue_overflows_total", &[]),
    ("websockets_open", &[]),
];

/// A line of the text: name, labels, value.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

async fn samples(admin: &Client) -> Vec<Sample> {
    let answer = admin.get("/metrics").await.expect(200);
    assert_eq!(
        answer.header("content-type").unwrap(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let lines = answer.text().lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(sample)
        .collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    let labels = labels
        .split(',')
        .filter(|label| !label.is_empty())
        .map(|label| {
            let (key, value) = label.split_once('=').unwrap();
            (key.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect();
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().unwrap(),
    }
}

/// The sum of the series of a metric whose labels hold these.
fn total(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    samples
        .iter()
        .filter(|sample| sample.name == name)
        .filter(|sample| {
            labels
                .iter()
                .all(|(key, value)| sample.labels.get(*key).is_some_and(|has| has == value))
        })
        .map(|sample| sample.value)
        .sum()
}

#[tokio::test]
async fn there_are_the_metrics_that_are_promised_and_none_speaks_of_anybody() {
    let builder = Bridge::builder("metrics").message("Default/tel:+15550101", "f05-mms-plain.eml");
    let login = builder.login();
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let object = objects_of(&bridge, "/Default/tel:+15550101")
        .await
        .remove(0);
    bridge.get(&object).await.expect(200);
    bridge.get(&format!("{object}x")).await.expect(404);
    bridge.client.get("/nowhere").await.expect(404);
    // One that is lost and made good.
    proxy.set(Fault::CutAfter(0));
    bridge.get(&object).await;
    proxy.set(Fault::None);
    bridge.get(&object).await.expect(200);

    let samples = samples(&bridge.admin()).await;
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for sample in &samples {
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                let name = sample.name.strip_suffix(suffix)?;
                name.ends_with("_seconds").then_some(name)
            })
            .unwrap_or(&sample.name);
        let labels = sample.labels.keys().map(String::as_str);
        named
            .entry(name)
            .or_default()
            .extend(labels.filter(|label| *label != "le"));
    }
    let promised: BTreeMap<&str, BTreeSet<&str>> = METRICS
        .iter()
        .map(|(name, labels)| (*name, labels.iter().copied().collect()))
        .collect();
    assert_eq!(named, promised);

    let id = object.rsplit('/').next().unwrap();
    let folder_ids = |value: &str| value.len() > 24;
    for (key, value) in samples.iter().flat_map(|sample| &sample.labels) {
        let words = value.chars().all(|character| match key.as_str() {
            "command" => character.is_ascii_uppercase() || character == ' ',
            "code" | "version" | "le" => "0123456789.+Inf".contains(character),
            "store" => character.is_ascii_alphanumeric(),
            _ => character.is_ascii_lowercase() || character == '_',
        });
        assert!(words && !folder_ids(value), "{key}={value}");
        assert!(!value.contains(&login[1..]) && value != id, "{key}={value}");
    }
}

#[tokio::test]
async fn what_happens_is_counted_where_it_belongs() {
    let account = dovecot::account("counted");
    let proxy = Proxy::start(account.imap).await;
    // A store name of its own, since all tests of this process share the recorder.
    let configuration = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[stores]]\nname = \"counted\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"off\"\n",
        proxy.address().port()
    );
    let service = service::start(&configuration).await.unwrap();
    let admin = Client::new(service.admin);
    let client = Client::new(service.http).basic(&account.login, "secret");
    let of_store = |more: &[(&'static str, &'static str)]| {
        let mut labels = vec![("store", "counted")];
        labels.extend_from_slice(more);
        labels
    };
    let box_id = account.box_id().replace('+', "%2B");
    let target = format!("/nms/v1/counted/{box_id}/folders/operations/pathToId");
    let get = async || client.get(&target).await.status;
    assert_eq!(get().await, 200);
    let before = samples(&admin).await;
    let count = "imap_command_duration_seconds_count";
    let logins = of_store(&[("command", "LOGIN"), ("result", "ok")]);
    assert_eq!(total(&before, count, &logins), 1.0);
    let states = |samples: &[Sample]| {
        ["connecting", "busy", "idle"]
            .map(|state| total(samples, "imap_connections", &of_store(&[("state", state)])))
    };
    assert_eq!(states(&before), [0.0, 0.0, 1.0]);

    // Closed between commands, it is not idle any more; closed in a command, it is replaced.
    proxy.set(Fault::CutAfter(3));
    assert_eq!(get().await, 503);
    proxy.set(Fault::None);
    assert_eq!(get().await, 200);
    let after = samples(&admin).await;
    let closed = of_store(&[("reason", "closed")]);
    assert!(total(&after, "imap_reconnects_total", &closed) >= 1.0);
    assert!(total(&after, count, &of_store(&[("result", "closed")])) >= 1.0);
    assert_eq!(states(&after), [0.0, 0.0, 1.0]);
    service.stop().await;
}
