//! A Compose file and `x-evenkeel` become a [`crate::model::Stack`].
pub mod node;
