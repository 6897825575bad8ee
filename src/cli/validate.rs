//! `validate`: a source tree on disk, or one Compose file; offline.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::arguments::{Global, Output, Validate};
use super::here::offline;
use super::{Trouble, print, style};
use crate::config::Config;
use crate::manifest::{self, HostPolicy, Options};
use crate::model::tree::Revision;
use crate::report::{exit, text, wire};

/// Checks the tree.
pub fn run(global: &Global, args: &Validate) -> Result<u8, Trouble> {
    let policy = args.policy.as_deref().map(Config::policy).transpose();
    let policy = policy.map_err(Trouble::Problems)?;
    let read = |revision: &Revision, options: &Options<'_>, _: &Path| {
        let policy = policy.as_ref().map(|policy| HostPolicy {
            policy,
            today: Timestamp::now().to_zoned(TimeZone::UTC).date(),
            socket: None,
        });
        manifest::load(revision, &Options { policy, server: options.server.clone(), ..*options })
    };
    let (config, loaded) = offline(&args.path, args.env.clone(), read, |stack| {
        stack.remarks.iter_mut().filter_map(|remark| remark.place.as_mut()).collect()
    })?;
    let validated: Vec<wire::Validated<'_>> = loaded
        .stacks
        .iter()
        .map(|stack| wire::Validated {
            name: stack.name.as_str(),
            files: &stack.files,
            result: stack.result.as_ref().map_err(Vec::as_slice),
        })
        .collect();
    let report = wire::validate(&validated, &loaded.problems, config.rollout.deadline);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::validate(out, &report, colors))?;
    Ok(exit::of_validate(&report).code())
}
