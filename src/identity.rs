//! Who: box ids, logins, credentials and the template that leads from one to the other. No I/O.
//!
//! * Two box ids never share a login by accident: a template that could let them is a configuration error.
//! * No login that means something else to a store (`*` is Dovecot's master separator, `/` and `..` go into paths) is sent.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::config::StoreConfig;

/// Longest box id and login, in bytes.
const LONGEST: usize = 256;

/// A password or token; `Debug` does not show it, `Display` does not exist, and memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(SecretString::from(secret.into()))
    }

    /// The secret itself; to be called only where it goes onto the wire or into a digest.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// What is presented to the store's LOGIN.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// IMAP login name.
    pub login: String,
    /// Its password.
    pub password: Secret,
}

/// The kinds of box id (contract §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A global telephone number.
    Tel,
    /// A SIP URI.
    Sip,
    /// A SIPS URI.
    Sips,
    /// An anonymous customer reference.
    Acr,
}

impl Scheme {
    /// By its name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tel, Self::Sip, Self::Sips, Self::Acr]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Its name in canonical spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tel => "tel",
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Acr => "acr",
        }
    }
}

/// The owner of a box, in canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoxId {
    canonical: String,
    scheme: Scheme,
    user: String,
    domain: String,
}

impl BoxId {
    /// Reads a box id: `tel:` numbers lose their visual separators, SIP hosts their upper case; parameters, controls and
    /// what a login must not hold are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let scheme = Scheme::parse(scheme)?;
        if rest.is_empty() || rest.len() > LONGEST {
            return None;
        }
        let (user, domain) = match scheme {
            Scheme::Tel => (telephone_number(rest)?, String::new()),
            Scheme::Sip | Scheme::Sips => {
                let (user, host) = rest.split_once('@')?;
                (user.to_owned(), host_name(host)?)
            }
            // The owner of a token (contract §10.2) needs a token.
            Scheme::Acr if rest.eq_ignore_ascii_case("auth") => return None,
            Scheme::Acr => (rest.to_owned(), String::new()),
        };
        if user.is_empty() || user.contains([';', '?', '@']) || !harmless(&user) {
            return None;
        }
        let canonical = match scheme {
            Scheme::Tel | Scheme::Acr => format!("{}:{user}", scheme.name()),
            Scheme::Sip | Scheme::Sips => format!("{}:{user}@{domain}", scheme.name()),
        };
        Some(Self {
            canonical,
            scheme,
            user,
            domain,
        })
    }

    /// Canonical spelling, such as `tel:+15550100`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }
}

/// `+` and digits; `-`, `.`, `(`, `)` and space only please the eye (RFC 3966 §3).
fn telephone_number(text: &str) -> Option<String> {
    let number: String = text
        .chars()
        .filter(|character| !"-.() ".contains(*character))
        .collect();
    let digits = number.strip_prefix('+')?;
    ((1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(number)
}

/// A host name in lower case, without port.
fn host_name(text: &str) -> Option<String> {
    let valid = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && text.split('.').all(|label| !label.is_empty());
    valid.then(|| text.to_ascii_lowercase())
}

/// Whether a login can be sent: it means nothing but a name to any store.
fn harmless(text: &str) -> bool {
    let odd = |character: char| {
        character.is_control() || matches!(character, '/' | '*' | '%' | '"' | '\\' | ' ')
    };
    !text.is_empty() && text.len() <= LONGEST && !text.contains(odd) && !text.contains("..")
}

/// `{box}`, `{scheme}`, `{user}`, `{domain}` and text between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Box,
    Scheme,
    User,
    Domain,
}

impl LoginTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            let end = rest
                .find('}')
                .filter(|end| *end > at)
                .ok_or("a brace without its other half")?;
            pieces.push(match &rest[at + 1..end] {
                "box" => Piece::Box,
                "scheme" => Piece::Scheme,
                "user" => Piece::User,
                "domain" => Piece::Domain,
                other => return Err(format!("unknown placeholder {{{other}}}")),
            });
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if !pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Box | Piece::User))
        {
            return Err("neither {box} nor {user}: all boxes would share one login".to_owned());
        }
        Ok(Self(pieces))
    }

    fn has(&self, piece: &Piece) -> bool {
        self.0.contains(piece)
    }

    fn login(&self, id: &BoxId) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Box => id.canonical.as_str(),
                Piece::Scheme => id.scheme.name(),
                Piece::User => id.user.as_str(),
                Piece::Domain => id.domain.as_str(),
            })
            .collect()
    }
}

/// Which box ids a store accepts, and the login of each.
#[derive(Debug, Clone)]
pub struct BoxRules {
    schemes: Vec<Scheme>,
    domains: Vec<String>,
    template: LoginTemplate,
}

