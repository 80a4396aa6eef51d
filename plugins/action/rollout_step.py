# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries one wave of a rollout out, at all its sites at once, until it has passed or a person is needed."""
from __future__ import annotations

import contextlib
import glob
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.edgeai.sites.plugins.action.site_health import EXPECTED, expected_target
from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import EDGECORE
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import order as orders
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.away import Away
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.place import place_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.site_hands import SiteHands
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.engine import Engine
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import MAX_BYTES, choose, load_set
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.narrate import narrate, standing
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import to_roll_back
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain
from ansible_collections.edgeai.sites.plugins.plugin_utils.on_node import ByNode, OnNode
from ansible_collections.edgeai.sites.plugins.plugin_utils.this_run import ThisRun
from ansible_collections.edgeai.sites.plugins.plugin_utils.wave_gates import WaveGates

ARGUMENTS = {
    "ledger": {"type": "path", "required": True},
    "ledger_kubeconfig": {"type": "path"},
    "wave": {"type": "str", "required": True},
    "sites": {"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True}, "kubeconfig": {"type": "path", "required": True},
        "namespace": {"type": "str", "default": "edgeai"}, "nodes": {"type": "list", "elements": "dict", "required": True},
        "expected": {"type": "list", "elements": "dict", "required": True, "options": EXPECTED}}},
    "images": {"type": "dict", "default": {}},
    "adopt": {"type": "bool", "default": False},
    "brought": {"type": "dict", "default": {}},
    "not_brought": {"type": "dict", "default": {}},
    "golden_dir": {"type": "path"},
    "prometheus_url": {"type": "str", "default": ""},
    "timezone": {"type": "str", "default": "UTC"},
    "limit": {"type": "int", "default": 14400},
    "probe_timeout": {"type": "int", "default": 10},
}
# How long to wait for news at most, and how often to say what is waited for when there are none.
TICK_SECONDS = 1.0
WORD_SECONDS = 30
# Changes and first looks at sites together, at most.
AT_ONCE = 16
display = Display()


