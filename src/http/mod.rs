//! The daemon's API: the same on a unix socket and, where the configuration says so, on TCP; and whoever asks it from
//! the command line ([`client`]).
//!
//! What is answered is made in [`crate::asked`]. Nothing here takes the host's lock but what changes something, and
//! nobody who asks can hold up a pass: questions are counted, answers of a second ago shared, slow readers left.

pub mod hooks;
mod answer;
mod routes;
mod openapi;
mod wishes;
mod questions;
mod orders;
mod webhooks;
mod events;
mod hub;
mod keys;
mod manners;
mod shared;
mod connection;
mod patient;
mod server;
mod socket;
pub mod client;

pub use hub::Hub;
pub use openapi::document;
pub use server::{Address, Server};
