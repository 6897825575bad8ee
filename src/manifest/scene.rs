//! What the readers of one stack look around in, and what they leave behind for its record.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::interpolate::{Lookup as _, Variable};
use super::node::Node;
use super::options::Options;
use super::project::files::TopFile;
use super::read::At;
use super::server::Server;
use super::variables::{Setting, Variables};
use crate::model::stack::{Network, Remark, StackRecord, Volume};
use crate::model::tree::Revision;
use crate::model::{Masks, ServiceName, StackName};
use crate::policy::{HostFile, Spotted};

/// The surroundings of one stack.
pub struct Scene<'a> {
    /// The host's side.
    pub options: &'a Options<'a>,
    /// The revision it is read from.
    pub revision: &'a Revision,
    /// The stack.
    pub stack: &'a StackName,
    /// Its directory in the repository.
    pub directory: &'a str,
    /// Where untracked relative paths live on this server.
    pub working_dir: PathBuf,
    /// Whether that is where Compose ran the project, and nothing that the operator wrote.
    pub is_taken_over: bool,
    /// The server's files.
    pub server: &'a Server,
    /// What `${…}` and bare names stand for.
    pub variables: Variables,
    /// Variables of included files.
    pub included: Vec<Arc<Variables>>,
    /// Profiles that are active.
    pub profiles: Vec<String>,
    /// Declared networks, by key; `default` is always among them.
    pub networks: IndexMap<String, Network>,
    /// Declared volumes, by key.
    pub volumes: IndexMap<String, Volume>,
    /// Declared secrets, by key.
    pub secrets: IndexMap<String, TopFile>,
    /// Declared configs, by key.
    pub configs: IndexMap<String, TopFile>,
    /// What was read on the way.
    pub traces: RefCell<Traces>,
}

/// What reading a stack leaves behind.
#[derive(Debug, Default)]
pub struct Traces {
    /// Files of the repository, as a generation keeps them.
    pub record: StackRecord,
    /// Values of the server.
    pub masks: Masks,
    /// Whether anything lies in the stack's directory on the server.
    pub uses_working_dir: bool,
    /// The env files of the server that each service reads, and the names it takes from each.
    pub server_files: BTreeMap<ServiceName, BTreeMap<String, BTreeSet<String>>>,
    /// Files of the server that are named by absolute paths, for the operator's rules.
    pub host_files: Vec<HostFile>,
}

impl Scene<'_> {
    /// Keeps a file of the repository that was read.
    pub fn keep(&self, path: &str, bytes: &[u8]) {
        self.traces.borrow_mut().record.manifest.insert(path.to_owned(), bytes.to_vec());
    }

    /// Keeps the path of what `service` mounts of the repository.
    pub fn keep_mounted(&self, service: &ServiceName, path: &str) {
        let mut traces = self.traces.borrow_mut();
        traces.record.mounted.entry(service.clone()).or_default().insert(path.to_owned());
    }

    /// Notes that a path lies in the stack's directory on the server.
    pub fn uses_working_dir(&self) {
        self.traces.borrow_mut().uses_working_dir = true;
    }

    /// Where paths lie that neither git nor the operator's configuration tells.
    pub fn remark_on_place(&self) -> Option<Remark> {
        let is_worth_it = self.is_taken_over && self.traces.borrow().uses_working_dir;
        is_worth_it.then(|| {
            let (directory, stack) = (self.working_dir.display(), self.stack);
            let text = format!(
                "paths that git does not track are in `{directory}`, where Compose ran this project; \
                 `stacks.{stack}.dir` in the configuration names another place"
            );
            Remark { place: None, service: None, text }
        })
    }

    /// Notes that `service` takes `names` from an env file of the server.
    pub fn note_server_file<'n>(
        &self,
        service: &ServiceName,
        file: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) {
        let mut traces = self.traces.borrow_mut();
        let files = traces.server_files.entry(service.clone()).or_default();
        files.entry(file.to_owned()).or_default().extend(names.into_iter().map(str::to_owned));
    }

    /// Notes that the file of the server at the absolute `path` is named at `at`.
    pub fn note_host_file(&self, path: PathBuf, at: &At<'_>) {
        let service = at.service();
        let hidden = at.node.sensitive;
        let at = Spotted { place: Some(at.place().clone()), path: at.path.clone(), hidden };
        self.traces.borrow_mut().host_files.push(HostFile { path, at, service });
    }

    /// Notes that `service` takes what `name` stands for in `node`, where that is a value of the server's.
    pub fn note_name(&self, service: &ServiceName, name: &str, node: &Node) {
        let own = node.origin.as_ref().and_then(|origin| origin.variables.as_deref());
        let setting = own.unwrap_or(&self.variables).setting(name);
        if let Some(Setting::Server { file, .. } | Setting::Sealed { file, .. }) = setting {
            self.note_server_file(service, file, [name]);
        }
    }

    /// Adds a value of the server, to be masked.
    pub fn mask(&self, value: &str) {
        self.traces.borrow_mut().masks.add(value);
    }

    /// Every value of the server that was read.
    pub fn masks(&self) -> Masks {
        let mut masks = self.variables.masks();
        self.included.iter().for_each(|variables| masks.extend(&variables.masks()));
        masks.extend(&self.traces.borrow().masks);
        masks
    }

    /// What is worth saying about the files that variables come from.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = self.variables.remarks();
        for remark in self.included.iter().flat_map(|variables| variables.remarks()) {
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        remarks
    }

    /// The directory in the repository that a relative path in `node` starts from.
    pub fn directory_of<'n>(&'n self, node: &'n Node) -> &'n str {
        node.origin.as_ref().map_or(self.directory, |origin| &origin.directory)
    }

    /// What a name in `node` stands for.
    pub fn variable(&self, name: &str, node: &Node) -> Option<Variable> {
        let own = node.origin.as_ref().and_then(|origin| origin.variables.as_deref());
        own.unwrap_or(&self.variables).get(name)
    }
}
