//! A Compose file and `x-evenkeel` become a [`crate::model::Stack`].
//!
//! In reading order: [`load`] finds the stacks of a revision (`discover`), reads and names each (`written`),
//! puts the server's values in (`understand`), and makes sense of the top of the file (`project`) and of its
//! services (`service`). Below lie the server's files, typed reading (`read`), and the text layer.

mod load;
mod options;
mod schema;

mod discover;
mod files;
mod written;
mod understand;
mod assemble;
mod project;
mod service;

mod bind;
mod lookup;
mod scene;
mod server;
mod variables;

mod advice;
mod findings;
mod keys;
mod read;
pub mod repository;

pub mod node;
pub mod origin;
pub mod path;
pub mod excerpt;
pub mod yaml;
pub mod interpolate;
pub mod dotenv;
pub mod merge;
pub mod units;
pub mod words;
pub mod names;

/// The short forms of ports and volumes.
pub mod short {
    pub use super::service::{ShortVolume, short_port as port, short_volume as volume};
}

pub use discover::is_manifest;
pub use load::{Loaded, LoadedStack, load};
pub use options::{Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs};
pub use read::plain_value;
pub use schema::schema;

#[cfg(test)]
mod tests;
