//! `pass` for people.

use std::io;

use crate::report::Style;
use crate::report::wire::PassReport;

/// Writes `report` for people.
pub fn pass(
    out: &mut (impl io::Write + ?Sized),
    report: &PassReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    let _ = (out, report, style);
    Ok(())
}
