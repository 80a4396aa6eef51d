"""The Node object, its status and its lease, as EdgeCore writes them. Pure but for what the host says of itself."""

from __future__ import annotations

import datetime
import os
import socket

from standin_common import host

from .. import version

LEASE_SECONDS, REPORT_SECONDS = 10.0, 300.0
NOT_READY = "node.kubernetes.io/not-ready"
_EVICTION_KIB = 100 * 1024
RUNTIME_DOWN = "container runtime is down"


def second_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def address(edged):
    """The node's address: as configured, else the interface of the default route."""
    if edged.get("nodeIP"):
        return edged["nodeIP"]
    try:
        return host.interface_address(edged.get("customInterfaceName") or host.default_interface())
    except (host.NoDefaultRoute, OSError):
        return socket.gethostbyname(socket.gethostname())


def document(name, edged, architecture, status):
    """The Node that is registered; labels and taints count for this once only."""
    labels = {"beta.kubernetes.io/arch": architecture, "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": architecture,
              "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "node-role.kubernetes.io/agent": "",
              "node-role.kubernetes.io/edge": "", **{key: str(value) for key, value in (edged.get("nodeLabels") or {}).items()}}
    taints = [{"key": NOT_READY, "effect": "NoSchedule"}, *(edged["tailoredKubeletConfig"].get("registerWithTaints") or [])]
    spec = {"taints": taints, **({} if edged.get("registerSchedulable", True) else {"unschedulable": True})}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels, "annotations": {
        "volumes.kubernetes.io/controller-managed-attach-detach": "true"}}, "spec": spec, "status": status}


def status(name, node_address, architecture, runtime_version, problem, before, plugged=None):
    """The status. problem: None, or why the node is not ready; before: the conditions of the last status.

    plugged: {resource: (capacity, allocatable)} of device plugins
    """
    filesystem = os.statvfs("/var/lib")
    disk = filesystem.f_blocks * filesystem.f_frsize
    amounts = {"cpu": str(os.cpu_count()), "ephemeral-storage": f"{disk // 1024}Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
               "memory": f"{host.memory_kib()}Ki", "pods": "110"}
    stamp = second_now()
    conditions = [
        _condition(before, "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available", stamp),
        _condition(before, "DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure", stamp),
        _condition(before, "PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available", stamp),
        _condition(before, "Ready", "False", "KubeletNotReady", problem, stamp) if problem else
        _condition(before, "Ready", "True", "EdgeReady", "edge is posting ready status", stamp)]
    return {"addresses": [{"type": "InternalIP", "address": node_address}, {"type": "Hostname", "address": name}],
            "capacity": {**amounts, **{resource: str(total) for resource, (total, _) in (plugged or {}).items()}},
            "allocatable": {**amounts, "ephemeral-storage": str(int(disk * 0.9)), "memory": f"{host.memory_kib() - _EVICTION_KIB}Ki",
                            **{resource: str(usable) for resource, (_, usable) in (plugged or {}).items()}},
            "conditions": conditions, "daemonEndpoints": {"kubeletEndpoint": {"Port": 10350}},
            "nodeInfo": {"machineID": host.machine_id(), "systemUUID": host.machine_id(), "bootID": host.boot_id(),
                         "kernelVersion": os.uname().release, "osImage": host.os_image(), "operatingSystem": "linux",
                         "architecture": architecture, "containerRuntimeVersion": f"containerd://{runtime_version}",
                         "kubeletVersion": version.kubelet_version(), "kubeProxyVersion": version.kubelet_version()}}


def _condition(before, kind, value, reason, message, stamp):
    old = next((c for c in before if c["type"] == kind), {})
    changed = old.get("status") != value
    return {"type": kind, "status": value, "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp if changed else old.get("lastTransitionTime", stamp), "reason": reason, "message": message}


def without_time(document):
    """A status without its heartbeats: is there more to report than that time went by?"""
    return {**document, "conditions": [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in document["conditions"]]}


def runtime_problem(conditions):
    """None, or why the runtime makes the node not ready, from the conditions that it reports."""
    for condition in conditions:
        if not condition["status"]:
            what = "network not ready" if condition["type"] == "NetworkReady" else "not ready"
            return (f"container runtime {what}: {condition['type']}=false reason:{condition['reason']} "
                    f"message:{condition['message']}")
    return None


def lease(name, uid, seconds):
    owner = {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]} if uid else {}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease", **owner},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": seconds, "renewTime": micro_now()}}
