//! Where something that a stack came to stands in its files.

use crate::manifest::findings::Findings;
use crate::manifest::node::{Node, Value};
use crate::manifest::read::At;
use crate::manifest::service::{short_port, short_volume};
use crate::model::ServiceName;
use crate::policy::{Places, Spot, Spotted, Variable, clean};

/// The files of a stack, put together.
pub struct Written<'a> {
    tree: &'a Node,
    /// What looking around finds wrong was told when the stack was read.
    unheard: Findings,
}

impl<'a> Written<'a> {
    /// The files of a stack, put together in `tree`.
    pub fn new(tree: &'a Node) -> Self {
        Self { tree, unheard: Findings::default() }
    }

    fn top(&self) -> At<'_> {
        At::root(self.tree, &self.unheard)
    }

    fn service(&self, name: &ServiceName) -> Option<At<'_>> {
        self.top().get("services")?.get(name.as_str())
    }

    fn below_top(&self, section: &str, key: &str, field: &str) -> Option<At<'_>> {
        let entry = self.top().get(section)?.get(key)?;
        Some(walk(&entry, field).unwrap_or(entry))
    }
}

impl Places for Written<'_> {
    fn find(&self, service: Option<&ServiceName>, spot: &Spot) -> Spotted {
        let of_service = || service.and_then(|name| self.service(name));
        let found = match spot {
            Spot::Known(spotted) => return spotted.clone(),
            Spot::Through(spot, other, mount) => {
                let mut spotted = self.find(service, spot);
                let there = self.find(Some(other), &Spot::Mount(mount.clone()));
                spotted.hidden |= there.hidden;
                return spotted;
            }
            Spot::Volume(key, field) => self.below_top("volumes", key, field),
            Spot::Network(key, field) => self.below_top("networks", key, field),
            Spot::Key(keys) => {
                of_service().and_then(|at| keys.iter().find_map(|key| walk(&at, key)))
            }
            Spot::Entry(key, wanted) => of_service().and_then(|at| {
                let list = at.value(key)?;
                Some(named(&list, wanted).unwrap_or(list))
            }),
            Spot::Mount(target) => of_service().and_then(|at| {
                let list = at.value("volumes")?;
                Some(mounted(&list, target).unwrap_or(list))
            }),
            Spot::Port { address, published, target } => of_service().and_then(|at| {
                let list = at.value("ports")?;
                Some(port(&list, address, published, *target).unwrap_or(list))
            }),
        };
        match found.or_else(of_service) {
            Some(at) => spotted(&at),
            None => Spotted { place: Some(self.tree.place.clone()), ..Spotted::default() },
        }
    }

    fn variable(&self, service: &ServiceName, name: &str) -> Variable {
        let Some(at) = self.service(service).and_then(|at| at.value("environment")) else {
            return Variable::Unnamed;
        };
        let (at, has_value) = match &at.node.value {
            Value::Mapping(_) => match at.get(name) {
                Some(at) => (at.clone(), !at.is_null()),
                None => return Variable::Unnamed,
            },
            Value::Null | Value::Scalar(_) => {
                return Variable::Unnamed;
            }
            Value::Sequence(items) => {
                let named = |item: &Node| match &item.value {
                    Value::Scalar(scalar) => scalar.text.split('=').next() == Some(name),
                    Value::Null | Value::Sequence(_) | Value::Mapping(_) => false,
                };
                let Some(at) = items.iter().rposition(named).and_then(|index| at.item(index))
                else {
                    return Variable::Unnamed;
                };
                let has_value = text(&at).is_some_and(|text| text.contains('='));
                (at, has_value)
            }
        };
        match spotted(&at) {
            Spotted { hidden: true, .. } => Variable::Elsewhere,
            spotted if has_value => Variable::Literal(spotted),
            _ => Variable::Elsewhere,
        }
    }
}

fn spotted(at: &At<'_>) -> Spotted {
    let place = if at.is_scalar() { at.place() } else { at.key_place() };
    Spotted { place: Some(place.clone()), path: at.path.clone(), hidden: is_hidden(at.node) }
}

