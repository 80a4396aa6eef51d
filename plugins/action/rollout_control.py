# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a person's order to a rollout: into its ledger, or to the process that holds it. All that it needs is on the controller."""
from __future__ import annotations

import getpass
import json
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import order as orders
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.place import place_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Held, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger import restore
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import check_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain
from ansible_collections.edgeai.sites.plugins.plugin_utils.this_run import ThisRun

ARGUMENTS = {
    "ledger": {"type": "path", "required": True},
    "ledger_kubeconfig": {"type": "path"},
    "order": {"type": "str", "required": True, "choices": list(orders.ORDERS)},
    "by": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "plan": {"type": "dict"},
    "wave": {"type": "str"},
    "hash": {"type": "str", "default": ""},
    "hours": {"type": "int", "default": 24},
    "mode": {"type": "str", "choices": ["hold", "rollback"], "default": "hold"},
    "targets": {"type": "list", "elements": "str", "default": []},
}
REQUIRED = [("order", orders.APPROVE, ["wave", "hash"]), ("order", orders.START, ["plan"]), ("order", orders.ADOPT, ["plan"])]
display = Display()


class ActionModule(ActionBase):
    """Gives one order."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENTS, required_if=REQUIRED)
        given = plain(given)
        try:
            return {**result, **self._give(given, place_of(given["ledger"], given["ledger_kubeconfig"], display.display))}
        except (OSError, RolloutError) as error:
            raise AnsibleActionFail(f"{given['order']} of the rollout in {given['ledger']}: {error}") from error

    def _give(self, given, place):
        if given["order"] == orders.ADOPT:
            return self._begin_empty(given, place)
        starting = given["order"] == orders.START
        if not starting:
            plan, journal = place.read()
            state = restore(plan, journal)
        else:
            plan, state = check_plan(given["plan"]), None
        order = {**given, "by": given["by"] or getpass.getuser(), "plan": given["hash"]}
        event = orders.event_of(plan, order, int(time.time()))
        if given["order"] == orders.STATUS:
            return self._told(plan, state, False)
        if self._task.check_mode:
            known = state or _known(place, plan)
            return self._told(plan, known, reduce(plan, known, event) != known)
        try:
            with place.open(plan if starting else None, int(time.time()), ThisRun.name()) as ledger:
                was = ledger.state
                state = ledger.append(event)
                problem = orders.outcome(given["order"], was, state, plan)
                if problem:
                    raise RolloutError(problem)
                return self._told(plan, state, (was.status, was.waves, was.targets) != (state.status, state.waves, state.targets))
        except Held:
            if starting:
                raise
            place.leave_order({key: order[key] for key in ("order", "by", "reason", "wave", "plan", "hours", "mode", "targets")}, time.time())
            return {**self._told(plan, state, True), "msg": "the process that runs the rollout takes the order within a second"}

    def _begin_empty(self, given, place):
        """A new ledger for one that was lost; rollout_step fills it from what the targets say."""
        plan = check_plan(given["plan"])
        if _known(place, plan).status != s.READY:
            raise RolloutError(f"found a ledger in {place.name}; adopt is for one that was lost. If it is damaged, move it away first")
        if self._task.check_mode:
            return self._told(plan, initial(plan), True)
        with place.open(plan, int(time.time()), ThisRun.name()) as ledger:
            return self._told(plan, ledger.state, True)

    def _told(self, plan, state, changed):
        number = min(state.wave, len(plan["waves"]) - 1)
        return {"changed": changed, "status": state.status, "hash": plan["hash"], "reason": state.reason or state.stopped,
                "wave": plan["waves"][number]["name"] if plan["waves"] else ""}


def _known(place, plan):
    """The state of a rollout that may not have begun yet."""
    found = place.find()
    if found is None:
        return initial(plan)
    known, journal = found
    if known["hash"] != plan["hash"]:
        raise RolloutError(f"found a rollout with plan {known['hash']}; wanted {plan['hash']}: {json.dumps(known['release'])} was planned anew")
    return restore(known, journal)
