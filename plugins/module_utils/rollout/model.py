# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a rollout at a moment, as values that never change: ``reduce.py`` makes the next one from an event.

Times are whole seconds since the epoch, in UTC, so that a controller that was away does not begin a soak anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import soak_of

Plan = Dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One target. ``previous``: the digest that ran before its first switch, and the only one that it may go back to.

    found: the digest that its workload asks for while nothing has been done to it, for people.
    attempt: 1, and one more for each explicit retry; switches, pulls: begun in this attempt. changed: the device was touched.
    blocked: ``lock`` or ``offline`` and since when. looked: when the device was last asked. paced_until: when
    the next pull of its site may begin. late: it comes after the last wave.
    drift: something runs there that nobody planned, so only a person may decide.
    """

    state: str = s.PLANNED
    since: int = 0
    attempt: int = 1
    switches: int = 0
    pulls: int = 0
    changed: bool = False
    previous: str = ""
    found: str = ""
    available: bool = True
    available_at: int = 0
    looked: int = -1
    blocked: str = ""
    blocked_since: int = 0
    not_before: int = 0
    paced_until: int = 0
    late: bool = False
    drift: bool = False
    reason: str = ""
    gates: Tuple[Dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Wave:
    """One wave. approved_by: who, for an approval that counted; gate: verdict of the gates that judge the wave as a whole."""

    state: str = s.WAITING
    since: int = 0
    approved_by: str = ""
    approved_until: int = 0
    gate: str = ""
    gates: Tuple[Dict[str, Any], ...] = ()


@dataclass(frozen=True)
class State:
    """A rollout. wave: number of the current one (``len(plan["waves"])``: catching up). stopped: which rule stopped it.

    scope: number of the first wave that is rolled back, while it is rolling back. token: of the controller that acts for it.
    """

    plan: str
    status: str = s.READY
    reason: str = ""
    stopped: str = ""
    since: int = 0
    started: int = 0
    wave: int = 0
    scope: int = 0
    token: int = 0
    seq: int = 0
    waves: Tuple[Wave, ...] = ()
    targets: Dict[str, Target] = field(default_factory=dict)


def initial(plan: Plan) -> State:
    """Return the state of a plan that nobody has started. Those left out of the plan have their final state already."""
    targets = {name: Target() for name in plan["targets"]}
    for name, row in plan["left_out"].items():
        targets[name] = Target(state=row["state"], reason=row["reason"], available=row["available"], previous=row["from"])
    # One more than planned: deferred targets come after the last.
    return State(plan=plan["hash"], waves=tuple(Wave() for _number in range(len(plan["waves"]) + 1)), targets=targets)


def spec(plan: Plan, state: State, number: int) -> Dict[str, Any]:
    """Return a wave of the plan; behind the last one, that of the deferred targets which catch up."""
    if number < len(plan["waves"]):
        wave = plan["waves"][number]
        # Only while catching up is a target late. This is asked for each event of a large fleet.
        catching_up = state.wave == len(plan["waves"])
        names = [name for name in wave["targets"] if not state.targets[name].late] if catching_up else wave["targets"]
        return {**wave, "soak": soak_of(plan, number), "targets": names}
    names = sorted(name for name, target in state.targets.items() if target.late and name in plan["targets"])
    return {"name": "catch-up", "max_failures": 0, "soak": soak_of(plan, number), "approval": False, "canary": False,
            "targets": names, "size": len(names)}


def wave_of(plan: Plan, state: State, name: str) -> int:
    """Return the number of the wave that a target is in now."""
    return len(plan["waves"]) if state.targets[name].late else plan["targets"][name]["wave"]


def dump(state: State) -> Dict[str, Any]:
    """Return the state as plain JSON, in which what is as it was at first is left out."""
    document = {key: getattr(state, key) for key in _SIMPLE}
    wave, target = Wave(), Target()
    document["waves"] = [_lean(each, wave) for each in state.waves]
    document["targets"] = {name: _lean(each, target) for name, each in state.targets.items()}
    return document


def load(document: Any, plan: Plan) -> State:
    """Return the state in a document of ``dump``; RolloutError when it is not one, or not of this plan."""
    try:
        state = State(waves=tuple(Wave(**_tuples(item)) for item in document["waves"]),
                      targets={name: Target(**_tuples(item)) for name, item in document["targets"].items()},
                      **{key: document[key] for key in _SIMPLE})
    except (KeyError, TypeError, AttributeError) as error:
        raise RolloutError(f"found a snapshot that cannot be read ({error!r}); remove it, the journal holds the same") from error
    if state.plan != plan["hash"] or len(state.waves) != len(plan["waves"]) + 1 or set(state.targets) != {*plan["targets"], *plan["left_out"]}:
        raise RolloutError(f"found the state of another plan ({state.plan}); wanted that of {plan['hash']}")
    return state


_SIMPLE = tuple(item.name for item in fields(State) if item.name not in ("waves", "targets"))


def _lean(thing: Any, untouched: Any) -> Dict[str, Any]:
    found = ((item.name, getattr(thing, item.name), getattr(untouched, item.name)) for item in fields(untouched))
    return {key: list(value) if isinstance(value, tuple) else value for key, value, usual in found if value != usual}


def _tuples(item: Dict[str, Any]) -> Dict[str, Any]:
    values: Dict[str, Any] = {}
    for key, value in item.items():
        values[key] = tuple(value) if isinstance(value, List) else value
    return values
