//! The demo's boxes.

use cpm_bridge::demo::{self, boxes};

use crate::support::{dovecot, witness::Witness};

#[tokio::test]
async fn the_demo_boxes_hold_what_the_readme_says_and_are_filled_once() {
    let server = dovecot::start(|_| {}).await;
    boxes::fill(server.imap()).await.unwrap();
    boxes::fill(server.imap()).await.unwrap();
    for (user, other) in [("+15550100", "+15550101"), ("+15550101", "+15550100")] {
        let mut witness = Witness::login(server.imap(), user).await;
        let group =
            "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6/abcdef12-1234-5678-90ab-cdef01234567";
        let conversation = format!("Default/tel:{other}");
        for (mailbox, count) in [
            ("INBOX", 1),
            (conversation.as_str(), 4),
            (group, 3),
            ("RCSMessageStore/Holiday", 2),
        ] {
            assert_eq!(witness.examine(mailbox).await, count, "{mailbox} of {user}");
            // Nobody has read the boxes before the first client does.
            assert_eq!(
                witness.search("NOT RECENT").await,
                [0; 0],
                "{mailbox} of {user}"
            );
        }
        witness.examine(&conversation).await;
        assert_eq!(
            witness
                .search(&format!("HEADER From tel:{other}"))
                .await
                .len(),
            3
        );
        assert_eq!(witness.search("UNSEEN").await.len(), 1);
    }
}

#[tokio::test]
async fn the_demo_says_which_address_is_in_use() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = demo::Options {
        imap_listen: other.local_addr().unwrap(),
        ..demo::Options::default()
    };
    let error = demo::run(options, std::future::pending())
        .await
        .unwrap_err();
    let address = other.local_addr().unwrap().to_string();
    assert!(error.to_string().contains(&address), "{error}");
}
