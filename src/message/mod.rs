//! What a CPM object is, from bytes.
