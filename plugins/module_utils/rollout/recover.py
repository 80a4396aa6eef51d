# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout whose controller went away: what is true on the devices, against what the journal says was begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import Act
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, Target, initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event


def recover(plan: Plan, state: State, observed: Dict[str, Optional[str]], now: int) -> Tuple[List[Event], List[Act]]:
    """Return the events that the devices prove, and the acts whose intents are in the journal but were not carried out.

    observed: the digest that each target is asked to run (in its workload's spec), "" for none, None (or missing) when it
    cannot be seen: then nothing is concluded, and its deadline goes on running. An act done again is the same act: it counts
    no second time, and a switch that happened is never repeated.
    """
    events: List[Event] = []
    acts: List[Act] = []
    for name in plan["targets"]:
        target, found, new = state.targets[name], observed.get(name), plan["targets"][name]["digest"]
        common = {"target": name, "attempt": target.attempt}
        if target.state == s.PREPULLING:
            acts.append({"act": "pull", **common, "bytes": plan["targets"][name]["wan_bytes"], "seconds": plan["targets"][name]["pull_seconds"]})
        elif found is None or target.state not in (*s.IN_FLIGHT, s.SOAKING):
            continue
        # One that soaks has been seen with the new image: that it asks for the one before is somebody's doing too.
        elif found not in (new, target.previous) or target.state == s.SOAKING and found != new:
            events.append({"type": "drift", "at": now, **common, "reason": f"its workload asks for {found or 'no image'}; wanted {new} or, as "
                                                                           f"before, {target.previous or 'none'}"})
        elif target.state == s.SWITCHING and found == new:
            events.append({"type": "switched", "at": now, **common})
        elif target.state == s.SWITCHING:
            acts.append({"act": "switch", **common, "from": target.previous, "to": new, "strategy": plan["targets"][name]["strategy"]})
        elif target.state == s.ROLLING_BACK and found == new:
            acts.append({"act": "rollback", **common, "to": target.previous})
    return events, acts


def record(plan: Plan, state: State, name: str) -> Dict[str, Any]:
    """Return what the workload of a target carries about itself, from which ``adopt`` rebuilds a ledger that was lost."""
    target = state.targets[name]
    return {"plan": plan["hash"], "state": target.state, "since": target.since, "attempt": target.attempt, "previous": target.previous,
            "token": state.token, "late": target.late}


def adopt(plan: Plan, records: Dict[str, Any], now: int) -> State:
    """Return the state that the targets' own records tell, for a ledger that was lost. It is paused: a person says whether to go on.

    What a record cannot prove is asked for again: a target that was being watched is verified anew. Records of other plans
    and malformed ones count for nothing.
    """
    state = initial(plan)
    targets, token = dict(state.targets), 0
    for name in plan["targets"]:
        row = records.get(name)
        if not isinstance(row, dict) or row.get("plan") != plan["hash"] or row.get("state") not in s.TARGET_STATES:
            continue
        targets[name] = _target(row, now)
        token = max(token, _whole(row.get("token"), 0))
    waves = list(state.waves)
    current = next((number for number, wave in enumerate(plan["waves"])
                    if any(targets[name].state not in s.TERMINAL for name in wave["targets"])), max(0, len(plan["waves"]) - 1))
    for number in range(len(plan["waves"])):
        # The current wave is not taken for approved: nobody remembers who did it.
        asked = number == current and plan["waves"][number]["approval"] and all(
            targets[name].state in s.BEFORE_SWITCH for name in plan["waves"][number]["targets"])
        kind = s.PASSED if number < current else s.APPROVAL if asked else s.WAVE_RUNNING if number == current else s.WAITING
        waves[number] = replace(waves[number], state=kind, since=now)
    return replace(state, status=s.PAUSED, reason="rebuilt from the targets' own records", since=now, started=now, wave=current, token=token,
                   waves=tuple(waves), targets=targets)


def _target(row: Dict[str, Any], now: int) -> Target:
    state = row["state"]
    # Its pull may be half done; its soak was not watched by anybody since.
    state = {s.PREPULLING: s.PLANNED, s.PREPULLED: s.PLANNED, s.SOAKING: s.VERIFYING}.get(state, state)
    touched = state in (s.SWITCHING, s.VERIFYING, s.SUCCEEDED, s.FAILED, s.ROLLING_BACK, s.ROLLBACK_FAILED)
    return Target(state=state, since=now, attempt=_whole(row.get("attempt"), 1), switches=int(touched), changed=touched,
                  previous=str(row.get("previous", "")), late=row.get("late") is True)


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
