"""The Node object and its lease, as the kubelet writes them."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os

from standin_common import host
from .. import build_info
from standin_common import quantity
from ..controllers.nodes import UNINITIALIZED

LEASE_SECONDS = 10.0
REPORT_SECONDS = 300.0
_ALLOWED_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
_ALLOWED_LABELS = {"beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os",
                   "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
                   "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os",
                   "node.kubernetes.io/instance-type", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"}


def micro_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def second_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_labels(entries):
    return dict((e.split("=", 1) + [""])[:2] for e in entries)


def forbidden_labels(labels):
    """Names in Kubernetes' own domains that a kubelet may not set on itself."""
    found = []
    for name in labels:
        domain = name.partition("/")[0] if "/" in name else ""
        ours = domain.endswith(("kubernetes.io", "k8s.io")) and (
            domain in ("kubernetes.io", "k8s.io") or domain.endswith((".kubernetes.io", ".k8s.io")))
        if ours and name not in _ALLOWED_LABELS and not name.startswith(_ALLOWED_PREFIXES) and not any(
                domain.endswith("." + p.rstrip("/")) for p in _ALLOWED_PREFIXES):
            found.append(name)
    return sorted(found)


def parse_taints(entries):
    """`key=value:Effect` or `key:Effect` -> taint objects"""
    taints = []
    for entry in entries:
        head, _, effect = entry.rpartition(":")
        key, _, value = head.partition("=")
        taints.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return taints


def annotations(settings, address):
    arguments = json.dumps(settings.arguments, separators=(",", ":"))
    digest = base64.b32encode(hashlib.sha256(arguments.encode()).digest()).decode()
    return {"alpha.kubernetes.io/provided-node-ip": address, "flannel.alpha.coreos.com/backend-data": "null",
            "flannel.alpha.coreos.com/backend-type": "host-gw", "flannel.alpha.coreos.com/kube-subnet-manager": "true",
            "flannel.alpha.coreos.com/public-ip": address, "k3s.io/hostname": host.hostname(),
            "k3s.io/internal-ip": address, "k3s.io/node-args": arguments, "k3s.io/node-config-hash": digest,
            "k3s.io/node-env": "{}", "node.alpha.kubernetes.io/ttl": "0",
            "volumes.kubernetes.io/controller-managed-attach-detach": "true"}


def document(name, settings, address):
    """The Node that a kubelet registers."""
    arch = build_info.arch()
    labels = {"beta.kubernetes.io/arch": arch, "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": arch,
              "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
              **parse_labels(settings.many("node-label"))}
    taints = [{"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"},
              {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
              *parse_taints(settings.many("node-taint"))]
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": annotations(settings, address)},
            "spec": {"taints": taints}}


def capacity():
    filesystem = os.statvfs("/var/lib")
    total = filesystem.f_blocks * filesystem.f_frsize
    return {"cpu": str(os.cpu_count()), "ephemeral-storage": f"{total // 1024}Ki", "hugepages-1Gi": "0",
            "hugepages-2Mi": "0", "memory": f"{host.memory_kib()}Ki", "pods": "110"}, total


def status(name, address, images, handlers, node, ready, plugged=None):
    """The status that the kubelet wants, given the Node as it is.

    plugged: {resource: (capacity, allocatable)} of device plugins; device resources of others are kept as they are.
    """
    have = (node or {}).get("status") or {}
    amounts, disk = capacity()
    devices = {k: v for k, v in (have.get("capacity") or {}).items() if quantity.is_extended(k)}
    amounts.update(devices)
    amounts.update({name: str(total) for name, (total, _) in (plugged or {}).items()})
    allocatable = {**amounts, "ephemeral-storage": str(int(disk * 0.95)),
                   **{name: str(usable) for name, (_, usable) in (plugged or {}).items()}}
    stamp = second_now()
    conditions = [
        _condition(have, "MemoryPressure", "False", "KubeletHasSufficientMemory",
                   "kubelet has sufficient memory available", stamp),
        _condition(have, "DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure", stamp),
        _condition(have, "PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available",
                   stamp)]
    if ready:
        conditions.append(_condition(have, "Ready", "True", "KubeletReady", "kubelet is posting ready status", stamp))
    else:
        conditions.append(_condition(have, "Ready", "False", "KubeletNotReady",
                                     "container runtime network not ready: NetworkReady=false "
                                     "reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin "
                                     "not initialized", stamp))
    return {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": amounts, "allocatable": allocatable, "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}, "images": images[:50],
            "nodeInfo": _info(), "runtimeHandlers": [
                {"name": h, "features": {"recursiveReadOnlyMounts": True, "userNamespaces": False}}
                for h in ["", *handlers]],
            "features": {"supplementalGroupsPolicy": True}}


def _condition(have, kind, value, reason, message, stamp):
    old = next((c for c in have.get("conditions") or [] if c["type"] == kind), {})
    changed = old.get("status") != value
    return {"type": kind, "status": value, "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp if changed else old.get("lastTransitionTime", stamp), "reason": reason,
            "message": message}


def _info():
    release = os.uname()
    return {"machineID": host.machine_id(), "systemUUID": host.machine_id(), "bootID": host.boot_id(),
            "kernelVersion": release.release, "osImage": host.os_image(),
            "containerRuntimeVersion": "containerd://2.3.2-k3s2", "kubeletVersion": build_info.version(),
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": build_info.arch()}


def differs(have, wanted):
    """Is there more to report than a newer heartbeat?"""
    def plain(status):
        kept = {k: v for k, v in status.items() if k != "conditions"}
        kept["conditions"] = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"}
                              for c in status.get("conditions") or []]
        return kept

    have = plain(have or {})
    return any(have.get(k) != v for k, v in plain(wanted).items())


def lease(name, node_uid):
    owner = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}] if node_uid else None
    meta = {"name": name, "namespace": "kube-node-lease", **({"ownerReferences": owner} if owner else {})}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta,
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro_now()}}
