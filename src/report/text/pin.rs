//! `pin` for people.

use std::io;

use crate::report::Style;
use crate::report::wire::PinReport;

/// What was changed, and where it is now.
pub fn pin(
    out: &mut (impl io::Write + ?Sized),
    report: &PinReport,
    style: Style,
) -> io::Result<()> {
    let service = format!("{}/{}", report.stack, report.service);
    let service = style.strong(&service);
    match &report.from {
        Some(from) => writeln!(out, "{service}: {from} → {}", report.to)?,
        None => writeln!(out, "{service}: {} already, nothing is changed", report.to)?,
    }
    for file in &report.files {
        writeln!(out, "  {}", style.faint(file))?;
    }
    let Some(commit) = &report.commit else { return Ok(()) };
    let commit = commit.get(..7).unwrap_or(commit);
    match &report.pushed_to {
        Some(upstream) => writeln!(out, "pushed to {upstream} as {commit}")?,
        None => writeln!(out, "committed as {commit}")?,
    }
    if !report.here {
        writeln!(out, "others had pushed before: `git pull` brings it here")?;
    }
    Ok(())
}
