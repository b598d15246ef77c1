//! What the other tests stand on, tested.

mod demo;
mod http;
mod others;
mod scripted;
mod servers;
mod strict;
