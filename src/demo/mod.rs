//! `cpm-bridge demo`: a private Dovecot with two filled boxes and the service in front of it.
//!
//! Nothing of it outlives the process, not even one that is killed; only a directory given by the caller stays.

use std::{
    future::Future,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    pin::pin,
};

use anyhow::Context as _;

use service::Service;

mod append;
pub mod boxes;
pub mod child;
pub mod dovecot;
pub mod service;

/// Lies in a kept directory once its boxes are filled, so that what was deleted since stays deleted.
const FILLED: &str = "filled";

/// Where the demo listens and keeps its mail.
#[derive(Debug, Clone)]
pub struct Options {
    /// HTTP; port 0 for any free one, here and below.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Dovecot.
    pub imap_listen: SocketAddr,
    /// Kept afterwards and used again next time; otherwise a temporary directory is made and removed.
    pub dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(8080),
            admin_listen: loopback(9090),
            imap_listen: loopback(10143),
            dir: None,
        }
    }
}

/// Runs the demo until `stop` completes, then stops Dovecot and tidies up.
///
/// # Errors
/// When Dovecot is missing or ends by itself, an address is in use, or the directory cannot be used.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut dovecot = start_dovecot(&options).await?;
    let outcome = serve(&options, &mut dovecot, stop).await;
    dovecot.stop().await.context("dovecot")?;
    outcome
}

async fn serve(
    options: &Options,
    dovecot: &mut dovecot::Dovecot,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let imap = dovecot.imap();
    let mut stop = pin!(stop);
    let service = tokio::select! {
        service = start(options, imap, dovecot.directory()) => service?,
        () = stop.as_mut() => return Ok(()),
    };
    io::stdout().write_all(announcement(service.http, service.admin, imap).as_bytes())?;
    io::stdout().flush()?;
    let outcome = tokio::select! {
        ended = dovecot.ended() => Err(ended.into()),
        () = stop => Ok(()),
    };
    service.stop().await;
    outcome
}

/// Fills the boxes and starts the service.
async fn start(options: &Options, imap: SocketAddr, directory: &Path) -> anyhow::Result<Service> {
    let filled = directory.join(FILLED);
    if !filled.exists() {
        boxes::fill(imap).await.context("filling the boxes")?;
        std::fs::write(&filled, "")?;
    }
    service::start(&configuration(options, imap)).await
}

async fn start_dovecot(options: &Options) -> anyhow::Result<dovecot::Dovecot> {
    let mut settings = match &options.dir {
        Some(directory) => dovecot::Options::new(directory),
        None => dovecot::Options {
            remove_directory: true,
            ..dovecot::Options::new(temporary_directory()?)
        },
    };
    settings.listen = options.imap_listen;
    Ok(dovecot::Dovecot::start(settings).await?)
}

/// A new directory only this user can enter.
fn temporary_directory() -> io::Result<PathBuf> {
    let name = format!("cpm-bridge-demo-{}", uuid::Uuid::new_v4().simple());
    let directory = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

fn configuration(options: &Options, imap: SocketAddr) -> String {
    format!(
        "[http]\nlisten = \"{}\"\n\
         [admin]\nlisten = \"{}\"\n\
         [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n",
        options.listen,
        options.admin_listen,
        imap.ip(),
        imap.port()
    )
}

/// The line scripts wait for, then lines for people.
fn announcement(http: SocketAddr, admin: SocketAddr, imap: SocketAddr) -> String {
    let [user, other] = boxes::USERS;
    let curl = format!("curl -s -u {user}:{}", dovecot::PASSWORD);
    // A plus sign is a space in a query.
    let base = format!("http://{http}/nms/v1/cpm/tel:{}", user.replace('+', "%2B"));
    let folder = format!("%2FDefault%2Ftel:{}", other.replace('+', "%2B"));
    let path_to_id = format!("{curl} '{base}/folders/operations/pathToId?path={folder}'");
    let url = r#"sed 's/.*"resourceURL": *"\([^"]*\)".*/\1/'"#;
    format!(
        "ready http=http://{http} admin=http://{admin} imap={imap}\n\
         \n\
         # the root folder and everything directly in it\n\
         {curl} \"$({curl} '{base}/folders/operations/pathToId' | {url})?listFilter=All\"\n\
         # where the conversation with {other} is\n\
         {path_to_id}\n\
         # what is in it\n\
         {curl} \"$({path_to_id} | {url})?listFilter=All\"\n\
         # its health, and the same box over IMAP\n\
         curl -s http://{admin}/readyz\n\
         {curl} 'imap://{imap}/INBOX;UID=1'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_where_it_listens() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let text = announcement(at(1), at(2), at(3));
        let first = "ready http=http://127.0.0.1:1 admin=http://127.0.0.1:2 imap=127.0.0.1:3";
        assert_eq!(text.lines().next(), Some(first));
    }

    #[test]
    fn each_other_line_is_a_command_a_shell_can_read() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let text = announcement(at(1), at(2), at(3));
        let commands: Vec<&str> = text.lines().skip(1).collect();
        let status = std::process::Command::new("sh")
            .args(["-n", "-c", &commands.join("\n")])
            .status()
            .unwrap();
        assert!(status.success());
        assert!(commands.iter().any(|line| line.contains("listFilter=All")));
    }
}
