//! The variables of one stack: the server's files, then git's `.env`, then what is built in.
//!
//! The process environment is not among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dotenv;
use super::interpolate::{Lookup, Variable};
use super::options::Options;
use super::sealed::{self, Content};
use super::server::{Server, ServerFile};
use crate::model::stack::Remark;
use crate::model::tree::Revision;
use crate::model::{Hidden, HostName, Masks, Place, Problem, StackName};

/// What `docker compose` reads from `.env` about itself, and where the same is said here.
const UNHEARD: [(&str, &str); 2] = [
    ("COMPOSE_PROFILES", "the server's configuration names profiles, in `stacks.<name>.profiles`"),
    ("COMPOSE_FILE", "a stack is made of the files in its directory, and of what they include"),
];

/// Where a stack's values come from; the first layer that has a name wins.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    layers: Vec<Arc<Layer>>,
    /// Remarks on files: others can get at it, nobody here can open it.
    said: Vec<String>,
}

#[derive(Clone, Debug)]
struct Layer {
    file: String,
    kind: Kind,
    values: BTreeMap<String, Value>,
}

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file of the server.
    Server,
    /// A file in git that is encrypted.
    Sealed,
    /// A file in git for all to read.
    Git,
    /// What evenkeel defines.
    BuiltIn,
}

#[derive(Clone, Debug)]
struct Value {
    variable: Variable,
    line: u32,
}

impl Lookup for Variables {
    fn get(&self, name: &str) -> Option<Variable> {
        let value = self.layers.iter().find_map(|layer| layer.values.get(name))?;
        Some(value.variable.clone())
    }
}

/// Where a variable is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<'a> {
    /// In a file of the server.
    Server {
        /// The file.
        file: &'a str,
        /// The line, from 1.
        line: u32,
    },
    /// In a file in git that is encrypted.
    Sealed {
        /// The file.
        file: &'a str,
        /// The line of what it holds, from 1.
        line: u32,
    },
    /// In a file in git.
    Git {
        /// The file.
        file: &'a str,
        /// The line, from 1.
        line: u32,
        /// Whether a value of the server's is part of it.
        with_server: bool,
    },
    /// By evenkeel.
    BuiltIn,
}

/// Nothing is set.
pub struct NoVariables;

impl Lookup for NoVariables {
    fn get(&self, _name: &str) -> Option<Variable> {
        None
    }
}

impl Variables {
    /// Adds the stack's server file and the one that all stacks share.
    pub fn add_server(&mut self, server: &Server, problems: &mut Vec<Problem>) {
        for file in [server.stack_env(), server.common_env()] {
            match file {
                Ok(Some(file)) => self.add_server_file(&file, problems),
                Ok(None) => {}
                Err(problem) => problems.push(*problem),
            }
        }
    }

    /// Adds a file of the server.
    pub fn add_server_file(&mut self, file: &ServerFile, problems: &mut Vec<Problem>) {
        let name = file.path.display().to_string();
        self.said.extend(file.exposure());
        match dotenv::parse(&name, &file.bytes, &NoVariables) {
            Ok(entries) => {
                let set = entries.into_iter().filter_map(|(key, value)| Some((key, value?, true)));
                self.add(name, Kind::Server, &file.bytes, set);
            }
            Err(mut why) => problems.append(&mut why),
        }
    }

    /// Adds an env file that lies in git, encrypted or not, `bytes` being what git has of it.
    pub fn add_repository_file(
        &mut self,
        file: &str,
        bytes: Vec<u8>,
        options: &Options<'_>,
        problems: &mut Vec<Problem>,
    ) {
        match sealed::content(file, bytes, true, options) {
            Ok(Content::Plain(bytes)) => self.add_git(file, &bytes, problems),
            Ok(Content::Closed(remark)) => self.said.push(remark),
            Ok(Content::Opened { bytes, is_json }) => {
                let entries = match is_json {
                    true => dotenv::parse_json(file, &bytes),
                    false => dotenv::parse(file, &bytes, self),
                };
                match entries {
                    Ok(entries) => {
                        let set =
                            entries.into_iter().filter_map(|(key, it)| Some((key, it?, true)));
                        self.add(file.to_owned(), Kind::Sealed, &bytes, set);
                    }
                    Err(mut why) => problems.append(&mut why),
                }
            }
            Err(problem) => problems.push(problem.at(Place::file(file))),
        }
    }

    /// Adds the `.env` that lies in git; `$X` in it may stand for a value of the server's.
    pub fn add_git(&mut self, file: &str, bytes: &[u8], problems: &mut Vec<Problem>) {
        let entries = match dotenv::parse(file, bytes, self) {
            Ok(entries) => entries,
            Err(mut why) => return problems.append(&mut why),
        };
        // What reads the same without the server holds nothing of the server's.
        let alone: BTreeMap<_, _> =
            dotenv::parse(file, bytes, &NoVariables).unwrap_or_default().into_iter().collect();
        let set = entries.into_iter().filter_map(|(key, value)| {
            let value = value?;
            let from_server = alone.get(&key) != Some(&Some(value.clone()));
            Some((key, value, from_server))
        });
        self.add(file.to_owned(), Kind::Git, bytes, set);
    }

