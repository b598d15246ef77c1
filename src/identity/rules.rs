//! Which boxes a store serves and under which logins: what `[[stores]]` says about it, checked once.

use std::borrow::Cow;

use super::{
    box_id::{self, BoxId, Scheme},
    template::{Field, LoginTemplate},
};

/// The boxes of one store and their logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxRules {
    schemes: Vec<Scheme>,
    /// In lower case; empty for any.
    domains: Vec<String>,
    template: LoginTemplate,
}

/// Rules that cannot be: the key of `[[stores]]` that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Mistake {
    /// `login`, `schemes` or `domains`.
    pub key: &'static str,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
}

impl Mistake {
    pub(super) fn login(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            key: "login",
            reason: reason.into(),
        }
    }
}

impl BoxRules {
    /// Reads and checks the rules.
    ///
    /// # Errors
    /// What is malformed, and every template under which two boxes could share a login by accident.
    pub fn new(schemes: &[String], domains: &[String], login: &str) -> Result<Self, Mistake> {
        let rules = Self {
            schemes: read_schemes(schemes)?,
            domains: read_domains(domains)?,
            template: LoginTemplate::parse(login)?,
        };
        rules.check_template()?;
        Ok(rules)
    }

    /// The box named by a path segment that was percent-decoded once, and its login; `None` when it is
    /// malformed or not among the boxes served.
    #[must_use]
    pub fn accept(&self, decoded: &str) -> Option<(BoxId, String)> {
        let id = BoxId::parse(decoded).ok()?;
        let known_domain = match id.domain() {
            Some(domain) => {
                self.domains.is_empty() || self.domains.iter().any(|known| known == domain)
            }
            None => true,
        };
        if !known_domain || !self.schemes.contains(&id.scheme()) {
            return None;
        }
        let login = self.template.login(&id)?;
        Some((id, login))
    }

    /// The box served under a login, where that can be told.
    #[must_use]
    pub fn box_of(&self, login: &str) -> Option<BoxId> {
        let only_domain = match &self.domains[..] {
            [domain] => Some(domain.as_str()),
            _ => None,
        };
        let id = self.template.box_id(login, only_domain)?;
        self.accept(id.as_str()).map(|(id, _)| id)
    }

    fn check_template(&self) -> Result<(), Mistake> {
        let names = |field| self.template.names(field);
        let serves = |scheme| self.schemes.contains(&scheme);
        if !names(Field::Box) && !names(Field::User) {
            return Err(Mistake::login(
                "needs {box} or {user}, or all boxes share one login",
            ));
        }
        if names(Field::Domain) && (serves(Scheme::Tel) || serves(Scheme::Acr)) {
            return Err(Mistake::login(
                "{domain} has no value for tel and acr: use {box}",
            ));
        }
        if serves(Scheme::Acr) && !names(Field::Box) && !names(Field::Scheme) {
            return Err(Mistake::login("with scheme acr it needs {box} or {scheme}"));
        }
        let one_domain = self.domains.len() == 1 && !serves(Scheme::Acr);
        let sip = serves(Scheme::Sip) || serves(Scheme::Sips);
        if sip && !names(Field::Box) && !names(Field::Domain) && !one_domain {
            return Err(Mistake::login(
                "with scheme sip or sips it needs {box} or {domain}, or exactly one of `domains` and no acr",
            ));
        }
        if !self.template.is_unambiguous(&self.schemes) {
            return Err(Mistake::login(
                "two boxes could get one login: separate the fields, such as {user}@{domain}",
            ));
        }
        // A literal that no login may have would refuse every box.
        let sample = if sip { "sip:a@b" } else { "tel:+1" };
        match BoxId::parse(sample)
            .ok()
            .and_then(|id| self.template.login(&id))
        {
            Some(_) => Ok(()),
            None => Err(Mistake::login(
                "a login cannot have controls, `/`, `*`, `%` or `..`, or be too long",
            )),
        }
    }
}

fn read_schemes(names: &[String]) -> Result<Vec<Scheme>, Mistake> {
    let mistake = |reason: String| Mistake {
        key: "schemes",
        reason: reason.into(),
    };
    let mut schemes = Vec::with_capacity(names.len());
    for name in names {
        let scheme = Scheme::parse(name).ok_or_else(|| {
            mistake(format!(
                "unknown scheme {name:?}, there are tel sip sips acr"
            ))
        })?;
        if schemes.contains(&scheme) {
            return Err(mistake(format!("{name:?} is there twice")));
        }
        schemes.push(scheme);
    }
    if schemes.is_empty() {
        return Err(mistake("none: no box could be served".to_owned()));
    }
    Ok(schemes)
}

