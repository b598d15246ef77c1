//! Speaks IMAP to one server.