    /// Adds the names that evenkeel defines; they override nothing.
    pub fn add_built_in(&mut self, stack: Option<&StackName>, host: &HostName, at: &Revision) {
        let stack = stack.into_iter().flat_map(|stack| {
            // The second is Compose's own name for it.
            ["EVENKEEL_STACK", "COMPOSE_PROJECT_NAME"].map(|name| (name, stack.as_str()))
        });
        let values = [
            ("EVENKEEL_HOST", host.as_str()),
            ("EVENKEEL_COMMIT", at.commit.as_str()),
            ("EVENKEEL_COMMIT_SHORT", at.commit.short()),
        ];
        let values = values.into_iter().chain(stack);
        let set = values.map(|(key, value)| (key.to_owned(), Hidden::new(value), false));
        self.add(String::new(), Kind::BuiltIn, b"", set);
    }

    fn add(
        &mut self,
        file: String,
        kind: Kind,
        text: &[u8],
        entries: impl Iterator<Item = (String, Hidden, bool)>,
    ) {
        let text = String::from_utf8_lossy(text);
        let values = entries.map(|(key, value, from_server)| {
            let line = line_of(&text, &key);
            (key, Value { variable: Variable { value, from_server }, line })
        });
        self.layers.push(Arc::new(Layer { file, kind, values: values.collect() }));
    }

    /// Where `name` is set, in the layer that counts.
    pub fn setting(&self, name: &str) -> Option<Setting<'_>> {
        let layer = self.layers.iter().find(|layer| layer.values.contains_key(name))?;
        let value = layer.values.get(name)?;
        let (file, line) = (layer.file.as_str(), value.line);
        Some(match layer.kind {
            Kind::Server => Setting::Server { file, line },
            Kind::Sealed => Setting::Sealed { file, line },
            Kind::Git => Setting::Git { file, line, with_server: value.variable.from_server },
            Kind::BuiltIn => Setting::BuiltIn,
        })
    }

    /// Every value of the server's, to be masked.
    pub fn masks(&self) -> Masks {
        let mut masks = Masks::default();
        let values = self.layers.iter().flat_map(|layer| layer.values.values());
        for value in values.filter(|value| value.variable.from_server) {
            masks.add(value.variable.value.reveal());
        }
        masks
    }

    /// What is worth saying: files that others can get at, and names that are set twice.
    pub fn remarks(&self) -> Vec<Remark> {
        let said = self.said.iter();
        let said = said.map(|text| Remark { place: None, service: None, text: text.clone() });
        said.chain(self.unheard()).chain(self.overlaps()).collect()
    }

    /// Settings of `docker compose` that have no effect here, and what has.
    fn unheard(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for layer in &self.layers {
            for (name, instead) in UNHEARD {
                let Some(value) = layer.values.get(name) else { continue };
                let (file, line) = (&layer.file, value.line);
                let text = format!("`{name}` ({file}:{line}) has no effect here; {instead}");
                remarks.push(Remark { place: None, service: None, text });
            }
        }
        remarks
    }

    /// Names that are set both on the server and in git, with both lines.
    fn overlaps(&self) -> Vec<Remark> {
        let of_kind = |kinds: &'static [Kind]| {
            self.layers.iter().filter(move |layer| kinds.contains(&layer.kind))
        };
        let server: Vec<&Arc<Layer>> = of_kind(&[Kind::Server]).collect();
        let git = of_kind(&[Kind::Sealed, Kind::Git]);
        let mut remarks = Vec::new();
        for (lower, (name, value)) in
            git.flat_map(|layer| layer.values.iter().map(move |value| (layer, value)))
        {
            let winner = server.iter().find_map(|layer| Some((layer, layer.values.get(name)?)));
            let Some((upper, wins)) = winner.filter(|_| value.line > 0) else { continue };
            let text = format!(
                "`{name}` is set on the server ({}:{}) and in git ({}:{}); the server's value is used",
                upper.file, wins.line, lower.file, value.line
            );
            let place = Place { file: lower.file.as_str().into(), line: value.line, column: 1 };
            remarks.push(Remark { place: Some(place), service: None, text });
        }
        remarks
    }
}

/// The last line that sets `name`, from 1; 0 where none does.
fn line_of(text: &str, name: &str) -> u32 {
    let sets = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
    };
    let number = text.lines().zip(1u32..).filter(|(line, _)| sets(line)).last();
    number.map_or(0, |(_, number)| number)
}
