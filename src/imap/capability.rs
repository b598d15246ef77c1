//! What the server can do, and which way each operation takes because of it: the one place where that is decided.

use std::collections::BTreeSet;

/// Capabilities of an authenticated connection, and the server's name for itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    names: BTreeSet<String>,
    server: Option<String>,
}

/// How a mailbox is told from another of the same account, also after a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxIdentity {
    /// MAILBOXID (RFC 8474): a name for life.
    MailboxId,
    /// Every mailbox of a user has a UIDVALIDITY of its own, which RENAME keeps (Dovecot).
    UidValidity,
    /// Nothing better than the name, with its UIDVALIDITY.
    Name,
}

/// How the tree of mailboxes is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// One LIST that returns STATUS too (RFC 5819).
    WithStatus,
    /// LIST, then STATUS for each mailbox.
    ThenStatus,
}

/// How one message is taken away without touching those that others flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// UID EXPUNGE (RFC 4315 §2.1).
    UidExpunge,
    /// EXPUNGE, only when nothing but that message is flagged `\Deleted`.
    GuardedExpunge,
}

/// How messages go from one mailbox to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moving {
    /// MOVE (RFC 6851).
    Move,
    /// COPY; then the messages are taken away where they were, as [`Deletion`] says.
    CopyThenDelete,
}

/// How many messages are stored in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// One APPEND for all (RFC 3502); it stores all or none.
    Together,
    /// Commands sent without waiting for the answers in between (LITERAL+, RFC 7888).
    BackToBack,
    /// One command after the other.
    OneByOne,
}

