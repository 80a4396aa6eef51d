# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person may order of a rollout: from words to an event, and what came of it. Pure; saying it twice is no mistake."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

START, ADOPT, PAUSE, RESUME, APPROVE, ABORT, ROLLBACK, RETRY, CATCH_UP, STATUS = (
    "start", "adopt", "pause", "resume", "approve", "abort", "rollback", "retry", "catch_up", "status")
ORDERS = (START, ADOPT, PAUSE, RESUME, APPROVE, ABORT, ROLLBACK, RETRY, CATCH_UP, STATUS)
# Of a plan's hash this much has to be repeated by whoever approves it: sha256: and twelve digits.
HASH_DIGITS = 12


def event_of(plan: Plan, order: Dict[str, Any], now: int) -> Event:
    """Return the event of an order; RolloutError when it cannot be meant for this plan.

    order: {order, by, reason, wave, plan, hours, mode, targets}, as far as the order needs it; and id, of one that was left for
    the holder of a ledger: the journal shows by it that the order was taken.
    """
    kind = order["order"]
    event: Event = {"type": kind, "at": now, "by": order["by"]}
    if order.get("reason"):
        event["reason"] = order["reason"]
    if order.get("id"):
        event["order"] = order["id"]
    if kind == APPROVE:
        return {**event, **_approval(plan, order, now)}
    if kind == ABORT:
        return {**event, "mode": order["mode"], "reason": event.get("reason") or f"aborted by {order['by']}"}
    if kind == ROLLBACK:
        return {**event, "scope": "all", "reason": event.get("reason") or f"rolled back by {order['by']}"}
    if kind == RETRY and order.get("targets"):
        unknown = [name for name in order["targets"] if name not in plan["targets"]]
        if unknown:
            raise RolloutError(f"the plan has no target {unknown[0]}; wanted names such as {next(iter(plan['targets']), 'site/workload')}")
        return {**event, "targets": list(order["targets"])}
    return event


def outcome(order: str, was: State, state: State, plan: Plan) -> str:
    """Return why an order did nothing, as far as that is a mistake; empty when it did something or had been done before."""
    if state is not was and (state.status, state.waves, state.targets) != (was.status, was.waves, was.targets):
        return ""
    settled: Dict[str, List[str]] = {
        START: [kind for kind in s.ROLLOUT_STATES if kind != s.READY], PAUSE: [s.PAUSED, *s.FINISHED], RESUME: [s.RUNNING],
        ABORT: [s.ABORTING, s.ROLLING_BACK_ALL, *s.FINISHED], ROLLBACK: [s.ROLLING_BACK_ALL, s.ABORTED], CATCH_UP: [s.RUNNING, s.DONE],
        APPROVE: [], RETRY: [], STATUS: list(s.ROLLOUT_STATES),
    }
    if state.status in settled[order] or order == APPROVE and any(wave.approved_by for wave in state.waves):
        return ""
    if order == START and not plan["waves"]:
        return "nobody takes part in this plan; it says why each target is left out"
    return f"found the rollout {state.status.replace('_', ' ')}, in which {order.replace('_', ' ')} does nothing"


def _approval(plan: Plan, order: Dict[str, Any], now: int) -> Event:
    names = [wave["name"] for wave in plan["waves"]]
    if order["wave"] not in names:
        raise RolloutError(f"the plan has no wave {order['wave']}; wanted one of {', '.join(names) or 'none'}")
    given = order.get("plan") or ""
    if len(given) < len("sha256:") + HASH_DIGITS or not plan["hash"].startswith(given):
        raise RolloutError(f"found an approval of plan {given or '(none named)'}; this rollout is of plan {plan['hash']}. Look at that plan, and "
                           f"approve it with its hash (sha256: and {HASH_DIGITS} digits are enough)")
    return {"wave": names.index(order["wave"]), "plan": plan["hash"], "until": now + order["hours"] * 3600}
