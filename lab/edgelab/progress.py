"""What a person sees while the lab works: one line per finished step, with its duration."""

import sys
import threading
import time
from contextlib import contextmanager

_lock = threading.Lock()


def say(text: str) -> None:
    """Print one line; safe from several threads."""
    with _lock:
        print(text, flush=True)


def complain(text: str) -> None:
    """Print an error to stderr."""
    with _lock:
        print(text, file=sys.stderr, flush=True)


class Step:
    """A running step; `note` is shown on its line when it ends."""

    def __init__(self, name: str):
        self.name = name
        self.note = ""


@contextmanager
def step(name: str, quiet_below: float = 0.0):
    """Time a block and print `name  note  seconds` when it succeeded (nothing when faster than `quiet_below`)."""
    current = Step(name)
    begin = time.monotonic()
    yield current
    seconds = time.monotonic() - begin
    if seconds >= quiet_below:
        say(f"  {current.name:<18} {current.note:<72} {seconds:5.1f} s")
