# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments from the first pod to the last: what a rollout looks like from outside."""

from __future__ import annotations

import os

import pytest

from api import STRATEGIC, condition, deployment, until

NOT_THERE = "lab.edgeai.example/no-such-model:missing"
PROBE = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}
hollow_only = pytest.mark.skipif("EDGEAI_CONTRACT_KUBECONFIG" in os.environ, reason="drives the pretended containers")


@pytest.fixture
def rollout(cluster, ready_nodes):
    """Makes Deployments of one replica and removes them afterwards."""
    made = []

    def make(replicas=1, container=None, wait=True, **spec):
        name = cluster.name("roll")
        cluster.create(cluster.apps("deployments"), deployment(name, replicas, container, **spec))
        made.append(name)
        found = Rollout(cluster, name)
        if wait:
            found.await_complete()
        return found
    yield make
    for name in made:
        cluster.delete(cluster.apps("deployments", name), propagationPolicy="Background")
    for name in made:
        until(lambda: not cluster.get(cluster.core("pods"), labelSelector=f"app={name}")["items"], 60)


class Rollout:
    def __init__(self, cluster, name):
        self.cluster, self.name, self.path = cluster, name, cluster.apps("deployments", name)

    def get(self):
        return self.cluster.get(self.path)

    def pods(self):
        return self.cluster.get(self.cluster.core("pods"), labelSelector=f"app={self.name}")["items"]

    def replica_sets(self):
        """{revision: ReplicaSet}"""
        found = self.cluster.get(self.cluster.apps("replicasets"), labelSelector=f"app={self.name}")["items"]
        return {r["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: r for r in found}

    def change(self, **container):
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", **container}]}}}}
        return self.cluster.patch(self.path, body, STRATEGIC)

    def is_complete(self):
        obj = self.get()
        status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
        return obj if (status.get("observedGeneration") == obj["metadata"]["generation"] and wanted == status.get(
            "updatedReplicas") == status.get("replicas") == status.get("availableReplicas")) else None

    def await_complete(self, seconds=60):
        return until(self.is_complete, seconds, self.get)

    def await_reason(self, kind, reason, seconds=60):
        return until(lambda: condition(self.get(), kind).get("reason") == reason, seconds,
                     lambda: self.get()["status"])


def test_first_rollout(cluster, rollout):
    first = rollout(replicas=2)
    obj = first.get()
    assert condition(obj, "Available")["reason"] == "MinimumReplicasAvailable"
    assert condition(obj, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert obj["status"]["terminatingReplicas"] == 0
    pods = first.pods()
    assert len(pods) == 2
    for pod in pods:
        owner = pod["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["controller"]) == ("ReplicaSet", True)
        assert pod["metadata"]["labels"]["pod-template-hash"] and pod["spec"]["nodeName"]
        status = pod["status"]
        assert (status["phase"], status["containerStatuses"][0]["ready"]) == ("Running", True) and status["podIP"]
        assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys(
            ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True")
        assert status["containerStatuses"][0]["containerID"].startswith("containerd://")
    events = {e["reason"] for e in cluster.get(cluster.core("events"),
                                               fieldSelector=f"involvedObject.name={pods[0]['metadata']['name']}")["items"]}
    assert {"Scheduled", "Pulled", "Created", "Started"} <= events


def test_new_revision_comes_before_the_old_one_goes(rollout):
    roll = rollout(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                   container={"readinessProbe": PROBE})
    answer = roll.change(env=[{"name": "X", "value": "2"}])
    # the answer, and the status until the controller has looked: the old rollout, complete
    assert answer["metadata"]["generation"] == 2 and answer["status"]["observedGeneration"] == 1
    assert condition(answer.json, "Progressing")["reason"] == "NewReplicaSetAvailable"
    seen_available = set()

    def watch():
        obj = roll.get()
        seen_available.add(obj["status"].get("availableReplicas", 0))
        return roll.is_complete()
    until(watch, 60)
    assert 0 not in seen_available
    sets = roll.replica_sets()
    assert [sets[r]["spec"]["replicas"] for r in ("1", "2")] == [0, 1]


def test_recreate_leaves_a_gap(rollout):
    roll = rollout(strategy={"type": "Recreate"}, container={"readinessProbe": PROBE})
    old = roll.pods()[0]["metadata"]["uid"]
    roll.change(env=[{"name": "X", "value": "2"}])
    until(lambda: not roll.get()["status"].get("availableReplicas"), 30)
    assert condition(roll.get(), "Available")["status"] == "False"
    roll.await_complete()
    until(lambda: [p["metadata"]["uid"] for p in roll.pods()] != [old] and len(roll.pods()) == 1, 30)


def test_missing_image_times_out_and_is_rolled_back(rollout):
    roll = rollout(progressDeadlineSeconds=8,
                   strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    good = roll.get()["spec"]["template"]["spec"]["containers"][0]["image"]
    roll.change(image=NOT_THERE)
    reasons = set()

    def both():
        for pod in roll.pods():
            for status in pod["status"].get("containerStatuses") or []:
                reasons.add((status["state"].get("waiting") or {}).get("reason"))
        return {"ErrImagePull", "ImagePullBackOff"} <= reasons
    until(both, 40, lambda: reasons)
    roll.await_reason("Progressing", "ProgressDeadlineExceeded", 40)
    obj = roll.get()
    assert condition(obj, "Progressing")["status"] == "False" and condition(obj, "Available")["status"] == "True"
    assert obj["status"]["availableReplicas"] == 1
    roll.change(image=good)
    roll.await_complete()
    sets = roll.replica_sets()
    assert set(sets) == {"2", "3"} and sets["3"]["spec"]["replicas"] == 1
    roll.await_reason("Progressing", "NewReplicaSetAvailable")


def test_program_that_is_not_there(rollout):
    roll = rollout(wait=False, container={"command": ["/no-such-program"]})
    reasons = set()

    def both():
        for pod in roll.pods():
            status = pod["status"]
            for container in status.get("containerStatuses") or []:
                reasons.add((container["state"].get("waiting") or {}).get("reason"))
                if container["restartCount"] >= 1:
                    assert status["phase"] == "Running"  # although nothing ever ran
        return {"RunContainerError", "CrashLoopBackOff"} <= reasons
    until(both, 60, lambda: reasons)


@hollow_only
def test_crash_loop_backs_off(rollout):
    roll = rollout(wait=False, container={"env": [{"name": "HOLLOW_EXIT", "value": "2"}]})

    def backing_off():
        for pod in roll.pods():
            for container in pod["status"].get("containerStatuses") or []:
                if (container["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff":
                    return container
    container = until(backing_off, 30)
    assert container["restartCount"] == 1 and container["lastState"]["terminated"]["exitCode"] == 2
    assert container["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=c pod=")


@hollow_only
def test_never_ready(rollout):
    roll = rollout(wait=False, progressDeadlineSeconds=4, container={
        "env": [{"name": "HOLLOW_READY", "value": "never"}], "readinessProbe": PROBE})
    roll.await_reason("Progressing", "ProgressDeadlineExceeded", 20)
    pod = roll.pods()[0]
    assert pod["status"]["phase"] == "Running"
    assert condition(pod, "Ready")["reason"] == "ContainersNotReady"


def test_deleted_pod_is_replaced_and_ends_before_it_goes(cluster, rollout):
    roll = rollout()
    name = roll.pods()[0]["metadata"]["name"]
    watch = cluster.watch(cluster.core("pods"), fieldSelector=f"metadata.name={name}", timeoutSeconds="20",
                          resourceVersion=cluster.revision())
    cluster.delete(cluster.core("pods", name))
    until(lambda: [p for p in roll.pods() if p["metadata"]["name"] != name], 20)
    until(lambda: watch.events and watch.events[-1]["type"] == "DELETED", 40, lambda: watch.events)
    last = watch.events[-1]["object"]
    assert last["status"]["phase"] in ("Failed", "Succeeded")
    assert "terminated" in last["status"]["containerStatuses"][0]["state"]


def test_scaling(rollout):
    roll = rollout(replicas=2)
    roll.cluster.patch(roll.path + "/scale", {"spec": {"replicas": 1}})
    until(lambda: len([p for p in roll.pods() if not p["metadata"].get("deletionTimestamp")]) == 1)
    roll.await_complete()


def test_deployment_takes_its_pods_along(cluster, rollout):
    roll = rollout()
    cluster.delete(roll.path, propagationPolicy="Background")
    until(lambda: not roll.pods() and not roll.replica_sets(), 60)


@pytest.fixture
def gpu_node(cluster, ready_nodes):
    """A node with one GPU, as it is given by hand: in the capacity; the kubelet follows."""
    name = ready_nodes[-1]
    cluster.patch(f"/api/v1/nodes/{name}/status", {"status": {"capacity": {"nvidia.com/gpu": "1"}}})
    until(lambda: cluster.get(f"/api/v1/nodes/{name}")["status"]["allocatable"].get("nvidia.com/gpu") == "1", 30)
    yield name
    cluster.patch(f"/api/v1/nodes/{name}/status", {"status": {"capacity": {"nvidia.com/gpu": None},
                                                              "allocatable": {"nvidia.com/gpu": None}}})


def test_second_pod_on_a_full_gpu_stays_pending(cluster, rollout, gpu_node):
    roll = rollout(progressDeadlineSeconds=6, container={"resources": {"limits": {"nvidia.com/gpu": "1"}}},
                   strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    roll.change(env=[{"name": "X", "value": "2"}])
    pending = until(lambda: next((p for p in roll.pods() if condition(p, "PodScheduled").get("status") == "False"), None), 20)
    assert condition(pending, "PodScheduled")["reason"] == "Unschedulable"
    assert " Insufficient nvidia.com/gpu" in condition(pending, "PodScheduled")["message"]
    assert "nodeName" not in pending["spec"] and pending["status"]["phase"] == "Pending"
    roll.await_reason("Progressing", "ProgressDeadlineExceeded", 30)
    assert roll.get()["status"]["availableReplicas"] == 1
    roll.cluster.patch(roll.path, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})
    roll.await_complete()


def test_pod_pinned_to_a_full_gpu_is_rejected(cluster, rollout, gpu_node):
    rollout(container={"resources": {"limits": {"nvidia.com/gpu": "1"}}})
    name = cluster.name("pinned")
    cluster.create(cluster.core("pods"), {"metadata": {"name": name}, "spec": {"nodeName": gpu_node, "containers": [
        {"name": "c", "image": "lab.edgeai.example/x:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})
    pod = until(lambda: (lambda p: p if p["status"].get("phase") == "Failed" else None)(cluster.get_pod(name)), 20)
    assert pod["status"]["reason"] == "OutOfnvidia.com/gpu"
    assert pod["status"]["message"] == ("Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, "
                                        "used: 1, capacity: 1")
    cluster.delete(cluster.core("pods", name))


def test_runtime_that_is_not_configured(cluster, ready_nodes):
    until(lambda: cluster.call("GET", "/apis/node.k8s.io/v1/runtimeclasses/nvidia").code == 200, 30)
    name = cluster.name("gpu")
    cluster.create(cluster.core("pods"), {"metadata": {"name": name}, "spec": {"runtimeClassName": "nvidia", "containers": [
        {"name": "c", "image": "lab.edgeai.example/x:1"}]}})
    event = cluster.await_event(name, "FailedCreatePodSandBox", 30)
    assert event["message"].endswith('no runtime for "nvidia" is configured')
    assert cluster.get_pod(name)["status"]["phase"] == "Pending"
    cluster.delete_pod(name)


@pytest.mark.processes
def test_pod_answers_through_the_api(cluster, rollout):
    """GET and POST through the API server to a port of a pod."""
    roll = rollout(container={"ports": [{"containerPort": 8080}],
                              "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}})
    pod = roll.pods()[0]["metadata"]["name"]
    health = cluster.call("GET", cluster.core("pods", f"{pod}:8080/proxy/health"))
    assert (health.code, health["status"]) == (200, "ok")
    assert cluster.call("GET", cluster.core("pods", f"{pod}:8080/proxy/no-such-path")).code == 404
    refused = cluster.call("GET", cluster.core("pods", f"{pod}:9/proxy/"))
    assert refused.code == 503 and "error trying to reach service" in refused["message"]
    assert cluster.call("GET", cluster.core("pods", f"{pod}/log")).text
