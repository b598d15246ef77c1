//! What goes over the wire to a store, taken apart by rules of its own: whole commands, each with the next tag and a known name.

/// Every command there is a reason to send.
const KNOWN: [&str; 25] = [
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CLOSE",
    "CREATE",
    "DELETE",
    "ENABLE",
    "EXAMINE",
    "EXPUNGE",
    "GETQUOTAROOT",
    "ID",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "MYRIGHTS",
    "NAMESPACE",
    "NOOP",
    "RENAME",
    "SELECT",
    "STATUS",
    "UID EXPUNGE",
    "UID FETCH",
    "UID SEARCH",
    "UID STORE",
    "UNSELECT",
];

/// The names of the commands, in order; what is wrong with the first octets that are none.
pub(super) fn commands(said: &[u8]) -> Result<Vec<&'static str>, String> {
    let mut names = Vec::new();
    let mut rest = said;
    let mut tags = Vec::new();
    while !rest.is_empty() {
        let shown = String::from_utf8_lossy(&rest[..rest.len().min(200)]).into_owned();
        let wrong = |what: &str| format!("{what} after {names:?}: {shown:?}");
        let (command, after) = one(rest).map_err(|what| wrong(&what))?;
        // The last command may be cut off where the recording ends: it is judged as far as it goes.
        let (tag, command) = command.split_once(' ').ok_or_else(|| wrong("no tag"))?;
        let number = numbered(tag).ok_or_else(|| wrong("an odd tag"))?;
        if !is_next(&tags, number) {
            return Err(wrong("not the next tag"));
        }
        tags.push(number);
        let name = KNOWN.into_iter().find(|name| {
            let rest = command.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        names.push(name.ok_or_else(|| wrong("not a command"))?);
        rest = after;
    }
    Ok(names)
}

/// The text of one command without its literals, and what follows it. RFC 9051 §9: outside literals there is printable ASCII,
/// and quotes are balanced.
fn one(said: &[u8]) -> Result<(String, &[u8]), String> {
    let mut text = String::new();
    let mut rest = said;
    loop {
        let end = rest
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .ok_or("no end of the line")?;
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        if let Some(odd) = line.iter().find(|byte| !matches!(byte, b' '..=b'~')) {
            return Err(format!("octet {odd}"));
        }
        let line = String::from_utf8_lossy(line);
        text += &line;
        rest = after;
        if !is_balanced(&line)? {
            return Err("an open quote".to_owned());
        }
        let Some(size) = literal(&line) else {
            return Ok((text, rest));
        };
        let literal = rest.get(..size).ok_or("a literal that is cut off")?;
        if literal.contains(&0) {
            return Err("NUL in a literal".to_owned());
        }
        rest = &rest[size..];
    }
}

fn is_balanced(line: &str) -> Result<bool, String> {
    let mut quoted = false;
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => match bytes.next() {
                Some(b'"' | b'\\') => {}
                _ => return Err("a backslash before what needs none".to_owned()),
            },
            _ => {}
        }
    }
    Ok(!quoted)
}

/// The size of the literal that a line announces: outside quotes, at its end.
fn literal(line: &str) -> Option<usize> {
    let (_, size) = line.strip_suffix('}')?.rsplit_once('{')?;
    size.strip_suffix('+').unwrap_or(size).parse().ok()
}

/// The letter and the number of a tag such as `A0001`, or `C1` for what is sent several at a time.
fn numbered(tag: &str) -> Option<(char, u32)> {
    let letter = tag
        .chars()
        .next()
        .filter(|letter| matches!(letter, 'A' | 'C'))?;
    let digits = &tag[1..];
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .map(|number| (letter, number))
}

/// Whether a tag may follow another: each letter counts for itself.
fn is_next(last: &[(char, u32)], (letter, number): (char, u32)) -> bool {
    let before = last.iter().rev().find(|(other, _)| *other == letter);
    before.is_none_or(|(_, before)| number == before + 1)
}

#[test]
fn whole_commands_are_taken_apart() {
    let said = b"A0001 CREATE \"a\\\"b{3}\"\r\nA0002 CREATE {3+}\r\n\r\nx\r\nA0003 UID FETCH 1 (FLAGS)\r\n";
    assert_eq!(commands(said), Ok(vec!["CREATE", "CREATE", "UID FETCH"]));
}

#[test]
fn a_second_command_in_an_argument_is_seen() {
    for injected in [
        &b"A0001 CREATE a\r\nA0002 DELETE b\r\nA0002 NOOP\r\n"[..],
        b"A0001 CREATE a\r\nx DELETE b\r\n",
        b"A0001 CREATE \"a\r\nA0002 DELETE b\"\r\n",
        b"A0001 CREATE a\nA0002 DELETE b\r\n",
        b"A0001 CREATE a\rb\r\n",
        b"A0001 CREATE a\0b\r\n",
        b"A0001 CREATE {3+}\r\na\0b\r\n",
        b"A0001 CREATE {1+}\r\nab\r\nNOOP\r\n",
        b"A0001 CREATE \"caf\xc3\xa9\"\r\n",
        b"A0001 CREATE \"a\"b\"\r\n",
        b"A0001 CREATE \"a\\b\"\r\n",
        b"A0001 XECUTE a\r\n",
        b"A0001 CREATE {99}\r\na\r\n",
        b"A0001 CREATE a",
        b"A0001\r\n",
    ] {
        assert!(
            commands(injected).is_err(),
            "{}",
            String::from_utf8_lossy(injected)
        );
    }
}
