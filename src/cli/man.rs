//! `man`: the manual pages, from the same words that are parsed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::roff::{Roff, bold, roman};

use super::Trouble;
use super::arguments::{Arguments, Man};

const SOURCE: &str = concat!("evenkeel ", env!("CARGO_PKG_VERSION"));
/// What the program reads and writes, and what it ends with (interface: server configuration, exit codes).
const FILES: [(&str, &str); 4] = [
    ("/etc/evenkeel/config.yaml", "the server's configuration; --config names another"),
    ("/etc/evenkeel/env/", "env files and secrets of stacks, which evenkeel only reads"),
    ("/var/lib/evenkeel/data/", "directories of stacks, and files exported from git"),
    ("/var/lib/evenkeel/state/", "the database, git mirrors, secrets and the lock"),
];
const EXIT_STATUS: [(&str, &str); 5] = [
    ("0", "all is as it should be"),
    ("1", "something failed, is rejected, degraded or invalid, or a source could not be read"),
    ("3", "plan --exit-code found steps to do"),
    ("4", "a rollout failed in this pass and was rolled back, and nothing else is wrong"),
    ("64", "the command line was not understood"),
];

/// Prints the page of the program, or writes all of them.
pub fn run(args: &Man) -> Result<u8, Trouble> {
    let pages = pages();
    match &args.out {
        None => {
            let (_, page) = pages.first().ok_or_else(|| Trouble::message("there is no page"))?;
            io::stdout().lock().write_all(page)?;
        }
        Some(directory) => write(directory, &pages).map_err(|error| {
            Trouble::message(format!("{} cannot be written: {error}", directory.display()))
        })?,
    }
    Ok(0)
}

fn write(directory: &Path, pages: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    pages.iter().try_for_each(|(name, page)| std::fs::write(directory.join(name), page))
}

/// Each page with the name of its file: the program's first, then one for each command.
fn pages() -> Vec<(PathBuf, Vec<u8>)> {
    let mut program = Arguments::command();
    program.build();
    let mut pages = Vec::new();
    add(&mut pages, &program, true);
    pages
}

/// Adds the page of a command, and those of the commands below it.
fn add(pages: &mut Vec<(PathBuf, Vec<u8>)>, command: &Command, is_program: bool) {
    let man = clap_mangen::Man::new(command.clone()).manual("evenkeel").source(SOURCE);
    let mut page = Vec::new();
    // A page in memory can always be written.
    let _ = man.render(&mut page);
    if is_program {
        let _ = sections().to_writer(&mut page);
    }
    pages.push((PathBuf::from(man.get_filename()), page));
    command.get_subcommands().for_each(|command| add(pages, command, false));
}

/// What the words of the command line do not tell.
fn sections() -> Roff {
    let mut roff = Roff::new();
    for (title, entries) in [("FILES", FILES.as_slice()), ("EXIT STATUS", EXIT_STATUS.as_slice())] {
        roff.control("SH", [title]);
        for (name, text) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*text)]);
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> String {
        let found = pages().into_iter().find(|(file, _)| file.as_os_str() == name);
        String::from_utf8(found.unwrap().1).unwrap()
    }

    #[test]
    fn every_command_has_a_page_with_all_its_options() {
        for command in Arguments::command().get_subcommands() {
            let page = page(&format!("evenkeel-{}.1", command.get_name()));
            for option in command.get_arguments().filter_map(|option| option.get_long()) {
                let option = option.replace('-', "\\-");
                assert!(page.contains(&format!("\\-\\-{option}")), "--{option} in\n{page}");
            }
        }
        assert!(page("evenkeel-notify-test.1").contains("recipient"));
    }

    #[test]
    fn the_program_s_page_names_its_files_and_what_it_ends_with() {
        let page = page("evenkeel.1");
        assert!(page.contains(crate::config::DEFAULT_PATH), "{page}");
        for line in [".SH FILES", ".SH \"EXIT STATUS\"", "evenkeel\\-reconcile(1)", "\\fB64\\fR"] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
        assert_eq!(page.lines().filter(|line| line.starts_with(".TH")).count(), 1);
    }

    #[test]
    fn all_pages_are_written_into_a_directory_that_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("share/man/man1");
        assert!(run(&Man { out: Some(out.clone()) }).is_ok());
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), pages().len());
        let text = run(&Man { out: Some(out.join("evenkeel.1")) }).err().unwrap().to_string();
        assert!(text.contains("evenkeel.1 cannot be written"), "{text}");
    }
}
