//! Box ids: the owner of a box as a tel, sip, sips or acr URI, in one spelling.

/// Longest box id accepted, in bytes, before and after it is brought into canonical spelling.
const LONGEST: usize = 256;

/// Most digits of a telephone number. E.164 allows 15; private and test ranges use more.
const MOST_DIGITS: usize = 32;

/// Longest host name (RFC 1035 §2.3.4).
const LONGEST_HOST: usize = 253;

/// The owner of a box, in canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoxId {
    canonical: String,
}

/// The URI scheme of a box id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A global telephone number (RFC 3966).
    Tel,
    /// A SIP address of record (RFC 3261 §19.1).
    Sip,
    /// The same, to be reached securely.
    Sips,
    /// An anonymous customer reference.
    Acr,
}

/// A text that is no box id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a box id")]
pub struct Malformed;

impl Scheme {
    /// The scheme's name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tel => "tel",
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Acr => "acr",
        }
    }

    /// The scheme of this name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tel, Self::Sip, Self::Sips, Self::Acr]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.as_str()))
    }
}

impl BoxId {
    /// Reads a box id from a path segment that was percent-decoded once.
    ///
    /// Whether the bridge serves it is for [`super::BoxRules::accept`] to say.
    ///
    /// # Errors
    /// [`Malformed`] for an unknown scheme, URI parameters or headers, a local number, and all that could
    /// be more than a name to a store: controls, `/`, `..`, `*`, `%`. `acr:auth` (contract §10.2) is not supported yet.
    pub fn parse(decoded: &str) -> Result<Self, Malformed> {
        if decoded.len() > LONGEST {
            return Err(Malformed);
        }
        let (scheme, rest) = decoded.split_once(':').ok_or(Malformed)?;
        let scheme = Scheme::parse(scheme).ok_or(Malformed)?;
        let rest = match scheme {
            Scheme::Tel => telephone_number(rest)?,
            Scheme::Sip | Scheme::Sips => address_of_record(rest)?,
            Scheme::Acr => reference(rest)?,
        };
        let canonical = format!("{}:{rest}", scheme.as_str());
        if canonical.contains("..") {
            return Err(Malformed);
        }
        Ok(Self { canonical })
    }

    /// Canonical spelling, such as `tel:+15550100`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Its scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        let name = self.canonical.split(':').next().unwrap_or_default();
        Scheme::parse(name).unwrap_or(Scheme::Acr)
    }

    /// The number with its `+`, the part before the `@`, or the reference.
    #[must_use]
    pub fn user(&self) -> &str {
        let rest = self.rest();
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => rest.rsplit_once('@').map_or(rest, |(user, _)| user),
            Scheme::Tel | Scheme::Acr => rest,
        }
    }

    /// The host of a SIP address.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => self.rest().rsplit_once('@').map(|(_, host)| host),
            Scheme::Tel | Scheme::Acr => None,
        }
    }

    fn rest(&self) -> &str {
        self.canonical.split_once(':').map_or("", |(_, rest)| rest)
    }
}

/// A host name or IPv4 address in lower case; no port, no final dot, so that each host has one spelling.
pub(crate) fn host(text: &str) -> Result<String, Malformed> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    if text.len() > LONGEST_HOST || !text.split('.').all(label) {
        return Err(Malformed);
    }
    Ok(text.to_ascii_lowercase())
}

/// RFC 3966 §3: `+` and digits once the visual separators are gone. A parameter would name something else than the number.
fn telephone_number(text: &str) -> Result<String, Malformed> {
    let digits = text.strip_prefix('+').ok_or(Malformed)?;
    let mut number = String::with_capacity(text.len());
    number.push('+');
    for character in digits.chars() {
        match character {
            '0'..='9' => number.push(character),
            '-' | '.' | '(' | ')' | ' ' => {}
            _ => return Err(Malformed),
        }
    }
    if (2..=MOST_DIGITS + 1).contains(&number.len()) {
        Ok(number)
    } else {
        Err(Malformed)
    }
}

/// RFC 3261 §19.1.1 without password, port, parameters and headers; §19.1.4: the host has no case, the user has.
fn address_of_record(text: &str) -> Result<String, Malformed> {
    let (user, domain) = text.rsplit_once('@').ok_or(Malformed)?;
    let well_formed = name(user) && !user.contains('@');
    if !well_formed {
        return Err(Malformed);
    }
    Ok(format!("{user}@{}", host(domain)?))
}

