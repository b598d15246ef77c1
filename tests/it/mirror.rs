//! Clients that keep a mirror of a box, by REST alone, and what they hold against what a direct IMAP session sees.
//!
//! `strict` and `simplified` are also examples: these are the two ways in which a client synchronises (contract §7.1).

mod changes;
mod diary;
mod looks;
mod rest;
mod rounds;
mod simplified;
mod storm;
mod strict;
mod truth;
