//! `plan`: what a pass would do and why.

use super::arguments::{Global, Output, Plan};
use super::{Trouble, daemon, print, setting, sources, style};
use crate::asked::{self, refusal};
use crate::model::SourceName;
use crate::plan::Retries;
use crate::reconcile::pass::Request;
use crate::report::text;

/// Prints the plan.
pub async fn run(global: &Global, args: &Plan) -> Result<u8, Trouble> {
    if daemon::is_to_be_asked(global, &args.repo) {
        return daemon::ask(global, args.output, &path(args)).await;
    }
    let mut world = setting::world(global, &args.repo)?;
    if let Some(commit) = &args.reference {
        let source = args.source.as_ref().map(SourceName::as_str);
        world = asked::plan::at(&world.config, source, commit)?;
    }
    let request = Request {
        only: args.only.clone(),
        allow_removals: args.allow_removals,
        offline: args.offline,
        now: args.now,
        retries: Retries::AtOnce,
        unhurried: false,
    };
    let planned = asked::plan::plan(&world, &request).await?;
    sources::tell(global, &planned.preview.sources);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &planned.report, |out| {
        text::plan(out, &planned.report, colors, global.verbose > 0)
    })?;
    refusal::check_scopes(&planned.preview.view, &args.only)?;
    Ok(planned.exit(args.exit_code).code())
}

/// The same question to a daemon.
fn path(args: &Plan) -> String {
    let only: Vec<String> = args.only.iter().map(ToString::to_string).collect();
    let flag = |is: bool| is.then(|| "true".to_owned());
    let pairs = [
        ("only", (!only.is_empty()).then(|| only.join(","))),
        ("allow_removals", flag(args.allow_removals)),
        ("now", flag(args.now)),
        ("offline", flag(args.offline)),
        ("exit_code", flag(args.exit_code)),
        ("ref", args.reference.as_ref().map(ToString::to_string)),
        ("source", args.source.as_ref().map(ToString::to_string)),
    ];
    daemon::with_query("/api/v1/plan", &pairs)
}
