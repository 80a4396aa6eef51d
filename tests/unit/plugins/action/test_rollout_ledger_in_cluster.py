# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of a rollout with a ledger in a cluster: they do the same, and what they need beside is asked for."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.edgeai.sites.plugins.action import rollout_control, rollout_plan, rollout_report, rollout_step

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import place
from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout import samples
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import NAME, NS, cluster
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import SITE, small_plan

PLAN = small_plan()
LEDGER = f"configmap:{NS}/{NAME}"


@pytest.fixture(name="there")
def _there():
    with cluster() as made:
        yield made


@pytest.fixture(name="order")
def _order(there):
    def give(kind, check_mode=False, **more):
        return act(rollout_control, {"ledger": LEDGER, "ledger_kubeconfig": there.kubeconfig, "order": kind, "by": "eva", **more}, check_mode)
    return give


def test_orders_to_a_ledger_that_nobody_holds(order, there):
    assert order("start", plan=PLAN, check_mode=True)["changed"] is True and there.read() is None
    assert order("start", plan=PLAN)["changed"] is True and order("start", plan=PLAN)["changed"] is False
    assert order("pause")["status"] == "paused" and order("status") == {
        "changed": False, "status": "paused", "hash": PLAN["hash"], "reason": "", "wave": "canary"}
    assert [kind for kind in there.kinds() if kind != "takeover"] == ["start", "start", "pause"]
    assert there.lease()["spec"]["holderIdentity"] == ""


def test_who_runs_it_takes_the_order(order, there, monkeypatch):
    order("start", plan=PLAN)
    monkeypatch.setattr("ansible_collections.edgeai.sites.plugins.module_utils.rollout.lease.RENEW_SECONDS", 0.05)
    held = there.open(run="another machine")
    left = order("pause", reason="cleaning")
    assert left["changed"] is True and "takes the order within a second" in left["msg"]
    (taken,) = held.orders()
    assert (taken["order"], taken["by"], taken["reason"]) == ("pause", "eva", "cleaning")
    with pytest.raises(AnsibleActionFail, match="found that another machine .* holds .*this rollout is being run already"):
        order("start", plan=PLAN)


def test_a_plan_knows_the_rollout_that_has_begun(order, there, tmp_path):
    release = {key: value for key, value in samples.RELEASE.items() if key != "waves"}
    path = tmp_path / "vision-2.yml"
    path.write_text(yaml.safe_dump({**release, "targets": {"expect": 3}}))
    given = {"release": str(path), "fleet": "test", "workloads": [samples.WORKLOAD], "sites": [SITE], "ledger": LEDGER,
             "ledger_kubeconfig": there.kubeconfig}
    planned = act(rollout_plan, given)
    assert planned["begun"] is False and (planned["ledger"], planned["ledger_kubeconfig"]) == (LEDGER, there.kubeconfig)
    order("start", plan=planned["plan"])
    again = act(rollout_plan, {**given, "workloads": [{**samples.WORKLOAD, "load_seconds": 90}]})
    assert again["begun"] is True and again["hash"] == planned["hash"]
    path.write_text(yaml.safe_dump({**release, "release": "vision-3", "targets": {"expect": 3}}))
    with pytest.raises(AnsibleActionFail, match=f"found a rollout of vision-2 in {LEDGER}; wanted vision-3"):
        act(rollout_plan, given)


def test_a_report_is_read_from_it(order, there, tmp_path):
    with pytest.raises(AnsibleActionFail, match=f"cannot read the rollout in {LEDGER}: found no rollout in {LEDGER}"):
        act(rollout_report, {"ledger": LEDGER, "ledger_kubeconfig": there.kubeconfig})
    order("start", plan=PLAN)
    result = act(rollout_report, {"ledger": LEDGER, "ledger_kubeconfig": there.kubeconfig, "dest": str(tmp_path)})
    assert result["status"] == "running" and json.loads((tmp_path / "report.json").read_text())["status"] == "running"


def test_one_that_was_lost_is_begun_anew_and_another_is_not(order, there):
    assert order("adopt", plan=PLAN)["status"] == "ready" and there.kinds() == ["takeover"]
    order("start", plan=PLAN)
    with pytest.raises(AnsibleActionFail, match=f"found a ledger in {LEDGER}; adopt is for one that was lost"):
        order("adopt", plan=PLAN)


def test_a_step_opens_it(order, there):
    order("adopt", plan=PLAN)
    with pytest.raises(AnsibleActionFail, match=f"rollout in {LEDGER}: it was not started"):
        act(rollout_step, {"ledger": LEDGER, "ledger_kubeconfig": there.kubeconfig, "wave": "canary", "sites": []})
    assert there.kinds() == ["takeover"] * 2


@pytest.mark.parametrize(("given", "words"), [
    ({"ledger": LEDGER}, "without ledger_kubeconfig; wanted the path of the kubeconfig of its cluster"),
    ({"ledger": LEDGER, "ledger_kubeconfig": "/none"}, "kubeconfig /none cannot be used"),
    ({"ledger": "configmap:x", "ledger_kubeconfig": "/none"}, "wanted configmap:<namespace>/<name>"),
])
def test_what_is_missing_is_told(given, words):
    for plugin, more in ((rollout_control, {"order": "status"}), (rollout_report, {}), (rollout_step, {"wave": "canary", "sites": []})):
        with pytest.raises(AnsibleActionFail, match=words):
            act(plugin, {**given, **more})


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(place.client, "urllib3", None)
    with pytest.raises(AnsibleActionFail, match="Python library kubernetes is needed"):
        act(rollout_report, {"ledger": LEDGER, "ledger_kubeconfig": "/none"})
