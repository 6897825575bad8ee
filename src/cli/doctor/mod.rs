//! `doctor`: looks at everything a pass needs, and says what to do where something is missing.
//!
//! All is looked at side by side, and nothing is waited for longer than [`WITHIN`].

mod containers;
mod decrypt;
mod disk;
mod engine;
mod expiry;
mod images;
mod permissions;
mod policy;
mod registries;
mod sources;
mod state;
mod unit;
mod verify;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::arguments::{Doctor, Global, Output};
use super::{Trouble, print, setting, style};
use crate::config::Config;
use crate::reconcile::World;
use crate::report::Style;
use crate::report::style::one_line;

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
enum State {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "warn")]
    Warning,
    #[serde(rename = "fail")]
    Failed,
}

/// How long anything is looked at.
const WITHIN: Duration = Duration::from_secs(10);

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
    if args.policy {
        return policy::print(global, &world).await;
    }
    let now = Timestamp::now();
    let config = Arc::new(world.config.clone());
    let (engine, containers, (sources, policy), state, disk, permissions, images, unit) = tokio::join!(
        within("engine", engine::look(&world)),
        within("containers", containers::look(&world)),
        // Each source and each registry has its own limit.
        sources_and_policy(&world, now),
        aside("state_dir", &config, |config| state::look(&config.state_dir)),
        aside("disk", &config, disk::look),
        aside("env_dir", &config, |config| {
            permissions::look(config).into_iter().chain(decrypt::look(&config.decrypt)).collect()
        }),
        aside("policy.images", &config, images::look),
        aside("unit file", &config, |config| unit::look(Path::new("/"), config)),
    );
    let findings: Vec<Finding> =
        [engine, containers, sources, policy, disk, state, permissions, images, unit]
            .into_iter()
            .flatten()
            .collect();
    let well = findings.iter().all(|finding| finding.state != State::Failed);
    let report = Report { schema: "evenkeel.doctor/v1", well, findings };
    let colors = style(global, &io::stdout());
    print(args.output == Output::Json, &report, |out| text(&report, colors, out))?;
    Ok(u8::from(!well))
}

/// The policy is asked about what has just been fetched.
async fn sources_and_policy(world: &World, now: Timestamp) -> (Vec<Finding>, Vec<Finding>) {
    let sources = sources::look(world, now).await;
    (sources, within("policy", policy::look(world, now)).await)
}

/// Looks for no longer than [`WITHIN`].
async fn within(what: &str, looking: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(WITHIN, looking).await.unwrap_or_else(|_| vec![silent(what)])
}

/// The same for what blocks: a dead disk holds up nothing else.
async fn aside(
    what: &str,
    config: &Arc<Config>,
    look: impl FnOnce(&Config) -> Vec<Finding> + Send + 'static,
) -> Vec<Finding> {
    let config = Arc::clone(config);
    let looking = tokio::task::spawn_blocking(move || look(&config));
    match tokio::time::timeout(WITHIN, looking).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => {
            let remedy = "please report this: it is a fault of evenkeel";
            vec![Finding::failed(what, format!("the check itself failed: {error}"), remedy)]
        }
        Err(_) => vec![silent(what)],
    }
}

fn silent(what: &str) -> Finding {
    let says = format!("no answer within {} s", WITHIN.as_secs());
    Finding::failed(what, says, "look at what is slow there, and run this again")
}

fn text(report: &Report, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let mark = match finding.state {
            State::Ok => style.good("ok  "),
            State::Warning => style.warn("warn"),
            State::Failed => style.bad("fail"),
        };
        writeln!(out, "{mark}  {}: {}", finding.what, one_line(&finding.says))?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "      → {}", one_line(remedy))?;
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
