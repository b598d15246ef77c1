//! Basic authentication (RFC 7617): the pair in the header, not yet cut, since logins may hold colons.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderValue;

use crate::identity::Secret;

/// Standard alphabet; clients that leave the padding out are understood.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `user:password` as the client sent it: UTF-8, with a colon, without NUL, CR and LF.
#[derive(Debug)]
pub(super) struct UserPass(Secret);

impl UserPass {
    /// Reads a header; `None` for another scheme and for what no LOGIN can carry.
    pub(super) fn read(header: &HeaderValue) -> Option<Self> {
        // RFC 9110 §11.1: the scheme has no case; one or more spaces follow.
        let (scheme, encoded) = header.to_str().ok()?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let bytes = LENIENT.decode(encoded.trim()).ok()?;
        // RFC 7617 §2: no control characters. NUL, CR and LF are the ones an IMAP command cannot carry in any form.
        let pair = String::from_utf8(bytes).ok()?;
        (pair.contains(':') && !pair.contains(['\0', '\r', '\n'])).then(|| Self(Secret::new(pair)))
    }

    /// The password, if the pair is this login's: it begins with the login and a colon.
    pub(super) fn password_of(&self, login: &str) -> Option<&str> {
        self.0.expose().strip_prefix(login)?.strip_prefix(':')
    }
}
