"""Locks between lab commands that run at the same time."""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from edgelab.progress import say


@contextmanager
def exclusive(path: Path, waiting_for: str = ""):
    """Hold the lock file `path`; says what it waits for when another command holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting_for:
                say(f"  waiting for another lab command that {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
