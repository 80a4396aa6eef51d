# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be begun now, within every budget, window and lock. Returns acts; their intents go to the journal before they are done.

Pulls and switches need a look at the device that is not older than ``LOOK_FRESH`` seconds: budgets know only what was seen.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.budgets import Group, ceiling, groups_of, sizes
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import need
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import GATE, judge_wave, stop_reason
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, Target, spec, wave_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import to_roll_back
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.windows import first_fit, fits, open_spans

LOOK_FRESH = 60
# While they do not answer: those whose turn it is, and those whose turn is not near.
LOOK_AWAY = 5
LOOK_AGAIN = 600
Act = Dict[str, Any]
Held = Tuple[str, str, int]


class Room:
    """How many more targets may be down, counted on while acts are handed out. (It changes; it lives for one ``admit``.)

    Without a state: how many there would be room for if nothing were under way and all served.
    """

    def __init__(self, plan: Plan, state: Optional[State] = None):
        self._plan = plan
        self._members, lost = sizes(plan)
        self.down = dict(lost)
        self._busy: Dict[str, int] = {}  # site -> switches under way
        if state is not None:
            for name, target in plan["targets"].items():
                self._count(target, is_down(state, name), state.targets[name].state in s.IN_FLIGHT)

    def take(self, target: Dict[str, Any], already_down: bool) -> bool:
        """Take a place in every group of the target, or none at all and return False."""
        budgets = self._plan["budgets"]
        if sum(self._busy.values()) >= budgets["concurrent_targets"]:
            return False
        if target["site"] not in self._busy and len(self._busy) >= budgets["concurrent_sites"]:
            return False
        if not already_down and any(self.down.get(group, 0) + 1 > self.limit(group) for group in groups_of(target)):
            return False
        self._count(target, not already_down, True)
        return True

    def limit(self, group: Group) -> int:
        """Return how many of a group may be down."""
        return ceiling(self._plan, group, self._members[group])

    def _count(self, target: Dict[str, Any], down: bool, busy: bool) -> None:
        for group in groups_of(target) if down else ():
            self.down[group] = self.down.get(group, 0) + 1
        if busy:
            self._busy[target["site"]] = self._busy.get(target["site"], 0) + 1


def is_down(state: State, name: str) -> bool:
    """Return whether a target serves nobody, for the rollout's doing or its own."""
    target = state.targets[name]
    return target.state in s.DOWN or not target.available


def admit(plan: Plan, state: State, now: int) -> List[Act]:
    """Return the acts that may be begun now: {act, target, ...} with act one of

    ``pull`` (bytes, seconds), ``look``, ``switch`` (from, to, strategy), ``rollback`` (to), and for what is under way
    ``verify``, ``observe`` (in its soak), ``verify_rollback``; and ``gate`` (wave) when a wave as a whole is to be judged.
    """
    if state.status in s.FINISHED or state.status == s.READY:
        return []
    # What is under way is finished, whoever paused or stopped the rest.
    acts = _under_way(plan, state)
    room = Room(plan, state)
    acts += _rollbacks(plan, state, room, now)
    if state.status == s.RUNNING and not stop_reason(plan, state):
        acts += _switches(plan, state, room, now)
        acts += _pulls(plan, state, now)
        if state.waves[state.wave].state == s.WAVE_RUNNING and judge_wave(plan, state, state.wave).verdict == GATE:
            acts.append({"act": "gate", "wave": state.wave})
    return acts


def _under_way(plan: Plan, state: State) -> List[Act]:
    kinds = {s.VERIFYING: "verify", s.SOAKING: "observe", s.ROLLING_BACK: "verify_rollback"}
    return [{"act": kinds[state.targets[name].state], "target": name, "attempt": state.targets[name].attempt}
            for name in plan["targets"] if state.targets[name].state in kinds]


def _rollbacks(plan: Plan, state: State, room: Room, now: int) -> List[Act]:
    """What has failed goes back at once: it serves nobody. What still serves goes back within budgets and windows, newest first."""
    acts = []
    waves = to_roll_back(plan, state)
    for name in sorted(waves, key=lambda name: (state.targets[name].state != s.FAILED, -waves[name], name)):
        target = state.targets[name]
        down = is_down(state, name)
        if not down and not _fits(plan, plan["targets"][name]["site"], "switch", now, plan["targets"][name]["seconds"]):
            continue
        if room.take(plan["targets"][name], down):
            acts.append({"act": "rollback", "target": name, "attempt": target.attempt, "to": target.previous})
    return acts


def _switches(plan: Plan, state: State, room: Room, now: int) -> List[Act]:
    wave = spec(plan, state, state.wave)
    if state.waves[state.wave].state != s.WAVE_RUNNING:
        return []
    acts: List[Act] = []
    open_sites = _open_sites(plan, wave["targets"], now)
    ahead = Room(plan)
    for name in wave["targets"]:
        target, row = state.targets[name], plan["targets"][name]
        if target.state != s.PREPULLED or now < target.not_before or row["site"] not in open_sites:
            continue
        if target.switches > plan["retries"]["switch"]:
            continue
        fresh, down = _fresh(target, now), is_down(state, name)
        if fresh and not target.blocked and room.take(row, down):
            acts.append({"act": "switch", "target": name, "attempt": target.attempt, "from": target.previous, "to": row["digest"],
                         "strategy": row["strategy"]})
        # Only those whose turn is next are looked at again, not all that wait for them; what is blocked keeps nobody waiting.
        elif (target.blocked or ahead.take(row, down)) and not fresh:
            acts.append(_look(name, target))
    return acts


