//! `plan` for people.

use std::io;

use crate::report::Style;
use crate::report::wire::PlanReport;

/// Writes `report` for people.
pub fn plan(
    out: &mut (impl io::Write + ?Sized),
    report: &PlanReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    let _ = (out, report, style);
    Ok(())
}
