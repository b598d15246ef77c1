//! What the other tests stand on, tested.

mod http;
mod scripted;
mod servers;
