//! `history` for people.

use std::io;

use crate::report::Style;
use crate::report::wire::HistoryReport;

/// Writes `report` for people.
pub fn history(
    out: &mut (impl io::Write + ?Sized),
    report: &HistoryReport,
    style: Style,
) -> io::Result<()> {
    let _ = (out, report, style);
    Ok(())
}
