//! Reports of small, hand-made worlds.

mod world;
mod plans;
mod passes;
mod standings;
mod explaining;
mod sbom;
mod pasts;
mod images;
mod registry;
mod problems;
mod spans;
