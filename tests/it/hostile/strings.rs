//! What a client may put wherever it can put anything.

const TEXTS: &[&str] = &[
    "",
    " ",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "a\r\nA0009 DELETE canary\r\n",
    "a\r\nA0004 UID STORE 1 +FLAGS (\\Deleted)\r\nA0005 EXPUNGE",
    "a\"\r\nA0010 DELETE \"canary",
    "a\rA0009 DELETE canary\r",
    "a\nA0009 DELETE canary\n",
    "{5}",
    "{5}\r\nhello",
    "{5+}\r\nhello\r\nA0009 DELETE canary",
    "~{5}",
    "\" DELETE canary",
    "\"",
    "\\",
    "\\\"",
    "a\\\\\"b",
    "\r\nX-Injected: yes\r\n\r\n",
    "%0d%0aX-Injected:%20yes",
    "INBOX",
    "inbox/",
    "canary/../scratch",
    "..",
    ".",
    "../../etc/passwd",
    "/",
    "//",
    "/scratch//",
    "a/b",
    "~",
    "~root",
    "*",
    "%",
    "%%",
    "%2",
    "%zz",
    "&",
    "&-",
    "&AA0ACg-",
    "&U,BT",
    "&AAAAAA-",
    "(",
    ")",
    "()",
    "]",
    "[",
    "NIL",
    "nil",
    "#shared",
    "shared/canary",
    "1",
    "0",
    "-1",
    "01",
    "1:*",
    "1,2",
    "4294967296",
    "99999999999999999999999999",
    "1]<0.5>",
    "1.MIME",
    "TEXT",
    "HEADER.FIELDS (Subject)",
    "1~1",
    "1~1.99999999999",
    "~1",
    "\\Seen",
    "\\*",
    "\\\\Seen",
    "\\Recent",
    "\\Seen \\Deleted",
    "\\Seen) (\\Deleted",
    "$MDNSent",
    "operations",
    "pathToId",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{53f0}\u{5317}",
    "\u{1f600}",
    "\u{202e}gnp.exe",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "<script>alert(1)</script>",
    "'; DROP TABLE users; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "`id`",
    "null",
    "true",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "A4PstSG_Mg9ncocAAAALAAAAB8mVfgou8Hcw",
];

/// Octets, most of them UTF-8.
pub(super) fn strings() -> Vec<Vec<u8>> {
    let mut strings: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect();
    strings.extend([
        b"\xff".to_vec(),
        b"\xc3\x28".to_vec(),
        b"\xed\xa0\x80".to_vec(),
        b"\xf4\x90\x80\x80".to_vec(),
        b"\xc0\x80".to_vec(),
        b"a\xff\r\nA0009 DELETE canary\r\n".to_vec(),
        b"n".repeat(256),
        b"n".repeat(1001),
        b"n/".repeat(200),
        "\u{53f0}".repeat(333).into_bytes(),
        b"\\".repeat(500),
        b"\"".repeat(500),
        b"1.".repeat(500),
        b"A".repeat(5000),
    ]);
    strings
}

/// Those that are UTF-8, for where a client can send nothing else.
pub(super) fn texts() -> Vec<String> {
    strings()
        .into_iter()
        .filter_map(|string| String::from_utf8(string).ok())
        .collect()
}

/// Every octet percent-encoded: what stands for itself in a path is not taken for its structure.
pub(super) fn encoded(string: &[u8]) -> String {
    string.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// The octets as they are but for those that end a request line.
pub(super) fn lightly_encoded(string: &[u8]) -> String {
    let light = |byte: &u8| match byte {
        b'!'..=b'~' if !b"#?".contains(byte) => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    string.iter().map(light).collect()
}
