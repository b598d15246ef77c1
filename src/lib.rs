//! `cpm-bridge` puts the OMA NMS REST API in front of an existing IMAP message store.
//!
//! A request goes one way through the house and its answer goes back the same way:
//!
//! ```text
//! main ─ serve  probe  demo                 (composition: may use anything)
//! server  admin → rest → notify → store → imap          rest also → store
//!                  │        ├→ state ←┤
//!                  └→ auth  └→ outbound └→ message
//! leaves for all: config · identity · task · tls · clock      nms: for rest, notify, store, state      spool: for rest, store
//! ```
//!
//! `imap` says *mailbox, message, keyword*; `nms` and `rest` say *folder, object, flag*; `store` is the
//! dictionary between them. What each room holds and may use is in ARCHITECTURE.md, and `tests/it/layers.rs`
//! holds the source to it.

pub mod admin;
pub mod auth;
pub mod clock;
pub mod config;
pub mod demo;
pub mod identity;
pub mod imap;
pub mod message;
pub mod nms;
pub mod notify;
pub mod outbound;
pub mod probe;
pub mod rest;
pub mod serve;
pub mod server;
pub mod spool;
pub mod state;
pub mod store;
pub mod task;
pub mod tls;
