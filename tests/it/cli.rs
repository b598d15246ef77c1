//! The command line: exit codes, messages, signals.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

/// A store that nobody has to reach.
const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"off\"\n";

const LISTEN: &str =
    "[http]\nlisten = \"127.0.0.1:0\"\ndrain = 1\n[admin]\nlisten = \"127.0.0.1:0\"\n";

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpm-bridge"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CPM_BRIDGE__") {
            command.env_remove(name);
        }
    }
    command
}

/// The file `cpm.toml` in a directory of its own, which lives as long as the value.
pub(crate) fn configuration(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cpm.toml");
    std::fs::write(&file, text).unwrap();
    (directory, file.to_str().unwrap().to_owned())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String) {
    said(&command().args(arguments).output().unwrap())
}

#[test]
fn bad_usage_is_2() {
    for arguments in [
        &[][..],
        &["serve"],
        &["serve", "--config"],
        &["serve", "--wrong"],
        &["check-config"],
        &["check-config", "f", "--user", "tel:+1"],
        &["check-config", "f", "--connect", "--password-file", "p"],
        &["demo", "--listen", "nowhere"],
    ] {
        assert_eq!(run(arguments).0, Some(2), "{arguments:?}");
    }
    assert_eq!(run(&["--help"]).0, Some(0));
    assert_eq!(
        run(&["--version"]),
        (
            Some(0),
            format!("cpm-bridge {}\n", env!("CARGO_PKG_VERSION"))
        )
    );
}

#[test]
fn a_good_file_is_ok() {
    let (_directory, file) = configuration(STORE);
    assert_eq!(run(&["check-config", &file]), (Some(0), "ok\n".to_owned()));
}

#[test]
fn passwords_in_plain_text_over_the_network_are_warned_of() {
    let (_directory, file) = configuration(&STORE.replace("127.0.0.1", "imap.test"));
    let (code, text) = run(&["check-config", &file]);
    assert_eq!(code, Some(0));
    assert!(text.contains("warning: stores[0].tls: off"), "{text}");
}

#[test]
fn a_mistake_is_2_and_named_by_file_line_and_column() {
    let (_directory, file) = configuration(&format!("{STORE}prot = 143\n"));
    for arguments in [&["check-config", &file][..], &["serve", "--config", &file]] {
        let (code, text) = run(arguments);
        assert_eq!(code, Some(2));
        assert!(
            text.starts_with(&format!(
                "cpm-bridge: {file}: line 6, column 1: unknown key `prot`"
            )),
            "{text}"
        );
    }
    assert_eq!(run(&["check-config", "/nonexistent.toml"]).0, Some(2));
}

#[test]
fn files_that_cannot_be_used_are_2() {
    let (_directory, file) = configuration(&format!("{STORE}tls_ca = \"missing.pem\"\n"));
    for arguments in [&["check-config", &file][..], &["serve", "--config", &file]] {
        let (code, text) = run(arguments);
        assert_eq!(code, Some(2));
        assert!(
            text.contains("stores[0].tls_ca: ") && text.contains("missing.pem"),
            "{text}"
        );
    }
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let (_directory, file) = configuration(STORE);
    let output = command()
        .args(["check-config", &file])
        .env("CPM_BRIDGE__HTTP__LISTN", "127.0.0.1:1")
        .output();
    let (code, text) = said(&output.unwrap());
    assert_eq!(code, Some(2));
    assert!(
        text.contains("CPM_BRIDGE__HTTP__LISTN: unknown key `listn`"),
        "{text}"
    );
}

#[test]
fn a_store_that_cannot_be_reached_is_1_when_asked() {
    let (_directory, file) = configuration(STORE);
    let (code, text) = run(&["check-config", &file, "--connect"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("store/cpm down: "), "{text}");
}

#[test]
fn a_busy_port_is_1_and_names_itself() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_directory, file) = configuration(&format!("[http]\nlisten = \"{address}\"\n{STORE}"));
    let (code, text) = run(&["serve", "--config", &file]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains(&format!("http.listen {address}: address already in use\n")),
        "{text}"
    );
}

#[test]
fn sigterm_and_sigint_end_it_in_order() {
    for signal in ["TERM", "INT"] {
        let (_directory, file) = configuration(&format!("{LISTEN}{STORE}"));
        let (mut service, _) = serving(&file);
        send(&service, signal);
        assert_eq!(service.0.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // A store that accepts and says nothing: the request waits for it, the drain for the request.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!("{LISTEN}{STORE}").replace("drain = 1\n", "drain = 3600\n");
    let (_directory, file) =
        configuration(&text.replace("port = 1\n", &format!("port = {port}\n")));
    let (mut service, address) = serving(&file);
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    let request = "GET /nms/v1/cpm/tel:+1/folders/a HTTP/1.1\r\nHost: h\r\nAuthorization: Basic KzE6YQ==\r\n\r\n";
    std::io::Write::write_all(&mut client, request.as_bytes()).unwrap();
    let asked = silent.accept().unwrap();
    send(&service, "TERM");
    wait_until_closed(&address);
    assert!(
        service.0.try_wait().unwrap().is_none(),
        "it waits for the request"
    );
    send(&service, "TERM");
    assert_eq!(service.0.wait().unwrap().code(), Some(1));
    drop(asked);
}

/// A process that does not outlive its test.
pub(crate) struct Service(pub(crate) Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service once it serves, and where.
pub(crate) fn serving(file: &str) -> (Service, String) {
    let mut service = command()
        .args(["serve", "--config", file])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines();
    let line = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("serving"))
        .unwrap();
    let address = line
        .split("http=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    // The pipe is read on, so that the service never waits for it.
    std::thread::spawn(move || lines.for_each(drop));
    (Service(service), address)
}

pub(crate) fn send(service: &Service, signal: &str) {
    let id = service.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap()
            .success()
    );
}

fn wait_until_closed(address: &str) {
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
}
