//! Clients that keep a mirror of a box, by REST alone, and what they hold against what a direct IMAP session sees.
//!
//! `strict` is also an example: this is how a client synchronises (contract §7).

mod changes;
mod diary;
mod looks;
mod rest;
mod storm;
mod strict;
mod truth;
