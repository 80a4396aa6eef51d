# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes: what they say of themselves, and how their age is read."""

from __future__ import annotations

import datetime
import json
import time

import pytest

from api import condition, until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def renewed(cluster, node):
    return cluster.get(f"{LEASES}/{node}")["spec"]["renewTime"]


@pytest.fixture
def node(cluster, ready_nodes):
    return cluster.get(f"/api/v1/nodes/{ready_nodes[-1]}")


def test_shape(cluster, node):
    name, status = node["metadata"]["name"], node["status"]
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"), "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"), "Ready": ("True", "KubeletReady")}
    assert status["nodeInfo"]["kubeletVersion"] == cluster.get("/version")["gitVersion"]
    assert {a["type"] for a in status["addresses"]} == {"InternalIP", "Hostname"}
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == name
    assert node["spec"]["providerID"] == f"k3s://{name}"
    assert node["spec"]["podCIDR"].startswith("10.42.")
    assert node["metadata"]["finalizers"] == ["wrangler.cattle.io/node"]
    assert {"cpu", "memory", "pods", "ephemeral-storage"} <= set(status["allocatable"])


def test_lease_shape(cluster, node):
    lease = cluster.get(f"{LEASES}/{node['metadata']['name']}")
    assert lease["spec"]["leaseDurationSeconds"] == 40 and lease["spec"]["holderIdentity"] == node["metadata"]["name"]
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
    datetime.datetime.strptime(lease["spec"]["renewTime"], "%Y-%m-%dT%H:%M:%S.%fZ")


def test_the_lease_moves_and_the_heartbeat_stands_still(cluster, node):
    """Freshness is in the lease (every 10 s): the Ready condition may be five minutes old on a healthy node.

    A change of the node, such as a kubelet that has just been started, is a heartbeat too: so not each time.
    """
    name = node["metadata"]["name"]

    def stands_still():
        beat, seen = condition(cluster.get(f"/api/v1/nodes/{name}"), "Ready")["lastHeartbeatTime"], {renewed(cluster, name)}
        until(lambda: seen.add(renewed(cluster, name)) or len(seen) == 3, 40)
        return condition(cluster.get(f"/api/v1/nodes/{name}"), "Ready")["lastHeartbeatTime"] == beat

    assert any(stands_still() for _turn in range(3))


def test_capacity_given_by_hand_becomes_allocatable_and_stays(cluster, node):
    path = f"/api/v1/nodes/{node['metadata']['name']}"
    cluster.patch(path + "/status", {"status": {"capacity": {"example.com/unit": "3"}}})
    until(lambda: cluster.get(path)["status"]["allocatable"].get("example.com/unit") == "3", 30)
    cluster.patch(path + "/status", {"status": {"capacity": {"example.com/unit": None},
                                                "allocatable": {"example.com/unit": None}}})


def test_node_made_by_hand(cluster):
    name = cluster.name("paper")
    made = cluster.create("/api/v1/nodes", {"metadata": {"name": name}, "spec": {"taints": [
        {"key": "own", "effect": "NoSchedule"}]}})
    assert {"key": "own", "effect": "NoSchedule"} in made["spec"]["taints"]
    cluster.delete(f"/api/v1/nodes/{name}")
    until(lambda: cluster.call("GET", f"/api/v1/nodes/{name}").code == 404, 20)


@pytest.mark.hosts
def test_a_new_server_is_ready_before_it_takes_pods(contract_hosts, good_server_settings):
    """The first node of a new cluster is Ready some seconds before its NoSchedule taints go."""
    server, data = contract_hosts["server"], "/var/lib/rancher/k3s/server"
    server.stop()
    server.run(f"rm -rf {data}.aside; mv {data} {data}.aside")
    try:
        server.run(f"systemctl start {server.unit}", timeout=180)
        ready = until(lambda: _node_when(server, lambda n: condition(n, "Ready").get("status") == "True"), 60)
        assert "node.cloudprovider.kubernetes.io/uninitialized" in {t["key"] for t in ready["spec"].get("taints") or []}
        ready_at = time.monotonic()
        clean = until(lambda: _node_when(server, lambda n: not n["spec"].get("taints")), 60)
        assert time.monotonic() - ready_at > 1.0
        assert clean["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == "true"
    finally:
        server.stop()
        server.run(f"rm -rf {data}; mv {data}.aside {data}")
        server.start()
    server.await_state("active")


def _node_when(server, wanted):
    """The server's node as its own kubectl shows it, once it is as wanted."""
    nodes = json.loads(server.out("k3s kubectl get nodes -o json"))["items"]
    return nodes[0] if nodes and wanted(nodes[0]) else None


@pytest.mark.hosts
def test_a_silent_node_becomes_unknown_and_its_pods_go_on(contract_hosts, cluster, workload_image):
    agent = contract_hosts["agent"]
    agent.start()
    agent.await_state("active", 90)
    name = agent.out("hostname")
    until(lambda: not cluster.get(f"/api/v1/nodes/{name}")["spec"].get("taints"), 30)
    pod = cluster.run_pod("silent", node=name, image=workload_image)
    impatient = cluster.name("impatient")
    cluster.create(cluster.core("pods"), {"metadata": {"name": impatient}, "spec": {
        "nodeName": name, "terminationGracePeriodSeconds": 1, "tolerations": [
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 4}],
        "containers": [{"name": "c", "image": workload_image}]}})
    cluster.await_pod(impatient, ready=True)
    address = cluster.await_pod(pod, ready=True)["status"]["podIP"]
    agent.stop()
    stopped = time.monotonic()
    try:
        until(lambda: condition(cluster.get(f"/api/v1/nodes/{name}"), "Ready")["status"] == "Unknown", 80)
        assert 40 <= time.monotonic() - stopped <= 75
        ready = condition(cluster.get(f"/api/v1/nodes/{name}"), "Ready")
        assert (ready["reason"], ready["message"]) == ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        until(lambda: {(t["key"].split("/")[1], t["effect"]) for t in cluster.get(f"/api/v1/nodes/{name}")["spec"].get(
            "taints") or []} == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}, 10,
            lambda: cluster.get(f"/api/v1/nodes/{name}")["spec"])
        seen = cluster.get_pod(pod)
        assert condition(seen, "Ready")["status"] == "False" and seen["status"]["phase"] == "Running"
        assert condition(seen, "ContainersReady")["status"] == "True"
        until(lambda: cluster.get_pod(impatient)["metadata"].get("deletionTimestamp"), 30)
        assert cluster.await_event(impatient, "TaintManagerEviction")["message"] == (
            f"Marking for deletion Pod {cluster.namespace}/{impatient}")
        assert not cluster.get_pod(pod)["metadata"].get("deletionTimestamp")  # tolerates it for 300 s
        assert agent.out(f"curl -s -o /dev/null -w '%{{http_code}}' http://{address}:8080/health") == "200"
    finally:
        agent.start()
    agent.await_state("active", 90)
    cluster.await_pod(pod, ready=True, seconds=30)
    until(lambda: cluster.call("GET", cluster.core("pods", impatient)).code == 404, 30)
    until(lambda: not cluster.get(f"/api/v1/nodes/{name}")["spec"].get("taints"), 30)
    cluster.delete_pod(pod)
