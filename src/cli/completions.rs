//! `completions`: what a shell offers after `evenkeel` and Tab, from the same words that are parsed.
//!
//! Names of stacks and services are not among it: they would have to be read from a server.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Trouble;
use super::arguments::{Arguments, Completions};

/// Prints the script that a shell loads.
pub fn run(args: &Completions) -> Result<u8, Trouble> {
    std::io::stdout().lock().write_all(&script(args.shell))?;
    Ok(0)
}

/// Made in memory first: clap_complete panics where its output cannot be written.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "evenkeel", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_is_told_every_command_and_every_option() {
        let program = Arguments::command();
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in program.get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
                for option in command.get_arguments().filter_map(|option| option.get_long()) {
                    assert!(script.contains(option), "{shell}: {} --{option}", command.get_name());
                }
            }
        }
    }

    /// What bash offers after these words.
    fn offered(words: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("evenkeel");
        std::fs::write(&file, script(Shell::Bash)).unwrap();
        let ask = "source \"$1\"; shift; COMP_WORDS=(evenkeel \"$@\"); COMP_CWORD=$#; \
                   _evenkeel evenkeel \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let bash = Command::new("bash").args(["-euc", ask, "ask"]).arg(&file).args(words).output();
        let output = bash.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_options_and_their_words() {
        assert_eq!(offered(&["rec"]), ["reconcile"]);
        assert_eq!(offered(&["reconcile", "--allow"]), ["--allow-removals"]);
        assert_eq!(offered(&["status", "--output", ""]), ["text", "json"]);
        assert_eq!(offered(&["schema", "man"]), ["manifest"]);
        assert_eq!(offered(&["completions", "z"]), ["zsh"]);
        assert_eq!(offered(&["notify", "t"]), ["test"]);
    }
}
