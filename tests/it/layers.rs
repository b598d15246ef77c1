//! The layering of ARCHITECTURE.md, held against the paths in `src/`. Code under `#[cfg(test)]` is free.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room and the rooms it may use beside itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("nms", &[]),
    ("message", &[]),
    ("identity", &[]),
    ("clock", &[]),
    ("task", &["config"]),
    ("tls", &["config"]),
    ("config", &["identity"]),
    ("spool", &[]),
    ("imap", LEAVES),
    (
        "state",
        &["nms", "config", "identity", "task", "tls", "clock"],
    ),
    (
        "store",
        &[
            "imap", "nms", "message", "state", "spool", "config", "identity", "task", "tls",
            "clock",
        ],
    ),
    ("auth", LEAVES),
    ("outbound", LEAVES),
    (
        "notify",
        &[
            "store", "state", "nms", "outbound", "config", "identity", "task", "tls", "clock",
        ],
    ),
    (
        "rest",
        &[
            "notify", "store", "nms", "auth", "spool", "config", "identity", "task", "tls", "clock",
        ],
    ),
    (
        "server",
        &["rest", "config", "identity", "task", "tls", "clock"],
    ),
    (
        "admin",
        &[
            "rest", "store", "config", "identity", "task", "tls", "clock",
        ],
    ),
    ("serve", EVERY_ROOM),
    ("probe", EVERY_ROOM),
    ("demo", EVERY_ROOM),
    ("main", EVERY_ROOM),
];

const LEAVES: &[&str] = &["config", "identity", "task", "tls", "clock"];

/// The rooms that put the others together.
const EVERY_ROOM: &[&str] = &[
    "nms", "message", "identity", "clock", "task", "tls", "config", "imap", "state", "store",
    "auth", "rest", "server", "spool", "outbound", "notify", "admin", "serve", "probe", "demo",
];

/// Crates that are kept in the rooms named; all others may not mention them.
const KEPT: &[(&str, &[&str])] = &[
    ("async_imap", &["imap"]),
    ("imap_proto", &["imap"]),
    ("moka", &["store"]),
    ("redb", &["state"]),
    ("mail_parser", &["message"]),
    ("hyper", &["server", "admin", "rest", "outbound"]),
    ("hyper_util", &["server", "admin", "rest", "outbound"]),
    ("tokio_tungstenite", &["rest"]),
    ("metrics_exporter_prometheus", &["serve", "admin"]),
    ("clap", &["main"]),
    ("anyhow", &["main", "serve", "probe", "demo"]),
];

/// Crates that the rooms named do without.
const WITHOUT: &[(&str, &[&str])] = &[
    (
        "tokio",
        &["nms", "message", "identity", "clock", "config", "auth"],
    ),
    (
        "serde_json",
        &["imap", "message", "identity", "clock", "spool"],
    ),
    (
        "http",
        &[
            "nms", "message", "identity", "imap", "state", "store", "spool",
        ],
    ),
];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let files = sources();
    assert!(files.len() > 20, "{files:?}");
    let violations: Vec<String> = files
        .iter()
        .flat_map(|path| {
            violations(
                path,
                &fs::read_to_string(root().join("src").join(path)).unwrap(),
            )
        })
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_room_is_in_the_table_and_in_the_architecture() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for path in sources() {
        let room = room_of(&path);
        if room == "lib" {
            continue;
        }
        assert!(
            ROOMS.iter().any(|(name, _)| *name == room),
            "{path} is in no room of the table"
        );
        assert!(
            architecture.contains(&format!("`{room}`")),
            "ARCHITECTURE.md has no room `{room}`"
        );
    }
}

