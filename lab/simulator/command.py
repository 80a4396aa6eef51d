"""`lab simulate`: a simulated fleet that runs until it is interrupted."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

from edgelab.errors import LabError
from edgelab.progress import complain, say

from simulator.fleet import Fleet
from simulator.record import counts

FAULTS = "faults.json"
LOOK_SECONDS = 0.5


def run(directory: Path, sites: int, nodes: int, load_seconds: float) -> None:
    """Serve until SIGINT or SIGTERM; then say what was asked of each API."""
    requests = directory / "requests.jsonl"
    if requests.exists():
        raise LabError(f"{requests} is there already: give each simulation a directory of its own, or remove it")
    directory.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        fleet = Fleet(directory, sites, nodes, requests, load_seconds=load_seconds)
    except ValueError as problem:
        raise LabError(str(problem)) from problem
    with fleet:
        say(f"simulated fleet: {sites} sites, {nodes} nodes, a model on each; inventory {directory / 'inventory'}")
        say(f"requests are written to {requests}; faults are read from {directory / FAULTS}; interrupt it to end it")
        text = ""
        while not stop.wait(LOOK_SECONDS):
            text = _take_faults(fleet, directory / FAULTS, text)
        for kind, number in sorted(counts(fleet.record.all()).items()):
            say(f"  {kind:<24} {number:7d}  {number / sites:8.1f} a site")


def _take_faults(fleet: Fleet, path: Path, before: str) -> str:
    """Give each site what the file says of it now, if that has changed; returns the file's text."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text == before:
        return before
    try:
        wanted = json.loads(text or "{}")
        for name, site in fleet.sites.items():
            site.faults.set(**wanted.get(name, wanted.get("*", {})))
    except (ValueError, TypeError, AttributeError) as problem:
        complain(f"lab: {path} is not used: {problem}")
    return text
