//! What a commit builds on, as far as a mirror has it.

use std::collections::{BTreeSet, VecDeque};

use git2::{Oid, Repository};

use crate::source::ancestry;

/// How a commit stands to an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// It builds on it; these are the commits since, itself among them.
    Since(Vec<Oid>),
    /// It does not. What of its past the earlier one has not either.
    Apart(Vec<Oid>),
    /// That cannot be told: commits are missing in the mirror.
    Unknown,
    /// There are more commits in between than are looked at.
    Endless,
}

/// How much has to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whether it builds on the earlier one.
    Descent,
    /// All commits since.
    All,
}

/// The most commits that are looked at on either side.
const MOST: usize = 20_000;

/// Looks at what `commit` builds on, back to `before` and all that this one builds on.
pub fn look(repository: &Repository, commit: Oid, before: Oid, wanted: Wanted) -> Past {
    let known = match wanted {
        Wanted::Descent => BTreeSet::new(),
        Wanted::All => reachable(repository, before),
    };
    let (mut since, mut seen) = (Vec::new(), BTreeSet::new());
    // Nearest first: an old branch that was merged must not be followed to its end before the earlier one is met.
    let mut open = VecDeque::from([commit]);
    let (mut meets, mut lacks) = (false, false);
    while let Some(id) = open.pop_front() {
        if id == before {
            meets = true;
            if wanted == Wanted::Descent {
                break;
            }
        }
        if id == before || known.contains(&id) || !seen.insert(id) {
            continue;
        }
        match ancestry::parents_of(repository, id) {
            Some(parents) => {
                since.push(id);
                open.extend(parents);
            }
            None => lacks = true,
        }
        if since.len() > MOST {
            return Past::Endless;
        }
    }
    match (meets, lacks) {
        (true, _) if wanted == Wanted::Descent => Past::Since(since),
        (_, true) => Past::Unknown,
        (true, false) => Past::Since(since),
        (false, false) => Past::Apart(since),
    }
}

/// `commit` and what it builds on, as far as that is here.
fn reachable(repository: &Repository, commit: Oid) -> BTreeSet<Oid> {
    let (mut found, mut open) = (BTreeSet::new(), vec![commit]);
    while let Some(id) = open.pop() {
        if found.len() > MOST {
            break;
        }
        if found.insert(id) {
            open.extend(ancestry::parents_of(repository, id).unwrap_or_default());
        }
    }
    found
}
