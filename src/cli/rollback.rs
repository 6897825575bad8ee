//! `rollback`: what an earlier good generation ran is deployed again, and held.

use std::io::IsTerminal as _;

use super::arguments::{Global, Output, Rollback};
use super::{Trouble, print, reconcile, setting, style};
use crate::model::{GenerationNumber, ServiceId};
use crate::reconcile::daemon;
use crate::reconcile::rollback::{self, RollbackError, Wish};
use crate::report::progress::Progress;
use crate::report::{exit, text};

/// Goes back, and prints how that went.
pub async fn run(global: &Global, args: &Rollback) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let watcher = Progress::new(!global.quiet && std::io::stderr().is_terminal());
    let stop = daemon::stop_on_signal()?;
    let wish = Wish { scope: args.scope.clone(), to: args.to.map(GenerationNumber) };
    let done = rollback::rollback(&world, &wish, &watcher, &stop).await;
    watcher.finish();
    let done = done?;
    let report = reconcile::report(&done.pass);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::pass(out, &report, colors, true)?;
        for service in &done.held {
            writeln!(out, "{}", held(service, done.to))?;
        }
        Ok(())
    })?;
    Ok(exit::of_pass(&report).code())
}

fn held(service: &ServiceId, to: GenerationNumber) -> String {
    format!(
        "{service} runs what generation {to} ran, and is held until git changes its image line or \
         `evenkeel unhold {service}`"
    )
}

impl From<RollbackError> for Trouble {
    fn from(error: RollbackError) -> Self {
        let text = error.to_string();
        match error {
            RollbackError::Pass(error) => error.into(),
            RollbackError::Target(error) => Self::Message { hint: error.hint(), text },
            RollbackError::Record(_, problems) => {
                let what = crate::model::Problem::new("failed", text)
                    .hint("mend the server's files as told below, or choose another with `--to`");
                Self::Problems([vec![what], problems].concat())
            }
            RollbackError::NotInManifest(..) => Self::Message {
                text,
                hint: Some("activate its profile again, or choose another with `--to`".to_owned()),
            },
        }
    }
}