fn reference(text: &str) -> Result<String, Malformed> {
    // Contract §10.2: "the user the token belongs to"; there are no tokens yet.
    if !name(text) || text.eq_ignore_ascii_case("auth") {
        return Err(Malformed);
    }
    Ok(text.to_owned())
}

/// One or more of the unreserved and user-unreserved characters of RFC 3261 §25.1, less those that may be more than
/// a name to a store: `*` (master user), `/` (path), `%` (a second spelling), and `;` `?` (parameters and headers).
fn name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| {
            character.is_ascii_alphanumeric() || "-_.!~'()&=+$,@".contains(character)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Option<String> {
        BoxId::parse(text).ok().map(|id| id.as_str().to_owned())
    }

    #[test]
    fn spellings_of_one_number_are_one_box() {
        for spelling in [
            "tel:+15550100",
            "TEL:+15550100",
            "tel:+1-555-01.00",
            "tel:+1 (555) 0100",
        ] {
            assert_eq!(canonical(spelling).as_deref(), Some("tel:+15550100"));
        }
    }

    #[test]
    fn local_numbers_parameters_and_empty_numbers_are_refused() {
        for text in [
            "tel:5550100",
            "tel:+1555;ext=1",
            "tel:+1555;phone-context=x",
            "tel:+",
            "tel:+()",
            "tel:+1a",
            "tel:++1",
            "tel:+*1",
            "tel:+١٢٣",
            "tel:",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_a_longest_length() {
        assert!(canonical(&format!("tel:+{}", "1".repeat(32))).is_some());
        assert!(canonical(&format!("tel:+{}", "1".repeat(33))).is_none());
    }

    #[test]
    fn sip_folds_the_host_and_keeps_the_user() {
        let id = BoxId::parse("SIP:Ana@Example.ORG").unwrap();
        assert_eq!(id.as_str(), "sip:Ana@example.org");
        assert_eq!(
            (id.scheme(), id.user(), id.domain()),
            (Scheme::Sip, "Ana", Some("example.org"))
        );
    }

    #[test]
    fn sip_addresses_that_are_more_than_user_and_host_are_refused() {
        for text in [
            "sip:example.org",
            "sip:@example.org",
            "sip:ana@",
            "sip:ana:secret@example.org",
            "sip:ana@example.org:5060",
            "sip:ana@example.org;user=phone",
            "sip:ana@example.org?subject=x",
            "sip:ana@example.org.",
            "sip:ana@.example.org",
            "sip:ana@[::1]",
            "sip:a@b@example.org",
            "sip:josé@example.org",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn what_could_be_more_than_a_name_to_a_store_is_refused() {
        for user in [
            "a*bridge",
            "../../etc",
            "a/b",
            "a..b",
            "a%6E",
            "a\0",
            "a\r\nb",
            "a\tb",
            "a b",
            "\"a",
            "a\\b",
            "",
        ] {
            assert_eq!(canonical(&format!("acr:{user}")), None, "{user:?}");
            assert_eq!(canonical(&format!("sip:{user}@h")), None, "{user:?}");
        }
    }

    #[test]
    fn token_owner_and_unknown_schemes_are_refused() {
        for text in [
            "acr:auth",
            "ACR:Auth",
            "mailto:a@b",
            "+15550100",
            "box:1",
            "",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn too_long_an_id_is_refused() {
        assert!(canonical(&format!("acr:{}", "a".repeat(252))).is_some());
        assert!(canonical(&format!("acr:{}", "a".repeat(253))).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_canonical(text in "(?i:(tel|sips?|acr)?:?)\\PC{0,40}") {
            if let Ok(id) = BoxId::parse(&text) {
                prop_assert_eq!(canonical(id.as_str()), Some(id.as_str().to_owned()));
                let rest = match id.domain() {
                    Some(domain) => format!("{}@{domain}", id.user()),
                    None => id.user().to_owned(),
                };
                prop_assert_eq!(format!("{}:{rest}", id.scheme().as_str()), id.as_str());
            }
        }
    }
}
