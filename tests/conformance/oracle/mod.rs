//! Real files: each is read whole, and its canonical form is the one that Compose prints.

mod case;
pub mod compare;
mod host;
mod supplied;

use case::{Case, corpus, merged};

/// Checks every case, and says how many are right.
fn check(set: &str, cases: &[Case], judge: impl Fn(&Case) -> Result<(), String>) {
    let judged = cases.iter().filter_map(|case| Some((case, judge(case).err()?)));
    let wrong: Vec<String> = judged.map(|(case, how)| format!("  {}\n{how}", case.name)).collect();
    let all = cases.len();
    println!("{set}: {}/{all}", all - wrong.len());
    assert!(wrong.is_empty(), "{set}: {} of {all} are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 0, "{set} has no files");
}

/// Whether the canonical form of a case is the one that Compose prints.
fn compare(case: &Case) -> Result<(), String> {
    let found = host::canonical(case).map_err(|problems| host::told(&problems))?;
    compare::compare(&case.expected, &found)
}

#[test]
fn the_canonical_form_of_a_real_file_is_the_one_compose_prints() {
    check("corpus, canonical form", &corpus(), compare);
}

#[test]
fn files_that_are_merged_come_to_what_compose_makes_of_them() {
    check("multi, canonical form", &merged(), compare);
}

/// What evenkeel would honour and Compose passes over, so that the file cannot mean what it says; which file it is
/// in, and why that is right.
const EXCUSED: [(&str, &str, &str); 1] = [(
    "Haxxnet__Compose-Examples__examples__firezone__docker-compose.yml",
    "cannot-start-first",
    "`order: start-first` beside a fixed port of the host",
)];

/// A file that Compose accepts is deployed, unless it asks for what cannot be.
#[test]
fn a_file_that_compose_accepts_and_that_builds_nothing_is_accepted() {
    let cases: Vec<Case> = corpus().into_iter().filter(|case| case.has_images_only).collect();
    check("corpus, accepted", &cases, |case| {
        let problems = host::loaded(case).err().unwrap_or_default();
        let excuse = EXCUSED.iter().find(|(name, ..)| *name == case.name);
        let excused = |code: &str| excuse.is_some_and(|(_, excused, _)| *excused == code);
        if let Some((_, code, why)) = excuse {
            assert!(!problems.is_empty(), "{} needs no excuse", case.name);
            println!("  refused, {code}: {why}");
        }
        match problems.iter().all(|problem| excused(problem.code)) {
            true => Ok(()),
            false => Err(host::told(&problems)),
        }
    });
}

/// Those of which no excuse is taken: read whole, with the result that Compose prints.
#[test]
fn the_files_that_must_be_accepted_come_to_what_compose_prints() {
    let listed = case::must_accept();
    let cases: Vec<Case> =
        corpus().into_iter().filter(|case| listed.contains(&case.name)).collect();
    assert_eq!(cases.len(), listed.len(), "files of the list that are not in the corpus");
    check("must_accept, canonical form", &cases, compare);
}
