//! Flags and keywords that can be sent.

/// A system flag or keyword that is safe to send (RFC 9051 §9, `flag`). Compared without regard to case.
#[derive(Debug, Clone)]
pub struct Flag(String);

/// Not a flag: empty, too long, or with a character no flag may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a flag")]
pub struct InvalidFlag;

impl Flag {
    /// Longest flag that is sent; servers stop at 50 to 200.
    pub const LONGEST: usize = 200;

    /// Checks a flag.
    ///
    /// # Errors
    /// [`InvalidFlag`] for anything but an atom, or `\` and an atom.
    pub fn parse(text: &str) -> Result<Self, InvalidFlag> {
        let atom = text.strip_prefix('\\').unwrap_or(text);
        let valid =
            !atom.is_empty() && text.len() <= Self::LONGEST && atom.bytes().all(is_atom_byte);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidFlag)
        }
    }

    /// As given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a system flag, and none of RFC 9051 §2.3.2: some servers have such flags, others do not even read them.
    #[must_use]
    pub fn is_extension(&self) -> bool {
        const KNOWN: [&str; 6] = ["Seen", "Answered", "Flagged", "Deleted", "Draft", "Recent"];
        self.0
            .strip_prefix('\\')
            .is_some_and(|name| !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Whether this is the flag of that name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl PartialEq for Flag {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Flag {}

/// RFC 9051 §9, `ATOM-CHAR`: no controls, no 8-bit, none of `( ) { SP % * " \ ]`.
fn is_atom_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !b"(){%*\"\\]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_atoms() {
        for good in ["\\Seen", "$MDNSent", "read-report-sent", "we/ird:key"] {
            assert!(Flag::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "\\", "a b", "a\r\nb", "a\0", "a]b", "é", "\\\\Seen", "a\"b", "(x)", "%", "*",
        ] {
            assert_eq!(Flag::parse(bad), Err(InvalidFlag), "{bad}");
        }
        assert_eq!(Flag::parse("\\SEEN"), Flag::parse("\\Seen"));
    }
}
