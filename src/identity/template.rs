//! The login template: literals and fields that make an IMAP login from a box id, and find the box id of a login.

use super::{
    box_id::{BoxId, Scheme},
    rules::Mistake,
};

/// Longest login, in bytes.
const LONGEST: usize = 320;

/// How an IMAP login is made from a box id: `{box}` `{scheme}` `{user}` `{domain}` and literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTemplate {
    /// Never two literals side by side.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
}

/// A part of a box id that a template can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The whole box id.
    Box,
    /// Its scheme.
    Scheme,
    /// Its number, user or reference.
    User,
    /// The host of a SIP address.
    Domain,
}

impl LoginTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// An unknown field, or a brace without its partner.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (literal, from_brace) = rest.split_at(at);
            let (name, after) = from_brace
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or_else(|| Mistake::login("a brace without its partner"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Field(Field::parse(name)?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The login of a box; `None` when it has no such part or the result is no login a store may see.
    #[must_use]
    pub fn login(&self, id: &BoxId) -> Option<String> {
        let mut login = String::with_capacity(id.as_str().len());
        for piece in &self.pieces {
            login.push_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::Field(Field::Box) => id.as_str(),
                Piece::Field(Field::Scheme) => id.scheme().as_str(),
                Piece::Field(Field::User) => id.user(),
                Piece::Field(Field::Domain) => id.domain()?,
            });
        }
        is_login(&login).then_some(login)
    }

    /// The box id whose login this is, where the template lets it be told: a `{box}`, a `{user}` or a `{user}` and a
    /// `{domain}` between literals. `only_domain` stands in for a domain the login does not name.
    #[must_use]
    pub fn box_id(&self, login: &str, only_domain: Option<&str>) -> Option<BoxId> {
        let mut inner = login;
        let mut pieces = &self.pieces[..];
        if let [Piece::Literal(literal), rest @ ..] = pieces {
            inner = inner.strip_prefix(literal.as_str())?;
            pieces = rest;
        }
        if let [rest @ .., Piece::Literal(literal)] = pieces {
            inner = inner.strip_suffix(literal.as_str())?;
            pieces = rest;
        }
        let text = match pieces {
            [Piece::Field(Field::Box)] => inner.to_owned(),
            [Piece::Field(Field::User)] if inner.starts_with('+') => format!("tel:{inner}"),
            [Piece::Field(Field::User)] => format!("sip:{inner}@{}", only_domain?),
            [
                Piece::Field(Field::User),
                Piece::Literal(separator),
                Piece::Field(Field::Domain),
            ] => {
                let (user, domain) = inner.rsplit_once(separator.as_str())?;
                format!("sip:{user}@{domain}")
            }
            _ => return None,
        };
        // Only what leads back here is an answer: spellings that are merely alike are not.
        let id = BoxId::parse(&text).ok()?;
        (self.login(&id).as_deref() == Some(login)).then_some(id)
    }

    pub(super) fn names(&self, field: Field) -> bool {
        self.pieces.contains(&Piece::Field(field))
    }

    /// Whether a login can be cut into the template's fields in only one way: from the right or the left, a field ends
    /// where the literal beside it has a character that the field cannot have. `a.b` at `c.d` and `a` at `b.c.d` are
    /// the same login under `{user}.{domain}`, but not under `{user}@{domain}`.
    pub(super) fn is_unambiguous(&self, schemes: &[Scheme]) -> bool {
        let mut pieces = &self.pieces[..];
        if let [Piece::Literal(_), rest @ ..] = pieces {
            pieces = rest;
        }
        if let [rest @ .., Piece::Literal(_)] = pieces {
            pieces = rest;
        }
        loop {
            pieces = match pieces {
                [] | [_] => return true,
                [rest @ .., Piece::Field(Field::Scheme)] => without_last_literal(rest),
                [rest @ .., Piece::Literal(literal), Piece::Field(field)]
                    if field.ends_at(literal) =>
                {
                    rest
                }
                [Piece::Field(Field::Scheme), rest @ ..] if !one_begins_another(schemes) => {
                    without_first_literal(rest)
                }
                [Piece::Field(field), Piece::Literal(literal), rest @ ..]
                    if field.ends_at(literal) =>
                {
                    rest
                }
                _ => return false,
            };
        }
    }
}

/// `sip` and `sips` cannot be told apart by how a text begins.
fn one_begins_another(schemes: &[Scheme]) -> bool {
    schemes.contains(&Scheme::Sip) && schemes.contains(&Scheme::Sips)
}

fn without_last_literal(pieces: &[Piece]) -> &[Piece] {
    match pieces {
        [rest @ .., Piece::Literal(_)] => rest,
        _ => pieces,
    }
}

fn without_first_literal(pieces: &[Piece]) -> &[Piece] {
    match pieces {
        [Piece::Literal(_), rest @ ..] => rest,
        _ => pieces,
    }
}

impl Field {
    fn parse(name: &str) -> Result<Self, Mistake> {
        match name {
            "box" => Ok(Self::Box),
            "scheme" => Ok(Self::Scheme),
            "user" => Ok(Self::User),
            "domain" => Ok(Self::Domain),
            _ => Err(Mistake::login(format!(
                "unknown field {{{name}}}, there are {{box}} {{scheme}} {{user}} {{domain}}"
            ))),
        }
    }

