//! The words of the command line (interface: command line).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::asked::words::{Since, commit, full_commit, length, one_line, outcome, scope, since};
use crate::model::memory::HoldScope;
use crate::model::{CommitId, GenerationOutcome, ImageRef, ServiceId, SourceName};
use crate::plan::registry_retention::Protect;

/// Keeps a Docker host exactly as a git repository of Compose files says.
#[derive(Parser)]
#[command(name = "evenkeel", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Global {
    /// The server's configuration
    #[arg(long, global = true, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Database, git mirrors, secrets and lock, in place of the configuration's
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The operator's env files, in place of the configuration's
    #[arg(long, global = true, value_name = "DIR")]
    pub env_dir: Option<PathBuf>,
    /// Directories of stacks and exported files, in place of the configuration's
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The engine, in place of the configuration's and of DOCKER_HOST
    #[arg(long, global = true, value_name = "HOST")]
    pub docker: Option<String>,
    /// The daemon's socket [default: $RUNTIME_DIRECTORY/evenkeel.sock or /run/evenkeel/evenkeel.sock]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "EVENKEEL_SOCKET",
        hide_env_values = true
    )]
    pub socket: Option<PathBuf>,
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Follow every source until stopped; with --once, do one pass and exit
    Reconcile(Reconcile),
    /// What a pass would do and why; touches nothing
    Plan(Plan),
    /// Check a source tree on disk, offline
    Validate(Validate),
    /// Print what was understood, in Compose's canonical form; offline
    Config(Config),
    /// Where everything stands
    Status(Status),
    /// All that is known of a stack or a service: what git says, what runs, why, what comes, what there is to go back to
    Explain(Explain),
    /// What was changed, when, why, and how it ended
    History(History),
    /// Leave a service, a stack or this host as it is
    Hold(Hold),
    /// End holds, and go on
    Unhold(Unhold),
    /// Deploy again what an earlier good generation ran, and hold it
    Rollback(Rollback),
    /// Forget that a spec was rejected, so that it is tried again
    Retry(Scope),
    /// Confirm a takeover that is held for the sake of data
    Adopt(Scope),
    /// Follow a commit that nobody who may has signed, or that does not build on the last one
    Accept(Accept),
    /// Try the recipients of messages
    Notify(Notify),
    /// Let go of images that nothing needs, on this host or at a registry
    Prune(Prune),
    /// The digests that this host needs, for whoever cleans up a registry
    Images(Images),
    /// A CycloneDX document of what runs here
    Sbom(Sbom),
    /// Write an image into a checkout of the repository, and nothing else; offline without --push
    Pin(Pin),
    /// Turn a plain Compose file, or a running project, into a manifest
    Import(Import),
    /// Print a JSON Schema
    Schema(Schema),
    /// Check engine, sources, registries, disk and permissions
    Doctor(Doctor),
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command
    Man(Man),
}

/// A source in place of a configuration file.
#[derive(Args)]
pub struct Repo {
    /// Follow this repository, without a configuration file
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// The branch of --repo
    #[arg(long, requires = "repo")]
    pub branch: Option<String>,
    /// Where in --repo stacks are looked for
    #[arg(long = "path", requires = "repo", value_name = "PATH")]
    pub repo_path: Option<String>,
}

