# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a wave and a rollout stand, from counts alone. Whole numbers; every sentence carries the numbers that decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import FAIL, PASS, wave_gates
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, spec
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.waves import exceeds, needed

ADVANCE = "advance"
HOLD = "hold"
GATE = "gate"
STOP = "stop"
_KINDS = {**dict.fromkeys(s.OUTSIDE, "outside"), **dict.fromkeys(s.BAD, "bad"), **dict.fromkeys(s.GOOD, "ok")}


@dataclass(frozen=True)
class Standing:
    """verdict: ADVANCE (all is proven), HOLD (targets are on their way), GATE (the wave as a whole is to be judged), STOP."""

    verdict: str
    text: str


def count(state: State, names: Iterable[str]) -> Dict[str, int]:
    """Return {ok, bad, outside, running} of some targets; they add up to their number."""
    targets = state.targets
    kinds = Counter(_KINDS.get(targets[name].state, "running") for name in names)
    return {"ok": kinds["ok"], "bad": kinds["bad"], "outside": kinds["outside"], "running": kinds["running"]}


def judge_wave(plan: Plan, state: State, number: int) -> Standing:
    """Judge one wave: bad <= max_failures, ok >= size - outside - max_failures (1 at least), few enough outside, and its gates.

    Stops as soon as success is out of reach, not when the last device has failed too.
    """
    terms = _terms(plan, state, number)
    seen = terms.seen
    text = (f"{seen['ok']} of {terms.size} well (wanted {terms.want}), {seen['bad']} failed (may {terms.may_fail}), "
            f"{seen['outside']} left out")
    if seen["bad"] > terms.may_fail:
        return Standing(STOP, text)
    # Whom to leave out is known before the end, but not whether a target that is left could have succeeded.
    if exceeds(seen["outside"], terms.size, terms.may_miss):
        return Standing(STOP, f"{text}; that is more than {terms.may_miss} % of the wave")
    if seen["ok"] + seen["running"] < terms.want:
        return Standing(STOP, f"{text}; success is out of reach")
    if seen["running"]:
        return Standing(HOLD, f"{text}, {seen['running']} on their way")
    if wave_gates(plan) and state.waves[number].gate != PASS:
        failed = state.waves[number].gate == FAIL
        return Standing(STOP if failed else GATE, text + ("; the gates of the wave failed" if failed else "; its gates are to be read"))
    return Standing(ADVANCE, text)


def rules(plan: Plan, state: State, number: int) -> List[Tuple[str, bool]]:
    """Return what a wave has to fulfil to pass, each rule with its numbers, and whether it does now."""
    terms = _terms(plan, state, number)
    seen = terms.seen
    found = [
        (f"failed {seen['bad']} <= {terms.may_fail}", seen["bad"] <= terms.may_fail),
        (f"left out {seen['outside']} * 100 <= {terms.may_miss} * {terms.size}", not exceeds(seen["outside"], terms.size, terms.may_miss)),
        (f"well {seen['ok']} >= {terms.formula} = {terms.want}", seen["ok"] >= terms.want),
        (f"on their way {seen['running']} = 0", not seen["running"]),
    ]
    if wave_gates(plan):
        gate = state.waves[number].gate
        found.append((f"{', '.join(wave_gates(plan))}: {gate or 'not read yet'}", gate == PASS))
    return found


@dataclass(frozen=True)
class _Terms:
    """The numbers of a wave. may_miss: whole percent of it that may be left out; want: how many have to be well, by ``formula``."""

    seen: Dict[str, int]
    size: int
    may_fail: int
    may_miss: int
    want: int
    formula: str


def _terms(plan: Plan, state: State, number: int) -> _Terms:
    wave = spec(plan, state, number)
    seen, size, limit = count(state, wave["targets"]), len(wave["targets"]), wave["max_failures"]
    if number == len(plan["waves"]):
        return _Terms(seen, size, limit, 100, size - seen["outside"], f"{size} - {seen['outside']}")
    # Late targets left their wave: the wave is as large as those that are still in it.
    return _Terms(seen, size, limit, 0 if wave["canary"] else plan["budgets"]["max_deferred_percent"],
                  needed({**wave, "size": size}, seen["outside"]), f"max(1, {size} - {seen['outside']} - {limit})")


def stop_reason(plan: Plan, state: State) -> str:
    """Return why nothing new may be begun, by the rules of the whole rollout or of its current wave; empty when none fired."""
    failed = [name for name in plan["targets"] if _KINDS.get(state.targets[name].state) == "bad"]
    rule = _broken_rule(plan, state, failed) if failed else ""
    if rule:
        return rule
    standing = judge_wave(plan, state, state.wave)
    return f"wave {spec(plan, state, state.wave)['name']}: {standing.text}" if standing.verdict == STOP else ""


def _broken_rule(plan: Plan, state: State, failed: List[str]) -> str:
    rules = plan["budgets"]["failures"]
    lost = sorted(name for name in failed if state.targets[name].state == s.ROLLBACK_FAILED)
    if lost:
        return f"{lost[0]} could not be rolled back ({len(lost)} in all): see to it by hand"
    astray = sorted(name for name in failed if state.targets[name].drift)
    if astray:
        return f"{astray[0]} runs what nobody planned: find out who changed it"
    if len(failed) > rules["max"]:
        return f"{len(failed)} targets failed; the rollout may have {rules['max']}"
    # One that was refused before its switch failed, too.
    tried = len(failed) + sum(bool(state.targets[name].switches) for name in set(plan["targets"]).difference(failed))
    if tried >= rules["min_sample"] and exceeds(len(failed), tried, rules["percent"]):
        return f"{len(failed)} of {tried} tried targets failed; that is more than {rules['percent']} %"
    return ""
