//! `doctor`: looks at everything a pass needs, and says what to do where something is missing.

mod disk;
mod engine;
mod permissions;
mod sources;

use std::io::{self, Write};

use serde::Serialize;

use super::arguments::{Doctor, Global, Output};
use super::{Trouble, print, setting, style};
use crate::report::Style;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    well: bool,
    findings: Vec<Finding>,
}

/// What was looked at, and how it is.
#[derive(Serialize)]
struct Finding {
    what: String,
    state: State,
    says: String,
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

impl Finding {
    fn ok(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ok, says: says.into(), remedy: None }
    }

    fn warning(
        what: impl Into<String>,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { what: what.into(), state: State::Warning, says: says.into(), remedy }
    }

    fn failed(what: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Failed, ..Self::warning(what, says, remedy) }
    }
}

/// Checks engine, sources, registries, disk and permissions.
pub async fn run(global: &Global, args: &Doctor) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let mut findings = engine::look(&world).await;
    findings.extend(sources::look(&world).await);
    findings.extend(disk::look(&world.config));
    findings.extend(permissions::look(&world.config));
    let well = findings.iter().all(|finding| finding.state != State::Failed);
    let report = Report { schema: "evenkeel.doctor/v1", well, findings };
    let colors = style(global, &io::stdout());
    print(args.output == Output::Json, &report, |out| text(&report, colors, out))?;
    Ok(u8::from(!well))
}

fn text(report: &Report, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let mark = match finding.state {
            State::Ok => style.good("ok     "),
            State::Warning => style.warn("warning"),
            State::Failed => style.bad("failed "),
        };
        writeln!(out, "{mark}  {}: {}", finding.what, finding.says)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "         → {remedy}")?;
        }
    }
    let count = |state| report.findings.iter().filter(|finding| finding.state == state).count();
    match (count(State::Failed), count(State::Warning)) {
        (0, 0) => writeln!(out, "\nall is well"),
        (0, warnings) => writeln!(out, "\nfit for a pass, {}", number(warnings, "warning")),
        (failed, 0) => writeln!(out, "\n{failed} failed"),
        (failed, warnings) => writeln!(out, "\n{failed} failed, {}", number(warnings, "warning")),
    }
}

fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
