//! A Compose file and `x-evenkeel` become a [`crate::model::Stack`].
pub mod node;
pub mod path;
pub mod excerpt;
pub mod yaml;
pub mod interpolate;
pub mod dotenv;
pub mod merge;
pub mod units;
pub mod words;
pub mod names;
