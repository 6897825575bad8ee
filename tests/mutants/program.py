"""One test program that holds all mutants: a copy of the tree, woven, and compiled once."""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

from weave import CannotWeave, Weaver

ROOT = Path(__file__).resolve().parents[2]
# The names by which the tests of this project are built elsewhere, too.
CARGO = ["--lib", "--features", "engine-tests,crash-points", "--message-format", "json"]

SWITCH = """//! Which mutant this program is, and which of them have been reached: written by tests/mutants.
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

static CHOSEN: LazyLock<usize> =
    LazyLock::new(|| said("EVENKEEL_MUTANT").map_or(0, |number| number.parse().unwrap()));
static REACHED: LazyLock<Option<std::fs::File>> = LazyLock::new(|| {
    let file = said("EVENKEEL_MUTANTS_REACHED")?;
    Some(std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap())
});
static KNOWN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

/// Whether the program is mutant `number`.
pub fn is(number: usize) -> bool {
    if let Some(file) = &*REACHED
        && !KNOWN[number].swap(true, Relaxed)
    {
        let mut file = file;
        file.write_all(format!("{number}\\n").as_bytes()).unwrap();
    }
    *CHOSEN == number
}
"""


def listed(pattern):
    """What cargo-mutants would change, each with a name that outlives changes elsewhere in its file."""
    command = ["cargo", "mutants", "--list", "--json", "-f", pattern]
    mutants = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    times = defaultdict(int)
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
        place, _, what = mutant["name"].partition(": ")
        mutant["what"], mutant["line"] = what, mutant["span"]["start"]["line"]
        name = f"{mutant['file']}: {what}"
        if mutant["genre"] != "FnValue":
            # Which of several that read alike, from the top of the function.
            times[name] += 1
            name += f" #{times[name]}"
        mutant["key"] = name
    return mutants


class Program:
    """The woven copy, in `work`."""

    def __init__(self, work, mutants):
        self.work, self.tree, self.mutants = work, work / "tree", mutants
        # Found out anew it would take some checks; what does not compile seldom comes to.
        self.notes = work / "left-out.json"
        known = json.loads(self.notes.read_text()) if self.notes.is_file() else {}
        self.left_out = {one["number"]: known[one["key"]] for one in mutants if one["key"] in known}
        self.weavers, self.of_file = {}, defaultdict(list)
        for mutant in mutants:
            self.of_file[mutant["file"]].append(mutant)
        for file, ones in self.of_file.items():
            weaver = self.weavers[file] = Weaver((ROOT / file).read_text())
            for one in ones:
                try:
                    weaver.add(one["number"], one)
                except CannotWeave as why:
                    self.left_out[one["number"]] = str(why)

    def copy(self):
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.split("\0")
        # Woven text is not to anybody's taste; that it compiles is enough.
        ours = {
            "Cargo.toml": (ROOT / "Cargo.toml").read_text().partition("[lints.")[0],
            "src/lib.rs": (ROOT / "src/lib.rs").read_text() + "\npub mod mutant;\n",
            "src/mutant.rs": SWITCH.replace("COUNT", str(len(self.mutants) + 1)),
        }
        for file, text in ours.items():
            write(self.tree / file, text.encode())
        for file in filter(None, files):
            if file not in self.weavers and file not in ours and (ROOT / file).is_file():
                write(self.tree / file, (ROOT / file).read_bytes())

    def weave(self):
        self.places = {}
        for file, weaver in self.weavers.items():
            text, self.places[file] = weaver.woven(self.left_out)
            write(self.tree / file, text.encode())

    def build(self):
        """Compiles, and leaves out what does not; gives the path of the test program."""
        self.copy()
        for turn in range(1, 40):
            self.weave()
            print(f"check {turn}, {len(self.left_out)} of {len(self.mutants)} left out", flush=True)
            errors = [one for one in self.cargo("check", *CARGO) if is_error(one)]
            if not errors:
                why = {one["key"]: self.left_out.get(one["number"]) for one in self.mutants}
                self.notes.write_text(json.dumps({key: text for key, text in why.items() if text}))
                break
            before = len(self.left_out)
            for error in errors:
                self.leave_out(error["message"])
            if len(self.left_out) == before:
                raise SystemExit(f"what does not compile is no mutant: {errors[0]['message']['rendered']}")
        told = self.cargo("test", "--no-run", *CARGO)
        made = [one for one in told if one["reason"] == "compiler-artifact" and one.get("executable")]
        if not made:
            raise SystemExit("".join(one["message"]["rendered"] for one in told if is_error(one)))
        return made[-1]["executable"]

    def cargo(self, *arguments):
        environment = os.environ | {"CARGO_TARGET_DIR": str(self.work / "target")}
        done = subprocess.run(
            ["cargo", *arguments], cwd=self.tree, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode and not any(is_error(one) for one in told):
            raise SystemExit(done.stderr)
        return told

    def leave_out(self, message):
        """The innermost mutants that an error points at, else those of the function that can be why."""
        spans = [outermost(span) for span in message["spans"] if span["is_primary"]]
        spans = [span for span in spans if span["file_name"] in self.places]
        why = message["message"]
        for span in spans:
            start, end = span["byte_start"], span["byte_end"]
            around = [one for one in self.places[span["file_name"]] if one[0] <= start and end <= one[1]]
            if around:
                innermost = min(around, key=lambda one: one[1] - one[0])
                return self.left_out.update({innermost[2]: why})
        for span in spans:
            function = [one for one in self.of_file[span["file_name"]] if is_in_function(one, span["line_start"])]
            values = [one for one in function if one["genre"] == "FnValue"]
            self.left_out.update({one["number"]: why for one in values or function})


def is_in_function(mutant, line):
    span = mutant["function"]["span"]
    return span["start"]["line"] <= line <= span["end"]["line"]


def outermost(span):
    while span["expansion"]:
        span = span["expansion"]["span"]
    return span


def is_error(told):
    return told["reason"] == "compiler-message" and told["message"]["level"] == "error" and told["message"]["spans"]


def write(path, content):
    """Writes what has changed only, so that cargo need not build again what has not."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if content.startswith(b"#!"):
            path.chmod(0o755)
