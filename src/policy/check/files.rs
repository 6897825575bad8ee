//! Files of the server, where the output goes, and secrets that stand in git.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Judge, mounts, see};
use crate::model::secrets::{names, passwords};
use crate::model::spec::{Hook, Logging};
use crate::model::stack::Service;
use crate::model::{Hidden, ServiceName};
use crate::policy::matching::Value;
use crate::policy::rule::{Level, Rule};
use crate::policy::seams::{HostFile, Spot, Variable};

/// Drivers that keep the output on this host, where the operator has it anyway.
const USUAL_DRIVERS: [&str; 5] = ["", "json-file", "local", "journald", "none"];

/// Files that a manifest names by absolute paths; what lies below `env_dir` for this stack is meant for it.
pub fn check(files: &[HostFile], judge: &mut Judge<'_>) {
    let (env, stack) = (&judge.host.env_dir, judge.name);
    let own = [env.join(stack.as_str()), env.join(format!("{stack}.env")), env.join("common.env")];
    for HostFile { path, at, service } in files {
        let seen = see(path, judge.disk);
        if own.iter().any(|own| seen.text.starts_with(own)) {
            continue;
        }
        let spot = Spot::Known(at.clone());
        judge.find(service.as_ref(), Rule::EnvFiles, &Value::Path(seen), &spot, |it| {
            format!("reads {it} of the server")
        });
    }
}

pub fn logging(name: &ServiceName, logging: Option<&Logging>, judge: &mut Judge<'_>) {
    let Some(Logging { driver, options }) = logging else { return };
    let sockets = options.values().filter_map(|address| {
        let (scheme, path) = address.split_once("://")?;
        scheme.trim().to_ascii_lowercase().starts_with("unix").then_some(path)
    });
    for path in sockets {
        // The engine writes there as root, whatever the container says.
        mounts::bind(name, Path::new(path), false, &Spot::Key(&["logging.options"]), judge);
    }
    if USUAL_DRIVERS.contains(&driver.as_str()) {
        return;
    }
    judge.word(name, Rule::Logging, driver, &Spot::Key(&["logging.driver"]), |it| {
        format!("sends its output away by {it}")
    });
}

/// Whoever has more secrets than this in one service knows by the first of them.
const MOST_SECRETS: usize = 1000;

/// Variables whose names or values say that they are secrets, and that stand in git.
pub fn literal_secrets(
    service: &Service,
    environment: &BTreeMap<String, Option<Hidden>>,
    hooks: [(&'static str, &[Hook]); 2],
    judge: &mut Judge<'_>,
) {
    if judge.policy.level(Rule::LiteralSecrets) == Level::Allow {
        return;
    }
    let of_server = |name: &str| service.server_files.values().any(|names| names.contains(name));
    let set = environment.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (variable, _) in set.filter(|(name, value)| is_secret(name, value)).take(MOST_SECRETS) {
        let spot = match judge.places.variable(&service.name, variable) {
            Variable::Literal(spotted) => Spot::Known(spotted),
            Variable::Elsewhere => continue,
            Variable::Unnamed if of_server(variable) => continue,
            // An env file in git has it.
            Variable::Unnamed => Spot::Key(&["env_file"]),
        };
        told(&service.name, variable, &spot, judge);
    }
    for (key, hooks) in hooks {
        let set = hooks.iter().flat_map(|hook| &hook.environment);
        for (variable, _) in set.filter(|(name, value)| is_secret(name, value)) {
            let spotted =
                judge.places.find(Some(&service.name), &Spot::Entry(key, variable.clone()));
            if !spotted.hidden {
                told(&service.name, variable, &Spot::Known(spotted), judge);
            }
        }
    }
}

fn told(service: &ServiceName, variable: &str, spot: &Spot, judge: &mut Judge<'_>) {
    judge.word(service, Rule::LiteralSecrets, variable, spot, |it| {
        format!("has the value of {it} in git")
    });
}

/// Whether a value is a secret by its name, or has a password in it.
fn is_secret(name: &str, value: &Hidden) -> bool {
    let value = value.reveal();
    let named = names::is_secret(name) && !names::is_harmless(value);
    named || !passwords::of_addresses(value).is_empty()
}
