# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger that was lost, rebuilt from what the workloads of its targets carry about themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import wave_gates
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, Target, initial

ADOPTED = "rebuilt from the targets' own records"


def adopt(plan: Plan, records: Dict[str, Any], now: int) -> State:
    """Return the state that the targets' own records tell. It is paused: a person says whether to go on.

    What a record cannot prove is asked for again: a target that was being watched is verified anew. Records of other plans
    and malformed ones count for nothing.
    """
    return adopted(plan, initial(plan), records, now)


def adopted(plan: Plan, state: State, records: Dict[str, Any], now: int) -> State:
    """Return the state with more records: those of a large fleet come in parts."""
    targets, token = dict(state.targets), state.token
    for name in plan["targets"]:
        row = records.get(name)
        if not isinstance(row, dict) or row.get("plan") != plan["hash"] or row.get("state") not in s.TARGET_STATES:
            continue
        targets[name] = _target(row, now)
        token = max(token, _whole(row.get("token"), 0))
    waves = list(state.waves)
    current = next((number for number, wave in enumerate(plan["waves"])
                    if any(targets[name].state not in s.TERMINAL for name in wave["targets"])), max(0, len(plan["waves"]) - 1))
    # Whether the gates of a wave passed no target knows; only one that was switched after it proves that they did.
    if current and wave_gates(plan) and all(targets[name].state in s.BEFORE_SWITCH for name in plan["waves"][current]["targets"]):
        current -= 1
    for number in range(len(plan["waves"])):
        # The current wave is not taken for approved: nobody remembers who did it.
        asked = number == current and plan["waves"][number]["approval"] and all(
            targets[name].state in s.BEFORE_SWITCH for name in plan["waves"][number]["targets"])
        kind = s.PASSED if number < current else s.APPROVAL if asked else s.WAVE_RUNNING if number == current else s.WAITING
        waves[number] = replace(waves[number], state=kind, since=now)
    return replace(state, status=s.PAUSED, reason=ADOPTED, since=now, started=now, wave=current, token=token,
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
