//! `sbom`: a CycloneDX document of what runs here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::arguments::{Global, Sbom};
use super::{Trouble, print, setting};
use crate::asked::refusal;
use crate::history::History;
use crate::model::StackName;
use crate::model::memory::HoldScope;
use crate::reconcile::pass::{self, Request};
use crate::reconcile::sources::Freshness;
use crate::report::wire;

/// Prints the document. Asks neither git nor a registry; without an engine there is none, since nobody knows what runs.
pub async fn run(global: &Global, args: &Sbom) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let history = History::read_only(&world.config.state_dir)?;
    let request = Request { offline: true, ..Request::default() };
    let preview = pass::preview(&world, &request, Freshness::Recorded).await?;
    let (engine, now) =
        (world.engine.info().await.map_err(pass::PassError::from)?, Timestamp::now());
    let mut status = wire::status(&wire::Standing {
        host: &world.config.host,
        engine: Ok(&engine),
        pressure: None,
        sources: &history.sources()?,
        desired: Some(&preview.view.desired),
        observed: &preview.view.observed,
        plan: Some(&preview.plan),
        recorded: &history.stacks()?,
        generations: &BTreeMap::new(),
        now,
    });
    let known: BTreeSet<String> = status.stacks.iter().map(|stack| stack.stack.clone()).collect();
    if let Some(unknown) = args.stack.iter().find(|stack| !known.contains(stack.as_str())) {
        let scope = HoldScope::Stack(StackName::new(unknown.as_str()));
        return Err(refusal::unknown(&scope, known.iter().map(String::as_str)).into());
    }
    if !args.stack.is_empty() {
        status.stacks.retain(|stack| args.stack.contains(&stack.stack));
    }
    let document = wire::sbom(&status, &preview.view.observed, now);
    print(true, &document, |_| Ok(()))?;
    Ok(0)
}
