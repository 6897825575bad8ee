//! Env files in Compose's own grammar, and in Docker's raw one.

use super::interpolate::Lookup;
use crate::model::{Hidden, Problem};

/// The entries of an env file, in their order; a name without a value is inherited. A name occurs once.
pub type Entries = Vec<(String, Option<Hidden>)>;

/// Reads an env file. `$X` in it is looked up in `outer` first, then among the entries before it.
///
/// # Errors
/// Every line that is wrong, by number and name only: the file may hold secrets.
pub fn parse(_file: &str, _text: &[u8], _outer: &dyn Lookup) -> Result<Entries, Vec<Problem>> {
    Ok(Vec::new())
}

/// Reads an env file of `format: raw`: no quotes, no variables.
///
/// # Errors
/// As [`parse`].
pub fn parse_raw(_file: &str, _text: &[u8]) -> Result<Entries, Vec<Problem>> {
    Ok(Vec::new())
}
