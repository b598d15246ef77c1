//! One integration binary: one module per capability, `support` for what they share.
#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod append;
mod authentication;
mod bed;
mod bulk;
mod cli;
mod counts;
mod creation;
mod dialects;
mod documents;
mod drain;
mod encryption;
mod exactly_once;
mod faults;
mod folders;
mod guard;
mod hostile;
mod layers;
mod log;
mod memory;
mod metrics;
mod notifications;
mod objects;
mod odd;
mod openapi;
mod pool;
mod protocol;
mod relocation;
mod search;
mod smoke;
mod stalls;
mod state;
mod support;
mod surface;
mod vanished;
