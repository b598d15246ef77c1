//! Ranges of payloads and parts (RFC 9110 §14; product: ranges).

use super::{getting, refusal, tag, with};
use crate::{
    memory::{append, newest},
    support::{
        bridge::{Bridge, Builder},
        proxy::Proxy,
    },
};

const LINE: &[u8] =
    b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";

/// A plain text, a part of it in 7bit and one in base64, and all of it.
fn mixed() -> Vec<u8> {
    let head =
        b"Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: application/octet-stream\r\n\r\n0123456789\r\n\
        --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    [&head[..], &LINE.repeat(40), b"--b--\r\n"].concat()
}

/// A message of this kind in base64 that is small enough to be known whole.
const ENCODED: &[u8] = b"Subject: s\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nMDEyMzQ1Njc4OUFCQ0RFRg==\r\n";
/// A CPIM in base64 around a text.
const WRAPPED: &[u8] =
    b"Subject: s\r\nContent-Type: message/cpim\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    RnJvbTogPHRlbDorMT4NClRvOiA8dGVsOisyPg0KDQpDb250ZW50LVR5cGU6IGltYWdlL3BuZw0KDQowMTIzNDU2Nzg5";

/// A box with one message and its path.
async fn of(builder: Builder, message: &[u8]) -> (Bridge, String) {
    let mut witness = builder.account().witness().await;
    append(&mut witness, "INBOX", message).await;
    let bridge = builder.start().await;
    let target = newest(&bridge.client, &bridge.account, "INBOX").await;
    let object = target.split("/objects/").last().unwrap();
    (bridge, format!("objects/{object}"))
}

#[tokio::test]
async fn octets_of_a_known_length_are_served_in_ranges() {
    for (number, (message, resource)) in [
        (mixed(), "payload"),
        (mixed(), "payloadParts/1"),
        (ENCODED.to_vec(), "payload"),
        (ENCODED.to_vec(), "payloadParts/1"),
        (WRAPPED.to_vec(), "payload"),
        (WRAPPED.to_vec(), "payloadParts/1~1"),
    ]
    .into_iter()
    .enumerate()
    {
        let (bridge, object) = of(Bridge::builder(&format!("ranges{number}")), &message).await;
        let resource = format!("{object}/{resource}");
        let whole = bridge.get(&resource).await.expect(200);
        let length = whole.body.len();
        assert!(length >= 10, "{resource}");
        assert_eq!(whole.header("accept-ranges"), Some("bytes"), "{resource}");
        for (range, first, last) in [
            ("0-0".to_owned(), 0, 0),
            ("3-5".to_owned(), 3, 5),
            ("4-".to_owned(), 4, length - 1),
            (format!("2-{}", length * 2), 2, length - 1),
            ("-4".to_owned(), length - 4, length - 1),
            (format!("-{}", length * 2), 0, length - 1),
        ] {
            let headers = [("Range", &*format!("bytes={range}"))];
            let part = getting(&bridge, &resource, &headers)
                .send()
                .await
                .expect(206);
            assert_eq!(part.body, whole.body[first..=last], "{resource} {range}");
            let shown = format!("bytes {first}-{last}/{length}");
            assert_eq!(part.header("content-range"), Some(shown.as_str()));
            let shown = part.body.len().to_string();
            assert_eq!(part.header("content-length"), Some(shown.as_str()));
            for name in ["content-type", "etag", "cache-control", "accept-ranges"] {
                assert_eq!(part.header(name), whole.header(name), "{name}");
            }
        }
        for range in [format!("{length}-"), "-0".to_owned()] {
            let headers = [("Range", &*format!("bytes={range}"))];
            let answer = getting(&bridge, &resource, &headers).send().await;
            assert_eq!(refusal(&answer), "416 SVC0002 Range", "{resource} {range}");
            let shown = format!("bytes */{length}");
            assert_eq!(answer.header("content-range"), Some(shown.as_str()));
        }
        for range in ["bytes=0-1,3-4", "lines=1-2", "bytes=5-4", "bytes=x", "x"] {
            let headers = [("Range", range)];
            let answer = getting(&bridge, &resource, &headers)
                .send()
                .await
                .expect(200);
            assert_eq!(answer.body, whole.body, "{range}");
        }
    }
}

