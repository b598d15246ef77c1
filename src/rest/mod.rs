//! HTTP: the only layer that knows status codes.
