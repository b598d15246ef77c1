//! What the demo's two boxes hold: each has the other's number as its correspondent.

use std::{io, net::SocketAddr};

use super::{append::Session, dovecot::PASSWORD};

/// The logins of the two boxes.
pub const USERS: [&str; 2] = ["+15550100", "+15550101"];

const GROUP_CHAT: &str =
    "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6/abcdef12-1234-5678-90ab-cdef01234567";
const HOLIDAY: &str = "RCSMessageStore/Holiday";

/// A message as the first box has it; in the second one the two numbers change places.
struct Message {
    mailbox: &'static str,
    flags: &'static str,
    date: &'static str,
    id: &'static str,
    bytes: &'static [u8],
}

macro_rules! message {
    ($name:literal in $mailbox:expr, $flags:literal, $date:literal) => {
        Message {
            mailbox: $mailbox,
            flags: $flags,
            date: $date,
            id: concat!("<", $name, "@demo.example>"),
            bytes: include_bytes!(concat!("../../fixtures/demo/", $name, ".eml")),
        }
    };
}

const MESSAGES: [Message; 10] = [
    message!("welcome" in "INBOX", "", "02-Nov-2026 08:00:00 +0000"),
    message!("sms-in" in "Default/tel:+15550101", r"\Seen", "02-Nov-2026 09:15:00 +0000"),
    message!("sms-out" in "Default/tel:+15550101", r"\Seen", "02-Nov-2026 09:16:30 +0000"),
    message!("mms" in "Default/tel:+15550101", r"\Seen \Flagged", "02-Nov-2026 18:40:12 +0000"),
    message!("chat" in "Default/tel:+15550101", "", "02-Nov-2026 19:02:00 +0000"),
    message!("group-session" in GROUP_CHAT, r"\Seen", "03-Nov-2026 10:00:00 +0000"),
    message!("group-state" in GROUP_CHAT, r"\Seen", "03-Nov-2026 10:00:01 +0000"),
    message!("group-chat" in GROUP_CHAT, "", "03-Nov-2026 10:01:30 +0000"),
    message!("holiday-photo" in HOLIDAY, r"\Seen \Flagged", "15-Aug-2026 12:30:00 +0200"),
    message!("holiday-card" in HOLIDAY, r"\Seen", "16-Aug-2026 09:00:00 +0200"),
];

/// Fills both boxes; what is there already is left as it is, so that it can be done again.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub async fn fill(address: SocketAddr) -> io::Result<()> {
    for user in USERS {
        let mut session = Session::login(address, user, PASSWORD).await?;
        for message in &MESSAGES {
            let mailbox = seen_by(user, message.mailbox.as_bytes());
            let mailbox = String::from_utf8_lossy(&mailbox);
            if mailbox != "INBOX" {
                session.create(&mailbox).await?;
            }
            if !session.has(&mailbox, message.id).await? {
                let bytes = seen_by(user, message.bytes);
                session
                    .append(&mailbox, message.flags, message.date, &bytes)
                    .await?;
            }
        }
    }
    Ok(())
}

/// Changes the places of the two numbers for the second user.
fn seen_by(user: &str, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_owned();
    let [first, second] = USERS.map(str::as_bytes);
    if user.as_bytes() == first {
        return bytes;
    }
    let mut position = 0;
    while position + first.len() <= bytes.len() {
        let window = &mut bytes[position..position + first.len()];
        if window == first {
            window.copy_from_slice(second);
        } else if window == second {
            window.copy_from_slice(first);
        }
        position += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_user_sees_the_numbers_exchanged() {
        let text = b"From: tel:+15550101\r\nTo: tel:+15550100, tel:+15550102";
        assert_eq!(seen_by("+15550100", text), text);
        assert_eq!(
            seen_by("+15550101", text),
            b"From: tel:+15550100\r\nTo: tel:+15550101, tel:+15550102"
        );
    }

    #[test]
    fn every_message_has_the_message_id_it_is_found_by_and_network_line_ends() {
        for message in &MESSAGES {
            let text = String::from_utf8_lossy(message.bytes);
            assert!(text.contains(&format!("\r\nMessage-ID: {}\r\n", message.id)));
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        }
    }
}
