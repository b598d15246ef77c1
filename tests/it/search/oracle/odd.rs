//! Messages that nobody has written in earnest.

use crate::search::message;

/// Date headers of all kinds.
#[rustfmt::skip] // A line each, to be read as the table it is.
const DATES: [&str; 13] = [
    "Tue, 2 Jun 2026 00:00:00 +0200",
    "2 Jun 2026 00:00:00 +0200",
    "Foo, 2 Jun 2026 00:00:00 +0200",
    "Tue, 02 Jun 26 23:30 EST",
    "Tue, 2 Jun 2026 00:00:00 (no zone)",
    "Tue, 31 Jun 2026 00:00:00 +0000",
    "2026-06-02T00:00:00Z",
    "mar., 2 juin 2026 00:00:00 +0200",
    "Tue,\r\n 2 Jun 2026\r\n 00:00:00 +1400",
    "Tue, 2 Jun 2026 00:00:00 -1200 (comment)",
    "1 Jan 1970 00:00:00 +0000",
    "31 Dec 2099 23:59:59 -0000",
    "",
];

/// Others: subject, more of the header, body.
#[rustfmt::skip] // A line each, to be read as the table it is.
const ODD: [(&str, &str, &str); 21] = [
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "", "Straße und Größe"),
    ("=?utf-8?b?R3LDvA==?= =?utf-8?b?w59l?=", "", "split words"),
    ("=?utf-8?q?Hol?= =?utf-8?q?iday?=", "", "joined words"),
    ("=?utf-8?q?broken", "", "broken"),
    ("HOLIDAY", "Message-Context: \"Pager-Message\"\r\nMessage-Direction: Sent\r\n", "upper"),
    ("holiday", "Message-Context: pager-message\r\nDirection: Out\r\n", "lower Holiday."),
    ("Holiday", "Direction: sideways\r\nTextContent: header\r\n", "text"),
    ("x", "Bcc: \"Ann, B\" <tel:+15550109>, sip:bob@example.com\r\nTo: more@example.com\r\n", "several"),
    ("folded\r\n subject\r\n\tline", "", "folding"),
    ("x", "Content-Type: text/plain; name*0=\"hol\"; name*1=\"iday\"\r\n", "pieces"),
    ("x", "Content-Type: text/plain; charset=iso-8859-1\r\n", "caf\u{e9}"),
    ("x", "Content-Type: text/html\r\n", "<p>inside <b>html</b></p>"),
    ("x", "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8\r\n", "SG9saWRheSBpbiBiYXNlNjQ="),
    ("x", "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain\r\n", "Holi=\r\nday in lines"),
    ("x", "Content-Type: application/octet-stream\r\n", "Holiday is no text here"),
    ("x", "Content-Type: message/rfc822\r\n", "Subject: inner\r\n\r\nHoliday inside"),
    ("x", "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\nContent-Type: text/plain\r\nX-Part: Hidden\r\n\r\nfirst part\r\n--b\r\nContent-Type: image/png\r\n\r\nHoliday\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: attached\r\n\r\nattached words\r\n--b--"),
    ("x", "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\ndeep words\r\n--c\r\nContent-Type: text/html\r\n\r\n<i>deep</i>\r\n--c--\r\n--b--"),
    ("x", "no colon here\r\nX-After: Holiday\r\n", "a line that is no field"),
    ("x", "Content-Type: message/cpim\r\n", "From: <tel:+15550103>\r\nTo: <tel:+15550100>\r\nDateTime: 2026-06-01T12:00:00Z\r\nSubject: Hidden\r\n\r\nContent-Type: text/plain\r\n\r\nwrapped words"),
    ("x", "Content-Type: message/cpim\r\nContent-Transfer-Encoding: base64\r\nIs-CPM-Group: yes\r\n", "RnJvbTogPHRlbDorMTU1NTAxMDQ+DQpEYXRlVGltZTogMjAyNi0wNi0wMVQxMjowMDowMFoNCg0KQ29udGVudC1UeXBlOiB0ZXh0L3BsYWluDQoNCkhvbGlkYXkgd3JhcHBlZA=="),
];

/// All of them.
pub(super) fn messages() -> impl Iterator<Item = Vec<u8>> {
    let dated = DATES.iter().enumerate().map(|(index, date)| {
        message(
            &format!("date {}", index % 4),
            &format!("Date: {date}\r\n"),
            "dated",
        )
    });
    dated.chain(
        ODD.iter()
            .map(|(subject, more, text)| message(subject, more, text)),
    )
}