#[test]
fn made_up_violations_are_found() {
    for (path, source, found) in [
        (
            "imap/pool.rs",
            "use crate::store::Store;",
            "imap may not use store",
        ),
        (
            "imap/pool.rs",
            "use crate::{\n    task,\n    tls, nms,\n};",
            "imap/pool.rs:3: imap may not use nms",
        ),
        (
            "imap/pool.rs",
            "use crate::{config::{TlsMode, rest}, state::State};",
            "imap may not use state",
        ),
        (
            "store/mod.rs",
            "fn f() { crate::rest::answer() }",
            "store may not use rest",
        ),
        (
            "admin.rs",
            "use super::imap::Pool;",
            "admin may not use imap",
        ),
        (
            "rest/http.rs",
            "use super::super::state;",
            "rest may not use state",
        ),
        (
            "config/mod.rs",
            "pub(in crate::serve) fn f() {}",
            "config may not use serve",
        ),
        (
            "store/mod.rs",
            "use async_imap::Client;",
            "store may not use async_imap",
        ),
        (
            "rest/mod.rs",
            "type C = moka::future::Cache<u8, u8>;",
            "rest may not use moka",
        ),
        (
            "serve/mod.rs",
            "use hyper::body::Body;",
            "serve may not use hyper",
        ),
        (
            "store/mod.rs",
            "use http::StatusCode;",
            "store may not use http",
        ),
        (
            "nms/url.rs",
            "use tokio::sync::Mutex;",
            "nms may not use tokio",
        ),
        (
            "outbound/target.rs",
            "use crate::rest::answer;",
            "outbound may not use rest",
        ),
        (
            "imap/guard.rs",
            "/// Doc.\nuse crate::task; // why\nuse crate::store;",
            "imap/guard.rs:3:",
        ),
    ] {
        let violations = violations(path, source);
        assert!(
            violations.len() == 1 && violations[0].contains(found),
            "{source}\nexpected {found}, found {violations:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, source) in [
        (
            "imap/pool.rs",
            "use crate::{config::TlsMode, identity::{BoxId, Credentials}, task};",
        ),
        (
            "imap/pool.rs",
            "use super::{store, rest};\nuse crate::imap::Command;",
        ),
        (
            "imap/pool.rs",
            "// use crate::store::Store;\n/// See `crate::rest`.\nuse async_imap::Client;",
        ),
        (
            "rest/http.rs",
            "use super::http::Failure;\nuse http::Method;\nfn f() { my_hyper::g(); a::hyper_f::h() }",
        ),
        (
            "store/mod.rs",
            "use crate::imap;\n#[cfg(test)]\nmod tests {\n    use crate::rest;\n}",
        ),
        ("serve/mod.rs", "use crate::{admin, imap, rest};"),
    ] {
        assert_eq!(violations(path, source), Vec::<String>::new(), "{source}");
    }
}

/// A line for each path in the source that the tables do not allow.
fn violations(path: &str, source: &str) -> Vec<String> {
    let room = room_of(path);
    let tests = ["/tests.rs", "/fixtures.rs"]
        .iter()
        .any(|end| path.ends_with(end));
    if room == "lib" || tests || path.contains("/tests/") {
        return Vec::new();
    }
    let code = code_of(source);
    let allowed = ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map_or(&[][..], |(_, allowed)| *allowed);
    let rooms = rooms_in(&code, depth_of(path))
        .into_iter()
        .filter(|(_, used)| used != room && !allowed.contains(&used.as_str()));
    let crates = KEPT
        .iter()
        .filter(|(_, at_home)| !at_home.contains(&room))
        .chain(
            WITHOUT
                .iter()
                .filter(|(_, without)| without.contains(&room)),
        )
        .flat_map(|(name, _)| crates_in(&code, name));
    let mut found: Vec<(usize, String)> = rooms.chain(crates).collect();
    found.sort();
    found
        .into_iter()
        .map(|(at, used)| {
            let line = code[..at].matches('\n').count();
            let text = source.lines().nth(line).unwrap_or_default().trim();
            format!("src/{path}:{}: {room} may not use {used}: {text}", line + 1)
        })
        .collect()
}

/// The source without comments and without what comes after `#[cfg(test)]` and a module: tests are last in a file.
/// Every line stays on its line.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let is_module = |next: &&str| next.trim_start().starts_with("mod ");
        if line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(is_module) {
            break;
        }
        let comment = line.find("//").filter(|at| !line[..*at].ends_with(':'));
        code += &line[..comment.unwrap_or(line.len())];
        code.push('\n');
    }
    code
}

/// The rooms named by `crate::room`, `crate::{room, …}` and chains of `super::` that reach the root, with where.
fn rooms_in(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if begins_path(code, at) {
            found.extend(heads(code, at + "crate::".len()));
        }
    }
    for (at, _) in code.match_indices("super::") {
        let rest = code[at..].trim_start_matches("super::");
        let chain = (code[at..].len() - rest.len()) / "super::".len();
        // A module inside the file is one deeper, so only the names of rooms are believed.
        if begins_path(code, at) && chain >= depth {
            let named = heads(code, code.len() - rest.len());
            found.extend(
                named
                    .into_iter()
                    .filter(|(_, name)| EVERY_ROOM.contains(&name.as_str())),
            );
        }
    }
    found
}

/// The first name of a path, or of each path in a group, with where it is.
fn heads(code: &str, start: usize) -> Vec<(usize, String)> {
    let Some(group) = code[start..].strip_prefix('{') else {
        return identifier(code, start).into_iter().collect();
    };
    let mut found = Vec::new();
    let mut depth = 1_usize;
    let mut at_head = true;
    let offset = code.len() - group.len();
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => at_head = true,
            _ if at_head && !character.is_whitespace() => {
                found.extend(identifier(code, offset + index));
                at_head = false;
            }
            _ => {}
        }
    }
    found
}

fn identifier(code: &str, start: usize) -> Option<(usize, String)> {
    let name: String = code[start..]
        .chars()
        .take_while(|character| is_name(*character))
        .collect();
    (!name.is_empty()).then_some((start, name))
}

/// Where a crate's name begins a path.
fn crates_in(code: &str, name: &str) -> Vec<(usize, String)> {
    code.match_indices(&format!("{name}::"))
        .filter(|(at, _)| begins_path(code, *at))
        .map(|(at, _)| (at, name.to_owned()))
        .collect()
}

fn begins_path(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|character| is_name(character) || character == ':')
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `imap` of `imap/pool.rs`, `admin` of `admin.rs`.
fn room_of(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs")
}

/// How many `super::` lead to the root: 1 in `admin.rs` and `imap/mod.rs`, 2 in `imap/pool.rs`.
fn depth_of(path: &str) -> usize {
    path.matches('/').count() + usize::from(!path.ends_with("/mod.rs"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of `src/`, as paths below it.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root().join("src")).unwrap();
                found.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
