//! The operator's word on a stack that was read in full: what is denied is a problem, the rest a remark.
//!
//! What the rules are and what they find is [`crate::policy`]'s business; here is where in the files it stands
//! (`places`) and where a path of this host leads (`disk`).

mod disk;
mod places;

use std::path::Path;

use self::disk::{Elsewhere, ThisHost};
use self::places::Written;
use super::findings::Findings;
use super::node::Node;
use super::options::{HostPolicy, Options, ServerFiles};
use crate::model::stack::Remark;
use crate::model::{Problem, Stack};
use crate::policy::{Disk, Finding, Host, HostFile, Judged, Level, check};

/// What a stack was read from.
pub struct Asked<'a> {
    /// Its files, put together.
    pub tree: &'a Node,
    /// Files of the server that it names by paths of their own.
    pub files: &'a [HostFile],
    /// Whether its directory on this server is where Compose ran it, and nothing that the operator wrote.
    pub is_taken_over: bool,
}

/// Asks the operator's rules, where there are any, about `stack`.
pub fn judge(stack: &Stack, asked: &Asked<'_>, options: &Options<'_>) -> Judged {
    let Some(HostPolicy { policy, today, socket }) = options.policy else {
        return Judged::default();
    };
    let host = Host {
        env_dir: options.env_dir.to_owned(),
        sockets: socket.map(Path::to_owned).into_iter().collect(),
        owns_working_dir: !asked.is_taken_over || is_of_one_project(&stack.working_dir, options),
    };
    let this_host = ThisHost::default();
    let disk: &dyn Disk = match options.server {
        ServerFiles::Disk => &this_host,
        ServerFiles::Offline { .. } | ServerFiles::Held(_) => &Elsewhere,
    };
    let places = Written::new(asked.tree);
    check(stack, asked.files, policy, today, &host, &places, disk)
}

/// Makes a problem or a remark of what was found.
pub fn tell(finding: Finding, findings: &Findings) {
    let Finding { rule, level, service, place, path, what, why, value: _, allow, over } = finding;
    match level {
        Level::Allow => {}
        Level::Warn => {
            let text = format!("{what}; `{}`: {why}", rule.word());
            findings.remark(Remark { place, service, text });
        }
        Level::Deny => {
            let message = format!("{what}, which this host does not allow");
            let mut problem = Problem::new(rule.code(), message).path(path);
            problem.place = place;
            let hint =
                format!("if it is meant, add to `policy.exceptions` of the server: `{allow}`");
            problem.notes.push(why.to_owned());
            problem.notes.extend(over.map(|day| format!("the exception for it held until {day}")));
            findings.problem(problem.hint(hint));
        }
    }
}

/// Whether Compose can have been run there for one project alone: a home, or a directory of the root, holds more.
fn is_of_one_project(directory: &Path, options: &Options<'_>) -> bool {
    let parts = directory.components().count();
    let is_home = options.home == Some(directory) || directory.parent() == Some(Path::new("/home"));
    parts > 2 && !is_home
}
