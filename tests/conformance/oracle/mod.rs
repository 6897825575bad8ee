//! Real files: each is read whole, and its canonical form is the one that Compose prints.

mod case;
mod compare;
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

/// A key that is not supported yet is told as such; nothing else is wrong with a file that Compose accepts.
#[test]
fn a_file_that_compose_accepts_is_refused_for_its_keys_only() {
    let cases: Vec<Case> = corpus().into_iter().filter(|case| case.has_images_only).collect();
    check("corpus, accepted but for keys", &cases, |case| match host::loaded(case) {
        Err(mut problems) => {
            problems.retain(|problem| problem.code != "unsupported-key");
            if problems.is_empty() { Ok(()) } else { Err(host::told(&problems)) }
        }
        Ok(_) => Ok(()),
    });
}
