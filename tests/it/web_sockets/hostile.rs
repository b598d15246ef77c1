//! Frames that no client should send.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{PATIENCE, channel, open};
use crate::support::bridge::Bridge;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A frame as a client has to send it, under a mask that changes nothing.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// First octet and payload of each frame of a server that is there whole.
fn frames(mut octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = octets {
        assert!(*length < 126, "longer than anything here");
        let Some((payload, rest)) = rest.split_at_checked(usize::from(*length)) else {
            break;
        };
        frames.push((*first, payload.to_vec()));
        octets = rest;
    }
    frames
}

#[tokio::test]
async fn what_is_no_frame_closes_the_connection_with_its_reason() {
    let bridge = Bridge::builder("what_is_no_frame").start().await;
    let channel = channel(&bridge).await;
    let mut fragments = masked(0x01, &[b'x'; 1024]);
    for _ in 0..64 {
        fragments.extend(masked(0x00, &[b'x'; 1024]));
    }
    let huge = [TEXT, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    for (what, sent, code) in [
        ("unmasked", b"\x81\x02{}".to_vec(), 1002),
        ("huge", huge, 1009),
        ("many fragments", fragments, 1009),
        ("garbage", masked(TEXT, b"\xff\xfe{"), 1007),
        ("binary", masked(0x82, b"{}"), 1003),
        ("an unknown kind", masked(0x83, b"{}"), 1002),
        ("a reserved bit", masked(0xc1, b"{}"), 1002),
        ("a fragment of nothing", masked(0x80, b"{}"), 1002),
        ("a large ping", masked(PING, &[0; 126]), 1002),
        ("a ping in fragments", masked(0x09, b""), 1002),
    ] {
        let mut stream = open(&bridge, &channel).await.stream.into_inner();
        stream.write_all(&sent).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        end.expect("still open").unwrap();
        let frames = frames(&answer);
        let [(CLOSE, payload)] = &frames[..] else {
            panic!("{what}: {frames:?}");
        };
        assert_eq!(payload[..2], u16::to_be_bytes(code), "{what}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_a_ping_between_them() {
    let bridge = Bridge::builder("a_message_may_come").start().await;
    let channel = channel(&bridge).await;
    let mut stream = open(&bridge, &channel).await.stream.into_inner();
    let message = [
        masked(0x01, b"{\"connCh"),
        masked(PING, b"there?"),
        masked(0x80, b"eck\":{}}"),
        masked(CLOSE, &1000_u16.to_be_bytes()),
    ];
    for octet in message.concat() {
        stream.write_all(&[octet]).await.unwrap();
    }
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    end.expect("still open").unwrap();
    let acknowledgement = br#"{"connAck":{"channelLifetime":3600}}"#;
    assert_eq!(
        frames(&answer),
        [
            (PONG, b"there?".to_vec()),
            (TEXT, acknowledgement.to_vec()),
            (CLOSE, 1000_u16.to_be_bytes().to_vec()),
        ]
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_flood_of_checks_is_answered_as_fast_as_the_client_takes_it() {
    let bridge = Bridge::builder("a_flood_of_checks").start().await;
    let channel = channel(&bridge).await;
    let stream = open(&bridge, &channel).await.stream.into_inner();
    let (mut reading, mut writing) = stream.into_split();
    let check = [masked(PING, b"a"), masked(TEXT, br#"{"connCheck":{}}"#)].concat();
    let flood = check.repeat(5000);
    let write = async { writing.write_all(&flood).await.unwrap() };
    let mut answers = Vec::new();
    let read = async {
        while frames(&answers)
            .iter()
            .filter(|(first, _)| *first == TEXT)
            .count()
            < 5000
        {
            let mut more = [0; 65536];
            let read = timeout(PATIENCE, reading.read(&mut more)).await.unwrap();
            answers.extend(&more[..read.unwrap()]);
        }
    };
    tokio::join!(write, read);
    bridge.stop().await;
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_of_a_frame_leaves_nothing_behind() {
    let bridge = Bridge::builder("who_hangs_up_in_the_middle").start().await;
    let channel = channel(&bridge).await;
    for octets in [&b""[..], b"\x81", b"\x81\xfe\xff", b"\x01\x82\0\0\0\0{\""] {
        let mut stream = open(&bridge, &channel).await.stream.into_inner();
        stream.write_all(octets).await.unwrap();
    }
    let mut socket = open(&bridge, &channel).await;
    socket.say(r#"{"connCheck":{}}"#).await;
    assert!(socket.text().await.contains("connAck"));
    bridge.stop().await;
}
