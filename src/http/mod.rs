//! What programs elsewhere may ask of this host, and tell it.
//!
//! Nothing is decided here: a request becomes a call of another room, or is refused.

pub mod hooks;
