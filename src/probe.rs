//! (room: probe)
