//! What the other tests stand on, tested.

mod demo;
mod http;
mod scripted;
mod servers;
