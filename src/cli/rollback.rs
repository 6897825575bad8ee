//! `rollback`: what an earlier good generation ran is deployed again, and held.

use std::io::IsTerminal as _;

use super::arguments::{Global, Output, Rollback};
use super::{Trouble, print, reconcile, setting, style};
use crate::asked::{Refusal, passes};
use crate::model::GenerationNumber;
use crate::reconcile::daemon;
use crate::reconcile::rollback::{self, RollbackError, Wish};
use crate::report::progress::Progress;
use crate::report::{exit, text};

/// Goes back, and prints how that went.
pub async fn run(global: &Global, args: &Rollback) -> Result<u8, Trouble> {
    if super::daemon::is_to_be_asked(global, &args.repo) {
        let mut wish = super::daemon::scope_of(&args.scope);
        wish["to"] = serde_json::json!(args.to);
        return super::daemon::follow(global, args.output, "/api/v1/rollback", &wish).await;
    }
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
        for line in passes::held(&done) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(exit::of_pass(&report).code())
}

impl From<RollbackError> for Trouble {
    fn from(error: RollbackError) -> Self {
        Refusal::from(error).into()
    }
}
