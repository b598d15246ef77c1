//! `cpm-bridge demo`: a private Dovecot with two filled boxes and the service in front of it.

pub mod child;
pub mod dovecot;
pub mod service;
