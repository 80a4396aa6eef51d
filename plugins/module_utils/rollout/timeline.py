# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When each target was in which state, and what people and rules did meanwhile: told by the journal, event after event. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, Target, initial, spec
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event, reduce

# A state in which something is done or watched, and not only waited for.
BUSY = (s.PREPULLING, s.SWITCHING, s.VERIFYING, s.SOAKING, s.ROLLING_BACK)
# Events that say what people and rules decided, and not what a device did.
DECISIONS = ("start", "pause", "resume", "approve", "abort", "rollback", "retry", "catch_up", "cancel", "stop", "gate", "finish")


@dataclass
class Timeline:
    """phases: target -> [{state, blocked, start, end, attempt, reason, gates}], end None while it lasts, gates those that it ended with.

    waves: number -> {start, end}. marks: [{at, what, wave, text}] of decisions, and of runs that took over. Seconds since the epoch.
    run: the one that wrote last.
    """

    phases: Dict[str, List[Dict[str, Any]]] = field(default_factory=dict)
    waves: Dict[int, Dict[str, Optional[int]]] = field(default_factory=dict)
    marks: List[Dict[str, Any]] = field(default_factory=list)
    run: Optional[str] = None


def follow(plan: Plan, events: Iterable[Event]) -> Tuple[State, Timeline]:
    """Return the state after all events of a journal, and the way to it. What an event did not change is not told."""
    state, timeline = initial(plan), Timeline()
    for event in events:
        following = reduce(plan, state, event)
        _note_targets(timeline, state, following, event)
        _note_waves(timeline, state, following)
        _note_mark(plan, timeline, state, following, event)
        state = following
    return state, timeline


def took(phases: Iterable[Dict[str, Any]], now: int) -> List[Tuple[str, int]]:
    """Return (state, seconds) of what was done to a target, in order; what it only waited for is left out."""
    return [(phase["state"], (now if phase["end"] is None else phase["end"]) - phase["start"]) for phase in phases if phase["state"] in BUSY]


def _note_targets(timeline: Timeline, before: State, after: State, event: Event) -> None:
    if after.targets is before.targets:
        return
    name = event.get("target")
    # Most events are about one target: looking at all of them for each would be slow for large fleets.
    names = [name] if isinstance(name, str) and name in after.targets else list(after.targets)
    for name in names:
        old, new = before.targets[name], after.targets[name]
        if new is not old:
            _note_target(timeline.phases.setdefault(name, [_phase(old, after.started)]), old, new, event["at"])


def _note_target(phases: List[Dict[str, Any]], old: Target, new: Target, at: int) -> None:
    current = phases[-1]
    if new.gates and new.gates is not old.gates:
        current["gates"] = list(new.gates)
    if (new.state, new.blocked, new.attempt) != (old.state, old.blocked, old.attempt):
        current["end"] = at
        phases.append(_phase(new, at))


def _phase(target: Target, at: int) -> Dict[str, Any]:
    return {"state": target.state, "blocked": target.blocked, "start": at, "end": None, "attempt": target.attempt, "reason": target.reason,
            "gates": []}


def _note_waves(timeline: Timeline, before: State, after: State) -> None:
    if after.waves is before.waves:
        return
    for number, (old, new) in enumerate(zip(before.waves, after.waves)):
        if new.state == old.state:
            continue
        span = timeline.waves.setdefault(number, {"start": new.since, "end": None})
        span["end"] = new.since if new.state in (s.PASSED, s.WAVE_FAILED) else None


def _note_mark(plan: Plan, timeline: Timeline, before: State, after: State, event: Event) -> None:
    what = event.get("type")
    if what == "takeover" and after.token != before.token:
        # The steps of one run are one controller to people.
        if before.token and event.get("run") != timeline.run:
            timeline.marks.append(_mark(event, before, "another run went on" + (f" ({event['run']})" if event.get("run") else "")))
        timeline.run = event.get("run")
    if what not in DECISIONS or _same(before, after):
        return
    number = event["wave"] if what in ("approve", "gate") else after.wave
    name = spec(plan, after, number)["name"]
    text = {
        "approve": f"{event.get('by')} approved wave {name}", "gate": f"gates of wave {name}: {event.get('verdict')}",
        "stop": f"stopped: {event.get('reason') or 'a rule fired'}",
    }.get(str(what), str(what).replace("_", " ") + (f": {event['reason']}" if event.get("reason") else ""))
    timeline.marks.append({**_mark(event, after, text), "wave": number})


def _mark(event: Event, state: State, text: str) -> Dict[str, Any]:
    return {"at": event["at"], "what": event["type"], "wave": state.wave, "text": text}


def _same(before: State, after: State) -> bool:
    """Whether nothing changed but how far the journal was read."""
    return before.status == after.status and before.waves is after.waves and before.targets is after.targets