impl Capabilities {
    /// From the names of a CAPABILITY response or code.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self {
            names: names
                .into_iter()
                .map(|name| name.as_ref().to_ascii_uppercase())
                .collect(),
            server: None,
        }
    }

    /// Adds the `name` of the server's ID response (RFC 2971 §3.3).
    #[must_use]
    pub fn with_server(self, server: Option<String>) -> Self {
        Self { server, ..self }
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the server announces STARTTLS (RFC 9051 §6.2.1).
    #[must_use]
    pub fn starttls(&self) -> bool {
        self.has("STARTTLS")
    }

    /// Whether LOGIN is off (RFC 9051 §6.2.3); to be asked before login only, Cyrus announces it after one too.
    #[must_use]
    pub fn login_disabled(&self) -> bool {
        self.has("LOGINDISABLED")
    }

    /// Whether AUTHENTICATE PLAIN is offered (RFC 4616).
    #[must_use]
    pub fn plain(&self) -> bool {
        self.has("AUTH=PLAIN")
    }

    /// Whether AUTHENTICATE EXTERNAL is offered (RFC 4422 appendix A): TLS has shown a certificate the server knows.
    #[must_use]
    pub fn external(&self) -> bool {
        self.has("AUTH=EXTERNAL")
    }

    /// Whether a SASL initial response is accepted (RFC 4959).
    #[must_use]
    pub fn sasl_initial_response(&self) -> bool {
        self.has("SASL-IR")
    }

    /// Whether literals need not wait (RFC 7888). `LITERAL-` bounds them to 4096 octets; we wait there.
    #[must_use]
    pub fn literal_plus(&self) -> bool {
        self.has("LITERAL+")
    }

    /// Whether ID is understood (RFC 2971).
    #[must_use]
    pub fn id(&self) -> bool {
        self.has("ID")
    }

    /// Whether NAMESPACE is understood (RFC 2342, RFC 9051).
    #[must_use]
    pub fn namespace(&self) -> bool {
        self.has("NAMESPACE") || self.revision_2()
    }

    /// Whether rights can be asked for (RFC 4314).
    #[must_use]
    pub fn acl(&self) -> bool {
        self.has("ACL")
    }

    /// Whether usage and limits can be asked for (RFC 9208).
    #[must_use]
    pub fn quota(&self) -> bool {
        self.has("QUOTA")
    }

    /// How many messages are stored.
    #[must_use]
    pub fn storing(&self) -> Storing {
        if self.has("MULTIAPPEND") {
            Storing::Together
        } else if self.literal_plus() {
            Storing::BackToBack
        } else {
            Storing::OneByOne
        }
    }

    /// Most octets of a message, where the server says so for all mailboxes (RFC 7889 §2).
    #[must_use]
    pub fn append_limit(&self) -> Option<u64> {
        self.names
            .iter()
            .find_map(|name| name.strip_prefix("APPENDLIMIT=")?.parse().ok())
    }

    /// Whether the UIDs of what is appended and copied are told (RFC 4315).
    #[must_use]
    pub fn uid_plus(&self) -> bool {
        self.has("UIDPLUS") || self.revision_2()
    }

    /// Whether messages have a MODSEQ (RFC 7162). QRESYNC implies it.
    #[must_use]
    pub fn mod_seq(&self) -> bool {
        self.has("CONDSTORE") || self.has("QRESYNC")
    }

    /// Whether the server tells which messages are gone (RFC 7162 §3.2.6).
    #[must_use]
    pub fn vanished(&self) -> bool {
        self.has("QRESYNC")
    }

    /// Whether SEARCH can answer with ranges (RFC 4731).
    #[must_use]
    pub fn extended_search(&self) -> bool {
        self.has("ESEARCH") || self.revision_2()
    }

    /// Whether the server can be asked for sizes after decoding (RFC 3516; part of RFC 9051). Dovecot (seen in 2.3.19) had better
    /// not be: of a message that it keeps with bare LFs, as it does by default, it takes what the next part loses in decoding from
    /// a part's size too; one part that it cannot decode costs all parts their sizes, and one cut off in its base64 the connection.
    #[must_use]
    pub fn binary_sizes(&self) -> bool {
        (self.has("BINARY") || self.revision_2()) && !self.is_dovecot()
    }

    /// Whether mailbox names are UTF-8 (RFC 9051 §5.1); else they are modified UTF-7.
    #[must_use]
    pub fn utf_8_names(&self) -> bool {
        self.revision_2()
    }

    /// How the tree of mailboxes is read.
    #[must_use]
    pub fn listing(&self) -> Listing {
        if self.has("LIST-STATUS") || self.revision_2() {
            Listing::WithStatus
        } else {
            Listing::ThenStatus
        }
    }

    /// Whether mailboxes have a MAILBOXID (RFC 8474).
    #[must_use]
    pub fn mailbox_id(&self) -> bool {
        self.has("OBJECTID")
    }

    /// Whether STATUS says how large a mailbox is (RFC 8438, RFC 9051).
    #[must_use]
    pub fn status_size(&self) -> bool {
        self.has("STATUS=SIZE") || self.revision_2()
    }

    /// How one message is taken away.
    #[must_use]
    pub fn deletion(&self) -> Deletion {
        if self.uid_plus() {
            Deletion::UidExpunge
        } else {
            Deletion::GuardedExpunge
        }
    }

    /// Whether a mailbox can be left without CLOSE (RFC 3691), which expunges.
    #[must_use]
    pub fn unselect(&self) -> bool {
        self.has("UNSELECT") || self.revision_2()
    }

    /// Whether changes in all mailboxes can be told unasked (RFC 5465).
    #[must_use]
    pub fn notify(&self) -> bool {
        self.has("NOTIFY")
    }

    /// Whether changes in the open mailbox can be told unasked (RFC 2177).
    #[must_use]
    pub fn idle(&self) -> bool {
        self.has("IDLE") || self.revision_2()
    }

    /// How messages go from one mailbox to another.
    #[must_use]
    pub fn moving(&self) -> Moving {
        if self.has("MOVE") || self.revision_2() {
            Moving::Move
        } else {
            Moving::CopyThenDelete
        }
    }

    /// What tells mailboxes apart. Only Dovecot is known to give each mailbox of a user its own UIDVALIDITY and to keep it on RENAME.
    #[must_use]
    pub fn mailbox_identity(&self) -> MailboxIdentity {
        if self.mailbox_id() {
            MailboxIdentity::MailboxId
        } else if self.is_dovecot() {
            MailboxIdentity::UidValidity
        } else {
            MailboxIdentity::Name
        }
    }

    fn is_dovecot(&self) -> bool {
        let name = self.server.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case("Dovecot"))
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// RFC 9051 §1: IMAP4rev2 holds these extensions. It is used only where it is announced alone:
    /// beside IMAP4rev1 it must be enabled first, and then each extension is announced as well.
    fn revision_2(&self) -> bool {
        self.has("IMAP4REV2") && !self.has("IMAP4REV1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        assert!(Capabilities::new(["imap4rev1", "Literal+"]).literal_plus());
    }

    #[test]
    fn the_three_servers_take_their_own_ways() {
        let dovecot = Capabilities::new(["IMAP4rev1", "LIST-STATUS", "UIDPLUS", "BINARY"])
            .with_server(Some("Dovecot".to_owned()));
        assert!(!dovecot.binary_sizes());
        assert_eq!(dovecot.mailbox_identity(), MailboxIdentity::UidValidity);
        assert_eq!(dovecot.listing(), Listing::WithStatus);
        let cyrus = Capabilities::new(["IMAP4rev1", "OBJECTID", "LIST-STATUS", "BINARY"]);
        assert!(cyrus.binary_sizes());
        assert_eq!(cyrus.mailbox_identity(), MailboxIdentity::MailboxId);
        let courier = Capabilities::new(["IMAP4rev1", "UIDPLUS", "NAMESPACE"]);
        assert_eq!(courier.mailbox_identity(), MailboxIdentity::Name);
        assert_eq!(courier.listing(), Listing::ThenStatus);
        assert_eq!(courier.deletion(), Deletion::UidExpunge);
        assert_eq!(courier.moving(), Moving::CopyThenDelete);
        assert_eq!(
            Capabilities::new(["IMAP4rev1"]).deletion(),
            Deletion::GuardedExpunge
        );
    }

    #[test]
    fn revision_2_beside_revision_1_implies_nothing() {
        assert!(!Capabilities::new(["IMAP4rev1", "IMAP4rev2"]).extended_search());
        assert!(Capabilities::new(["IMAP4rev2"]).extended_search());
    }
}
