# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger of a rollout as text: a journal of events, written ahead of each act, and a snapshot that shortens its reading.

journal, one JSON object a line: first {format, version, release, plan, created}, then events {seq, token, at, type, ...} with
seq 1, 2, 3 ... and a token that never falls. A last line that the power cut short counts as never written; any other damage is an
error. snapshot: {format, version, state}; it may be missing or old, the journal has everything since. docs/rollouts.md
describes both for other readers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import canonical
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import REBUILD, Fenced, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, dump, initial, load
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event, replay

FORMAT = "edgeai.sites/rollout-ledger"
VERSION = 1
# Longer lines are none of ours; they would also be more than one write can be trusted to do at once.
MAX_LINE = 64 * 1024


@dataclass
class Journal:
    """What a journal holds, and takes in what is added to it. length: bytes of its whole lines; what follows them was cut short and is written over."""

    header: Dict[str, Any]
    events: List[Event]
    length: int

    @property
    def seq(self) -> int:
        """Return the number of the last event, 0 before the first."""
        return len(self.events)

    @property
    def token(self) -> int:
        """Return the highest token that wrote to it."""
        return self.events[-1]["token"] if self.events else 0

    def add(self, line: str, event: Event) -> None:
        """Take in what ``entry`` made, when it was written."""
        self.events.append(event)
        self.length += len(line.encode("ascii"))


def header(plan: Plan, now: int) -> str:
    """Return the first line of the journal of a plan."""
    return _line({"format": FORMAT, "version": VERSION, "release": plan["release"], "plan": plan["hash"], "created": now})


def entry(journal: Journal, event: Event, token: int) -> Tuple[str, Event]:
    """Return the line for an event and the event as the journal will hold it; Fenced when a later controller wrote before."""
    if token < journal.token:
        raise Fenced(f"found controller {journal.token} in the journal, this one is {token}: another one has taken the rollout over. "
                     "Nothing more was done here; look at the rollout's status")
    numbered = {**event, "seq": journal.seq + 1, "token": token}
    return _line(numbered), numbered


def parse(text: bytes, plan: Plan) -> Journal:
    """Return the journal in ``text``; RolloutError when it is damaged, of another version or of another plan."""
    lines = text.split(b"\n")
    # Behind the last newline there is nothing, or a line that was not finished.
    whole = lines[:-1]
    if not whole:
        raise RolloutError("found an empty journal; remove its directory and start the rollout again: nothing was begun")
    head = _object(whole[0], 1)
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise RolloutError(f"found a ledger of {head.get('format')} {head.get('version')}; this collection reads {FORMAT} {VERSION}. Finish the "
                           "rollout with the collection that began it")
    if head.get("plan") != plan["hash"]:
        raise RolloutError(f"found the ledger of plan {head.get('plan')}; wanted that of {plan['hash']}. A plan never changes: for another one "
                           "the release needs another name")
    events: List[Event] = []
    token = 0
    for number, line in enumerate(whole[1:], 2):
        event = _object(line, number)
        if event.get("seq") != number - 1:
            raise RolloutError(f"journal line {number}: found number {event.get('seq')!r}, wanted {number - 1}: lines are missing or doubled. "
                               f"{REBUILD}")
        if not isinstance(event.get("token"), int) or event["token"] < token:
            raise RolloutError(f"journal line {number}: found token {event.get('token')!r} after {token}: an older controller wrote over a later "
                               f"one. {REBUILD}")
        token = event["token"]
        events.append(event)
    return Journal(head, events, sum(len(line) + 1 for line in whole))


def snapshot(state: State) -> str:
    """Return the snapshot file of a state."""
    return canonical({"format": FORMAT, "version": VERSION, "state": dump(state)}) + "\n"


def restore(plan: Plan, journal: Journal, snapshot_text: Optional[str] = None) -> State:
    """Return the present state: that of the snapshot, if there is one of this version, and what the journal has since then."""
    state = initial(plan)
    if snapshot_text:
        try:
            document = json.loads(snapshot_text)
        except ValueError:
            document = None  # cut short: the journal has it all
        if isinstance(document, dict) and document.get("format") == FORMAT and document.get("version") == VERSION:
            state = load(document.get("state"), plan)
    if state.seq > journal.seq:
        raise RolloutError(f"found a snapshot of event {state.seq} and a journal that ends with {journal.seq}: the journal was cut or replaced. "
                           f"{REBUILD}")
    return replay(plan, state, journal.events[state.seq:])


def _line(document: Dict[str, Any]) -> str:
    text = canonical(document) + "\n"
    if len(text) > MAX_LINE:
        raise RolloutError(f"found an event of {len(text)} bytes; wanted {MAX_LINE} at most")
    return text


def _object(line: bytes, number: int) -> Dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RolloutError(f"journal line {number} is damaged. {REBUILD}")
    return document
