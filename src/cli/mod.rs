//! One file per command: arguments and a few lines that call a room.
//!
//! The only place that reads the environment, the arguments and the clock's zone, and that prints. What is
//! printed is made in [`crate::report`].

mod accept;
mod arguments;
mod setting;
mod here;
mod completions;
mod config;
mod daemon;
mod doctor;
mod explain;
mod history;
mod hold;
mod images;
mod import;
mod lookup;
mod man;
mod notify;
mod pin;
mod plan;
mod prune;
mod reconcile;
mod registry_prune;
mod release;
mod rollback;
mod sbom;
mod schema;
mod sources;
mod status;
mod telling;
mod validate;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Parser as _;

use crate::asked::Refusal;
use crate::model::Problem;
use crate::report::problems;
use crate::report::style::Style;
use arguments::{Arguments, Color, Command, Global, LogFormat};

/// Exit codes (interface: exit codes). The codes of a pass come from [`crate::report`].
const FAILED: u8 = 1;
const USAGE: u8 = 64;

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where even the message cannot be printed, the exit code still tells.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    lookup::keep_to_what_is_built_in();
    set_up_logging(&arguments.global);
    // Fails only where a provider is there already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&arguments.global, &format!("the runtime cannot be started: {error}"), None);
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(run(&arguments));
    // A blocking call that hangs in a dead network must not keep the program from ending.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(arguments: &Arguments) -> u8 {
    let global = &arguments.global;
    let result = match &arguments.command {
        Command::Reconcile(args) => reconcile::run(global, args).await,
        Command::Plan(args) => plan::run(global, args).await,
        Command::Validate(args) => validate::run(global, args),
        Command::Config(args) => config::run(global, args),
        Command::Status(args) => status::run(global, args).await,
        Command::Explain(args) => explain::run(global, args).await,
        Command::History(args) => history::run(global, args).await,
        Command::Hold(args) => hold::hold(global, args).await,
        Command::Unhold(args) => hold::unhold(global, args).await,
        Command::Rollback(args) => rollback::run(global, args).await,
        Command::Retry(args) => release::retry(global, args).await,
        Command::Adopt(args) => release::adopt(global, args).await,
        Command::Accept(args) => accept::run(global, args).await,
        Command::Notify(args) => notify::run(global, args).await,
        Command::Prune(args) => prune::run(global, args).await,
        Command::Images(args) => images::run(global, args).await,
        Command::Sbom(args) => sbom::run(global, args).await,
        Command::Pin(args) => pin::run(global, args),
        Command::Import(args) => import::run(global, args).await,
        Command::Schema(args) => schema::run(args),
        Command::Doctor(args) => doctor::run(global, args).await,
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    match result {
        Ok(code) => code,
        Err(Trouble::Problems(found)) => {
            let _ =
                write!(io::stderr(), "{}", problems::render(&found, style(global, &io::stderr())));
            FAILED
        }
        Err(Trouble::Message { text, hint }) => {
            complain(global, &text, hint.as_deref());
            FAILED
        }
        // Whoever reads our output has gone: nothing is left to be said.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Trouble::Output(error)) => {
            complain(global, &format!("the output cannot be written: {error}"), None);
            FAILED
        }
    }
}

/// Why a command could not do its work.
enum Trouble {
    /// The configuration or a manifest is wrong.
    Problems(Vec<Problem>),
    /// Anything else, in one line.
    Message {
        /// What happened.
        text: String,
        /// The next move.
        hint: Option<String>,
    },
    /// The output.
    Output(io::Error),
}

impl std::fmt::Display for Trouble {
    /// For a log: problems with their places, without colours.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Problems(found) => f.write_str(&problems::render(found, Style::PLAIN)),
            Self::Message { text, hint: Some(hint) } => write!(f, "{text} ({hint})"),
            Self::Message { text, hint: None } => f.write_str(text),
            Self::Output(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Trouble {
    fn message(error: impl std::fmt::Display) -> Self {
        Self::Message { text: error.to_string(), hint: None }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal.problems.is_empty() {
            true => Self::Message { text: refusal.text, hint: refusal.hint },
            false => Self::Problems(refusal.problems),
        }
    }
}

impl From<crate::reconcile::PassError> for Trouble {
    fn from(error: crate::reconcile::PassError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<crate::history::HistoryError> for Trouble {
    fn from(error: crate::history::HistoryError) -> Self {
        crate::reconcile::PassError::from(error).into()
    }
}

fn complain(global: &Global, text: &str, hint: Option<&str>) {
    let mut problem = Problem::new("failed", text);
    problem.hint = hint.map(str::to_owned);
    let _ = write!(io::stderr(), "{}", problems::render(&[problem], style(global, &io::stderr())));
}

/// Colours, as `--color`, `NO_COLOR` and the terminal have it, and the terminal's width.
fn style(global: &Global, stream: &(impl io::IsTerminal + AsFd)) -> Style {
    let wanted = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stream.is_terminal() && !setting::is_set("NO_COLOR"),
    };
    let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten();
    let width = size.map(|size| size.ws_col).filter(|columns| *columns > 0);
    Style { color: wanted, width }
}

/// Prints a report as JSON or as text.
fn print<T: serde::Serialize>(
    as_json: bool,
    report: &T,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if as_json {
        serde_json::to_writer(&mut out, report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        text(&mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn set_up_logging(global: &Global) {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt::format::debug_fn;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    // Only evenkeel's own words: those of the libraries below could hold what was sent to the engine.
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::new(format!("off,evenkeel={level}"));
    let logs = |filter| {
        let logs = tracing_subscriber::fmt().with_env_filter(filter);
        // Whoever reads the log may have gone; to say so would only fail again.
        logs.with_writer(io::stderr).with_target(false).log_internal_errors(false)
    };
    let colors = style(global, &io::stderr()).color;
    // A second subscriber cannot be there: this runs once.
    let _ = match (global.log_format, setting::journal(), io::stderr().is_terminal()) {
        (LogFormat::Json, _, _) => logs(filter).json().try_init(),
        (LogFormat::Text, Some(journal), _) => {
            tracing_subscriber::registry().with(filter).with(journal).try_init().map_err(Into::into)
        }
        (LogFormat::Text, None, true) => {
            logs(filter).fmt_fields(debug_fn(field)).with_ansi(colors).without_time().try_init()
        }
        (LogFormat::Text, None, false) => {
            logs(filter).fmt_fields(debug_fn(field)).with_ansi(colors).try_init()
        }
    };
}

/// A field in a line of text, which names what it concerns in its message.
fn field(
    writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn std::fmt::Debug,
) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        "stack" | "service" | "generation" => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}
