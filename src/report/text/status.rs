//! `status` for people.

use std::io;

use crate::report::Style;
use crate::report::wire::StatusReport;

/// Writes `report` for people.
pub fn status(
    out: &mut (impl io::Write + ?Sized),
    report: &StatusReport,
    style: Style,
) -> io::Result<()> {
    let _ = (out, report, style);
    Ok(())
}
