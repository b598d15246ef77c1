//! Proves who asks, as far as that goes without the store, and says whether a box is theirs. Basic credentials are proved
//! by the store's LOGIN later.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderValue;

use crate::identity::{BoxId, BoxRules, Credentials, Secret};

/// RFC 7617 §2 wants padding; some clients leave it out.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a caller may do with a box, before the store has been asked.
#[derive(Debug)]
pub enum Access {
    /// The box is the caller's own, if the store accepts the credentials.
    Own {
        /// The box.
        box_id: BoxId,
        /// What to log in with.
        credentials: Credentials,
    },
    /// The box is another's, or none this store accepts: nobody learns which.
    Other,
    /// There are no usable credentials.
    Refused,
}

/// Judges an `Authorization` header for a box (`segment`, percent-decoded).
///
/// A header that starts with the box's login and a colon is the owner's: logins may hold colons.
#[must_use]
pub fn authorize(authorization: Option<&HeaderValue>, segment: &str, rules: &BoxRules) -> Access {
    let Some(user_and_password) = authorization.and_then(basic) else {
        return Access::Refused;
    };
    let Some((box_id, login)) = rules.accept(segment) else {
        return Access::Other;
    };
    match user_and_password
        .strip_prefix(&login)
        .and_then(|rest| rest.strip_prefix(':'))
    {
        // RFC 7617 §2: no controls. CR, LF and NUL would not reach the wire anyway.
        Some(password) if password.contains(char::is_control) => Access::Refused,
        Some(password) => Access::Own {
            box_id,
            credentials: Credentials {
                login,
                password: Secret::new(password),
            },
        },
        None => Access::Other,
    }
}

/// `user:password` of a Basic header; the scheme in any case (RFC 9110 §11.1).
fn basic(header: &HeaderValue) -> Option<String> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = String::from_utf8(BASIC.decode(encoded.trim()).ok()?).ok()?;
    decoded.contains(':').then_some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::StoreConfig;

    fn judge(header: &str, segment: &str) -> Access {
        let rules = BoxRules::new(&StoreConfig::default()).unwrap();
        authorize(
            Some(&HeaderValue::from_str(header).unwrap()),
            segment,
            &rules,
        )
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", BASIC.encode(text))
    }

    #[test]
    fn the_owner_is_let_through_with_the_password_whole() {
        let access = judge(&basic_header("+15550100:a:b c"), "tel:+15550100");
        let Access::Own {
            box_id,
            credentials,
        } = access
        else {
            panic!("{access:?}")
        };
        assert_eq!(
            (box_id.as_str(), credentials.login.as_str()),
            ("tel:+15550100", "+15550100")
        );
        assert_eq!(credentials.password.expose(), "a:b c");
    }

    #[test]
    fn scheme_case_and_missing_padding_are_tolerated() {
        let header = basic_header("+15550100:secret").replace("Basic", "bAsIc");
        assert!(matches!(
            judge(header.trim_end_matches('='), "tel:+15550100"),
            Access::Own { .. }
        ));
    }

    #[test]
    fn another_box_and_no_box_look_alike() {
        for segment in [
            "tel:+15550101",
            "tel:nonsense",
            "sip:a@b",
            "",
            "tel:+15550100;x",
        ] {
            assert!(
                matches!(
                    judge(&basic_header("+15550100:secret"), segment),
                    Access::Other
                ),
                "{segment}"
            );
        }
    }

    #[test]
    fn what_is_no_basic_header_is_refused() {
        for header in ["", "Basic", "Basic !!!", "Bearer abc", "Basic KzE1NTUwMTAw"] {
            assert!(
                matches!(judge(header, "tel:+15550100"), Access::Refused),
                "{header}"
            );
        }
        assert!(matches!(
            judge(&basic_header("+15550100:a\r\nb"), "tel:+15550100"),
            Access::Refused
        ));
    }

    proptest! {
        #[test]
        fn any_header_and_segment_are_judged(header in prop::collection::vec(32_u8..=255, 0..60), segment in "\\PC{0,40}") {
            let rules = BoxRules::new(&StoreConfig::default()).unwrap();
            if let Ok(header) = HeaderValue::from_bytes(&header) {
                let owned = matches!(authorize(Some(&header), &segment, &rules), Access::Own { .. });
                prop_assert!(!owned || header.to_str().is_ok());
            }
        }
    }
}
