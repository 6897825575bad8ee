"""What the measurements share: running programs, waiting, a registry of their own, the program under test."""

import atexit
import re
import socket
import subprocess
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MIB = 1024.0


class CannotRun(Exception):
    """Something that the measurement needs did not work."""


def call(*command, **options):
    """The output of a command that has to succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise CannotRun(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def succeeds(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def kilobytes(text, key):
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE).group(1))


def wait(condition, what, process=None, seconds=60):
    """Looks until `condition` holds; gives up after `seconds`, or when `process` has ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            raise CannotRun(f"no {what}")
        time.sleep(0.1)


def registry(home):
    """A registry of its own, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(home / "registry.log", "wb") as log:
        script = PROJECT / "tests/support/registry"
        process = subprocess.Popen([script, home / "registry", str(port)], stdout=log, stderr=log)
    atexit.register(lambda: (process.terminate(), process.wait()))
    wait(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "registry", process)
    return f"127.0.0.1:{port}"


def build(profile="release"):
    call("cargo", "build", "--profile", profile, "--locked", "--quiet", cwd=PROJECT)
    return PROJECT / "target" / profile / "evenkeel"
