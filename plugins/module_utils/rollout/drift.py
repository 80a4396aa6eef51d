# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate ``drift``: how the outputs of a wave's models were distributed before the update, and how they are after it. Pure.

A line is compared with itself. Lines see different scenes and their old models ran for different times, so the old histograms
are not just added: each is weighted as its line counts in the new one (direct standardisation). Else a line that was counted
for longer before would look like drift.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, recall
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import INCONCLUSIVE, PASS, Reading, drift_rule, judge_drift
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, spec
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

# How long a model that was not counted for long enough is left alone before it is looked at again.
AGAIN_SECONDS = 60
UNCOUNTED = Counted(problem="its outputs were not counted")


class Drift:
    """What new models were counted for, by target, as the journal has it: the soak's end, or later while the gate holds."""

    def __init__(self, plan: Plan, events: Iterable[Event]):
        self._plan = plan
        self._new: Dict[str, Counted] = {}
        self._seen: Dict[str, int] = {}
        self._round = -AGAIN_SECONDS
        for event in events:
            self.note(event)

    def note(self, event: Event) -> None:
        """Take an event of the journal in. A pass without counts makes those of an attempt before it void."""
        if event.get("type") == "counted" or event.get("type") == "verified" and event.get("verdict") == PASS:
            self._new[event["target"]] = recall(event.get("outputs"))
            self._seen[event["target"]] = event["seen"]

    def read(self, state: State, old: Callable[[str], Counted]) -> List[Reading]:
        """Return one reading for each workload that the current wave has updated. old: target -> counts of the model before."""
        gate, names = self._plan["gates"].get("drift"), updated(self._plan, state)
        if not gate:
            return []
        if not names:
            return [Reading("drift", INCONCLUSIVE, "no target of the wave was updated", drift_rule(gate))]
        by_workload: Dict[str, List[str]] = {}
        for name in names:
            by_workload.setdefault(self._plan["targets"][name]["workload"], []).append(name)
        return [judge_workload(gate, workload, {name: (old(name), self._new.get(name, UNCOUNTED)) for name in members})
                for workload, members in sorted(by_workload.items())]

    def due(self, state: State, now: int) -> Tuple[List[str], int]:
        """Return the targets to be counted again now, and since when counts of this round are."""
        if now - self._round >= AGAIN_SECONDS:
            self._round = now
        return [name for name in updated(self._plan, state) if self._seen.get(name, -1) < self._round], self._round


def updated(plan: Plan, state: State) -> List[str]:
    """Return the targets of the current wave that run the new model."""
    return [name for name in spec(plan, state, state.wave)["targets"] if state.targets[name].state == s.SUCCEEDED]


def judge_workload(gate: Dict[str, Any], workload: str, pairs: Mapping[str, Tuple[Counted, Counted]]) -> Reading:
    """Judge one workload. pairs: target -> counts of its model before, and of the new one.

    A target whose old model was not counted has nothing to be compared with, and is left out; one whose new model was not
    counted may be the one that drifts.
    """
    blank = sorted(name for name, (_old, new) in pairs.items() if not sum(new.bins.values()))
    if blank:
        return Reading("drift " + workload, INCONCLUSIVE, _without(blank, {name: new for name, (_old, new) in pairs.items()}), drift_rule(gate))
    usable = {name: pair for name, pair in pairs.items() if sum(pair[0].bins.values())}
    reading = judge_drift(gate, standardised(list(usable.values())), _sum(new for _old, new in usable.values()))
    left = sorted(set(pairs) - set(usable))
    more = "; without its model before: " + _without(left, {name: old for name, (old, _new) in pairs.items()}) if left else ""
    return Reading("drift " + workload, reading.verdict, reading.found + more, reading.wanted)


def standardised(pairs: List[Tuple[Counted, Counted]]) -> Dict[str, float]:
    """Return the histogram that the old models would give on as much of each line as the new ones saw.

    Its sum is the number of samples that a plain sample would need to be as sure: 1 / sum (w^2 / n) with the shares w of lines in
    the new histogram and their old counts n. For one line that is n.
    """
    total = sum(sum(new.bins.values()) for _old, new in pairs)
    shares: Dict[str, float] = {}
    variance = 0.0
    for old, new in pairs:
        weight, size = sum(new.bins.values()) / total, sum(old.bins.values())
        variance += weight * weight / size
        for name, number in old.bins.items():
            shares[name] = shares.get(name, 0.0) + weight * number / size
    return {name: share / variance for name, share in shares.items()}


def _sum(counts: Iterable[Counted]) -> Dict[str, float]:
    found: Dict[str, float] = {}
    for each in counts:
        for name, number in each.bins.items():
            found[name] = found.get(name, 0) + number
    return found


def _without(names: List[str], counts: Mapping[str, Counted]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}: {counts[names[0]].problem or 'no output was counted'}{more}"
