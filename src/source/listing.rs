//! The refs that a server lists, and which of them is followed.

use std::panic::{self, AssertUnwindSafe};

use git2::Oid;

use super::{Reference, SourceError};

/// A ref that a server has, with the commit it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its full name; a peeled tag's ends in `^{}`.
    pub name: String,
    /// What it points to.
    pub id: Oid,
}

/// What to ask a server for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A ref's name or a commit's id.
    pub source: String,
    /// The object that is asked for: a commit, or the tag that leads to one.
    pub object: Oid,
    /// The commit, where the listing tells it.
    pub commit: Oid,
}

/// Asks a connected remote for its refs.
pub fn list(remote: &mut git2::Remote<'_>) -> Result<Vec<Head>, git2::Error> {
    Ok(remote.list()?.iter().filter_map(head).collect())
}

/// A ref, unless its name is not UTF-8: nothing here can name such a one, and git2 panics on it.
fn head(head: &git2::RemoteHead<'_>) -> Option<Head> {
    let name = panic::catch_unwind(AssertUnwindSafe(|| head.name().to_owned())).ok()?;
    Some(Head { name, id: head.oid() })
}

/// What a listing does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// A single ref.
    Everything,
    /// The name that was looked for.
    Name {
        /// The one most like it.
        near: Option<String>,
        /// The first of those there are, sorted.
        known: Vec<String>,
    },
}

/// Finds what is followed among the refs of a server.
pub fn choose(heads: &[Head], reference: &Reference) -> Result<Wanted, Absent> {
    // An empty repository lists nothing, or a placeholder that carries the server's abilities.
    if !heads.iter().any(|head| head.name == "HEAD" || head.name.starts_with("refs/")) {
        return Err(Absent::Everything);
    }
    match reference {
        Reference::DefaultBranch => {
            named(heads, "HEAD").ok_or_else(|| near(heads, "refs/heads/", ""))
        }
        Reference::Branch(name) => named(heads, &format!("refs/heads/{name}"))
            .ok_or_else(|| near(heads, "refs/heads/", name)),
        Reference::Tag(name) => named(heads, &format!("refs/tags/{name}"))
            .ok_or_else(|| near(heads, "refs/tags/", name)),
        Reference::Commit(id) => {
            let object = Oid::from_str(id).unwrap_or(Oid::ZERO_SHA1);
            let tip = heads.iter().find(|head| head.id == object && !head.name.ends_with("^{}"));
            let source = tip.map_or_else(|| id.clone(), |head| head.name.clone());
            Ok(Wanted { source, object, commit: object })
        }
    }
}

fn named(heads: &[Head], name: &str) -> Option<Wanted> {
    let id = |name: &str| heads.iter().find(|head| head.name == name).map(|head| head.id);
    let object = id(name)?;
    let commit = id(&format!("{name}^{{}}")).unwrap_or(object);
    Some(Wanted { source: name.to_owned(), object, commit })
}

fn near(heads: &[Head], namespace: &str, wanted: &str) -> Absent {
    let names = heads.iter().filter_map(|head| head.name.strip_prefix(namespace));
    let mut known: Vec<String> =
        names.filter(|name| !name.ends_with("^{}")).map(str::to_owned).collect();
    known.sort();
    let likeness = |name: &String| strsim::jaro_winkler(name, wanted);
    let most_alike = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let near = most_alike.filter(|name| likeness(name) > 0.8).cloned();
    known.truncate(SourceError::NAMES_SHOWN);
    Absent::Name { near, known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn check(names: &[(&str, char)], reference: Reference) -> Result<Wanted, Absent> {
        let head = |(name, digit): &(&str, char)| Head { name: (*name).into(), id: id(*digit) };
        choose(&names.iter().map(head).collect::<Vec<_>>(), &reference)
    }

    #[test]
    fn an_annotated_tag_leads_to_its_commit() {
        let refs = [("refs/tags/v1", 'a'), ("refs/tags/v1^{}", 'b')];
        let wanted = check(&refs, Reference::Tag("v1".into())).unwrap();
        assert_eq!((wanted.object, wanted.commit), (id('a'), id('b')));
    }

    #[test]
    fn a_commit_at_the_tip_of_a_branch_is_asked_for_by_the_branch() {
        let refs = [("refs/heads/main", 'a')];
        let at = |digit: char| check(&refs, Reference::Commit(id(digit).to_string())).unwrap();
        assert_eq!(at('a').source, "refs/heads/main");
        assert_eq!(at('b').source, id('b').to_string());
    }

    #[test]
    fn a_missing_branch_names_the_one_that_is_like_it() {
        let refs = [("HEAD", 'a'), ("refs/heads/main", 'a'), ("refs/heads/dev", 'b')];
        let absent = check(&refs, Reference::Branch("mian".into())).unwrap_err();
        let known = vec!["dev".to_owned(), "main".to_owned()];
        assert_eq!(absent, Absent::Name { near: Some("main".into()), known });
    }

    #[test]
    fn a_repository_without_refs_is_empty() {
        let nothing = check(&[("capabilities^{}", '0')], Reference::DefaultBranch);
        assert_eq!(nothing, Err(Absent::Everything));
    }
}