def held(plan: Plan, state: State, now: int) -> Dict[Held, List[str]]:
    """Return why targets of the running wave are not begun that nothing is the matter with: (why, of what, until when) -> names.

    why: ``window`` of a site, ``room`` in the budgets of a group, ``retry`` of what has failed; until when: 0 where nobody knows.
    """
    found: Dict[Held, List[str]] = {}
    if state.status != s.RUNNING or state.waves[state.wave].state != s.WAVE_RUNNING:
        return found
    room, names = Room(plan, state), spec(plan, state, state.wave)["targets"]
    for name in names:
        target, row = state.targets[name], plan["targets"][name]
        if target.blocked == "offline" or target.state not in (s.PLANNED, s.PREPULLED):
            continue
        phase, seconds = ("prepull", row["pull_seconds"]) if target.state == s.PLANNED else (
            "switch", need(plan, [other for other in names if plan["targets"][other]["site"] == row["site"]]))
        opens = _opens(plan, row["site"], phase, now, seconds)
        full = [group for group in groups_of(row) if room.down.get(group, 0) + 1 > room.limit(group)]
        if opens != now:
            # Also for a line that was busy: whether it still is will be asked when it could be begun.
            found.setdefault(("window", row["site"], opens), []).append(name)
        elif target.blocked:
            continue
        elif now < target.not_before:
            found.setdefault(("retry", target.reason, target.not_before), []).append(name)
        elif full and target.state == s.PREPULLED and not is_down(state, name):
            found.setdefault(("room", " ".join(full[0]).strip(), 0), []).append(name)
    return found


def _opens(plan: Plan, site: str, phase: str, now: int, seconds: int) -> int:
    """When work of that length may be begun at a site; 0 when that is not before the rollout's time would be over."""
    place, until = plan["sites"][site], now + plan["timeouts"]["total"]
    return first_fit(open_spans(place["timezone"], place[phase], place["deny"], now, until), now, seconds) or 0


def _open_sites(plan: Plan, names: Iterable[str], now: int) -> Set[str]:
    """Sites where a switch of these targets, and the way back, end within the window that is open now."""
    by_site: Dict[str, List[str]] = {}
    for name in names:
        by_site.setdefault(plan["targets"][name]["site"], []).append(name)
    return {site for site, own in by_site.items() if _fits(plan, site, "switch", now, need(plan, own))}


def _pulls(plan: Plan, state: State, now: int) -> List[Act]:
    """One pull at a time for each site, in the order of the waves, no sooner than the site's share of its link allows."""
    taken = {plan["targets"][name]["site"] for name in plan["targets"]
             if state.targets[name].state == s.PREPULLING or state.targets[name].paced_until > now}
    acts: List[Act] = []
    for name in _in_order(plan, state):
        target, row = state.targets[name], plan["targets"][name]
        if target.state != s.PLANNED or now < target.not_before or row["site"] in taken:
            continue
        if target.blocked == "offline":
            # It does not keep the others of its site waiting, and nobody waits longer than needed for it.
            if now - target.looked >= (LOOK_AWAY if wave_of(plan, state, name) == state.wave else LOOK_AGAIN):
                acts.append(_look(name, target))
            continue
        taken.add(row["site"])
        if not _fits(plan, row["site"], "prepull", now, row["pull_seconds"]):
            continue
        if not _fresh(target, now):
            acts.append(_look(name, target))
        else:
            acts.append({"act": "pull", "target": name, "attempt": target.attempt, "bytes": row["wan_bytes"],
                         "seconds": row["pull_seconds"]})
    return acts


def _fresh(target: Target, now: int) -> bool:
    return target.looked >= 0 and 0 <= now - target.looked < LOOK_FRESH


def _look(name: str, target: Target) -> Act:
    return {"act": "look", "target": name, "attempt": target.attempt}


def _in_order(plan: Plan, state: State) -> Iterable[str]:
    for number in range(state.wave, len(plan["waves"]) + 1):
        yield from spec(plan, state, number)["targets"]


class Lost:
    """What the rollout did nothing to, and yet serves nobody: it takes places in the budgets that will not come free by themselves."""

    def __init__(self, plan: Plan, state: State):
        self._plan, self._state = plan, state
        self._members, self._before = sizes(plan)
        self._now: Dict[Group, List[str]] = {}
        self._said: Dict[Group, str] = {}
        for name, row in plan["targets"].items():
            if not state.targets[name].available and state.targets[name].state not in s.DOWN:
                for group in groups_of(row):
                    self._now.setdefault(group, []).append(name)

    def hinders(self, name: str, now: int) -> str:
        """Return by whom a budget of a target has been used up for as long as locks are waited for, empty when none is."""
        if is_down(self._state, name):
            return ""
        for group in groups_of(self._plan["targets"][name]):
            if group not in self._said:
                self._said[group] = self._who_fills(group, now)
            if self._said[group]:
                return self._said[group]
        return ""

    def _who_fills(self, group: Group, now: int) -> str:
        plan, state = self._plan, self._state
        down = self._now.get(group, [])
        if self._before.get(group, 0) + len(down) < ceiling(plan, group, self._members[group]):
            return ""
        since = max([state.targets[other].available_at for other in down] + [state.waves[state.wave].since])
        if now < since + plan["timeouts"]["lock"]:
            return ""
        others = down or sorted(key for key, row in plan["left_out"].items() if not row["available"] and group in groups_of(row))
        return f"no target of {' '.join(group).strip()} may be down beside {', '.join(others[:3]) or 'those that are'}"


def _fits(plan: Plan, site: str, phase: str, now: int, seconds: int) -> bool:
    place = plan["sites"][site]
    return fits(open_spans(place["timezone"], place[phase], place["deny"], now, now + seconds + 1), now, seconds)
