//! `validate`: a source tree on disk, or one Compose file; offline.

use super::arguments::{Global, Output, Validate};
use super::here::{Here, add_no_stack};
use super::{Trouble, print, setting, style};
use crate::config::Config;
use crate::manifest::ServerFiles;
use crate::reconcile::sources;
use crate::report::{exit, text, wire};

/// Checks the tree.
pub fn run(global: &Global, args: &Validate) -> Result<u8, Trouble> {
    let path = args.path.display().to_string();
    // The server's own settings are not at hand here; a manifest must make sense without them.
    let config =
        Config::for_repo(&path, None, None, &setting::ambient()).map_err(Trouble::Problems)?;
    let here = Here::find(&args.path)?;
    let revision = here.revision()?;
    let server = ServerFiles::Offline { env: args.env.clone() };
    let all = ["**".to_owned()];
    let mut loaded = sources::load(&revision, &config, &all, &[], server)
        .map_err(|problem| Trouble::Problems(vec![*problem]))?;
    add_no_stack(&mut loaded, &args.path);
    here.rename(&mut loaded, |stack| {
        stack.remarks.iter_mut().filter_map(|remark| remark.place.as_mut()).collect()
    });
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
