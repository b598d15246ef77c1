//! The operator of a store: boxes opened without their owners' passwords, and none but those that are meant.

mod certificate;
mod overlooked;
mod owners;
mod refused;
mod servers;

use std::{net::SocketAddr, sync::Arc};

use cpm_bridge::{
    config::Config,
    demo::dovecot::OPERATOR,
    identity::{BoxId, Credentials, Secret},
    nms::Urls,
    state::MemoryState,
    store::{Account, Budget, Error, FolderQuery, ListFilter, Store},
};

use crate::support::witness::Witness;

/// A store with an operator.
struct Opener {
    store: Arc<Store>,
    _password: tempfile::NamedTempFile,
}

impl Opener {
    /// With the operator of the tests' Dovecot.
    fn new(imap: SocketAddr, method: &str) -> Self {
        Self::with(imap, method, OPERATOR.1, "")
    }

    /// With this password of user `bridge`, and more settings of the store.
    fn with(imap: SocketAddr, method: &str, password: &str, settings: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{password}\n")).unwrap();
        let operator = format!(
            "operator = {{ user = {:?}, password_file = {:?}, method = {method:?} }}\n{settings}",
            OPERATOR.0,
            file.path()
        );
        Self {
            store: store(imap, "off", &operator),
            _password: file,
        }
    }

    async fn open(&self, login: &str) -> Result<Account, Error> {
        self.store.open_outside(&box_id(login), login).await
    }
}

fn store(imap: SocketAddr, tls: &str, settings: &str) -> Arc<Store> {
    let text = format!(
        "[[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = {tls:?}\n{settings}\n",
        imap.ip(),
        imap.port()
    );
    let config = Config::from_toml(&text).unwrap();
    let state = Arc::new(MemoryState::new());
    let budget = Budget::new(1 << 20);
    Store::new(
        &config.stores[0],
        &config.objects,
        &config.search,
        state,
        budget,
    )
    .unwrap()
}

fn box_id(login: &str) -> BoxId {
    BoxId::parse(&format!("tel:{login}")).unwrap()
}

fn credentials(login: &str, password: &str) -> Credentials {
    Credentials {
        login: login.to_owned(),
        password: Secret::new(password),
    }
}

/// How many objects the INBOX of an open box has.
async fn objects(account: &Account, login: &str) -> Result<usize, Error> {
    let urls = Urls::new("http://x", "cpm", &format!("tel:{login}"));
    let inbox = account
        .folders_by_path(&urls, &["/INBOX".to_owned()])
        .await?;
    let inbox = inbox.into_iter().next().unwrap()?;
    let id = urls.folder_id(&inbox.resource_url).unwrap();
    let query = FolderQuery {
        list: ListFilter::Objects,
        max_entries: 100,
        ..FolderQuery::default()
    };
    let folder = account.folder(&urls, &id, &query).await?;
    Ok(folder
        .objects
        .map_or(0, |objects| objects.object_reference.len()))
}

async fn fill(witness: &mut Witness, count: usize) {
    for number in 0..count {
        let message = format!("Subject: {number}\r\n\r\nbody {number}\r\n");
        witness.append("INBOX", message.as_bytes(), "", None).await;
    }
}
