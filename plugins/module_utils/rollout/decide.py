# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from a state and the hour, without touching a device: deadlines, stops, the next wave, the end.

``decide`` returns events for the journal. The engine writes and applies them and asks again until there are none.
"""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import Lost
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import ADVANCE, GATE, judge_wave, stop_reason
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, spec
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event, deadline, unfinished

# Whoever catches up was just mended, as a rule: its node has a moment to be heard of.
COMING_BACK = 120


def decide(plan: Plan, state: State, now: int) -> List[Event]:
    """Return the events that are due now, none when there is nothing to decide. Each of them changes the state."""
    if state.status in s.FINISHED or state.status == s.READY:
        return []
    late = _expired(plan, state, now)
    if late:
        return late
    if state.status in (s.ABORTING, s.ROLLING_BACK_ALL):
        return [] if unfinished(plan, state) else [{"type": "finish", "at": now}]
    if state.status != s.RUNNING:
        return []
    reason = stop_reason(plan, state)
    if reason:
        lost = any(state.targets[name].state == s.ROLLBACK_FAILED or state.targets[name].drift for name in plan["targets"])
        return [{"type": "stop", "at": now, "reason": reason, "mode": "hold" if lost else plan["on_failure"]["stop"]}]
    began = state.started if state.wave < len(plan["waves"]) else state.waves[state.wave].since
    if now >= began + plan["timeouts"]["total"]:
        return [_pause(now, f"its time is over ({plan['timeouts']['total']} s, timeouts.total)")]
    return _of_wave(plan, state, now) or _put_off(plan, state, now)


def _expired(plan: Plan, state: State, now: int) -> List[Event]:
    events = []
    for name in plan["targets"]:
        limit, target = deadline(plan, state, name), state.targets[name]
        if limit is not None and now >= limit:
            events.append({"type": "expire", "at": now, "target": name, "attempt": target.attempt,
                           "reason": f"not done {now - target.since} s after {target.state} began" + _last_gate(target)})
    return events


def _last_gate(target: Any) -> str:
    rows = [f"{row.get('gate')}: {row.get('found')}" for row in target.gates if row.get("verdict") != "pass"]
    return f"; {rows[0]}" if rows else ""


def _of_wave(plan: Plan, state: State, now: int) -> List[Event]:
    wave = state.waves[state.wave]
    name = spec(plan, state, state.wave)["name"]
    if wave.state == s.APPROVAL and now >= wave.since + plan["timeouts"]["approval"]:
        return [_pause(now, f"nobody approved wave {name} in {plan['timeouts']['approval']} s")]
    if wave.state != s.WAVE_RUNNING:
        return []
    standing = judge_wave(plan, state, state.wave)
    if standing.verdict == ADVANCE:
        return [{"type": "advance", "at": now, "wave": state.wave, "reason": standing.text}]
    if standing.verdict == GATE:
        ended = max(state.targets[target].since for target in spec(plan, state, state.wave)["targets"])
        if now >= max(ended, wave.since) + plan["timeouts"]["hold"] and wave.gate:
            return [{"type": "gate", "at": now, "wave": state.wave, "verdict": "fail", "gates": list(wave.gates)}]
    return []


def _put_off(plan: Plan, state: State, now: int) -> List[Event]:
    """Targets of the running wave that cannot be had: offline ones now, locked lines when they were waited for long enough."""
    wave = spec(plan, state, state.wave)
    if state.waves[state.wave].state != s.WAVE_RUNNING:
        return []
    events: List[Event] = []
    lost = Lost(plan, state)
    patience = plan["timeouts"]["lock"] if wave["canary"] else COMING_BACK if state.wave == len(plan["waves"]) else 0
    for name in wave["targets"]:
        target = state.targets[name]
        if target.state not in s.BEFORE_SWITCH:
            continue
        why = _obstacle(plan, state, name, now, lost, patience)
        if why and wave["canary"]:
            return [_pause(now, f"{name} is a canary, and {why}; canaries are not left out: see to it and resume, or make another plan")]
        if why:
            events.append({"type": "defer", "at": now, "target": name, "attempt": target.attempt, "reason": why})
    return events


def _obstacle(plan: Plan, state: State, name: str, now: int, lost: Lost, patience: int) -> str:
    target, limit = state.targets[name], plan["timeouts"]["lock"]
    if target.blocked == "offline" and now >= target.blocked_since + patience:
        return "its node does not answer"
    if target.blocked == "lock" and now >= target.blocked_since + limit:
        return f"its line has been busy for {limit} s"
    return lost.hinders(name, now) if target.state == s.PREPULLED else ""


def _pause(now: int, reason: str) -> Dict[str, Any]:
    return {"type": "pause", "at": now, "reason": reason}