class ActionModule(ActionBase):
    """Opens the ledger, takes the sites in hand, and turns the engine until there is nothing more to do here."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        for library, name in ((client.urllib3, "kubernetes"), (expression.jmespath, "jmespath")):
            if library is None:
                return {**result, "failed": True, "msg": missing_required_lib(name)}
        if self._task.check_mode:
            return {**result, "skipped": True, "msg": "a rollout is planned in check mode, and not carried out"}
        given = plain(given)
        try:
            return {**result, **self._carry_out(given, (task_vars or {}).get("hostvars", {}))}
        except (OSError, RolloutError, expression.ExpressionError) as error:
            raise AnsibleActionFail(f"rollout in {given['ledger']}: {error}") from error

    def _carry_out(self, given, hostvars):
        place = place_of(given["ledger"], given["ledger_kubeconfig"], display.display)
        with place.open(None, int(time.time()), ThisRun.name()) as ledger:
            plan = ledger.plan
            number = _number(plan, given["wave"])
            if ledger.state.status == s.READY and not given["adopt"]:
                raise RolloutError("it was not started; give the order start (rollout_control)")
            golden = _golden(plan, given["golden_dir"])
            wake = threading.Event()
            with contextlib.ExitStack() as stack:
                hands = self._hands(given, plan, hostvars, stack, wake)
                expected = {f"{site['name']}/{item['name']}": {"health_path": item["health"]["path"], "request": item["golden"]["request"],
                                                               "expect": item["golden"]["expect"]}
                            for site in given["sites"] for item in site["expected"]}
                _all_known(plan, expected)
                told = Told(ledger, given["timezone"])
                gates = WaveGates(given["prometheus_url"], place.directory)
                at_once = stack.enter_context(ThreadPoolExecutor(max_workers=AT_ONCE))
                engine = Engine(plan, told, hands, expected, golden, expression.holds, gates.read, at_once.map)
                began = ledger.state.seq
                if ledger.state.status == s.READY:
                    own = engine.adopt(int(time.time()))
                    display.display(f"  {own} of {len(plan['targets'])} targets carry a record of this plan")
                why = _turn(engine, ledger, number, given["limit"], given["timezone"], wake)
            state = ledger.state
            now = int(time.time())
            at = min(state.wave, len(plan["waves"]) - 1)
            waiting = "approval" if state.status == s.RUNNING and state.wave == at and state.waves[at].state == s.APPROVAL else ""
            return {"changed": told.changes > 0, "status": state.status, "why": why, "events": state.seq - began, "state": state.waves[number].state,
                    "hash": plan["hash"], "reason": state.reason or state.stopped, "waiting": waiting,
                    "standing": standing(plan, state, now, given["timezone"]) if why == "limit" else "",
                    "at_wave": plan["waves"][at]["name"] if plan["waves"] else ""}

    def _hands(self, given, plan, hostvars, stack, wake):
        """Hands on each site of the plan; a site that cannot be had is away, and holds up nobody."""
        wanted = [site for site in given["sites"] if site["name"] in plan["sites"]]
        # Before there are threads: variables are templated when they are read.
        ways = {node["name"]: OnNode(self, node["name"], hostvars[node["name"]])
                for site in wanted for node in site["nodes"] if node.get("runtime") == EDGECORE}

        def take(site):
            targets = {f"{site['name']}/{item['name']}": expected_target(item) for item in site["expected"]}
            try:
                api = KubeApi.from_kubeconfig(site["kubeconfig"])
            except ApiError as error:
                return Away(str(error))
            nodes = {node["name"]: {**node, "not_brought": given["not_brought"].get(node["name"], ""),
                                    "brought": given["brought"].get(node["name"], [])} for node in site["nodes"]}
            own = {node: ByNode(ways[node], site["namespace"], given["probe_timeout"]) for node in nodes if node in ways}
            return SiteHands(api, site["namespace"], targets, nodes, given["images"], given["probe_timeout"], wake.set, own).__enter__()

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            found = dict(zip((site["name"] for site in wanted), pool.map(take, wanted)))
        for hands in found.values():
            stack.callback(hands.__exit__, None, None, None)
        return {name: found.get(name) or Away(f"site {name} is not in the inventory") for name in plan["sites"]}


class Told:
    """The ledger, with each event told to whoever watches."""

    def __init__(self, ledger, zone):
        self._ledger = ledger
        self._zone = zone
        self.changes = 0
        self.last_word = time.monotonic()

    @property
    def events(self):
        return self._ledger.events

    @property
    def state(self):
        return self._ledger.state

    def sync(self):
        self._ledger.sync()

    def append(self, event):
        was = self._ledger.state
        state = self._ledger.append(event)
        for line in narrate(self._ledger.plan, was, state, event, self._zone):
            display.display("  " + line)
            self.last_word = time.monotonic()
        self.changes += event["type"] in ("switched", "rolled_back", "pulled")
        return state


def _turn(engine, ledger, number, limit, zone, wake):
    """Turn until the wave is over, a person is needed, or the time of this step is. Return why it ended."""
    end = time.monotonic() + limit
    said = news = time.monotonic()
    while True:
        if ThisRun.is_gone():
            raise RolloutError("the run of Ansible that this belongs to is gone, and nobody would see how it goes on; run the playbook again")
        now = int(time.time())
        requests = [orders.event_of(ledger.plan, order, now) for order in ledger.orders()]
        more = engine.turn(now, requests)
        state = ledger.state
        if state.status in s.FINISHED or state.status == s.PAUSED and not _under_way(ledger.plan, state):
            return state.status
        if state.wave > number:
            return "passed"
        if state.wave <= number and state.waves[state.wave].state == s.APPROVAL and not _under_way(ledger.plan, state):
            return "approval"
        if time.monotonic() >= end:
            return "limit"
        if more:
            said = news = time.monotonic()
            continue
        quiet = time.monotonic() - news
        if time.monotonic() - said >= max(WORD_SECONDS, quiet / 10):
            said = time.monotonic()
            display.display(f"  {standing(ledger.plan, state, now, zone)}")
        wake.wait(TICK_SECONDS)
        wake.clear()


def _under_way(plan, state):
    """Whether something is being done to a device: nobody leaves it half done, and a person is not waited for meanwhile."""
    return bool(to_roll_back(plan, state)) or any(state.targets[name].state in (*s.IN_FLIGHT, s.SOAKING) for name in plan["targets"])


def _number(plan, name):
    names = [wave["name"] for wave in plan["waves"]] + ["catch-up"]
    if name not in names:
        raise RolloutError(f"the plan has no wave {name}; wanted one of {', '.join(names)}")
    return names.index(name)


def _golden(plan, directory):
    if "golden" not in plan["gates"]:
        return None
    sets = []
    for path in sorted(glob.glob(os.path.join(directory, "*.json"))) if directory else []:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        try:
            sets.append(load_set(data, path, expression.check_expression))
        except RolloutError as error:
            display.warning(str(error))
    return choose(sets, plan["gates"]["golden"], directory or "no directory (golden_dir)")


def _all_known(plan, expected):
    missing = sorted(name for name in plan["targets"] if name not in expected)
    if missing:
        raise RolloutError(f"the inventory does not have {', '.join(missing[:3])} ({len(missing)} in all), which the plan is for; put them back, or "
                           "make another plan")
