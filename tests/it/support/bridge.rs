//! The bridge itself, in this process, in front of an account of the test's own.

use std::{net::SocketAddr, path::Path};

use cpm_bridge::demo::service::{self, Service};
use serde_json::Value;

use super::{
    dovecot::{self, Account},
    http::{Answer, Client, Request},
    witness::{Witness, quoted},
};

/// A running bridge and a client with its account's credentials.
pub(crate) struct Bridge {
    pub(crate) account: Account,
    pub(crate) client: Client,
    service: Service,
}

/// What is there before the bridge starts.
#[must_use]
pub(crate) struct Builder {
    account: Account,
    store: SocketAddr,
    folders: Vec<String>,
    messages: Vec<(String, String, String)>,
    http_settings: String,
    store_settings: String,
    settings: String,
    tls: &'static str,
}

impl Bridge {
    /// For the test of this name.
    pub(crate) fn builder(test: &str) -> Builder {
        let account = dovecot::account(test);
        Builder {
            store: account.imap,
            account,
            folders: Vec::new(),
            messages: Vec::new(),
            http_settings: String::new(),
            store_settings: String::new(),
            settings: String::new(),
            tls: "off",
        }
    }

    /// The target of a resource of the account's box, such as `folders/operations/search`; those of channels begin with
    /// `channels`.
    pub(crate) fn target(&self, resource: &str) -> String {
        let box_id = self.account.box_id().replace('+', "%2B");
        let of_channels = resource.starts_with("channels");
        let api = if of_channels {
            "notificationchannel/v1"
        } else {
            "nms/v1/cpm"
        };
        format!("/{api}/{box_id}/{resource}")
    }

    /// GET of a resource of the box.
    pub(crate) async fn get(&self, resource: &str) -> Answer {
        self.client.get(&self.target(resource)).await
    }

    /// POST of JSON to a resource of the box.
    pub(crate) async fn post(&self, resource: &str, body: &Value) -> Answer {
        self.client.post(&self.target(resource), body).await
    }

    /// PUT of JSON to a resource of the box.
    pub(crate) async fn put(&self, resource: &str, body: &Value) -> Answer {
        self.client.put(&self.target(resource), body).await
    }

    /// DELETE of a resource of the box.
    pub(crate) async fn delete(&self, resource: &str) -> Answer {
        self.client.delete(&self.target(resource)).await
    }

    /// Any request to a resource of the box.
    pub(crate) fn request(&self, method: &str, resource: &str) -> Request {
        self.client.request(method, &self.target(resource))
    }

    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub(crate) fn admin(&self) -> Client {
        Client::new(self.service.admin)
    }

    /// A direct session of the account.
    pub(crate) async fn witness(&self) -> Witness {
        self.account.witness().await
    }

    /// How many messages a direct session sees in a mailbox.
    pub(crate) async fn imap_count(&self, mailbox: &str) -> u32 {
        self.witness().await.examine(mailbox).await
    }

    /// Drains and stops the bridge.
    pub(crate) async fn stop(self) {
        self.service.stop().await;
    }
}

impl Builder {
    /// The account.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// The account's login.
    pub(crate) fn login(&self) -> String {
        self.account.login.clone()
    }

    /// The account's Dovecot.
    pub(crate) fn imap(&self) -> SocketAddr {
        self.account.imap
    }

    /// How the store is reached: `off` unless said otherwise.
    pub(crate) fn tls(mut self, mode: &'static str) -> Self {
        self.tls = mode;
        self
    }

    /// A message of `fixtures/messages/`, in a mailbox that is made if need be.
    pub(crate) fn message(self, mailbox: &str, fixture: &str) -> Self {
        self.flagged(mailbox, fixture, "")
    }

    /// The same, with flags.
    pub(crate) fn flagged(mut self, mailbox: &str, fixture: &str, flags: &str) -> Self {
        let message = (mailbox.to_owned(), fixture.to_owned(), flags.to_owned());
        self.messages.push(message);
        self.folder(mailbox)
    }

    /// A mailbox; its name in modified UTF-7.
    pub(crate) fn folder(mut self, mailbox: &str) -> Self {
        self.folders.push(mailbox.to_owned());
        self
    }

    /// Talks to this address, a scripted server or a proxy, instead of Dovecot.
    pub(crate) fn store(mut self, address: SocketAddr) -> Self {
        self.store = address;
        self
    }

    /// More lines for the `[[stores]]` section.
    pub(crate) fn store_setting(mut self, toml: &str) -> Self {
        self.store_settings += &format!("{toml}\n");
        self
    }

    /// More lines for the `[http]` section.
    pub(crate) fn http_setting(mut self, toml: &str) -> Self {
        self.http_settings += &format!("{toml}\n");
        self
    }

    /// More sections.
    pub(crate) fn setting(mut self, toml: &str) -> Self {
        self.settings += &format!("{toml}\n");
        self
    }

    /// Fills the account and starts the bridge.
    pub(crate) async fn start(self) -> Bridge {
        if !self.folders.is_empty() {
            self.fill().await;
        }
        let configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{}\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"{}\"\n{}{}",
            self.http_settings,
            self.store.ip(),
            self.store.port(),
            self.tls,
            self.store_settings,
            self.settings
        );
        let service = service::start(&configuration).await.unwrap();
        Bridge {
            client: Client::new(service.http).basic(&self.account.login, "secret"),
            account: self.account,
            service,
        }
    }

    async fn fill(&self) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
        let mut witness = self.account.witness().await;
        for mailbox in &self.folders {
            // Twice the same, or INBOX: it is there, which is all that is wanted.
            witness
                .command(&format!("CREATE {}", quoted(mailbox)))
                .await;
        }
        for (mailbox, fixture, flags) in &self.messages {
            let message = std::fs::read(directory.join(fixture))
                .unwrap_or_else(|error| panic!("fixtures/messages/{fixture}: {error}"));
            witness.append(mailbox, &message, flags, None).await;
        }
    }
}
