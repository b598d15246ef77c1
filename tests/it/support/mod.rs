//! What the tests stand on: real servers, a scripted one, a second witness, an HTTP client, the bridge itself.

pub(crate) mod bridge;
pub(crate) mod courier;
pub(crate) mod cyrus;
pub(crate) mod dovecot;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod repertoire;
pub(crate) mod scripted;
pub(crate) mod started;
pub(crate) mod store;
pub(crate) mod strict;
pub(crate) mod turnstile;
pub(crate) mod unpacked;
pub(crate) mod witness;
pub(crate) mod xml;