#[derive(Args)]
pub struct Reconcile {
    #[command(flatten)]
    pub repo: Repo,
    /// Do one pass, wait for every rollout in it, report, exit
    #[arg(long, group = "pass")]
    pub once: bool,
    /// Ask the running daemon for a pass, follow it to its end, report, exit
    #[arg(long, group = "pass", conflicts_with = "repo")]
    pub wait: bool,
    /// Change only this stack or service (repeatable)
    #[arg(long, value_name = "STACK[/SERVICE]", requires = "pass", value_parser = scope)]
    pub only: Vec<HoldScope>,
    /// Lift the removal guard for this pass
    #[arg(long, requires = "pass")]
    pub allow_removals: bool,
    /// Ignore windows
    #[arg(long, requires = "pass")]
    pub now: bool,
    /// Ask no registry
    #[arg(long, requires = "pass")]
    pub offline: bool,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Plan {
    #[command(flatten)]
    pub repo: Repo,
    /// Exit with 3 when there are steps to do
    #[arg(long)]
    pub exit_code: bool,
    /// Plan as if this commit were accepted: all 40 digits, of any branch
    #[arg(long = "ref", value_name = "COMMIT", conflicts_with = "offline", value_parser = full_commit)]
    pub reference: Option<CommitId>,
    /// The source whose commit that is, where there are several
    #[arg(long, value_name = "NAME", requires = "reference")]
    pub source: Option<SourceName>,
    /// Plan only this stack or service (repeatable)
    #[arg(long, value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub only: Vec<HoldScope>,
    /// Lift the removal guard
    #[arg(long)]
    pub allow_removals: bool,
    /// Ignore windows
    #[arg(long)]
    pub now: bool,
    /// Ask no registry
    #[arg(long)]
    pub offline: bool,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Validate {
    /// A directory of stacks, or one Compose file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Read this file as if it were every stack's env file on the server
    #[arg(long, value_name = "FILE")]
    pub env: Option<PathBuf>,
    /// Refuse what a server with this configuration would refuse; a file with its `policy` alone will do
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Config {
    /// The source tree, or a Compose file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Read this file as if it were every stack's env file on the server
    #[arg(long, value_name = "FILE")]
    pub env: Option<PathBuf>,
    /// Print values of `environment`, and whatever a value of --env went into
    #[arg(long)]
    pub show_values: bool,
    /// How it looks
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    pub output: ConfigOutput,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ConfigOutput {
    #[default]
    Yaml,
    Json,
}

#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    pub repo: Repo,
    /// Only this stack or service
    #[arg(value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub scope: Option<HoldScope>,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Explain {
    #[command(flatten)]
    pub repo: Repo,
    /// The stack or service
    #[arg(value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub scope: HoldScope,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct History {
    #[command(flatten)]
    pub repo: Repo,
    /// Only this stack or service
    #[arg(value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub scope: Option<HoldScope>,
    /// At most so many generations
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<u32>,
    /// Only what began since: 2h, 7d, 2026-11-21, 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Only what ended so: converged, failed, rolled-back, interrupted (repeatable)
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Vec<GenerationOutcome>,
    /// Only what came from this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only what a commit brought that begins with these digits
    #[arg(long, value_name = "COMMIT", value_parser = commit)]
    pub commit: Option<String>,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Scope {
    #[command(flatten)]
    pub repo: Repo,
    /// The stack or service
    #[arg(value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub scope: HoldScope,
}

#[derive(Args)]
pub struct Accept {
    #[command(flatten)]
    pub repo: Repo,
    /// The source, by its name in the configuration
    pub source: SourceName,
    /// The commit: the first digits of its id, or all of them
    #[arg(value_parser = commit)]
    pub commit: String,
}

#[derive(Args)]
pub struct Hold {
    #[command(flatten)]
    pub repo: Repo,
    #[command(flatten)]
    pub reach: Reach,
    /// End it by itself after this time: 30m, 2h, 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    pub lasting: Option<Duration>,
    /// What others read in `status`
    #[arg(long, value_name = "TEXT", value_parser = one_line)]
    pub reason: Option<String>,
}

#[derive(Args)]
pub struct Unhold {
    #[command(flatten)]
    pub repo: Repo,
    #[command(flatten)]
    pub reach: Reach,
}

#[derive(Args)]
pub struct Rollback {
    #[command(flatten)]
    pub repo: Repo,
    /// The stack or service
    #[arg(value_name = "STACK[/SERVICE]", value_parser = scope)]
    pub scope: HoldScope,
    /// To what this generation ran, in place of the newest good one that differs from what runs
    #[arg(long, value_name = "GENERATION")]
    pub to: Option<u64>,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Notify {
    #[command(subcommand)]
    pub action: NotifyAction,
}

#[derive(Subcommand)]
pub enum NotifyAction {
    /// Send a message to one recipient, or to each, and say how that went
    Test(NotifyTest),
}

#[derive(Args)]
pub struct NotifyTest {
    /// The recipient's name in the configuration
    pub name: Option<String>,
}

#[derive(Args)]
pub struct Prune {
    #[command(flatten)]
    pub repo: Repo,
    /// Only tell what would go, what stays, and why
    #[arg(long)]
    pub dry_run: bool,
    /// Images too that evenkeel did not pull and nobody uses; only told unless --yes is given
    #[arg(long, group = "told")]
    pub include_foreign: bool,
    /// Let go of what --include-foreign or --registry tells
    #[arg(long, requires = "told", conflicts_with = "dry_run")]
    pub yes: bool,
    #[command(flatten)]
    pub cleanup: Cleanup,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

/// What of a repository at a registry is kept.
#[derive(Args)]
pub struct Cleanup {
    /// Clean up this repository at its registry, in place of this host; only told unless --yes is given
    #[arg(
        long,
        value_name = "REPO",
        group = "told",
        requires = "keep",
        conflicts_with = "repo",
        value_parser = repository
    )]
    pub registry: Option<ImageRef>,
    /// Keep so many images, the newest ones
    #[arg(long, value_name = "N", requires = "registry")]
    pub keep: Option<NonZeroUsize>,
    /// Keep what is on these lists, which `evenkeel images` wrote on each host
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "registry")]
    pub needed: Vec<PathBuf>,
    /// Keep tags like this: latest, v1.* (repeatable)
    #[arg(long, value_name = "GLOB", requires = "registry", value_parser = Protect::parse)]
    pub protect: Vec<Protect>,
    /// Keep what is younger [default: 1d]
    #[arg(long, value_name = "DURATION", requires = "registry", value_parser = length)]
    pub min_age: Option<Duration>,
}

#[derive(Args)]
pub struct Images {
    #[command(flatten)]
    pub repo: Repo,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Sbom {
    #[command(flatten)]
    pub repo: Repo,
    /// Only this stack (repeatable)
    #[arg(long, value_name = "STACK")]
    pub stack: Vec<String>,
}

/// What a hold covers.
#[derive(Args)]
pub struct Reach {
    /// The stack or service
    #[arg(
        value_name = "STACK[/SERVICE]",
        value_parser = scope,
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    scope: Option<HoldScope>,
    /// Everything on this host
    #[arg(long)]
    all: bool,
}

impl Reach {
    /// The scope that is named; without one, `--all` is.
    pub fn scope(&self) -> HoldScope {
        self.scope.clone().unwrap_or(HoldScope::Host)
    }
}

#[derive(Args)]
pub struct Pin {
    /// The service
    #[arg(value_name = "STACK/SERVICE", value_parser = service)]
    pub service: ServiceId,
    /// The image it gets
    #[arg(value_name = "IMAGE[:TAG][@DIGEST]", value_parser = ImageRef::parse)]
    pub image: ImageRef,
    /// Look for the stack only there: in a directory of stacks, or in a Compose file
    #[arg(long, value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// Commit it as well; git's hooks are not run, and nothing is signed
    #[arg(long)]
    pub commit: bool,
    /// Push it to the upstream of the branch that is checked out, on top of what others have pushed
    #[arg(long, requires = "commit")]
    pub push: bool,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Import {
    /// The Compose file; several are merged in this order
    #[arg(required_unless_present = "project", conflicts_with = "project")]
    pub file: Vec<PathBuf>,
    /// Start from the files of this running Compose project, and keep its name and its data
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Write the manifest, the server's files and the remarks below this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the values that belong on the server too
    #[arg(long)]
    pub show_values: bool,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Schema {
    /// Of what
    pub of: SchemaOf,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    Manifest,
    Config,
}

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    pub repo: Repo,
    /// Print the exceptions that all stacks need, to be put below `policy:` of the configuration, and nothing else
    #[arg(long, conflicts_with = "output")]
    pub policy: bool,
    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Args)]
pub struct Completions {
    /// For this shell
    pub shell: clap_complete::Shell,
}

#[derive(Args)]
pub struct Man {
    /// Write the page of the program and of each command into this directory, which is made
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A repository: neither a tag nor a digest of it.
fn repository(text: &str) -> Result<ImageRef, String> {
    let image = ImageRef::parse(text)?;
    if image.tag().is_some() || image.digest().is_some() {
        return Err("expected a repository, without a tag: ghcr.io/acme/api".to_owned());
    }
    Ok(image)
}

/// `STACK/SERVICE`.
fn service(text: &str) -> Result<ServiceId, String> {
    match scope(text) {
        Ok(HoldScope::Service(id)) => Ok(id),
        Ok(HoldScope::Host | HoldScope::Stack(_)) | Err(_) => {
            Err("expected STACK/SERVICE".to_owned())
        }
    }
}
