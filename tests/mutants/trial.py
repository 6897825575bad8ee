"""Which tests notice a mutant.

A test that does not reach a mutant cannot notice it, so each test is run once to see what it reaches, and how long it
takes. Then a mutant is tried with the tests that reach it, quick ones first, until one fails.
"""

import json
import os
import re
import resource
import subprocess
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# How long the tests of one process take together, in seconds: most mutants are noticed by one of the first.
BATCHES = [0.1, 0.4, 1.6, 6.4]
MEMORY = 4 << 30


class Tests:
    """The test program, and what is known of its tests."""

    def __init__(self, program, tree, jobs):
        self.program, self.tree, self.jobs = program, tree, jobs
        self.seconds, self.reaches = {}, {}
        self.noticed_by = Counter()  # of a test, and of a test in a function
        self.pool = ThreadPoolExecutor(jobs)

    def look(self, quick):
        """Runs every test by itself; those that take longer than `quick` seconds are left out from then on."""
        notes, built = self.tree.parent / "looked.json", os.stat(self.program).st_mtime
        looked = json.loads(notes.read_text()) if notes.is_file() else {"built": None}
        if looked["built"] != built:
            listed = subprocess.run(
                [self.program, "--list", "--format", "terse"], cwd=self.tree, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            names = [line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")]
            looked = {"built": built, "tests": dict(zip(names, self.pool.map(self.look_at, names)))}
            notes.write_text(json.dumps(looked))
        for name, (reached, seconds, ended) in looked["tests"].items():
            if reached and ended == 0 and seconds <= quick:
                self.reaches[name], self.seconds[name] = set(reached), seconds
        return [name for name, (_, _, ended) in looked["tests"].items() if ended != 0]

    def look_at(self, name):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "reached"
            ended, _, seconds = self.run([name], 0, 600, {"EVENKEEL_MUTANTS_REACHED": str(file)})
            reached = sorted(map(int, file.read_text().split())) if file.exists() else []
            return reached, seconds, ended

    def run(self, names, number, cpu_seconds, also=()):
        """Runs tests in one process: its exit code, which of them failed, and the processor's seconds it took."""
        environment = os.environ | {
            "EVENKEEL_MUTANT": str(number),
            "INSTA_WORKSPACE_ROOT": str(self.tree),
            "INSTA_UPDATE": "no",
            "PROPTEST_MAX_SHRINK_ITERS": "0",
            "RUST_BACKTRACE": "0",
        }

        def limits():
            # Not by the clock, which goes on while others have the processor.
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        with tempfile.TemporaryFile("w+") as told:
            process = subprocess.Popen(
                [self.program, "--exact", *names, "--test-threads", "1"],
                cwd=self.tree, env=environment | dict(also), preexec_fn=limits, stdout=told, stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
            )
            ended, used = end_of(process, 60 + 20 * cpu_seconds)
            told.seek(0)
            text = told.read()
        failed = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. FAILED$", text, re.MULTILINE)
        return ended, failed, used

    def tries(self, mutant, first=None):
        """The test that notices `mutant`; `None` where none does. `first` is the one that did last time."""
        number, function = mutant["number"], (mutant["file"], mutant["function"]["function_name"])
        names = [name for name, reached in self.reaches.items() if number in reached]
        # Who has noticed another one of this function, then who has noticed most for the time it takes.
        def order(name):
            worth = (1 + self.noticed_by[name]) / (0.02 + self.seconds[name])
            return name != first, -self.noticed_by[function, name], -worth

        for batch in self.batches(sorted(names, key=order), first):
            notices = self.notices(batch, number)
            if notices:
                self.noticed_by.update([notices, (function, notices)])
                return notices, len(names)
        return None, len(names)

    def batches(self, names, first):
        sizes = [0, *BATCHES] if first in names else BATCHES[:]
        batch, seconds = [], 0
        for name in names:
            batch.append(name)
            seconds += self.seconds[name]
            if sizes and seconds >= sizes[0]:
                yield batch
                batch, seconds, sizes = [], 0, sizes[1:]
        if batch:
            yield batch

    def notices(self, names, number):
        limit = 10 + int(5 * sum(self.seconds[name] for name in names))
        ended, failed, _ = self.run(names, number, limit)
        if ended == 0:
            return None
        suspects = failed[:3] or names
        # Seen twice, lest a test that fails now and then by itself passes for one that noticed.
        for name in suspects:
            ended, _, _ = self.run([name], number, 10 + int(5 * self.seconds[name]))
            if ended != 0:
                return name
        return None


def end_of(process, seconds):
    """A child's exit code and what it used of the processor; one that waits for ever is ended after `seconds`."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    _, status, used = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_utime + used.ru_stime


def kept(path):
    """Results of earlier, by the names of mutants: `{"key": …, "by": …}` a line, later ones last."""
    if not path.is_file():
        return {}
    return {one["key"]: one for one in map(json.loads, path.read_text().splitlines())}
