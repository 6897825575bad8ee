//! `schema`: the JSON Schemas of what people write.

use std::io::Write as _;

use super::Trouble;
use super::arguments::{Schema, SchemaOf};

/// Prints a schema.
pub fn run(args: &Schema) -> Result<u8, Trouble> {
    let schema = match args.of {
        SchemaOf::Manifest => crate::manifest::schema(),
        SchemaOf::Config => crate::config::schema(),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &schema).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(0)
}
