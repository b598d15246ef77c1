//! What outlives a request and is not mail.