impl BoxRules {
    /// From a store's configuration.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn new(config: &StoreConfig) -> Result<Self, String> {
        let template =
            LoginTemplate::parse(&config.login).map_err(|error| format!("login: {error}"))?;
        let schemes: Vec<Scheme> = config
            .schemes
            .iter()
            .map(|name| {
                Scheme::parse(name).ok_or_else(|| format!("schemes: unknown scheme {name}"))
            })
            .collect::<Result<_, _>>()?;
        if schemes.is_empty() {
            return Err("schemes: at least one is needed".to_owned());
        }
        let domains: Vec<String> = config
            .domains
            .iter()
            .map(|name| host_name(name).ok_or_else(|| format!("domains: {name} is no host name")))
            .collect::<Result<_, _>>()?;
        let rules = Self {
            schemes,
            domains,
            template,
        };
        if !rules.is_injective() {
            return Err("login: two box ids could share a login; use {box}, or {domain} and {scheme}, or exactly one of domains".to_owned());
        }
        Ok(rules)
    }

    /// With sip, sips or acr the template needs `{box}` or `{domain}` (acr: `{box}` or `{scheme}`), or there is exactly one
    /// domain and no acr.
    fn is_injective(&self) -> bool {
        let has = |scheme| self.schemes.contains(&scheme);
        if self.template.has(&Piece::Box) {
            return true;
        }
        let sip = has(Scheme::Sip) || has(Scheme::Sips);
        if has(Scheme::Acr) && !self.template.has(&Piece::Scheme) {
            return self.schemes == [Scheme::Acr];
        }
        !sip || self.template.has(&Piece::Domain) || (self.domains.len() == 1 && !has(Scheme::Acr))
    }

    /// The box of a path segment, if this store accepts it, and its login.
    #[must_use]
    pub fn accept(&self, segment: &str) -> Option<(BoxId, String)> {
        let id = BoxId::parse(segment)?;
        let sip = matches!(id.scheme, Scheme::Sip | Scheme::Sips);
        if !self.schemes.contains(&id.scheme)
            || (sip && !self.domains.is_empty() && !self.domains.contains(&id.domain))
        {
            return None;
        }
        let login = self.template.login(&id);
        harmless(&login).then_some((id, login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(login: &str, schemes: &[&str], domains: &[&str]) -> Result<BoxRules, String> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        BoxRules::new(&StoreConfig {
            login: login.to_owned(),
            schemes: owned(schemes),
            domains: owned(domains),
            ..StoreConfig::default()
        })
    }

    #[test]
    fn secrets_do_not_show() {
        let credentials = Credentials {
            login: "u".to_owned(),
            password: Secret::new("hunter2"),
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    #[test]
    fn box_ids_have_one_spelling() {
        assert_eq!(
            BoxId::parse("TEL:+1-555.01(00) ").unwrap().as_str(),
            "tel:+15550100"
        );
        assert_eq!(
            BoxId::parse("sip:Ana@Example.ORG").unwrap().as_str(),
            "sip:Ana@example.org"
        );
        assert_eq!(
            BoxId::parse("acr:pseudonym1").unwrap().as_str(),
            "acr:pseudonym1"
        );
    }

    #[test]
    fn what_is_no_box_id_is_refused() {
        for text in [
            "",
            "tel:",
            "tel:+",
            "tel:15550100",
            "tel:+1;x=1",
            "tel:+1a",
            "mailto:a@b",
            "sip:a",
            "sip:@b",
            "sip:a@b;p=1",
            "sip:a/../b@c",
            "sip:a*b@c",
            "sip:a\r\n@c",
            "acr:auth",
            "acr:a\0",
            "+15550100",
            "sip:a@b:5060",
            "acr:a b",
        ] {
            assert_eq!(BoxId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn templates_lead_to_logins() {
        let login = |template: &str, schemes: &[&str], id: &str| {
            rules(template, schemes, &[]).unwrap().accept(id).unwrap().1
        };
        assert_eq!(login("{user}", &["tel"], "tel:+15550100"), "+15550100");
        assert_eq!(
            login("{box}", &["tel", "sip"], "sip:ana@example.org"),
            "sip:ana@example.org"
        );
        assert_eq!(
            login("{user}@{domain}", &["sip"], "sip:ana@example.org"),
            "ana@example.org"
        );
        assert_eq!(
            login("{user}@example.test", &["tel"], "tel:+15550100"),
            "+15550100@example.test"
        );
    }

    #[test]
    fn a_template_that_lets_two_boxes_share_a_login_is_refused() {
        assert!(rules("{user}", &["tel", "sip"], &[]).is_err());
        assert!(rules("{user}", &["tel", "sip"], &["example.org"]).is_ok());
        assert!(rules("{user}", &["tel", "sip"], &["a.org", "b.org"]).is_err());
        assert!(rules("{user}", &["tel", "acr"], &[]).is_err());
        assert!(rules("{scheme}-{user}", &["tel", "acr"], &[]).is_ok());
        assert!(rules("all", &["tel"], &[]).is_err());
        assert!(rules("{nobody}", &["tel"], &[]).is_err());
    }

    #[test]
    fn schemes_and_domains_outside_the_list_are_not_accepted() {
        let rules = rules("{box}", &["sip"], &["example.org"]).unwrap();
        assert!(rules.accept("sip:ana@EXAMPLE.org").is_some());
        assert!(rules.accept("sip:ana@example.com").is_none());
        assert!(rules.accept("tel:+15550100").is_none());
    }
}
