//! What looks like a secret where none should stand: by its name, or inside a longer text.

pub mod names;
pub mod passwords;