fn read_domains(names: &[String]) -> Result<Vec<String>, Mistake> {
    let mistake = |reason: String| Mistake {
        key: "domains",
        reason: reason.into(),
    };
    let mut domains = Vec::with_capacity(names.len());
    for name in names {
        let domain =
            box_id::host(name).map_err(|_| mistake(format!("{name:?} is no host name")))?;
        if domains.contains(&domain) {
            return Err(mistake(format!("{name:?} is there twice")));
        }
        domains.push(domain);
    }
    Ok(domains)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(schemes: &[&str], domains: &[&str], login: &str) -> Result<BoxRules, Mistake> {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        BoxRules::new(&owned(schemes), &owned(domains), login)
    }

    fn mistake(schemes: &[&str], domains: &[&str], login: &str) -> &'static str {
        rules(schemes, domains, login).unwrap_err().key
    }

    #[test]
    fn tel_needs_only_its_number() {
        assert!(rules(&["tel"], &[], "{user}").is_ok());
        assert!(rules(&["tel"], &[], "{box}").is_ok());
        assert!(rules(&["tel"], &[], "{user}@store.test").is_ok());
    }

    #[test]
    fn a_template_without_box_and_user_is_a_mistake() {
        assert_eq!(mistake(&["tel"], &[], "bridge"), "login");
        assert_eq!(mistake(&["sip"], &[], "{domain}"), "login");
        assert_eq!(mistake(&["acr"], &[], "{scheme}"), "login");
        assert_eq!(mistake(&["tel"], &[], ""), "login");
    }

    #[test]
    fn sip_users_of_two_hosts_never_share_a_login() {
        for scheme in ["sip", "sips"] {
            assert_eq!(mistake(&[scheme], &[], "{user}"), "login");
            assert_eq!(mistake(&[scheme], &["a.test", "b.test"], "{user}"), "login");
            assert!(rules(&[scheme], &["a.test"], "{user}").is_ok());
            assert!(rules(&[scheme], &[], "{user}@{domain}").is_ok());
            assert!(rules(&[scheme], &[], "{box}").is_ok());
        }
    }

    #[test]
    fn acr_never_shares_a_login_with_another_scheme() {
        assert_eq!(mistake(&["acr"], &[], "{user}"), "login");
        assert_eq!(mistake(&["acr", "sip"], &["a.test"], "{user}"), "login");
        assert_eq!(
            mistake(&["acr", "sip"], &["a.test"], "{scheme}-{user}"),
            "login"
        );
        assert!(rules(&["acr"], &[], "{scheme}-{user}").is_ok());
        assert!(rules(&["acr", "tel"], &[], "{scheme}-{user}").is_ok());
        assert!(rules(&["acr", "sip", "tel"], &[], "{box}").is_ok());
    }

    #[test]
    fn a_field_without_a_value_is_a_mistake() {
        assert_eq!(mistake(&["tel"], &[], "{user}@{domain}"), "login");
        assert_eq!(
            mistake(&["sip", "acr"], &[], "{scheme}-{user}@{domain}"),
            "login"
        );
    }

    #[test]
    fn a_template_that_can_be_read_in_two_ways_is_a_mistake() {
        assert_eq!(mistake(&["sip"], &[], "{user}{domain}"), "login");
        assert_eq!(mistake(&["sip"], &[], "{user}.{domain}"), "login");
    }

    #[test]
    fn a_template_with_what_no_login_may_have_is_a_mistake() {
        for login in [
            "{user}*bridge",
            "box/{user}",
            "%{user}",
            "{user}\n",
            "..{box}",
        ] {
            assert_eq!(mistake(&["tel"], &[], login), "login", "{login:?}");
        }
    }

    #[test]
    fn schemes_and_domains_are_checked() {
        assert_eq!(mistake(&[], &[], "{user}"), "schemes");
        assert_eq!(mistake(&["mailto"], &[], "{user}"), "schemes");
        assert_eq!(mistake(&["tel", "tel"], &[], "{user}"), "schemes");
        assert_eq!(mistake(&["sip"], &["a b"], "{box}"), "domains");
        assert_eq!(mistake(&["sip"], &["a.test", "A.test"], "{box}"), "domains");
    }

    #[test]
    fn only_boxes_of_accepted_schemes_and_domains_are_served() {
        let rules = rules(&["tel", "sip"], &["Example.org"], "{user}").unwrap();
        let login = |text| rules.accept(text).map(|(_, login)| login);
        assert_eq!(login("tel:+1-555").as_deref(), Some("+1555"));
        assert_eq!(login("sip:ana@EXAMPLE.org").as_deref(), Some("ana"));
        assert_eq!(login("sip:ana@example.net"), None);
        assert_eq!(login("sips:ana@example.org"), None);
        assert_eq!(login("acr:ana"), None);
    }

    #[test]
    fn a_login_is_found_back_only_if_its_box_is_served() {
        let rules = rules(&["tel"], &["only.test"], "{user}").unwrap();
        let found = |login| rules.box_of(login).map(|id| id.as_str().to_owned());
        assert_eq!(found("+1555").as_deref(), Some("tel:+1555"));
        assert_eq!(found("ana"), None);
    }
}
