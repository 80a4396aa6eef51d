# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many targets of a site, a line and the fleet may be down at once. The same numbers bind the forecast and the engine."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Dict, List, Tuple

Plan = Dict[str, Any]
Group = Tuple[str, str]
FLEET: Group = ("fleet", "")


def groups_of(target: Dict[str, Any]) -> List[Group]:
    """Return the groups that a target belongs to: the fleet, its site and, where it has one, its line."""
    own = [FLEET, ("site", target["site"])]
    return own + [("line", f"{target['site']}/{target['line']}")] if target["line"] else own


def sizes(plan: Plan) -> Tuple[Dict[Group, int], Dict[Group, int]]:
    """Return (members, lost) for each group: planned targets and those left out, and how many of the latter do not serve."""
    return _counted(_Frozen(plan))


class _Frozen:
    """A plan never changes: what follows from it alone is worked out once, and not in each of the thousands of turns."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: Any) -> bool:
        return self.plan is other.plan


@lru_cache(maxsize=2)
def _counted(frozen: _Frozen) -> Tuple[Dict[Group, int], Dict[Group, int]]:
    members: Dict[Group, int] = {}
    lost: Dict[Group, int] = {}
    for target in [*frozen.plan["targets"].values(), *frozen.plan["left_out"].values()]:
        for group in groups_of(target):
            members[group] = members.get(group, 0) + 1
            if not target.get("available", True):
                lost[group] = lost.get(group, 0) + 1
    return members, lost


def ceiling(plan: Plan, group: Group, members: int) -> int:
    """Return how many of a group's members may be down together, whatever the reason that they are down."""
    budgets = plan["budgets"]
    return min(budgets["max_unavailable"].get(group[0], members), members - budgets["min_available"].get(group[0], 0))


def rooms(plan: Plan) -> Dict[Group, int]:
    """Return how many targets of each group the rollout may take down together while nothing else fails."""
    members, lost = sizes(plan)
    return {group: max(0, ceiling(plan, group, count) - lost.get(group, 0)) for group, count in members.items()}
