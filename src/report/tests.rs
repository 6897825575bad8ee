//! Reports of small, hand-made worlds.
