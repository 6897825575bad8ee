//! The daemon as a command meets it: it is started here, and asked through its socket.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access};
use serde_json::{Value, json};

use super::arguments::{Global, Output, Reconcile, Repo};
use super::telling::Telling;
use super::{Trouble, setting, style};
use crate::config::Config;
use crate::http::client::{AskError, Asker, DEFAULT_SOCKET, Told};
use crate::http::{Address, Hub, Server};
use crate::model::memory::HoldScope;
use crate::reconcile::daemon;
use crate::reconcile::daemon::desk::Desk;
use crate::report::progress::Progress;
use crate::report::wire::PassEvent;

/// Follows the sources until stopped.
pub async fn run(global: &Global, args: &Reconcile) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    // Several passes may be under way at once: each tells line by line what it does.
    let watcher = Arc::new(Progress::new(false));
    let manager = setting::manager();
    let mut telling = Telling::new(&manager, global.verbose > 0);
    let metrics = Arc::clone(&world.metrics);
    let reload = |known: &Config| {
        setting::world_anew(global, &args.repo, known, &metrics)
            .map_err(|trouble| trouble.to_string())
    };
    let desk = Arc::new(Desk::new(Arc::new(world)));
    let hub = Arc::new(Hub::new(Arc::clone(&desk), watcher));
    let server = Server::start(&hub, Some(address(global)));
    let company = daemon::Company {
        audience: &*hub,
        manager: &manager,
        reload: &reload,
        config_file: args.repo.repo.is_none().then_some(global.config.as_path()),
        desk: &desk,
    };
    let ended = daemon::run(&company, |news| {
        hub.hear(&news);
        telling.tell(&news);
    });
    ended.await?;
    server.end().await;
    Ok(0)
}

/// Asks the daemon for a pass, and follows it to its end.
pub async fn wait(global: &Global, args: &Reconcile) -> Result<u8, Trouble> {
    let only: Vec<String> = args.only.iter().map(ToString::to_string).collect();
    let wish = json!({
        "only": only,
        "allow_removals": args.allow_removals,
        "now": args.now,
        "offline": args.offline,
    });
    follow(global, args.output, "/api/v1/reconcile", &wish).await
}

/// Orders something that takes a pass, shows it, and prints how it came out.
pub async fn follow(
    global: &Global,
    output: Output,
    path: &str,
    wish: &Value,
) -> Result<u8, Trouble> {
    let progress = progress(global);
    let show = |event: &PassEvent| {
        if let Some(step) = &event.step {
            progress.show(event.event, step);
        }
    };
    let told = asker(global, output).follow(path, wish, show).await;
    progress.finish();
    print(&told?)
}

/// Asks something, and prints the answer.
pub async fn ask(global: &Global, output: Output, path: &str) -> Result<u8, Trouble> {
    print(&asker(global, output).get(path).await?)
}

/// Orders something, and prints what became of it.
pub async fn order(global: &Global, path: &str, wish: &Value) -> Result<u8, Trouble> {
    print(&asker(global, Output::Text).post(path, wish).await?)
}

/// Whether this command has to ask the daemon: whoever runs it may not read the configuration or the record, and
/// there is a socket.
pub fn is_to_be_asked(global: &Global, repo: &Repo) -> bool {
    may_not_work(global, repo) && socket(global).exists()
}

fn may_not_work(global: &Global, repo: &Repo) -> bool {
    let is_closed = |path: &Path, how: Access| access(path, how) == Err(rustix::io::Errno::ACCESS);
    if repo.repo.is_none() && is_closed(&global.config, Access::READ_OK) {
        return true;
    }
    // What else is wrong with the configuration is told by the command itself.
    setting::config(global, repo)
        .is_ok_and(|config| is_closed(&config.state_dir, Access::READ_OK | Access::EXEC_OK))
}

/// What a wish is about, as a body says it.
pub fn scope_of(scope: &HoldScope) -> Value {
    match scope {
        HoldScope::Host => json!({"all": true}),
        HoldScope::Stack(_) | HoldScope::Service(_) => json!({"scope": scope.to_string()}),
    }
}

/// A query of `pairs` that have a value, after `path`.
pub fn with_query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    match query.finish() {
        text if text.is_empty() => path.to_owned(),
        text => format!("{path}?{text}"),
    }
}

fn progress(global: &Global) -> Progress {
    Progress::new(!global.quiet && io::stderr().is_terminal())
}

fn asker(global: &Global, output: Output) -> Asker {
    let colors = style(global, &io::stdout()).color;
    Asker::at(&socket(global), output == Output::Json, colors, global.verbose > 0)
}

fn print(told: &Told) -> Result<u8, Trouble> {
    let mut out = io::stdout().lock();
    out.write_all(&told.body)?;
    out.flush()?;
    Ok(told.exit)
}

fn socket(global: &Global) -> PathBuf {
    address(global).path
}

/// Where the socket is: where the arguments say, where systemd has made a directory for it, or at the usual place.
fn address(global: &Global) -> Address {
    if let Some(path) = &global.socket {
        return Address { path: path.clone(), is_named: true };
    }
    match setting::runtime_directory() {
        Some(directory) => Address { path: directory.join("evenkeel.sock"), is_named: true },
        None => Address { path: DEFAULT_SOCKET.into(), is_named: false },
    }
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        let text = error.to_string();
        let hint = match error {
            AskError::Nobody { .. } => Some(
                "start the daemon (`systemctl start evenkeel`), name its socket with --socket, or do \
                 a pass here with `reconcile --once`"
                    .to_owned(),
            ),
            AskError::Refused { hint, .. } => hint,
        };
        Self::Message { text, hint }
    }
}
