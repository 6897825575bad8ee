//! `plan`: what a pass would do and why.

use super::arguments::{Global, Output, Plan};
use super::{FAILED, Trouble, print, setting, sources, style};
use crate::plan::Retries;
use crate::reconcile::pass::{self, Request};
use crate::reconcile::sources::Freshness;
use crate::report::{exit, text, wire};

/// Prints the plan.
pub async fn run(global: &Global, args: &Plan) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let request = Request {
        only: args.only.clone(),
        allow_removals: args.allow_removals,
        offline: args.offline,
        now: args.now,
        retries: Retries::AtOnce,
        unhurried: false,
    };
    let freshness = if args.offline { Freshness::Recorded } else { Freshness::Latest };
    let preview = pass::preview(&world, &request, freshness).await?;
    sources::tell(global, &preview.sources);
    let report = wire::plan(&preview.view.desired, &preview.plan);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::plan(out, &report, colors, global.verbose > 0)
    })?;
    sources::check_scopes(&preview.view, &args.only)?;
    if !preview.sources.iter().all(sources::SourceSeen::is_well) {
        return Ok(FAILED);
    }
    Ok(exit::of_plan(&report, args.exit_code).code())
}
