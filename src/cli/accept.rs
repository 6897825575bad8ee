//! `accept`: an operator's word for a commit, in place of a signature.

use std::io::Write as _;

use jiff::Timestamp;

use super::arguments::{Accept, Global};
use super::{Trouble, setting};
use crate::asked;

/// Accepts a commit as it is. The daemon is not asked: over its socket nobody accepts anything.
pub async fn run(global: &Global, args: &Accept) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let says = asked::accept::accept(&world, &args.source, &args.commit, Timestamp::now()).await?;
    let mut out = std::io::stdout().lock();
    for line in says {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}