fn is_hidden(node: &Node) -> bool {
    node.sensitive
        || match &node.value {
            Value::Null | Value::Scalar(_) => false,
            Value::Sequence(items) => items.iter().any(is_hidden),
            Value::Mapping(fields) => fields.values().any(|field| is_hidden(&field.node)),
        }
}

/// What is written at `path`, the keys of which have dots between them.
fn walk<'a>(at: &At<'a>, path: &str) -> Option<At<'a>> {
    path.split('.').try_fold(at.clone(), |at, key| at.value(key))
}

fn text<'a>(at: &At<'a>) -> Option<&'a str> {
    match &at.node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// The entry of a list or a mapping that names `wanted` best.
fn named<'a>(list: &At<'a>, wanted: &str) -> Option<At<'a>> {
    let entries: Vec<(usize, At<'a>)> = match &list.node.value {
        Value::Sequence(_) => {
            let items = list.items().into_iter();
            items.map(|at| (best(&at, wanted), at)).collect()
        }
        Value::Mapping(_) => {
            let fields = list.fields().into_iter();
            fields.map(|(key, at)| (fits(key, wanted).max(best(&at, wanted)), at)).collect()
        }
        Value::Null | Value::Scalar(_) => Vec::new(),
    };
    let best = entries.iter().map(|(fit, _)| *fit).max().filter(|fit| *fit > 0)?;
    entries.into_iter().find(|(fit, _)| *fit == best).map(|(_, at)| at)
}

/// How well what is written at `at`, or below it, names `wanted`.
fn best(at: &At<'_>, wanted: &str) -> usize {
    match &at.node.value {
        Value::Null => 0,
        Value::Scalar(scalar) => fits(&scalar.text, wanted),
        Value::Sequence(_) => {
            at.items().iter().map(|at| best(at, wanted)).max().unwrap_or_default()
        }
        Value::Mapping(_) => {
            let of_field = |(key, at): (&str, At<'_>)| {
                let whole = text(&at).map(|text| format!("{key}: {text}"));
                let whole = whole.map_or(0, |whole| fits(&whole, wanted));
                whole.max(best(&at, wanted))
            };
            at.fields().into_iter().map(of_field).max().unwrap_or_default()
        }
    }
}

/// Whether a text is what is wanted (3), has it as one of its parts (2), holds it somewhere (1), or none of it.
fn fits(written: &str, wanted: &str) -> usize {
    let same = |text: &str| text.to_ascii_lowercase().replace(':', "=");
    let (written, wanted) = (same(written.trim()), same(wanted));
    let bare = written.strip_prefix("cap_").unwrap_or(&written);
    match () {
        () if bare == wanted => 3,
        () if written.split(['=', ',', ' ']).any(|part| part == wanted) => 2,
        () if written.contains(&wanted) => 1,
        () => 0,
    }
}

/// The entry of `volumes` that mounts something at `target`; of a long one, its source.
fn mounted<'a>(list: &At<'a>, target: &str) -> Option<At<'a>> {
    let is_it = |path: &str| clean(path.as_ref()) == clean(target.as_ref());
    list.items().into_iter().find_map(|at| match text(&at) {
        Some(short) => short_volume(short).is_ok_and(|it| is_it(&it.target)).then_some(at),
        None => {
            let target = at.value("target")?;
            is_it(text(&target)?).then(|| at.value("source").unwrap_or(at))
        }
    })
}

fn port<'a>(list: &At<'a>, address: &str, published: &str, target: u16) -> Option<At<'a>> {
    list.items().into_iter().find(|at| match text(at) {
        Some(short) => short_port(short).is_ok_and(|ports| {
            ports.iter().any(|port| {
                port.host_ip == address && port.published == published && port.target.port == target
            })
        }),
        None => {
            let is = |key: &str, wanted: &str| {
                at.value(key).is_none_or(|at| text(&at).is_some_and(|text| text == wanted))
            };
            is("host_ip", address)
                && is("target", &target.to_string())
                && is("published", published)
        }
    })
}