    /// Whether the literal has a character that this field never has.
    fn ends_at(self, literal: &str) -> bool {
        literal.chars().any(|character| match self {
            Self::Scheme => !character.is_ascii_lowercase(),
            Self::Domain => {
                !(character.is_ascii_lowercase()
                    || character.is_ascii_digit()
                    || matches!(character, '.' | '-'))
            }
            Self::User => {
                !(character.is_ascii_alphanumeric() || "-_.!~'()&=+$,@".contains(character))
            }
            Self::Box => {
                !(character.is_ascii_alphanumeric() || "-_.!~'()&=+$,@:".contains(character))
            }
        })
    }
}

/// What a store takes for a user's name and nothing else. Dovecot, as measured, logs in `../../etc` and `a/b` and lets
/// them into the home path, splits at `*` for its master users and expands `%`.
#[must_use]
pub fn is_login(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text.len() <= LONGEST
        && !text.contains("..")
        && !text
            .chars()
            .any(|character| character.is_control() || matches!(character, '/' | '*' | '%'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> LoginTemplate {
        LoginTemplate::parse(text).unwrap()
    }

    fn id(text: &str) -> BoxId {
        BoxId::parse(text).unwrap()
    }

    #[test]
    fn fields_are_filled_in() {
        for (text, box_id, login) in [
            ("{user}", "tel:+15550100", "+15550100"),
            ("{box}", "tel:+15550100", "tel:+15550100"),
            ("{user}", "sip:ana@example.org", "ana"),
            ("{user}@{domain}", "sip:ana@example.org", "ana@example.org"),
            ("{scheme}-{user}", "acr:x1", "acr-x1"),
            ("{user}@store.test", "tel:+15550100", "+15550100@store.test"),
        ] {
            assert_eq!(
                template(text).login(&id(box_id)).as_deref(),
                Some(login),
                "{text}"
            );
        }
    }

    #[test]
    fn a_tel_box_has_no_domain() {
        assert_eq!(template("{user}@{domain}").login(&id("tel:+1")), None);
    }

    #[test]
    fn what_a_store_may_misread_is_no_login() {
        for text in [
            "{user}*bridge",
            "a/{user}",
            "..{user}",
            "{user}\r\n",
            "%{user}",
            "",
            ".",
        ] {
            assert_eq!(template(text).login(&id("tel:+1")), None, "{text:?}");
        }
    }

    #[test]
    fn unknown_fields_and_lone_braces_are_mistakes() {
        for text in ["{name}", "{user", "user}", "{}", "{{user}}", "}{"] {
            assert!(LoginTemplate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn logins_lead_back_to_their_box() {
        for (text, box_id) in [
            ("{box}", "acr:x1"),
            ("{user}", "tel:+15550100"),
            ("{user}", "sip:ana@only.test"),
            ("x-{user}@y", "tel:+15550100"),
            ("{user}@{domain}", "sip:ana@example.org"),
        ] {
            let (template, id) = (template(text), id(box_id));
            let login = template.login(&id).unwrap();
            assert_eq!(
                template.box_id(&login, Some("only.test")),
                Some(id),
                "{text}"
            );
        }
    }

    #[test]
    fn a_login_that_is_only_like_a_boxs_leads_nowhere() {
        assert_eq!(template("{user}").box_id("+1-555", None), None);
        assert_eq!(template("{user}").box_id("ana", None), None);
        assert_eq!(template("x{user}").box_id("+1555", None), None);
        assert_eq!(
            template("{user}@{domain}").box_id("ana@Example.org", None),
            None
        );
    }

    #[test]
    fn templates_that_can_be_cut_in_two_ways_are_ambiguous() {
        let both = [Scheme::Sip, Scheme::Sips];
        for text in [
            "{user}{domain}",
            "{user}.{domain}",
            "{user}s{domain}",
            "{scheme}{user}",
        ] {
            assert!(!template(text).is_unambiguous(&both), "{text}");
        }
        for text in [
            "{box}",
            "{user}@{domain}",
            "{domain}+{user}",
            "{scheme}-{user}",
            "{user}{scheme}",
            "a{user}b",
        ] {
            assert!(template(text).is_unambiguous(&both), "{text}");
        }
        assert!(template("{scheme}{user}").is_unambiguous(&[Scheme::Tel, Scheme::Acr]));
    }

    proptest! {
        #[test]
        fn unambiguous_templates_give_two_boxes_two_logins(
            fields in Just(["{user}", "{domain}", "{scheme}"]).prop_shuffle(),
            separators in proptest::array::uniform3("[sa.@+]?"),
            one in "sips?:[as.@]{1,3}@[as.]{1,4}",
            other in "sips?:[as.@]{1,3}@[as.]{1,4}",
        ) {
            let text: String = fields.iter().zip(&separators).flat_map(|(field, separator)| [*field, separator]).collect();
            let template = template(&text);
            if !template.is_unambiguous(&[Scheme::Sip, Scheme::Sips]) {
                return Ok(());
            }
            if let (Ok(one), Ok(other)) = (BoxId::parse(&one), BoxId::parse(&other)) {
                let logins = (template.login(&one), template.login(&other));
                prop_assert!(one == other || logins.0.is_none() || logins.0 != logins.1);
            }
        }
    }
}
