# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout as one line per event, for those who watch it run: what, where, how many, how long left. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import held
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import count
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, spec, wave_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event, deadline
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import clock, moment, span

_SHORT = 19  # sha256: and 12 digits: enough to tell images apart


def narrate(plan: Plan, was: State, state: State, event: Event, zone: str = "UTC") -> List[str]:
    """Return what an event changed, a line each; nothing for what changed nothing that people care for."""
    lines = []
    for number, wave in enumerate(state.waves):
        if wave.state != was.waves[number].state:
            lines.append(_wave_line(plan, state, number))
        elif wave.gate != was.waves[number].gate and wave.gate:
            lines.append(f"wave {spec(plan, state, number)['name']}: its gates say {wave.gate}")
    if state.status != was.status:
        lines.append(f"rollout {state.status.replace('_', ' ')}" + (f": {state.reason or state.stopped}" if state.reason or state.stopped else ""))
    if state.targets is not was.targets:
        names = [event["target"]] if event.get("target") in state.targets else list(state.targets)
        for name in names:
            lines += _target_lines(plan, was, state, name, str(event.get("reason") or ""))
    return [f"{clock(event['at'], zone)}  {line}" for line in lines]


def standing(plan: Plan, state: State, now: int, zone: str = "UTC") -> str:
    """Return what is under way and for how long at most, and what is waited for, in one line; for the times when nothing changes."""
    wave = spec(plan, state, min(state.wave, len(plan["waves"])))
    seen = count(state, wave["targets"])
    parts = [f"wave {wave['name']}: {seen['ok']} of {len(wave['targets'])} done, {seen['bad']} failed"]
    for kind in (*s.IN_FLIGHT, s.PREPULLING, s.SOAKING):
        names = [name for name in plan["targets"] if state.targets[name].state == kind]
        if names:
            left = max((deadline(plan, state, name) or now) - now for name in names)
            soak = max(0, max(state.targets[name].since + spec(plan, state, wave_of(plan, state, name))["soak"] - now for name in names))
            parts.append(f"{len(names)} {kind.replace('_', ' ')} ({span(soak) + ' left' if kind == s.SOAKING else 'at most ' + span(max(0, left))})")
    blocked: Dict[str, List[str]] = {}
    for name in wave["targets"]:
        if state.targets[name].blocked and state.targets[name].state in s.BEFORE_SWITCH:
            blocked.setdefault(state.targets[name].blocked, []).append(name)
    parts += [f"{len(names)} {kind}: {', '.join(names[:3])}" for kind, names in sorted(blocked.items())]
    parts += [f"{len(names)} not begun, {_held_text(*why, zone)}: {', '.join(names[:3])}" for why, names in sorted(held(plan, state, now).items())]
    return ", ".join(parts)


def _held_text(why: str, what: str, until: int, zone: str) -> str:
    if why == "window":
        return f"the window of site {what} " + (f"opens for it {moment(until, zone)}" if until else "does not open for it in the rollout's time")
    return f"tried again at {clock(until, zone)}" if why == "retry" else f"no more of {what} may be down"


def _wave_line(plan: Plan, state: State, number: int) -> str:
    wave, now = spec(plan, state, number), state.waves[number]
    text = {s.APPROVAL: "waits for an approval", s.WAVE_RUNNING: f"begins with {len(wave['targets'])} targets", s.PASSED: "has passed",
            s.WAVE_FAILED: "has failed", s.WAITING: "waits"}[now.state]
    return f"wave {wave['name']} {text}" + (f" (approved by {now.approved_by})" if now.approved_by and now.state == s.WAVE_RUNNING else "")


def _target_lines(plan: Plan, was: State, state: State, name: str, reason: str) -> List[str]:
    old, new = was.targets[name], state.targets[name]
    if new.state != old.state:
        return [f"{name}: {new.state.replace('_', ' ')}{_more(plan, new, name)}" + (f": {new.reason}" if new.reason else "")]
    if new.blocked != old.blocked and new.blocked:
        return [f"{name}: waits: {new.reason or new.blocked}"]
    if new.available != old.available:
        # Whether a model that nobody can ask still serves its line is not known from here.
        return [f"{name}: serves again" if new.available else f"{name}: is not seen to serve" + (f": {reason}" if reason else "")]
    return []


def _more(plan: Plan, target: Any, name: str) -> str:
    row: Optional[Dict[str, Any]] = plan["targets"].get(name)
    if row is None:
        return ""
    if target.state == s.SWITCHING:
        return f" to {row['image']} {row['digest'][:_SHORT]} on {row['node']}"
    if target.state == s.ROLLING_BACK:
        return f" to {target.previous[:_SHORT]} on {row['node']}"
    passed = [gate for gate in target.gates if target.state in (s.SOAKING, s.SUCCEEDED, s.ROLLED_BACK)]
    return f" ({'; '.join('{gate} {found}'.format(**gate) for gate in passed)})" if passed else ""
