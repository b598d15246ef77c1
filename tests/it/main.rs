//! One integration binary: one module per capability, `support` for what they share.
#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod authentication;
mod bed;
mod cli;
mod drain;
mod encryption;
mod faults;
mod folders;
mod guard;
mod layers;
mod log;
mod metrics;
mod objects;
mod pool;
mod smoke;
mod support;
mod surface;
