//! Where the files of stacks lie that Compose ran before (interface: 3, "data first").
//!
//! The containers of Compose say it. It is remembered, because evenkeel's own take their place; what is written
//! on those is not asked, for labels are identity and no memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::Config;
use crate::model::{ObservedState, StackName};

/// Directories on this server, by stack.
pub type Places = BTreeMap<StackName, PathBuf>;

/// The directories of stacks for which the operator names none: as `remembered`, else as Compose's containers
/// say. `observed` is a look that asked for no stack, so that Compose's containers are foreign in it.
pub fn places(remembered: Places, observed: &ObservedState, config: &Config) -> Places {
    let mut places = at_compose(observed);
    places.extend(remembered);
    let is_named =
        |stack: &StackName| config.stacks.get(stack).is_some_and(|settings| settings.dir.is_some());
    places.retain(|stack, _| !is_named(stack));
    places
}

/// Where Compose ran projects of which evenkeel has made no container yet. Of one that was run in several
/// directories, nobody knows which has the data: the planner then holds what would see other data.
fn at_compose(observed: &ObservedState) -> Places {
    let services = observed.containers.iter().filter_map(|container| container.service());
    let ours: BTreeSet<&StackName> = services.map(|service| &service.stack).collect();
    let mut found: BTreeMap<&StackName, BTreeSet<&PathBuf>> = BTreeMap::new();
    for container in &observed.foreign {
        let Some(project) = container.project.as_ref().filter(|name| !ours.contains(name)) else {
            continue;
        };
        found.entry(project).or_default().extend(&container.working_dir);
    }
    let only = |directories: BTreeSet<&PathBuf>| match directories.len() {
        1 => directories.into_iter().next().cloned(),
        _ => None,
    };
    found
        .into_iter()
        .filter_map(|(project, directories)| Some((project.clone(), only(directories)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ambient;
    use crate::model::observed::ForeignContainer;

    fn container(project: &str, directory: &str) -> ForeignContainer {
        ForeignContainer {
            project: Some(StackName::new(project)),
            working_dir: (!directory.is_empty()).then(|| directory.into()),
            ..ForeignContainer::default()
        }
    }

    fn observed(foreign: Vec<ForeignContainer>) -> ObservedState {
        ObservedState { foreign, ..ObservedState::default() }
    }

    fn config(stacks: &str) -> Config {
        let text = format!("sources: [{{repo: /srv/infra}}]\nstacks: {stacks}\n");
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        Config::parse("config.yaml", &text, &ambient).unwrap()
    }

    fn place(stack: &str, directory: &str) -> (StackName, PathBuf) {
        (StackName::new(stack), directory.into())
    }

    #[test]
    fn a_project_lies_where_all_its_containers_say() {
        let seen = observed(vec![
            container("shop", "/opt/shop"),
            container("shop", "/opt/shop"),
            container("shop", ""),
            container("blog", "/opt/blog"),
            container("blog", "/home/me/blog"),
            container("lone", ""),
        ]);
        let found = places(Places::new(), &seen, &config("{}"));
        assert_eq!(found, Places::from([place("shop", "/opt/shop")]));
    }

    #[test]
    fn what_is_remembered_goes_before_what_compose_says() {
        let seen = observed(vec![container("shop", "/opt/elsewhere")]);
        let remembered = Places::from([place("shop", "/opt/shop"), place("gone", "/opt/gone")]);
        assert_eq!(places(remembered.clone(), &seen, &config("{}")), remembered);
    }

    #[test]
    fn what_the_operator_names_goes_before_all() {
        let seen = observed(vec![container("shop", "/opt/elsewhere"), container("blog", "/b")]);
        let remembered = Places::from([place("shop", "/opt/shop")]);
        let config = config("{shop: {dir: /srv/shop}, blog: {dir: /srv/blog}}");
        assert_eq!(places(remembered, &seen, &config), Places::new());
    }
}
