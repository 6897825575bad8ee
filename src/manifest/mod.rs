//! A Compose file and `x-evenkeel` become a [`crate::model::Stack`].
//!
//! The stages are Compose's own, in its order, and so is the order of the modules:
//!
//! 1. `discover` finds the directories of a revision that are stacks; `files` reads them within the limits.
//! 2. [`yaml`] makes trees of the text: places, anchors, merge keys.
//! 3. `written` names the stack, which tells where the server has its values (`server`, `variables`).
//! 4. `assemble` puts the values into each document ([`interpolate`]), follows its `include` and its `extends`,
//!    and lays it over those before it ([`merge`]), where `!reset` and `!override` are obeyed.
//! 5. `project` makes sense of the top of the tree and leaves out what no active profile names; `service` reads
//!    each service, every short form as its long one.
//! 6. `project::consistency` says whether the services fit together, and env files become environment.
//!
//! `understand` is stages 4 to 6 for one stack, [`load`] is all of them for a revision. Everything that is wrong is
//! told at once (`findings`). [`edit()`](edit::edit) goes the other way, and writes an image where the stages have found
//! it. [`load_canonical`] shows what stage 4 came to in Compose's long form (`canonical`).
//! Below lie typed reading (`read`) and the text layer.

mod load;
mod options;
mod schema;

mod discover;
mod files;
mod written;
mod understand;
pub mod stack_waits;
mod assemble;
mod project;
mod service;
mod policy;
mod canonical;
pub mod edit;

mod bind;
mod lookup;
mod scene;
mod sealed;
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

pub use canonical::{Canonical, Show, Which, load_canonical};
pub use discover::is_manifest;
pub use load::{Loaded, LoadedStack, judge, load};
pub use options::{HostPolicy, Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs};
pub use read::plain_value;
pub use schema::{refused, schema};

#[cfg(test)]
mod tests;
