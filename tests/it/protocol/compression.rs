//! Documents are compressed for who wants that, payloads never.

use std::io::Read as _;

use super::{getting, newest};
use crate::support::{
    bridge::{Bridge, Builder},
    http::Answer,
};

fn filled(test: &str) -> Builder {
    Bridge::builder(test).message("INBOX", "f05-mms-plain.eml")
}

fn unpacked(answer: &Answer) -> String {
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(answer.body.as_slice());
    decoder.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_document_comes_compressed_and_is_the_same() {
    let bridge = filled("gzip_documents").start().await;
    let object = newest(&bridge).await;
    for accept in ["application/json", "application/xml"] {
        let plain = [("Accept", accept)];
        let plain = getting(&bridge, &object, &plain).send().await.expect(200);
        assert!(plain.body.len() >= 1024, "{}", plain.body.len());
        assert_eq!(plain.header("content-encoding"), None);
        let wanted = [("Accept", accept), ("Accept-Encoding", "br, gzip;q=0.8")];
        let packed = getting(&bridge, &object, &wanted).send().await.expect(200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.body.len() < plain.body.len());
        assert_eq!(unpacked(&packed), plain.text());
        for answer in [&plain, &packed] {
            assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()));
        }
        let head = super::with(bridge.request("HEAD", &object), &wanted);
        let head = head.send().await.expect(200);
        for name in [
            "content-length",
            "content-encoding",
            "etag",
            "content-type",
            "vary",
        ] {
            assert_eq!(head.header(name), packed.header(name), "{name}");
        }
        for refused in [
            "gzip;q=0",
            "gzip;q=0, *",
            "identity",
            "deflate",
            "identity, gzip;q=0.1",
        ] {
            let headers = [("Accept", accept), ("Accept-Encoding", refused)];
            let answer = getting(&bridge, &object, &headers).send().await.expect(200);
            assert_eq!(answer.body, plain.body, "{refused}");
        }
    }
}

#[tokio::test]
async fn small_documents_and_payloads_come_as_they_are() {
    let bridge = filled("gzip_not").start().await;
    let object = newest(&bridge).await;
    let headers = [("Accept-Encoding", "gzip")];
    for resource in ["/flags", "/payload", "/payloadParts/1", "/flags/none"] {
        let resource = format!("{object}{resource}");
        let answer = getting(&bridge, &resource, &headers).send().await;
        assert_eq!(answer.header("content-encoding"), None, "{resource}");
        let plain = bridge.get(&resource).await;
        assert_eq!((answer.status, answer.body), (plain.status, plain.body));
    }
}

/// A page of a folder is many pieces for the compressor.
#[tokio::test]
async fn a_large_document_comes_compressed_and_whole() {
    let mut builder = Bridge::builder("gzip_large").folder("Albums");
    let name = "n".repeat(180);
    for number in 0..250 {
        builder = builder.folder(&format!("Albums/{name}{number}"));
    }
    let bridge = builder.start().await;
    let folder = crate::objects::folder_of(&bridge, "/Albums").await;
    let resource = format!("{folder}?listFilter=All&path=Yes");
    let plain = bridge.get(&resource).await.expect(200);
    assert!(plain.body.len() > 64 << 10, "{}", plain.body.len());
    let headers = [("Accept-Encoding", "gzip")];
    let packed = getting(&bridge, &resource, &headers)
        .send()
        .await
        .expect(200);
    assert_eq!(unpacked(&packed), plain.text());
}
