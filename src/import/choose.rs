//! What secrets are called on the server: their own name where it is free, else with the service's before it.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::find::Found;
use crate::model::Hidden;
use crate::model::secrets::names;

/// Names of variables, and what they stand for.
#[derive(Debug)]
pub struct Names {
    /// What is set already.
    set: BTreeMap<String, Hidden>,
    /// Names that the files use: a value for one of them would go elsewhere too.
    used: BTreeSet<String>,
    /// What is to be set.
    pub moved: IndexMap<String, Hidden>,
}

impl Names {
    /// Nothing moved yet.
    pub fn new(set: BTreeMap<String, Hidden>, used: BTreeSet<String>) -> Self {
        Self { set, used, moved: IndexMap::new() }
    }

    /// The name of each of `secrets`, in their order.
    pub fn choose(&mut self, secrets: &[Found<'_>]) -> Vec<String> {
        let clashes = clashes(secrets);
        let mut chosen = vec![String::new(); secrets.len()];
        // A password within an address is often that of a variable: the variable gives it its name.
        for whole in [true, false] {
            let these = secrets.iter().zip(&mut chosen).filter(|(found, _)| found.whole == whole);
            for (found, name) in these {
                *name = self.one(found, clashes.contains(found.wish.as_str()));
            }
        }
        chosen
    }

    fn one(&mut self, found: &Found<'_>, clashes: bool) -> String {
        if !found.whole
            && let Some(name) = self.known(&found.value)
        {
            return name;
        }
        let service = found.service.as_deref().map(names::variable);
        let longer = match &service {
            Some(service) if !found.wish.starts_with(service.as_str()) => {
                format!("{service}_{}", found.wish)
            }
            Some(_) | None => found.wish.clone(),
        };
        let own = (!clashes).then(|| found.wish.clone());
        let numbered = (2_u32..).map(|number| format!("{longer}_{number}"));
        let mut names = own.into_iter().chain([longer.clone()]).chain(numbered);
        let name = names.find(|name| self.fits(name, &found.value)).unwrap_or(longer);
        if !self.set.contains_key(&name) {
            self.moved.insert(name.clone(), found.value.clone());
        }
        name
    }

    /// The secret that is known to have this value.
    fn known(&self, value: &Hidden) -> Option<String> {
        let moved = self.moved.iter().find(|(_, known)| *known == value);
        let set =
            || self.set.iter().find(|(name, known)| *known == value && names::is_secret(name));
        moved.or_else(set).map(|(name, _)| name.clone())
    }

    fn fits(&self, name: &str, value: &Hidden) -> bool {
        match self.moved.get(name).or_else(|| self.set.get(name)) {
            Some(known) => known == value,
            None => !self.used.contains(name) && names::is_variable(name),
        }
    }
}

/// Names that would mean several values.
fn clashes<'a>(secrets: &'a [Found<'_>]) -> BTreeSet<&'a str> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in secrets.iter().filter(|found| found.whole) {
        values.entry(&found.wish).or_default().insert(found.value.reveal());
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name).collect()
}
