//! The labels of a container, and what they say about whose it is.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use super::{ServiceId, ServiceName, SourceName, SpecHash, StackName, labels};

/// All labels of a container. What identifies it is read once: a plan asks for it again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerLabels(Arc<Read>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    all: BTreeMap<String, String>,
    identity: Identity,
}

/// What the labels say about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) stack: Option<StackName>,
    pub(super) service: Option<ServiceId>,
    pub(super) source: Option<SourceName>,
    pub(super) spec: Option<SpecHash>,
    pub(super) number: Option<u32>,
}

impl ContainerLabels {
    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }
}

impl Identity {
    fn read(all: &BTreeMap<String, String>) -> Self {
        let label = |name: &str| all.get(name).map(String::as_str);
        let stack = label(labels::COMPOSE_PROJECT).map(StackName::new);
        let service = label(labels::COMPOSE_SERVICE).map(ServiceName::new);
        Self {
            service: stack
                .clone()
                .zip(service)
                .map(|(stack, service)| ServiceId { stack, service }),
            stack,
            source: label(labels::SOURCE).map(SourceName::new),
            spec: label(labels::SPEC).map(SpecHash::new),
            number: label(labels::COMPOSE_NUMBER).and_then(|number| number.parse().ok()),
        }
    }
}

impl From<BTreeMap<String, String>> for ContainerLabels {
    fn from(all: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Read { identity: Identity::read(&all), all }))
    }
}

impl FromIterator<(String, String)> for ContainerLabels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        labels.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl Deref for ContainerLabels {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_a_project_without_service_is_of_no_service() {
        let labels = |names: &[(&str, &str)]| -> ContainerLabels {
            names.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let lone = labels(&[(labels::COMPOSE_PROJECT, "shop"), (labels::COMPOSE_NUMBER, "two")]);
        assert_eq!(lone.identity().stack, Some(StackName::new("shop")));
        assert_eq!((&lone.identity().service, lone.identity().number), (&None, None));
        let whole = labels(&[(labels::COMPOSE_PROJECT, "shop"), (labels::COMPOSE_SERVICE, "api")]);
        assert_eq!(whole.identity().service.as_ref().unwrap().to_string(), "shop/api");
    }
}
