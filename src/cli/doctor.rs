//! `doctor`: looks at everything a pass needs, and says what to do where something is missing.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;

use super::arguments::{Doctor, Global, Output};
use super::{Trouble, print, setting};
use crate::model::ImageRef;
use crate::reconcile::World;
use crate::reconcile::sources::{self, Freshness};
use crate::registry::RegistryError;

/// Less free space than this on the engine's or the state's disk is worth a word.
const ROOM_WANTED: u64 = 2 << 30;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    well: bool,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    state: State,
    says: String,
    remedy: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
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

    fn bad(
        what: impl Into<String>,
        state: State,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), state, says: says.into(), remedy: Some(remedy.into()) }
    }
}

/// Checks engine, sources, registries, disk and permissions.
pub async fn run(global: &Global, args: &Doctor) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let mut findings = vec![engine(&world).await];
    findings.extend(sources(&world).await);
    findings.extend(directories(&world));
    findings.extend(env_files(&world.config.env_dir));
    let well = findings.iter().all(|finding| finding.state != State::Failed);
    let report = Report { schema: "evenkeel.doctor/v1", well, findings };
    print(args.output == Output::Json, &report, |out| text(&report, out))?;
    Ok(u8::from(!well))
}

fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let mark = match finding.state {
            State::Ok => "ok     ",
            State::Warning => "warning",
            State::Failed => "failed ",
        };
        writeln!(out, "{mark}  {}: {}", finding.what, finding.says)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "         → {remedy}")?;
        }
    }
    Ok(())
}

async fn engine(world: &World) -> Finding {
    match world.engine.info().await {
        Ok(info) => Finding::ok(
            "engine",
            format!(
                "Docker {} (API {}), {}/{}",
                info.version, info.api_version, info.os, info.architecture
            ),
        ),
        Err(error) => Finding::bad(
            "engine",
            State::Failed,
            error.to_string(),
            "start it (`systemctl start docker`), and run evenkeel as root or in the group `docker`",
        ),
    }
}

/// The sources, and with what they say, the registries.
async fn sources(world: &World) -> Vec<Finding> {
    let read = sources::read(world, Freshness::Latest, jiff::Timestamp::now()).await;
    let mut findings = Vec::new();
    for seen in &read.sources {
        let what = format!("source {}", seen.name);
        match (&seen.report.error, &seen.report.commit) {
            (Some(error), _) => {
                findings.push(Finding::bad(
                    what,
                    State::Failed,
                    error,
                    seen.hint.clone().unwrap_or_default(),
                ));
            }
            (None, Some(commit)) => {
                findings.push(Finding::ok(what, format!("at {}", commit.short())))
            }
            (None, None) => {}
        }
        for problem in &seen.problems {
            let what = format!("source {}", seen.name);
            findings.push(Finding::bad(
                what,
                State::Failed,
                problem.to_string(),
                "see `evenkeel validate`",
            ));
        }
    }
    let mut images: Vec<&ImageRef> = Vec::new();
    for stack in &read.loaded.stacks {
        match &stack.content {
            Ok(stack) => images.extend(stack.services.values().map(|service| &service.image)),
            Err(problems) => {
                let says = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                findings.push(Finding::bad(
                    format!("stack {}", stack.name),
                    State::Failed,
                    says,
                    "see `evenkeel plan` for the whole message",
                ));
            }
        }
    }
    images.sort_by(|a, b| a.registry().cmp(b.registry()));
    images.dedup_by(|a, b| a.registry() == b.registry());
    for image in images {
        findings.push(registry(world, image).await);
    }
    findings
}

async fn registry(world: &World, image: &ImageRef) -> Finding {
    let what = format!("registry {}", image.registry());
    match world.registry.digest(image).await {
        Ok(_) => Finding::ok(what, "answers, and lets us in"),
        Err(RegistryError::NoSuchImage { .. }) => Finding::ok(what, "answers"),
        Err(RegistryError::Denied { why, .. }) => Finding::bad(
            what,
            State::Failed,
            format!("refuses access: {why}"),
            "log in with `docker login`, or set `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Credentials { why, .. }) => Finding::bad(
            what,
            State::Failed,
            format!("credentials cannot be used: {why}"),
            "see `registry.docker_config` and `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Unknown { why, .. }) => Finding::bad(
            what,
            State::Warning,
            format!("gives no answer: {why}"),
            "what runs goes on; new images cannot be pulled until it answers",
        ),
    }
}

fn directories(world: &World) -> Vec<Finding> {
    let config = &world.config;
    [("state_dir", &config.state_dir), ("data_dir", &config.data_dir)]
        .into_iter()
        .map(|(what, path)| directory(what, path))
        .collect()
}

fn directory(what: &str, path: &Path) -> Finding {
    let shown = path.display();
    // What is not there yet is made by the first pass, in its nearest parent that is there.
    let existing = path.ancestors().find(|parent| parent.exists()).unwrap_or(Path::new("/"));
    if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
        let remedy = "run evenkeel as root, or give its user the directory";
        return Finding::bad(what, State::Failed, format!("{shown} cannot be written"), remedy);
    }
    match rustix::fs::statvfs(existing) {
        Ok(disk) if disk.f_bavail * disk.f_frsize < ROOM_WANTED => {
            let free = (disk.f_bavail * disk.f_frsize) >> 20;
            let remedy = "make room before the next image is pulled";
            Finding::bad(what, State::Warning, format!("{shown}: only {free} MiB are free"), remedy)
        }
        Ok(disk) => {
            let free = (disk.f_bavail * disk.f_frsize) >> 30;
            Finding::ok(what, format!("{shown} can be written, {free} GiB are free"))
        }
        Err(error) => Finding::bad(
            what,
            State::Warning,
            format!("{shown}: {error}"),
            "see that the disk is mounted",
        ),
    }
}

/// Env files hold secrets: nobody else should read them.
fn env_files(env_dir: &Path) -> Vec<Finding> {
    let shown = env_dir.display();
    let Ok(entries) = fs::read_dir(env_dir) else {
        let remedy = format!("`mkdir -p {shown}`, when a stack wants values from this server");
        return vec![Finding::bad(
            "env_dir",
            State::Warning,
            format!("{shown} does not exist"),
            remedy,
        )];
    };
    let mut open: Vec<String> = Vec::new();
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && metadata.permissions().mode() & 0o007 != 0 {
            open.push(entry.path().display().to_string());
        }
    }
    open.sort();
    if open.is_empty() {
        return vec![Finding::ok("env_dir", format!("{shown}, readable by nobody else"))];
    }
    open.into_iter()
        .map(|path| {
            let remedy = format!("chmod 0600 {path}");
            Finding::bad(
                "env_dir",
                State::Warning,
                format!("{path} can be read by everybody"),
                remedy,
            )
        })
        .collect()
}
