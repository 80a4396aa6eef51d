# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployment and scheduling decisions, without a cluster around them."""

from __future__ import annotations

import pytest
from k3s_standin.controllers import deployment, scheduler
from k3s_standin.controllers.deployment import DeploymentController
from k3s_standin.controllers.events import Recorder
from k3s_standin.controllers.nodes import NodeMonitor


def spec(**more):
    return {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, **more, "template": {
        "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "x.example/a:1"}]}}}


@pytest.fixture
def controller(objects):
    return DeploymentController(objects, Recorder(objects))


def make(objects, **more):
    return objects.create(objects.registry["deployments"], "default", {"metadata": {"name": "a"}, "spec": spec(**more)})


def get(objects):
    return objects.find("deployments", "default", "a")


def settle(objects, controller):
    """Plays the ReplicaSet controller and the kubelet: every wanted replica is available at once."""
    for _ in range(12):
        controller.sync()
        for replica_set in objects.all("replicasets"):
            wanted = replica_set["spec"]["replicas"]
            status = {"replicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted,
                      "observedGeneration": replica_set["metadata"]["generation"]}
            objects.edit("replicasets", replica_set, lambda o, s=status: o.update(status=s), "status")


@pytest.mark.parametrize("replicas, surge, unavailable, expected", [
    (4, "25%", "25%", (1, 1)), (1, "25%", "25%", (1, 0)), (10, "30%", "30%", (3, 3)), (1, 0, 1, (0, 1)),
    (3, 1, 0, (1, 0)), (1, "0%", "0%", (0, 1)),
])
def test_surge_and_unavailable(replicas, surge, unavailable, expected):
    obj = {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": {
        "maxSurge": surge, "maxUnavailable": unavailable}}}}
    assert deployment.surge_and_unavailable(obj) == expected


def test_new_template_is_acted_on_before_it_is_reported(objects, controller):
    make(objects)
    settle(objects, controller)
    done = get(objects)
    assert done["status"]["observedGeneration"] == 1 and done["status"]["availableReplicas"] == 1
    objects.edit("deployments", done, lambda o: o["spec"]["template"]["metadata"].update(annotations={"v": "2"}))
    controller.sync()
    between = get(objects)
    assert between["metadata"]["generation"] == 2 and between["status"]["observedGeneration"] == 1
    assert len(objects.all("replicasets")) == 2
    settle(objects, controller)
    assert get(objects)["status"]["observedGeneration"] == 2
    assert get(objects)["metadata"]["annotations"][deployment.REVISION] == "2"


def test_going_back_reuses_the_replica_set_with_a_new_revision(objects, controller):
    make(objects)
    settle(objects, controller)
    for annotations in ({"v": "2"}, None):
        objects.edit("deployments", get(objects), lambda o, a=annotations: o["spec"]["template"].update(
            metadata={"labels": {"app": "a"}, **({"annotations": a} if a else {})}))
        settle(objects, controller)
    revisions = {r["metadata"]["annotations"][deployment.REVISION]: r["spec"]["replicas"]
                 for r in objects.all("replicasets")}
    assert revisions == {"2": 0, "3": 1}


def test_a_replica_set_that_is_used_again_gets_what_the_deployment_says_by_now(objects, controller):
    make(objects)
    for annotations in ({"v": "2"}, None):
        settle(objects, controller)
        objects.edit("deployments", get(objects), lambda o, a=annotations: (o["spec"].update(minReadySeconds=9), o["spec"]["template"].update(
            metadata={"labels": {"app": "a"}, **({"annotations": a} if a else {})})))
    settle(objects, controller)
    assert len(objects.all("replicasets")) == 2
    assert [r["spec"].get("minReadySeconds") for r in objects.all("replicasets") if r["spec"]["replicas"]] == [9]


def test_recreate_waits_for_the_old_pods(objects, controller):
    make(objects, strategy={"type": "Recreate"})
    settle(objects, controller)
    old = objects.all("replicasets")[0]
    pod = objects.create(objects.registry["pods"], "default", {
        "metadata": {"name": "p", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True,
                                                       "name": old["metadata"]["name"], "uid": old["metadata"]["uid"]}]},
        "spec": {"containers": [{"name": "c", "image": "x"}]}})
    objects.edit("deployments", get(objects), lambda o: o["spec"]["template"]["metadata"].update(annotations={"v": "2"}))
    settle(objects, controller)
    assert [r["spec"]["replicas"] for r in objects.all("replicasets")] == [0]
    objects.edit("pods", pod, lambda o: o["status"].update(phase="Failed"), "status")
    settle(objects, controller)
    assert sorted(r["spec"]["replicas"] for r in objects.all("replicasets")) == [0, 1]


def test_history_is_limited(objects, controller):
    make(objects, revisionHistoryLimit=2)
    for number in range(5):
        objects.edit("deployments", get(objects), lambda o, n=number: o["spec"]["template"]["metadata"].update(
            annotations={"v": str(n)}))
        settle(objects, controller)
    assert len(objects.all("replicasets")) == 3


@pytest.mark.parametrize("toleration, tolerated", [
    ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
    ({"key": "k", "value": "other", "effect": "NoSchedule"}, False),
    ({"key": "k", "operator": "Exists"}, True),
    ({"operator": "Exists"}, True),
    ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
])
def test_tolerations(toleration, tolerated):
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    assert scheduler.tolerates([toleration], taint) is tolerated


def test_seconds_until_eviction():
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}

    def seconds(*tolerations):
        return NodeMonitor._tolerated_seconds({"spec": {"tolerations": list(tolerations)}}, taint)
    assert seconds() == 0
    assert seconds({"key": taint["key"], "operator": "Exists", "tolerationSeconds": 300}) == 300
    assert seconds({"operator": "Exists"}) == float("inf")


def test_reason_for_no_node(objects):
    for name, gpu, labels in (("n1", "0", {"line": "a"}), ("n2", "1", {"line": "b"})):
        objects.create(objects.registry["nodes"], None, {"metadata": {"name": name, "labels": labels}})
        objects.edit("nodes", objects.find("nodes", None, name), lambda o, g=gpu: o.update(
            status={"allocatable": {"pods": "110", "nvidia.com/gpu": g}}), "status")
    objects.create(objects.registry["pods"], "default", {"metadata": {"name": "p"}, "spec": {
        "nodeSelector": {"line": "a"}, "containers": [{"name": "c", "image": "x", "resources": {
            "limits": {"nvidia.com/gpu": 1}}}]}})
    scheduler.Scheduler(objects, Recorder(objects)).sync()
    condition = objects.find("pods", "default", "p")["status"]["conditions"][0]
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith("0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) didn't match "
                                           "Pod's node affinity/selector. no new claims to deallocate, preemption: ")
