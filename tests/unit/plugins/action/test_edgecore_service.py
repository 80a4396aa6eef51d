# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of edgecore_service between two versions: which calls follow from what the node and the cloud say."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.action import edgecore_service
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import health
from ansible_collections.edgeai.sites.plugins.module_utils.units import Unit
from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act

OLD, NEW = "v1.23.1", "v1.23.2"
BEGUN, NOW = 1000.0, 1_800_000_000.0
LOCAL = health.to_facts(health.Local(at=BEGUN + 90, wall=NOW, unit=Unit("active", "running", "success", 0, BEGUN, 7), pods=[]))
UP = {"local": LOCAL, "stages": ["ready 60.0 s"], "waited_seconds": 60.0, "changed": False}
DOWN = {"failed": True, "deferred": False, "msg": "EdgeCore on edge1 is not up: exit code 1", "stages": [], "changed": True}


class Cloud:
    """The Node as it reports itself, in the version that runs on the node."""

    version, silent = OLD, False

    def __init__(self, _kubeconfig, _name):
        if Cloud.silent:
            raise ApiError(0, "connection refused")

    @staticmethod
    def observe():
        return health.Cloud(
            node={"metadata": {"name": "edge1"}, "status": {
                "nodeInfo": {"kubeletVersion": "v1.32.10-kubeedge-" + Cloud.version},
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2027-01-15T08:00:00Z"}]}},
            lease={"spec": {"renewTime": "2027-01-15T08:00:00.000000Z"}})

    @staticmethod
    def reconcile(_labels, _taints, _check_mode):
        return []


@pytest.fixture(name="run")
def _run(monkeypatch):
    """Run the action; `answers`: what the module says, by its state. Returns the result and the states that were asked for."""
    monkeypatch.setattr(edgecore_service, "EdgeCloud", Cloud)
    monkeypatch.setattr(edgecore_service, "PAUSE", 0.0)
    Cloud.version, Cloud.silent = OLD, False

    def run(answers, version=NEW, wait_seconds=0, asked=None, **more):
        asked = [] if asked is None else asked

        def execute(_self, module_args=None, task_vars=None):
            state = module_args.get("state", "started")
            asked.append(state)
            answer = dict(answers[state], kept={"version": more.get("kept", OLD), "database": True}, kept_is_current=more.get("current", False))
            if state == "restored" and not answer.get("failed"):
                Cloud.version = OLD
            return answer

        monkeypatch.setattr(edgecore_service.ActionModule, "_execute_module", execute)
        return act(edgecore_service, {"node_name": "edge1", "version": version, "kubeconfig": "/x", "wait_seconds": wait_seconds, "stable_seconds": 10}), asked

    return run


def test_a_version_that_is_proven_is_kept(run):
    Cloud.version = NEW
    result, asked = run({"started": UP, "kept": {}})
    assert not result.get("failed"), result
    assert asked == ["started", "kept"]


def test_a_second_run_keeps_nothing_anew(run):
    result, asked = run({"started": UP}, version=OLD, current=True)
    assert not result.get("failed") and asked == ["started"]
    assert "kept" not in result and "local" not in result


def test_a_version_that_does_not_start_is_taken_back(run):
    result, asked = run({"started": DOWN, "restored": UP})
    assert asked == ["started", "restored"]
    assert (result["failed"], result["rolled_back"], result["restored"]) == (True, True, OLD)
    assert "v1.23.1 was put back" in result["msg"] and "and is up again" in result["msg"] and "exit code 1" in result["msg"]


def test_a_version_that_the_cloud_does_not_see_is_taken_back(run):
    """A binary that is not the version that it was brought as: well by itself, and another one in the cloud's eyes."""
    Cloud.version = "v1.23.0"
    result, asked = run({"started": UP, "restored": UP})
    assert asked == ["started", "restored"] and "is up again" in result["msg"] and "v1.23.0" in result["msg"]


def test_when_the_former_version_is_not_up_either_both_reasons_are_told(run):
    result, _asked = run({"started": DOWN, "restored": dict(DOWN, msg="no containerd")})
    assert "is not up either: no containerd" in result["msg"] and "exit code 1" in result["msg"]


def test_a_cloud_that_cannot_be_asked_takes_nothing_back(run):
    Cloud.silent = True
    result, asked = run({"started": UP})
    assert asked == ["started"] and result["deferred"] is True and "rolled_back" not in result


def test_the_same_version_has_no_way_back(run):
    result, asked = run({"started": DOWN}, version=OLD)
    assert asked == ["started"] and "rolled_back" not in result


def test_a_first_start_has_no_way_back(run):
    result, asked = run({"started": DOWN}, kept="")
    assert asked == ["started"] and result["msg"] == DOWN["msg"]


class TestALostLease:
    """Its status comes through, and its lease was renewed minutes ago."""

    @pytest.fixture(name="lost")
    def _lost(self, run, monkeypatch):
        """Time passes with each look, and a restart of EdgeCore brings the lease back. Returns (result, states) of a run."""
        clock, seen = [0.0], Cloud.observe
        monkeypatch.setattr(edgecore_service.time, "monotonic", lambda: clock.append(clock[-1] + 5) or clock[-1])

        def wait(renewed, mended_after=None, reported=None):
            asked = []

            def observe():
                looked = seen()
                if "restarted" not in asked and (mended_after is None or clock[-1] < mended_after):
                    looked.lease["spec"]["renewTime"] = renewed
                    looked.node["status"]["conditions"][0]["lastHeartbeatTime"] = reported or "2027-01-15T08:00:00Z"
                return looked

            monkeypatch.setattr(Cloud, "observe", staticmethod(observe))
            return run({"started": UP, "restarted": dict(UP, changed=True)}, version=OLD, current=True, wait_seconds=240, asked=asked)

        return wait

    def test_it_is_restarted_once_and_says_so(self, lost):
        result, asked = lost("2027-01-15T07:58:00.000000Z")
        assert not result.get("failed"), result
        assert asked.count("restarted") == 1 and asked[-1] == "restarted" and result["changed"] is True
        assert result["repaired"] == "EdgeCore was restarted: its lease stood still, while its status came through"
        assert any(stage.startswith("heartbeat") for stage in result["stages"])

    def test_a_link_that_was_just_mended_brings_it_back_by_itself(self, lost):
        result, asked = lost("2027-01-15T07:58:00.000000Z", mended_after=30)
        assert not result.get("failed") and "restarted" not in asked and "repaired" not in result

    def test_a_node_that_does_not_report_at_all_is_left_alone(self, lost):
        result, asked = lost("2027-01-15T07:58:00.000000Z", reported="2027-01-15T07:58:20Z")
        assert result["failed"] and result["cause"] == "heartbeat" and "restarted" not in asked
