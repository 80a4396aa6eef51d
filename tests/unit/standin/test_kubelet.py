# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's pure parts: labels, admission, pod status, probes' thresholds."""

from __future__ import annotations

import pytest
from standin_common import probes
from k3s_standin.kubelet import node, pods, podstatus
from standin_common import devices


@pytest.mark.parametrize("label, forbidden", [
    ("kubernetes.io/role", True), ("node-role.kubernetes.io/x", True), ("foo.k8s.io/x", True),
    ("kubernetes.io/hostname", False), ("node.kubernetes.io/anything", False), ("topology.kubernetes.io/zone", False),
    ("edgeai.sites/line", False), ("plain", False), ("notkubernetes.io/x", False),
])
def test_labels_a_kubelet_may_not_set(label, forbidden):
    assert node.forbidden_labels({label: "1"}) == ([label] if forbidden else [])


def test_taints():
    assert node.parse_taints(["a=b:NoSchedule", "c:NoExecute"]) == [
        {"key": "a", "value": "b", "effect": "NoSchedule"}, {"key": "c", "effect": "NoExecute"}]


def gpu_pod(count):
    return {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": str(count)}}}]}}


def test_device_that_is_used_up():
    short = devices.exceeds(gpu_pod(1), [gpu_pod(1)], {"nvidia.com/gpu": "1"})
    assert devices.out_of(short) == (
        "OutOfnvidia.com/gpu", "Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: 1, "
        "capacity: 1")
    assert devices.exceeds(gpu_pod(1), [], {"nvidia.com/gpu": "1"}) is None
    assert devices.exceeds({"spec": {"containers": [{}]}}, [], {}) is None


def test_device_status_follows_capacity():
    have = {"status": {"capacity": {"nvidia.com/gpu": "2"}, "conditions": []}}
    status = node.status("n", "10.0.0.1", [], ["runc"], have, True)
    assert status["allocatable"]["nvidia.com/gpu"] == "2"


def test_newer_heartbeat_alone_is_no_change():
    have = node.status("n", "10.0.0.1", [], ["runc"], None, True)
    later = node.status("n", "10.0.0.1", [], ["runc"], {"status": have}, True)
    for condition in later["conditions"]:
        condition["lastHeartbeatTime"] = "2030-01-01T00:00:00Z"
    assert not node.differs(have, later)
    assert node.differs(have, node.status("n", "10.0.0.1", [], ["runc"], {"status": have}, False))


class State:
    def __init__(self, **state):
        self.state = state


@pytest.mark.parametrize("policy, states, started, expected", [
    ("Always", [State(waiting={})], False, "Pending"),
    ("Always", [State(running={})], True, "Running"),
    ("Always", [State(waiting={})], True, "Running"),
    ("Always", [State(terminated={"exitCode": 1})], True, "Running"),
    ("Never", [State(terminated={"exitCode": 0})], True, "Succeeded"),
    ("Never", [State(terminated={"exitCode": 0}), State(terminated={"exitCode": 3})], True, "Failed"),
    ("OnFailure", [State(terminated={"exitCode": 0})], True, "Succeeded"),
    ("OnFailure", [State(terminated={"exitCode": 3})], True, "Running"),
])
def test_phase(policy, states, started, expected):
    assert podstatus.phase({"restartPolicy": policy}, states, True, started) == expected


def test_transition_time_moves_with_the_status_only():
    old = podstatus.conditions([], 1, "T1", True, True, ["c"])
    same = podstatus.conditions(old, 1, "T2", True, True, ["c"])
    new = podstatus.conditions(same, 1, "T3", True, True, [])
    times = [{c["type"]: c["lastTransitionTime"] for c in conditions} for conditions in (old, same, new)]
    assert times[0] == times[1] and times[2]["Ready"] == "T3" and times[2]["Initialized"] == "T1"


def test_thresholds_of_a_probe():
    prober = probes.Prober("readinessProbe", {"failureThreshold": 2, "successThreshold": 1}, 0)
    assert [(prober.note(ok), prober.result) for ok in (False, False, True, False, False)] == [
        (False, None), (True, False), (True, True), (False, True), (True, False)]
