//! Address fields (RFC 5322 §3.4): one for all values, each written so that reading gives it back.

use super::Invalid;
use super::attributes::reads_as;
use super::field::{folded, unwritable, words};

/// The one field of From, To, Cc or Bcc; none without values.
pub(super) fn field(name: &str, values: &[&str]) -> Result<String, Invalid> {
    if values.iter().any(|value| value.contains(unwritable)) {
        return Err(Invalid("value"));
    }
    if values.is_empty() {
        return Ok(String::new());
    }
    let list = |member: fn(&str) -> String| {
        let members: Vec<String> = values.iter().map(|value| member(value)).collect();
        folded(name, &members.join(", ")).filter(|field| reads_as(field, name, values))
    };
    list(plain)
        .or_else(|| list(encoded))
        .ok_or(Invalid("value"))
}

/// As it is where RFC 5322 and RFC 3261 §20.10 have no other use for one of its characters, else in angle brackets where
/// they hold it, else encoded.
fn plain(value: &str) -> String {
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !printable || value.contains("=?") || value.contains(['<', '>']) || value.trim() != value {
        encoded(value)
    } else if value.contains([',', ';', '?', ' ', '"', '\\']) {
        format!("<{value}>")
    } else {
        value.to_owned()
    }
}

/// No RFC has an encoded word for an address, and no other way to say one that is not US-ASCII in a header that is.
fn encoded(value: &str) -> String {
    const FIRST: usize = 45;
    format!("<{}>", words(value, FIRST).join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_written_as_other_readers_know_them() {
        for (values, expected) in [
            (vec!["tel:+15550100"], "tel:+15550100"),
            (
                vec!["+15550100", "ann@example.com"],
                "+15550100, ann@example.com",
            ),
            (
                vec!["sip:a@example.com;tag=3", "sip:b?c"],
                "<sip:a@example.com;tag=3>, <sip:b?c>",
            ),
            (
                vec!["sip:b,c@example.com;x=\"1,2\""],
                "<sip:b,c@example.com;x=\"1,2\">",
            ),
            (vec!["Ann B"], "<Ann B>"),
            (vec!["tel:+1(555)0100"], "tel:+1(555)0100"),
            (
                vec!["sip:é@example.com"],
                "<=?UTF-8?B?c2lwOsOpQGV4YW1wbGUuY29t?=>",
            ),
            (vec!["Ann <tel:+1>"], "<=?UTF-8?B?QW5uIDx0ZWw6KzE+?=>"),
        ] {
            assert_eq!(field("To", &values).unwrap(), format!("To: {expected}\r\n"));
        }
        assert_eq!(field("To", &[]).unwrap(), "");
    }

    #[test]
    fn long_lists_are_folded() {
        let values: Vec<String> = (0..100).map(|n| format!("tel:+155501{n:02}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let field = field("Bcc", &values).unwrap();
        assert!(field.lines().count() > 15 && field.lines().all(|line| line.len() <= 78));
    }

    #[test]
    fn controls_are_refused() {
        assert_eq!(field("To", &["tel:+1\r\nBcc: x"]), Err(Invalid("value")));
    }

    proptest! {
        #[test]
        fn any_values_are_read_back_or_refused(values in proptest::collection::vec(
            prop_oneof!["[-a\"\\\\<>,:;( )é=?]{1,12}", "\\PC{1,20}", "[ -~]{1,20}", "[a-z ]{900,1100}"], 1..5)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            match field("To", &values) {
                Ok(field) => prop_assert!(reads_as(&field, "To", &values) && field.is_ascii()),
                Err(invalid) => {
                    prop_assert_eq!(invalid, Invalid("value"));
                    prop_assert!(values.iter().any(|value| value.contains(unwritable)));
                }
            }
        }
    }
}
