//! `status`: where everything stands, from the record and the engine.

use super::arguments::{Global, Output, Status};
use super::{Trouble, daemon, print, setting, style};
use crate::asked::standing;
use crate::report::{exit, text};

/// Prints the status. Asks neither git nor a registry.
pub async fn run(global: &Global, args: &Status) -> Result<u8, Trouble> {
    if daemon::is_to_be_asked(global, &args.repo) {
        let scope = args.scope.as_ref().map(ToString::to_string);
        let path = daemon::with_query("/api/v1/status", &[("scope", scope)]);
        return daemon::ask(global, args.output, &path).await;
    }
    let world = setting::world(global, &args.repo)?;
    let report = standing::status(&world, args.scope.as_ref()).await?;
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::status(out, &report, colors))?;
    Ok(exit::of_status(&report).code())
}
