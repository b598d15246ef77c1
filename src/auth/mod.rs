//! Who asks, and whether the box is theirs. Basic credentials are read here; the store's LOGIN proves them.
//!
//! * Nothing here asks the store: [`Access::Other`] and [`Access::Refused`] cost it no command.
//! * Whether another's box exists makes no difference to the answer.
//! * Credentials are never logged and never part of an error.

mod basic;

use http::HeaderValue;

use crate::identity::{BoxId, BoxRules, Credentials, Secret};

/// What a request may do with the box it names.
#[derive(Debug, Clone)]
pub enum Access {
    /// The caller claims to be the box's owner; the credentials are still to be proved.
    Own {
        /// The box, in canonical spelling.
        box_id: BoxId,
        /// What the store is to be asked with.
        credentials: Credentials,
    },
    /// The caller is someone else, or there is no such box (403 POL0001 `NotAuthorized`).
    Other,
    /// No credentials, or none that can be used (401).
    Refused,
}

/// Judges an `Authorization` header for the box named by a path segment that was percent-decoded once.
#[must_use]
pub fn authorize(
    authorization: Option<&HeaderValue>,
    box_segment: &str,
    rules: &BoxRules,
) -> Access {
    let Some(pair) = authorization.and_then(basic::UserPass::read) else {
        return Access::Refused;
    };
    let Some((box_id, login)) = rules.accept(box_segment) else {
        return Access::Other;
    };
    match pair.password_of(&login) {
        // RFC 4616 §2: a password has at least one octet. An empty one makes some directories bind anonymously.
        Some("") => Access::Refused,
        Some(password) => Access::Own {
            box_id,
            credentials: Credentials {
                password: Secret::new(password),
                login,
            },
        },
        None => Access::Other,
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn rules(schemes: &[&str], login: &str) -> BoxRules {
        let schemes: Vec<String> = schemes.iter().map(|name| (*name).to_owned()).collect();
        BoxRules::new(&schemes, &[], login).unwrap()
    }

    fn basic(pair: &str) -> HeaderValue {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
            .parse()
            .unwrap()
    }

    /// `own LOGIN PASSWORD`, `other` or `refused`.
    fn judged(header: &HeaderValue, box_segment: &str, rules: &BoxRules) -> String {
        match authorize(Some(header), box_segment, rules) {
            Access::Own { credentials, .. } => {
                format!(
                    "own {} {}",
                    credentials.login,
                    credentials.password.expose()
                )
            }
            Access::Other => "other".to_owned(),
            Access::Refused => "refused".to_owned(),
        }
    }

    #[test]
    fn the_boxs_login_owns_it() {
        let rules = rules(&["tel"], "{user}");
        let answer = authorize(Some(&basic("+15550100:secret")), "tel:+1-555-0100", &rules);
        let Access::Own {
            box_id,
            credentials,
        } = answer
        else {
            panic!("{answer:?}");
        };
        assert_eq!(box_id.as_str(), "tel:+15550100");
        assert_eq!(credentials.login, "+15550100");
        assert_eq!(credentials.password.expose(), "secret");
    }

    #[test]
    fn passwords_and_logins_may_hold_colons() {
        let by_user = rules(&["tel"], "{user}");
        assert_eq!(judged(&basic("+1:a:b:"), "tel:+1", &by_user), "own +1 a:b:");
        let by_box = rules(&["tel"], "{box}");
        assert_eq!(
            judged(&basic("tel:+1:a:b"), "tel:+1", &by_box),
            "own tel:+1 a:b"
        );
        assert_eq!(judged(&basic("+1:a"), "tel:+1", &by_box), "other");
    }

    #[test]
    fn another_users_box_is_other_whether_it_could_exist_or_not() {
        let rules = rules(&["tel"], "{user}");
        for segment in [
            "tel:+2",
            "tel:+15",
            "sip:a@b",
            "nonsense",
            "",
            "tel:+1/..",
            "tel:+1\0",
        ] {
            assert_eq!(
                judged(&basic("+1:secret"), segment, &rules),
                "other",
                "{segment:?}"
            );
        }
    }

    #[test]
    fn a_login_that_only_begins_like_the_boxs_is_other() {
        let rules = rules(&["tel"], "{user}");
        assert_eq!(judged(&basic("+15550100:x"), "tel:+1555", &rules), "other");
    }

    #[test]
    fn the_scheme_has_no_case_and_padding_may_be_missing() {
        let rules = rules(&["tel"], "{user}");
        for (scheme, encoded) in [
            ("basic", "KzE6YQ=="),
            ("BASIC", "KzE6YQ"),
            ("Basic  ", "KzE6YQ== "),
        ] {
            let header = format!("{scheme} {encoded}").parse().unwrap();
            assert_eq!(judged(&header, "tel:+1", &rules), "own +1 a", "{header:?}");
        }
    }

    #[test]
    fn what_is_no_basic_header_is_refused() {
        let rules = rules(&["tel"], "{user}");
        for header in [
            "",
            "Basic",
            "Basic ",
            "Bearer KzE6YQ==",
            "BasicKzE6YQ==",
            "Basic KzE6!Q==",
            "Basic KzEx",
            "Digest username=\"+1\"",
        ] {
            let header = HeaderValue::from_str(header).unwrap();
            assert_eq!(judged(&header, "tel:+1", &rules), "refused", "{header:?}");
        }
        let binary = HeaderValue::from_bytes(b"Basic \xff").unwrap();
        assert_eq!(judged(&binary, "tel:+1", &rules), "refused");
        assert!(matches!(authorize(None, "tel:+1", &rules), Access::Refused));
    }

    #[test]
    fn what_no_login_command_can_carry_is_refused() {
        let rules = rules(&["tel"], "{user}");
        for pair in ["+1:a\0b", "+1:a\r\nb", "+1:a\nb", "+1\r:a", "+1:"] {
            assert_eq!(
                judged(&basic(pair), "tel:+1", &rules),
                "refused",
                "{pair:?}"
            );
        }
        let latin_1 = format!("Basic {}", BASE64_STANDARD.encode(b"+1:\xe9"))
            .parse()
            .unwrap();
        assert_eq!(judged(&latin_1, "tel:+1", &rules), "refused");
    }

    proptest! {
        #[test]
        fn nobody_gets_a_box_with_another_login(user in "\\PC{0,12}", password in "\\PC{1,12}", segment in "(tel:)?\\PC{0,12}") {
            prop_assume!(!user.contains(':'));
            let rules = rules(&["tel"], "{user}");
            if let Access::Own { box_id, credentials } = authorize(Some(&basic(&format!("{user}:{password}"))), &segment, &rules) {
                prop_assert_eq!(&credentials.login, &user);
                prop_assert_eq!(credentials.password.expose(), &password);
                prop_assert_eq!(box_id.user(), &user);
            }
        }

        #[test]
        fn no_header_panics(header in proptest::collection::vec(any::<u8>(), 0..64), segment in "\\PC{0,16}") {
            if let Ok(header) = HeaderValue::from_bytes(&header) {
                let access = authorize(Some(&header), &segment, &rules(&["tel", "sip", "acr"], "{box}"));
                let scheme = header.as_bytes().get(..6);
                let basic = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
                prop_assert!(basic || matches!(access, Access::Refused), "{access:?}");
            }
        }
    }
}
