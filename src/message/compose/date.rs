//! The date of an object, as clients write it (contract §2.5) and as a message says it.

use chrono::{DateTime, Datelike, FixedOffset};

use super::super::header;

/// Reads an xsd:dateTimeStamp, also one without seconds or without the colon in its offset, or a date of RFC 5322 §3.3.
/// Fractions of a second go. `None` when it is neither, or its year is not one from 1900 to 9999.
pub(super) fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
    let text = text.trim();
    let date = date_time_stamp(text)
        .and_then(header::whole_seconds)
        .or_else(|| header::date(text))?;
    // RFC 9051 §9, `date-year`: the year as the offset has it is written in four digits.
    (1900..=9999).contains(&date.year()).then_some(date)
}

/// RFC 5322 §3.3.
pub(super) fn field(date: DateTime<FixedOffset>) -> String {
    format!("Date: {}\r\n", date.format("%a, %-d %b %Y %H:%M:%S %z"))
}

fn date_time_stamp(text: &str) -> Option<DateTime<FixedOffset>> {
    let text = text.to_ascii_uppercase();
    let year = text.split_once('-')?.0;
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let utc = text.strip_suffix('Z').map(|local| format!("{local}+00:00"));
    let text = utc.as_deref().unwrap_or(&text);
    ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn date_time_stamps_and_mail_dates_are_read() {
        for (text, expected) in [
            ("2026-06-01T10:20:30Z", "2026-06-01T10:20:30+00:00"),
            (
                "2026-06-01T10:20:30.987654321012Z",
                "2026-06-01T10:20:30+00:00",
            ),
            ("2026-06-01T12:20:30+02:00", "2026-06-01T12:20:30+02:00"),
            ("2026-06-01T12:20:30.5-0930", "2026-06-01T12:20:30-09:30"),
            ("2026-06-01T10:20Z", "2026-06-01T10:20:00+00:00"),
            (" 2026-06-01t10:20z ", "2026-06-01T10:20:00+00:00"),
            ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
            (
                "Mon, 1 Jun 2026 12:20:30 +0200",
                "2026-06-01T12:20:30+02:00",
            ),
            (
                "Tue, 01 Jun 2026 12:20 +0200 (CEST)",
                "2026-06-01T12:20:00+02:00",
            ),
            ("1 Jun 2026 12:20:30 GMT", "2026-06-01T12:20:30+00:00"),
        ] {
            let date = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(date.to_rfc3339(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-06-01",
            "2026-06-01T10:20:30",
            "2026-06-31T10:20:30Z",
            "2026-06-01T25:00:00Z",
            "2026-06-01T10:20:30Zulu",
            "2026-06-01T10:20:30+25:00",
            "26-06-01T10:20:30Z",
            "+2026-06-01T10:20:30Z",
            "12026-06-01T10:20:30Z",
            "1899-12-31T23:59:59Z",
            "1899-12-31T23:59:59-02:00",
            "1900-01-01T00:30:00+01:00",
            "9999-12-31T23:30:00-01:00",
            "1780309230",
            "mar., 29 09 2015 11:09:20.826 +0200",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_date_is_written_as_it_is_read(seconds in -2_208_900_000_i64..253_402_200_000, minutes in -839..=839_i32) {
            let offset = FixedOffset::east_opt(minutes * 60).unwrap();
            let date = DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&offset);
            prop_assume!((1900..=9999).contains(&date.year()));
            prop_assert_eq!(parse(&date.to_rfc3339()), Some(date));
            let written = field(date);
            let read = header::Header::parse(written.as_bytes()).date().unwrap();
            prop_assert_eq!((read, read.offset().local_minus_utc()), (date, minutes * 60));
        }

        #[test]
        fn any_text_is_judged(text in "[-+0-9TZ:., aJunM]{0,40}") {
            if let Some(date) = parse(&text) {
                prop_assert_eq!(parse(&date.to_rfc3339()), Some(date));
            }
        }
    }
}
