//! A box on any of the servers, by REST and by IMAP.

use std::net::SocketAddr;

use cpm_bridge::demo::service::{self, Service};
use serde_json::Value;

use super::{
    dovecot,
    http::{Client, Request},
    witness::Witness,
};
use crate::objects::below_box;

/// How a client of a server knows its mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// In messages of failure.
    pub(crate) name: &'static str,
    /// Of the personal namespace.
    pub(crate) prefix: &'static str,
    /// Between levels.
    pub(crate) separator: char,
}

/// As the tests set it up.
pub(crate) const DOVECOT: Kind = Kind {
    name: "Dovecot",
    prefix: "",
    separator: '/',
};
/// As the tests set it up.
pub(crate) const CYRUS: Kind = Kind {
    name: "Cyrus",
    prefix: "",
    separator: '/',
};
/// As it is.
pub(crate) const COURIER: Kind = Kind {
    name: "Courier",
    prefix: "INBOX.",
    separator: '.',
};

/// A box and a bridge in front of it.
pub(crate) struct Store {
    pub(crate) kind: Kind,
    pub(crate) client: Client,
    pub(crate) login: String,
    imap: SocketAddr,
    service: Service,
}

impl Store {
    /// A box on the Dovecot that all tests share.
    pub(crate) async fn dovecot(test: &str) -> Self {
        let account = dovecot::account(test);
        Self::new(DOVECOT, account.imap, account.imap, &account.login).await
    }

    /// A box of this login. The bridge reaches its server at an address of its own, which may be a proxy's.
    pub(crate) async fn new(
        kind: Kind,
        imap: SocketAddr,
        bridges: SocketAddr,
        login: &str,
    ) -> Self {
        let configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n",
            bridges.ip(),
            bridges.port()
        );
        let service = service::start(&configuration).await.unwrap();
        let client = Client::new(service.http).basic(login, "secret");
        Self {
            kind,
            client,
            login: login.to_owned(),
            imap,
            service,
        }
    }

    /// The target of a resource of the box.
    pub(crate) fn target(&self, resource: &str) -> String {
        format!(
            "/nms/v1/cpm/tel:{}/{resource}",
            self.login.replace('+', "%2B")
        )
    }

    /// Any request to a resource of the box.
    pub(crate) fn request(&self, method: &str, resource: &str) -> Request {
        self.client.request(method, &self.target(resource))
    }

    /// Sends JSON or nothing, and reads JSON or nothing.
    pub(crate) async fn json(
        &self,
        method: &str,
        resource: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let mut request = self.request(method, resource);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await;
        let name = self.kind.name;
        assert_eq!(
            answer.status,
            status,
            "{name} {method} {resource}: {}",
            answer.text()
        );
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// The mailbox of these levels.
    pub(crate) fn mailbox(&self, levels: &[&str]) -> String {
        let Kind {
            prefix, separator, ..
        } = self.kind;
        format!("{prefix}{}", levels.join(&separator.to_string()))
    }

    /// A direct session of the box.
    pub(crate) async fn witness(&self) -> Witness {
        Witness::login(self.imap, &self.login).await
    }

    /// The folder of a path, as a path below the box.
    pub(crate) async fn folder(&self, path: &str) -> String {
        let path = path
            .replace('+', "%2B")
            .replace('&', "%26")
            .replace(' ', "%20");
        let resource = format!("folders/operations/pathToId?path={path}");
        let found = self.json("GET", &resource, None, 200).await;
        below_box(&found["reference"]["resourceURL"])
    }

    /// The objects of a folder, newest first, as paths below the box.
    pub(crate) async fn objects(&self, path: &str) -> Vec<String> {
        let folder = self.folder(path).await;
        let resource = format!("{folder}?listFilter=All");
        let listed = self.json("GET", &resource, None, 200).await;
        let references = listed["folder"]["objects"]["objectReference"]
            .as_array()
            .unwrap();
        references
            .iter()
            .map(|reference| below_box(&reference["resourceURL"]))
            .collect()
    }

    /// Drains and stops the bridge.
    pub(crate) async fn stop(self) {
        self.service.stop().await;
    }
}
