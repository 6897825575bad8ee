//! `hold` and `unhold`: an operator's word that something stays as it is, and its end.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{Global, Hold, Unhold};
use super::release::say;
use super::{Trouble, daemon, setting};
use crate::asked::holds::{self, Wish};

/// Leaves a service, a stack or the host as it is, from the next pass on.
pub async fn hold(global: &Global, args: &Hold) -> Result<u8, Trouble> {
    if daemon::is_to_be_asked(global, &args.repo) {
        return daemon::order(global, "/api/v1/hold", &body(args)).await;
    }
    let world = setting::world(global, &args.repo)?;
    say(&holds::hold(&world, &wish(args), Timestamp::now()).await?)
}

/// Ends holds on a scope and on all below it, also those that a rollback left.
pub async fn unhold(global: &Global, args: &Unhold) -> Result<u8, Trouble> {
    if daemon::is_to_be_asked(global, &args.repo) {
        let wish = daemon::scope_of(&args.reach.scope());
        return daemon::order(global, "/api/v1/unhold", &wish).await;
    }
    let config = setting::config(global, &args.repo)?;
    say(&holds::unhold(&config.state_dir, &args.reach.scope(), Timestamp::now()).await?)
}

fn wish(args: &Hold) -> Wish {
    Wish { scope: args.reach.scope(), lasting: args.lasting, reason: args.reason.clone() }
}

/// The same wish to a daemon.
fn body(args: &Hold) -> Value {
    let mut wish = daemon::scope_of(&args.reach.scope());
    wish["for"] = json!(args.lasting.map(|it| humantime::format_duration(it).to_string()));
    wish["reason"] = json!(args.reason);
    wish
}
