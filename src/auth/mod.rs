//! Proves who asks and says whether a box is theirs.
