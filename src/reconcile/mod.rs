//! One pass, and the loop around it.
//!
//! [`pass`] is the program in one function: read, look, plan, apply, record. Nothing here decides what is
//! right; that is [`crate::plan`]. Nothing here talks to people; that is [`crate::report`].

pub mod world;
pub mod mirrored;
pub mod lock;
pub mod places;
pub mod rounds;
pub mod acceptance;
pub mod sources;
pub mod judging;
pub mod lanes;
pub mod view;
pub mod record;
pub mod leftovers;
pub mod retention;
pub mod room;
pub mod registry_cleanup;
pub mod backoff;
pub mod standing;
pub mod telling;
pub mod pass;
pub mod target;
pub mod rollback;
pub mod write_back;
pub mod daemon;
#[cfg(test)]
mod tests;

pub use pass::{Pass, PassError, Request};
pub use world::World;
