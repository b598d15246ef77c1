//! One integration binary: one module per capability, `support` for what they share.

mod guard;
