//! HTTP as such: conditions, ranges, compression, other origins, and connections that outlive an error.

mod compression;
mod conditions;
mod connections;
mod http2;
mod origins;
mod ranges;

use crate::support::{
    bridge::Bridge,
    http::{Answer, Request},
};

/// The newest object of the inbox, below the box.
async fn newest(bridge: &Bridge) -> String {
    crate::objects::objects_of(bridge, "/INBOX").await.remove(0)
}

/// GET with these headers.
fn getting(bridge: &Bridge, resource: &str, headers: &[(&str, &str)]) -> Request {
    with(bridge.request("GET", resource), headers)
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// The entity tag of an answer.
fn tag(answer: &Answer) -> String {
    let tag = answer.header("etag");
    tag.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// What its request was refused for: status, identifier and variables.
fn refusal(answer: &Answer) -> String {
    let document = answer.json();
    let error = document["requestError"].as_object().unwrap();
    let exception = error.values().next().unwrap();
    let id = exception["messageId"].as_str().unwrap();
    let variables = exception["variables"].as_array();
    let variables = variables.into_iter().flatten();
    variables.fold(format!("{} {id}", answer.status), |text, variable| {
        format!("{text} {}", variable.as_str().unwrap())
    })
}
