//! A reading position in the bytes of one response, and the small words of IMAP's grammar (RFC 9051 §9).
//!
//! Invariants:
//! * every method either moves forward or says `None`; nothing recurses, nothing panics;
//! * the bytes are those of a whole response, literals included, without its last line end;
//! * lenient where no meaning is at stake: extra spaces, odd bytes in atoms, 8-bit bytes in quoted strings.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Parentheses inside one value may be this many times deeper than MIME parts may nest: a part is a handful of them.
const PARENTHESES_PER_PART: usize = 10;

/// See the module.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// MIME nesting that is still read.
    depth: usize,
    /// Whether parentheses went deeper than any honest value.
    too_deep: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], depth: usize) -> Self {
        Self {
            bytes,
            at: 0,
            depth,
            too_deep: false,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// All that was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Skips spaces, then one byte if it is this one.
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// Whether only spaces are left.
    pub(super) fn is_end(&mut self) -> bool {
        self.skip_spaces();
        self.at >= self.bytes.len()
    }

    /// An atom in the widest sense: up to a space, a parenthesis or a line end.
    pub(super) fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| is_delimiter(*byte))
            .unwrap_or(rest.len());
        self.take(length)
    }

    /// The same, in upper case.
    pub(super) fn name(&mut self) -> Option<String> {
        self.word().map(|word| text(word).to_ascii_uppercase())
    }

    /// A number that fits.
    pub(super) fn number<N: FromStr>(&mut self) -> Option<N> {
        digits(self.word()?)
    }

    /// A quoted string or a literal.
    pub(super) fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        self.skip_spaces();
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' | b'~' => self.literal().map(Cow::Borrowed),
            _ => None,
        }
    }

    /// A string, or an atom in the widest sense.
    pub(super) fn astring(&mut self) -> Option<Cow<'a, [u8]>> {
        self.string().or_else(|| self.word().map(Cow::Borrowed))
    }

    /// A string, an atom, or NIL, which is `Some(None)`.
    pub(super) fn nstring(&mut self) -> Option<Option<Cow<'a, [u8]>>> {
        if let Some(string) = self.string() {
            return Some(Some(string));
        }
        let word = self.word()?;
        Some((!word.eq_ignore_ascii_case(b"NIL")).then_some(Cow::Borrowed(word)))
    }

    /// A parenthesised list of words or strings, as text.
    pub(super) fn words(&mut self) -> Option<Vec<String>> {
        if !self.accept(b'(') {
            return None;
        }
        let mut words = Vec::new();
        while !self.accept(b')') {
            words.push(text(&self.astring()?).into_owned());
        }
        Some(words)
    }

    /// Skips one value of any shape, and gives the bytes it is written in: nothing where a list ends.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let start = self.at;
        let mut open = 0_usize;
        loop {
            match self.peek() {
                None if open > 0 => return None,
                None => break,
                Some(b'(') => {
                    open += 1;
                    if open > self.depth.saturating_mul(PARENTHESES_PER_PART) {
                        self.too_deep = true;
                        return None;
                    }
                    self.at += 1;
                }
                Some(b')') if open == 0 => break,
                Some(b')') => {
                    open -= 1;
                    self.at += 1;
                }
                Some(b'"') => self.skip_quoted()?,
                Some(b'{' | b'~') if self.literal().is_some() => {}
                Some(byte) if is_delimiter(byte) => self.at += 1,
                Some(_) => {
                    self.word()?;
                }
            }
            if open == 0 {
                break;
            }
        }
        self.bytes.get(start..self.at)
    }

    /// Skips all up to the parenthesis that closes the list being read, and that too.
    pub(super) fn close(&mut self) -> Option<()> {
        while !self.accept(b')') {
            if self.is_end() {
                return None;
            }
            self.value()?;
        }
        Some(())
    }

    /// Up to a byte, which is taken but not given.
    pub(super) fn until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let rest = self.rest();
        let length = rest.iter().position(|candidate| *candidate == byte)?;
        self.at += length + 1;
        rest.get(..length)
    }

    /// The name of a FETCH item with its brackets, such as `BODY[HEADER.FIELDS (A B)]<0>`.
    pub(super) fn item_name(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let start = self.at;
        let mut bracket = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'[' => bracket = true,
                b']' => bracket = false,
                b'"' if bracket => {
                    self.skip_quoted()?;
                    continue;
                }
                b'{' if bracket && self.literal().is_some() => continue,
                _ if !bracket && is_delimiter(byte) => break,
                _ => {}
            }
            self.at += 1;
        }
        let name = self.bytes.get(start..self.at)?;
        (!bracket && !name.is_empty()).then_some(name)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.at += length;
        (length > 0).then_some(taken)
    }

    /// RFC 9051 §9 `quoted`; any byte may follow a backslash.
    fn quoted(&mut self) -> Option<Cow<'a, [u8]>> {
        let start = self.at;
        self.skip_quoted()?;
        let inner = self.bytes.get(start + 1..self.at - 1)?;
        if !inner.contains(&b'\\') {
            return Some(Cow::Borrowed(inner));
        }
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(&byte) = bytes.next() {
            let escaped = if byte == b'\\' { bytes.next() } else { None };
            plain.push(*escaped.unwrap_or(&byte));
        }
        Some(Cow::Owned(plain))
    }

    fn skip_quoted(&mut self) -> Option<()> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(())
    }

    /// `{3}`, `{3+}` or `~{3}` with its line end and bytes; does not move when it is none.
    fn literal(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let marker = rest.strip_prefix(b"~").unwrap_or(rest);
        let end = marker.iter().take(32).position(|byte| *byte == b'\n')?;
        let size: usize = literal_size(marker.get(..end)?)?.try_into().ok()?;
        let bytes = marker.get(end + 1..)?.get(..size)?;
        self.at += (rest.len() - marker.len()) + end + 1 + size;
        Some(bytes)
    }
}

/// The size in a line that ends with the announcement of a literal; the line comes without its LF.
///
/// A number too large for any memory is given as `u64::MAX`.
pub(in crate::imap) fn literal_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let length = line
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (before, number) = line.split_at(line.len() - length);
    if length == 0 || before.last() != Some(&b'{') {
        return None;
    }
    Some(digits(number).unwrap_or(u64::MAX))
}

/// What ends a word.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'(' | b')' | b'\r' | b'\n')
}

/// Decimal digits only: no sign, no spaces.
pub(super) fn digits<N: FromStr>(bytes: &[u8]) -> Option<N> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(bytes).ok()?.parse().ok()
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A set of UIDs or numbers such as `4,7:9`, in the order sent; every range ascends (RFC 4315 §4: `4:2` is `2:4`).
pub(super) fn number_set(bytes: &[u8]) -> Option<Vec<RangeInclusive<u32>>> {
    bytes
        .split(|byte| *byte == b',')
        .map(|member| {
            let mut ends = member.splitn(2, |byte| *byte == b':');
            let first: u32 = digits(ends.next()?)?;
            let last = ends.next().map_or(Some(first), digits)?;
            Some(first.min(last)..=first.max(last))
        })
        .collect()
}

/// An object id of RFC 8474 §4: `1*255(ALPHA / DIGIT / "_" / "-")`. Some servers send random bytes at times; those are none.
pub(super) fn object_id(bytes: &[u8]) -> Option<String> {
    let valid = !bytes.is_empty()
        && bytes.len() <= 255
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    valid.then(|| text(bytes).into_owned())
}
