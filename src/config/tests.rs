//! What a configuration file may say, and what is said about mistakes in it.

use super::*;

const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\n";

/// The mistake in a file that consists of the text.
fn mistake(text: &str) -> String {
    Config::from_toml(text).unwrap_err().to_string()
}

/// The mistake in a file with one good store and these lines in its section.
fn store_mistake(lines: &str) -> String {
    mistake(&format!("{STORE}{lines}\n"))
}

fn store(lines: &str) -> StoreConfig {
    let config = Config::from_toml(&format!("{STORE}{lines}\n")).unwrap();
    config.stores.into_iter().next().unwrap()
}

#[test]
fn a_store_is_all_that_is_needed() {
    let config = Config::from_toml(STORE).unwrap();
    assert_eq!(config.http, HttpConfig::default());
    assert_eq!(config.stores[0].port, 993);
}

#[test]
fn no_store_is_a_mistake() {
    assert!(mistake("").starts_with("stores: none"));
    assert!(mistake("stores = []").starts_with("stores: none"));
}

#[test]
fn mistakes_in_the_file_have_line_and_column() {
    for (text, expected) in [
        (
            "[http]\nlisten = \"127.0.0.1:1\"\nlisteen = 1\n",
            "line 3, column 1: unknown key `listeen`",
        ),
        ("\n\n[web]\n", "line 3, column 2: unknown key `web`"),
        (
            "[[stores]]\nname = \"é\"\n  prot = 1\n",
            "line 3, column 3: unknown key `prot`",
        ),
        (
            "[http]\ntls = { certificate = \"a\", ca = \"b\" }\n",
            "line 2, column 28: unknown key `ca`",
        ),
        ("[http]\nlisten = 8080\n", "line 2, column 10: invalid type"),
        (
            "[http]\nlisten = \"localhost\"\n",
            "line 2, column 10: invalid socket address",
        ),
        (
            "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n",
            "line 2, column 34: expected an IP address",
        ),
        (
            "[http]\ncors = { origins = [\"https://a.example\", \"a.example\"] }\n",
            "line 2, column 42: expected an origin",
        ),
        (
            "[http]\ncors = { origin = [] }\n",
            "line 2, column 10: unknown key `origin`",
        ),
        (
            "[[stores]]\nport = 70000\n",
            "line 2, column 8: invalid value",
        ),
        (
            "[[stores]]\ntls = \"maybe\"\n",
            "line 2, column 7: unknown variant",
        ),
        ("[log]\nlevel = info\n", "line 2, column 9: "),
        ("[http]\n[http]\n", "line 2, column 2: duplicate key"),
        ("[limits]\nbody = -1\n", "line 2, column 8: invalid value"),
    ] {
        let message = mistake(text);
        assert!(
            message.starts_with(expected),
            "{message}\nexpected {expected}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn keys_of_things_to_come_are_unknown() {
    let text = "[auth]\nbearer = { mode = \"jwt\" }";
    assert!(mistake(text).contains("unknown key"));
}

#[test]
fn what_is_not_there_yet_says_so() {
    assert!(
        mistake(&format!("[auth]\nbasic = false\n{STORE}")).starts_with("auth.basic: must be true")
    );
}

#[test]
fn everybody_is_listed_alone() {
    let origins = |list: &str| {
        let text = format!("[http]\ncors = {{ origins = {list} }}\n{STORE}");
        Config::from_toml(&text).map(|config| config.http.cors.origins)
    };
    assert_eq!(origins("[\"*\"]"), Ok(vec![Origin::Any]));
    assert_eq!(origins("[]"), Ok(Vec::new()));
    let both = origins("[\"*\", \"https://a.example\"]").unwrap_err();
    assert!(both.to_string().starts_with("http.cors.origins: "));
}

#[test]
fn state_is_in_memory_or_in_a_file() {
    let url = |url: &str| {
        let text = format!("[state]\nurl = {}\n{STORE}", serde_json::json!(url));
        Config::from_toml(&text).map(|config| config.state.url)
    };
    assert_eq!(url("memory:"), Ok(StateUrl::Memory));
    for path in ["/var/lib/state", "///var/lib/state", "state.redb", "a b"] {
        let file = StateUrl::File(PathBuf::from(path));
        assert_eq!(url(&format!("file:{path}")), Ok(file));
    }
    for wrong in [
        "",
        "memory",
        "memory:x",
        "file:",
        "redis://host",
        "/var/lib/state",
        "file:\0",
    ] {
        let message = url(wrong).unwrap_err().to_string();
        assert_eq!(
            message, "line 2, column 7: expected memory: or file: and a path",
            "{wrong}"
        );
    }
    let host = url("file://host/state").unwrap_err().to_string();
    assert!(
        host.ends_with("expected a path after file:, not a host"),
        "{host}"
    );
}

#[test]
fn values_out_of_range_name_their_key() {
    for (section, line, key) in [
        ("http", "drain = 3601", "http.drain"),
        (
            "objects",
            "text_content_max = 1048577",
            "objects.text_content_max",
        ),
        ("limits", "connections = 0", "limits.connections"),
        ("limits", "body = 0", "limits.body"),
        ("limits", "upload = 1023", "limits.upload"),
        ("limits", "header = 1024", "limits.header"),
        ("limits", "header_timeout = 0", "limits.header_timeout"),
        ("limits", "body_timeout = 3601", "limits.body_timeout"),
        ("limits", "send_timeout = 0", "limits.send_timeout"),
        ("limits", "payload_memory = 1024", "limits.payload_memory"),
        ("limits", "page = 0", "limits.page"),
        ("limits", "bulk = 0", "limits.bulk"),
        (
            "limits",
            "channels_per_box = 10001",
            "limits.channels_per_box",
        ),
        (
            "limits",
            "subscriptions_per_box = 0",
            "limits.subscriptions_per_box",
        ),
        ("limits", "queue = 9", "limits.queue"),
    ] {
        let message = mistake(&format!("[{section}]\n{line}\n{STORE}"));
        assert!(
            message.starts_with(&format!("{key}: ")) && message.contains("is not within"),
            "{message}"
        );
    }
    for (line, key) in [
        (
            "max_connections_per_account = 0",
            "max_connections_per_account",
        ),
        ("max_connections = 0", "max_connections"),
        ("connect_timeout = 0", "connect_timeout"),
        ("command_timeout = 0", "command_timeout"),
        ("pool_timeout = 0", "pool_timeout"),
        ("idle_timeout = 0", "idle_timeout"),
        ("port = 0", "port"),
        ("tls_ca = \"\"", "tls_ca"),
        ("login = \"bridge\"", "login"),
        ("schemes = []", "schemes"),
        ("domains = [\"a b\"]", "domains"),
    ] {
        let message = store_mistake(line);
        assert!(
            message.starts_with(&format!("stores[0].{key}: ")),
            "{message}"
        );
    }
}

#[test]
fn store_names_are_url_safe_and_unique() {
    for name in ["", "a/b", "a b", "..", "ä", "a%41"] {
        let message = mistake(&format!("[[stores]]\nname = {name:?}\nhost = \"h\"\n"));
        assert!(message.starts_with("stores[0].name: "), "{message}");
    }
    let twice = mistake(&format!("{STORE}{STORE}"));
    assert_eq!(twice, "stores[1].name: \"cpm\" is taken by another store");
}

#[test]
fn a_store_without_a_host_is_a_mistake() {
    assert!(mistake("[[stores]]\nname = \"cpm\"").starts_with("stores[0].host: "));
}

#[test]
fn sip_boxes_that_could_share_a_login_are_a_mistake() {
    let message = store_mistake("schemes = [\"tel\", \"sip\"]");
    assert!(
        message.starts_with("stores[0].login: with scheme sip"),
        "{message}"
    );
    assert_eq!(
        store("schemes = [\"tel\", \"sip\"]\ndomains = [\"a.test\"]").domains,
        ["a.test"]
    );
}

#[test]
fn a_default_folder_outside_of_the_roots_is_a_mistake() {
    let roots = "roots = [\"Default\", \"RCSMessageStore\"]";
    assert!(store_mistake(roots).starts_with("stores[0].default_folder: \"INBOX\" is outside"));
    assert!(
        store_mistake(&format!("{roots}\ndefault_folder = \"Default2\"")).contains("is outside")
    );
    for inside in ["Default", "/Default/", "Default/new"] {
        store(&format!("{roots}\ndefault_folder = {inside:?}"));
    }
}

#[test]
fn folder_names_get_one_spelling() {
    let store = store("roots = [\"/Default/\", \"inbox\"]\ndefault_folder = \"/Inbox/sub\"");
    assert_eq!(store.roots, ["Default", "INBOX"]);
    assert_eq!(store.default_folder, "INBOX/sub");
}

#[test]
fn roots_are_paths_that_do_not_overlap() {
    for roots in [
        "[\"\"]",
        "[\"/\"]",
        "[\"a//b\"]",
        "[\"a/../b\"]",
        "[\"a\\u0000\"]",
    ] {
        let message = store_mistake(&format!("roots = {roots}"));
        assert!(message.starts_with("stores[0].roots[0]: "), "{message}");
    }
    for roots in [
        "[\"INBOX\", \"inbox\"]",
        "[\"a\", \"a/b\"]",
        "[\"a/b\", \"/a\"]",
    ] {
        let message = store_mistake(&format!("roots = {roots}"));
        assert!(message.starts_with("stores[0].roots[1]: "), "{message}");
    }
}

#[test]
fn public_url_and_base_path_lose_their_final_slash() {
    let text = format!(
        "[http]\npublic_url = \"https://nms.example.net/x/\"\nbase_path = \"/oma/\"\n{STORE}"
    );
    let http = Config::from_toml(&text).unwrap().http;
    assert_eq!(
        http.public_url.as_deref(),
        Some("https://nms.example.net/x")
    );
    assert_eq!(http.base_path, "/oma");
}

#[test]
fn bad_urls_and_base_paths_are_mistakes() {
    for url in [
        "nms.example.net",
        "ftp://a",
        "https://",
        "https://u@a",
        "https://a?b",
        "https://a#b",
        "/x",
    ] {
        let message = mistake(&format!("[http]\npublic_url = {url:?}\n{STORE}"));
        assert!(message.starts_with("http.public_url: "), "{message}");
    }
    for path in ["x", "/a//b", "/a/../b", "/a b", "/%41", "/{x}"] {
        let message = mistake(&format!("[http]\nbase_path = {path:?}\n{STORE}"));
        assert!(message.starts_with("http.base_path: "), "{message}");
    }
}

#[test]
fn half_a_certificate_is_a_mistake() {
    let message = mistake(&format!(
        "[http]\ntls = {{ certificate = \"server.pem\" }}\n{STORE}"
    ));
    assert!(message.starts_with("http.tls.key: missing"), "{message}");
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cpm.toml");
    let http = "[http]\nspool_dir = \"spool\"\ntls = { certificate = \"tls/server.pem\", key = \"/etc/key.pem\" }\n";
    let state = "[state]\nurl = \"file:state/cpm.redb\"\n";
    fs::write(&file, format!("{http}{state}{STORE}tls_ca = \"ca.pem\"\n")).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.spool_directory(), directory.path().join("spool"));
    let tls = config.http.tls.unwrap();
    assert_eq!(tls.certificate, directory.path().join("tls/server.pem"));
    assert_eq!(tls.key, Path::new("/etc/key.pem"));
    let state = StateUrl::File(directory.path().join("state/cpm.redb"));
    assert_eq!(config.state.url, state);
    assert_eq!(
        config.stores[0].tls_ca,
        Some(directory.path().join("ca.pem"))
    );
}

#[test]
fn uploads_wait_beside_the_state_where_nothing_else_is_said() {
    let mut config = Config::from_toml(STORE).unwrap();
    assert_eq!(config.spool_directory(), std::env::temp_dir());
    config.state.url = StateUrl::File("/var/lib/bridge/state.redb".into());
    assert_eq!(config.spool_directory(), Path::new("/var/lib/bridge"));
    config.state.url = StateUrl::File("state.redb".into());
    assert_eq!(config.spool_directory(), Path::new("."));
    config.http.spool_dir = Some("/spool".into());
    assert_eq!(config.spool_directory(), Path::new("/spool"));
    let empty = mistake(&format!("[http]\nspool_dir = \"\"\n{STORE}"));
    assert!(empty.starts_with("http.spool_dir: "), "{empty}");
}

#[test]
fn a_missing_file_is_unreadable() {
    let missing = Config::load(Path::new("/nonexistent/cpm.toml"));
    assert!(
        matches!(missing, Err(Error::Unreadable { .. })),
        "{missing:?}"
    );
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

#[test]
fn the_example_holds_the_defaults() {
    let config = Config::from_toml(EXAMPLE).unwrap();
    let expected = Config {
        stores: vec![StoreConfig {
            name: "cpm".to_owned(),
            host: "imap.example.net".to_owned(),
            ..StoreConfig::default()
        }],
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn what_the_example_comments_out_is_valid_too() {
    let commented: Vec<&str> = EXAMPLE
        .lines()
        .filter(|line| is_commented_key(line))
        .collect();
    assert!(!commented.is_empty());
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| {
            if is_commented_key(line) {
                &line[2..]
            } else {
                line
            }
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let config = Config::from_toml(&uncommented).unwrap();
    assert!(config.http.tls.is_some() && config.http.public_url.is_some());
}

#[test]
fn the_example_has_every_key() {
    let section_names = keys_of("nonexistent = 1");
    assert_eq!(section_names.len(), 10, "{section_names:?}");
    for section in section_names {
        let (header, probe) = match section.as_str() {
            "stores" => (
                "[[stores]]".to_owned(),
                "[[stores]]\nnonexistent = 1".to_owned(),
            ),
            _ => (
                format!("[{section}]"),
                format!("[{section}]\nnonexistent = 1"),
            ),
        };
        let body = EXAMPLE
            .split(&format!("\n{header}\n"))
            .nth(1)
            .expect(&header);
        let body = body.split("\n[").next().unwrap();
        for key in keys_of(&probe) {
            let there = body.lines().any(|line| {
                line.trim_start_matches("# ")
                    .starts_with(&format!("{key} = "))
            });
            assert!(there, "{header} {key}");
        }
    }
}

/// `# key = value`, as opposed to prose.
fn is_commented_key(line: &str) -> bool {
    let key = line
        .strip_prefix("# ")
        .and_then(|rest| rest.split_once(" = "));
    key.is_some_and(|(key, _)| {
        key.chars()
            .all(|character| character.is_ascii_lowercase() || character == '_')
    })
}

/// The names that the parser offers instead of an unknown key.
fn keys_of(text: &str) -> Vec<String> {
    let message = mistake(text);
    let (_, offered) = message.split_once("expected").unwrap();
    offered
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