#[tokio::test]
async fn octets_of_an_unknown_length_are_served_whole() {
    let (bridge, object) = of(Bridge::builder("ranges_unknown"), &mixed()).await;
    let resource = format!("{object}/payloadParts/2");
    let headers = [("Range", "bytes=0-3")];
    let answer = getting(&bridge, &resource, &headers)
        .send()
        .await
        .expect(200);
    assert_eq!(answer.body.len(), 40 * 57);
    for header in ["accept-ranges", "content-range", "content-length"] {
        assert_eq!(answer.header(header), None);
    }
    assert!(answer.header("etag").is_some());
}

#[tokio::test]
async fn a_range_is_of_the_tag_that_is_named_or_it_is_the_whole() {
    let (bridge, object) = of(Bridge::builder("if_range"), ENCODED).await;
    let resource = format!("{object}/payload");
    let own = tag(&bridge.get(&resource).await);
    let weak = format!("W/{own}");
    for (value, status) in [
        (own.as_str(), 206),
        ("\"other\"", 200),
        (weak.as_str(), 200),
        ("Sat, 29 Oct 1994 19:43:31 GMT", 200),
    ] {
        let headers = [("Range", "bytes=0-3"), ("If-Range", value)];
        getting(&bridge, &resource, &headers)
            .send()
            .await
            .expect(status);
    }
    // RFC 9110 §13.2.2: what need not be sent is not sent in part either.
    let headers = [("Range", "bytes=0-3"), ("If-None-Match", own.as_str())];
    getting(&bridge, &resource, &headers)
        .send()
        .await
        .expect(304);
}

/// The offsets and lengths of what was read of bodies.
fn windows(proxy: &Proxy) -> Vec<(u64, u64)> {
    let said = proxy.said().concat();
    let said = String::from_utf8_lossy(&said);
    let windows = said.split("BODY.PEEK[").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("]<")?;
        let (offset, length) = rest.split_once('>')?.0.split_once('.')?;
        Some((offset.parse().unwrap(), length.parse().unwrap()))
    });
    windows.collect()
}

#[tokio::test]
async fn nothing_is_read_that_is_not_sent() {
    const LINES: usize = 100_000_000 / 78;
    let builder = Bridge::builder("range_of_100_mb");
    let proxy = Proxy::recording(builder.imap()).await;
    let head = b"Subject: s\r\nContent-Type: application/octet-stream\r\n\r\n";
    let message = [&head[..], &LINE.repeat(LINES)].concat();
    let (bridge, object) = of(builder.store(proxy.address()), &message).await;
    let resource = format!("{object}/payload");
    let known = bridge.request("HEAD", &resource).send().await.expect(200);
    let length = LINES * LINE.len();
    let shown = length.to_string();
    assert_eq!(known.header("content-length"), Some(shown.as_str()));
    assert_eq!(known.header("accept-ranges"), Some("bytes"));
    let structure = windows(&proxy);
    assert!(
        structure
            .iter()
            .all(|(offset, length)| offset + length <= 64 << 10)
    );

    // HEAD is about the whole, whatever it says (RFC 9110 §14.2), and so is what the client has.
    let ranged = [("Range", "bytes=5-9")];
    let head = with(bridge.request("HEAD", &resource), &ranged)
        .send()
        .await;
    assert_eq!(
        head.expect(200).header("content-length"),
        known.header("content-length")
    );
    let own = tag(&known);
    let headers = [("If-None-Match", own.as_str())];
    getting(&bridge, &resource, &headers)
        .send()
        .await
        .expect(304);
    assert_eq!(windows(&proxy), structure);

    let start = 90_000_000;
    let headers = [("Range", &*format!("bytes={start}-{}", start + 99_999))];
    let part = getting(&bridge, &resource, &headers)
        .send()
        .await
        .expect(206);
    let expected = LINE.iter().cycle().skip(start % LINE.len()).take(100_000);
    assert!(part.body.iter().eq(expected));
    let read = windows(&proxy).split_off(structure.len());
    let first = head_octets(&message) + u64::try_from(start).unwrap();
    let ends = read.iter().map(|(offset, length)| offset + length);
    assert_eq!(read.iter().map(|(offset, _)| *offset).min(), Some(first));
    assert_eq!(ends.max(), Some(first + 100_000), "{read:?}");
    assert_eq!(read.iter().map(|(_, length)| length).sum::<u64>(), 100_000);
}

/// Octets of a message before its payload.
fn head_octets(message: &[u8]) -> u64 {
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n");
    u64::try_from(end.unwrap() + 4).unwrap()
}
