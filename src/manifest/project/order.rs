//! The order of services: behind everything they depend on, and otherwise as they are written.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::model::ServiceName;

/// Who depends on whom.
pub type Edges = IndexMap<ServiceName, Vec<ServiceName>>;

/// The services of `edges`, dependencies first.
///
/// # Errors
/// A circle, its first service repeated at its end. A name that is no service is passed over.
pub fn dependencies_first(edges: &Edges) -> Result<Vec<ServiceName>, Vec<ServiceName>> {
    let mut sorted = Vec::with_capacity(edges.len());
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        visit(start, edges, &mut done, &mut sorted)?;
    }
    Ok(sorted)
}

/// Takes the last dependency of `circle` out, so that others can be found.
pub fn open(edges: &mut Edges, circle: &[ServiceName]) {
    if let [.., from, to] = circle
        && let Some(wanted) = edges.get_mut(from)
    {
        wanted.retain(|name| name != to);
    }
}

/// Walks with a stack of its own: a chain may be longer than the thread's stack would bear.
fn visit(
    start: &ServiceName,
    edges: &Edges,
    done: &mut BTreeSet<ServiceName>,
    sorted: &mut Vec<ServiceName>,
) -> Result<(), Vec<ServiceName>> {
    if done.contains(start) {
        return Ok(());
    }
    let mut trail: Vec<(&ServiceName, usize)> = vec![(start, 0)];
    while let Some((name, next)) = trail.last_mut() {
        let wanted = edges.get(*name).and_then(|wanted| wanted.get(*next));
        *next += 1;
        let Some(wanted) = wanted else {
            done.insert((*name).clone());
            sorted.push((*name).clone());
            trail.pop();
            continue;
        };
        if let Some(from) = trail.iter().position(|(name, _)| *name == wanted) {
            let circle = trail[from..].iter().map(|(name, _)| (*name).clone());
            return Err(circle.chain([wanted.clone()]).collect());
        }
        if let Some((wanted, _)) = edges.get_key_value(wanted)
            && !done.contains(wanted)
        {
            trail.push((wanted, 0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&str, &[&str])], expected: Result<&str, &str>) {
        let edges: Edges = edges
            .iter()
            .map(|(name, wanted)| {
                (ServiceName::new(*name), wanted.iter().map(|w| ServiceName::new(*w)).collect())
            })
            .collect();
        let joined = |names: Vec<ServiceName>| {
            names.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" ")
        };
        let found = dependencies_first(&edges).map(joined).map_err(joined);
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_service_stands_behind_what_it_depends_on() {
        check(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[]), ("d", &[])], Ok("c b a d"));
    }

    #[test]
    fn a_circle_is_told_in_full() {
        check(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])], Err("a b c a"));
        check(&[("a", &["a"])], Err("a a"));
    }

    #[test]
    fn an_opened_circle_shows_the_next_one() {
        let name = ServiceName::new;
        let mut edges: Edges = [("a", "b"), ("b", "a"), ("c", "c")]
            .map(|(from, to)| (name(from), vec![name(to)]))
            .into();
        let mut found = Vec::new();
        while let Err(circle) = dependencies_first(&edges) {
            open(&mut edges, &circle);
            found.push(circle.len());
        }
        assert_eq!(found, [3, 2]);
    }

    #[test]
    fn a_long_chain_is_walked_without_the_threads_stack() {
        let names: Vec<ServiceName> =
            (0..2000).map(|number| ServiceName::new(format!("s{number}"))).collect();
        let next = |index: usize| names.get(index + 1).cloned().into_iter().collect();
        let edges: Edges =
            names.iter().enumerate().map(|(index, name)| (name.clone(), next(index))).collect();
        let sorted = dependencies_first(&edges).unwrap();
        assert!(sorted.iter().eq(names.iter().rev()));
    }
}
