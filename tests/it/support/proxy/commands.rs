//! Where the commands of an IMAP client begin in what it sends, literals skipped.

use crate::support::witness::announced_literal;

/// Follows one connection.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// The beginning of a line, kept back until it is known which command it is.
    held: Vec<u8>,
    /// The line so far, inside a command.
    line: Vec<u8>,
    /// Bytes still to come of a literal.
    literal: usize,
    inside: bool,
}

/// Bytes, and the command that begins with them, if one does: `APPEND`, `UID SEARCH`, …
type Stretch = (Vec<u8>, Option<String>);

impl Commands {
    /// The bytes in order, cut where commands begin. The first bytes of a command come when its name is complete.
    pub(super) fn cut_up(&mut self, mut piece: &[u8]) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut plain = Vec::new();
        while let Some((&byte, rest)) = piece.split_first() {
            if self.literal > 0 {
                let (now, later) = piece.split_at(self.literal.min(piece.len()));
                plain.extend_from_slice(now);
                self.literal -= now.len();
                piece = later;
                continue;
            }
            piece = rest;
            self.line.push(byte);
            if self.inside {
                plain.push(byte);
            } else {
                self.held.push(byte);
                if let Some(name) = name(&self.held) {
                    stretches.push((std::mem::take(&mut plain), None));
                    stretches.push((std::mem::take(&mut self.held), Some(name)));
                    self.inside = true;
                }
            }
            if byte == b'\n' {
                self.end_line();
            }
        }
        stretches.push((plain, None));
        stretches.retain(|(bytes, _)| !bytes.is_empty());
        stretches
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let literal = announced_literal(line.trim_end_matches(['\r', '\n']));
        self.literal = literal.unwrap_or(0);
        self.inside = literal.is_some();
    }
}

/// The name of the command that a line begins with, once it is there; a line that is no command has none.
fn name(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let whole = text.ends_with('\n');
    let mut words = text.split([' ', '\r', '\n']).skip(1);
    let mut word = || {
        let word = words.next().filter(|word| !word.is_empty());
        // The last word may go on.
        words.clone().next().and(word)
    };
    match word() {
        Some("UID") => match word() {
            Some(second) => Some(format!("UID {second}")),
            None => whole.then(|| "UID".to_owned()),
        },
        Some(first) => Some(first.to_owned()),
        None => whole.then(String::new),
    }
}

#[test]
fn commands_are_found_however_the_bytes_are_cut() {
    let text = b"A1 LOGIN u p\r\nA2 APPEND x {7}\r\nA9 X Y\n (\\Seen) {0+}\r\n\r\nA3 UID SEARCH ALL\r\nDONE\r\nA4 NOOP\r\n";
    for size in [1, 2, 3, 5, 7, text.len()] {
        let mut commands = Commands::default();
        let stretches: Vec<Stretch> = text
            .chunks(size)
            .flat_map(|piece| commands.cut_up(piece))
            .collect();
        let names: Vec<&str> = stretches
            .iter()
            .filter_map(|(_, name)| name.as_deref())
            .collect();
        assert_eq!(names, ["LOGIN", "APPEND", "UID SEARCH", "", "NOOP"]);
        let bytes: Vec<u8> = stretches.into_iter().flat_map(|(bytes, _)| bytes).collect();
        assert_eq!(bytes, text, "{size}");
    }
}
