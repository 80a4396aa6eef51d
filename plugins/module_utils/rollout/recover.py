# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout whose controller went away: what is true on the devices, against what the journal says was begun."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import Act
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State
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
    """Return what the workload of a target carries about itself, from which a ledger that was lost is rebuilt (``adopt``)."""
    target = state.targets[name]
    return {"plan": plan["hash"], "state": target.state, "since": target.since, "attempt": target.attempt, "previous": target.previous,
            "token": state.token, "late": target.late}
