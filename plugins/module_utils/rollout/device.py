# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's API says of a device before its switch: is it there, is its line free, does it have the image, does it fit."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    EDGECORE,
    HEALTHY,
    Evidence,
    ExpectedNode,
    ExpectedTarget,
    Object,
    condition,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.nodes import CLOCK_TOLERANCE_SECONDS, clock_offset, judge_node
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import is_terminal
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import TARGET_LABEL

# Whoever needs a line or a device for itself writes who and why into this annotation of the Deployment or the Node.
LOCK = "edgeai.sites/lock"
GPU = "nvidia.com/gpu"


def judge_device(expected: ExpectedTarget, node: Dict[str, Any], evidence: Evidence, digest: str) -> Device:
    """Return the device of a target. digest: of the image that it is to get.

    node: {name, runtime, arch, gpu} of the inventory; brought: digests that were put there; not_brought: why they were not.
    """
    seen = judge_node(ExpectedNode(expected.node, runtime=str(node.get("runtime", ""))), evidence)
    if evidence.blind:
        return Device(False, evidence.blind, told=False)
    if seen.findings[0].state != HEALTHY:
        return Device(False, seen.findings[0].found)
    there = evidence.nodes[expected.node]
    deployment = evidence.deployments.get(expected.name)
    present = has_image(there, digest) or digest in node.get("brought", ())
    return Device(
        True,
        digest=image_of(deployment)[1] if deployment else "",
        lock=_lock(there) or _lock(deployment or {}),
        present=present,
        missing=str(node.get("not_brought", "")),
        checks=_checks(expected, node, there, evidence, present))


def has_image(node: Object, digest: str) -> bool:
    """Return whether a node says that it has an image.

    K3s tells of the fifty largest images, and models are among them; EdgeCore of none (its ``nodeStatusMaxImages`` is 0).
    """
    names = [name for image in node.get("status", {}).get("images") or [] for name in image.get("names") or []]
    return any(name.endswith("@" + digest) for name in names)


def image_of(deployment: Object) -> Tuple[str, str]:
    """Return (reference, digest) of the image that a Deployment asks for; the digest is empty where it names none."""
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    reference = containers[0].get("image") or ""
    return reference, reference.partition("@")[2]


def _lock(thing: Object) -> str:
    text = str((thing.get("metadata", {}).get("annotations") or {}).get(LOCK) or "").strip()
    return f"locked: {text[:200]}" if text else ""


def _checks(expected: ExpectedTarget, node: Dict[str, Any], there: Object, evidence: Evidence, present: bool) -> Dict[str, Optional[bool]]:
    """preflight: True, False, or None for what this node does not tell (yet)."""
    status, deployment = there.get("status", {}), evidence.deployments.get(expected.name) or {}
    offset = clock_offset(expected.node, evidence)
    offered = _whole((status.get("allocatable") or {}).get(GPU, "0"))
    asked = _gpus(deployment) if node.get("gpu", "none") != "none" else 0
    return {
        "arch": status.get("nodeInfo", {}).get("architecture") == node.get("arch"),
        "disk": _has_room(condition(there, "DiskPressure").get("status"), node, present),
        # A GPU that the node offers to pods has a driver that its plugin could load.
        "driver": not asked or offered > 0,
        "gpu_free": not asked or offered - _gpus_taken(expected, deployment, evidence) >= asked,
        # Only a renewal that was watched tells the clock. Nodes renew their lease every ten seconds.
        "clock": None if offset is None else abs(offset) <= CLOCK_TOLERANCE_SECONDS,
    }


def _has_room(pressure: Any, node: Dict[str, Any], present: bool) -> Optional[bool]:
    """Whether the disk holds the update. An EdgeCore that tells of no pressure has proven it once the image is there."""
    if pressure in ("True", "False"):
        return bool(pressure == "False")
    return True if present and node.get("runtime") == EDGECORE else None


def _gpus_taken(expected: ExpectedTarget, deployment: Object, evidence: Evidence) -> int:
    """GPUs that the new pod cannot have: those of the other workloads on its node, and of its own old pod if both run for a while.

    Pods of others than this collection are not seen; one that took a GPU shows when the new pod finds no place.
    """
    rolling = (deployment.get("spec", {}).get("strategy") or {}).get("type") == "RollingUpdate"
    surges = rolling and str((deployment["spec"]["strategy"].get("rollingUpdate") or {}).get("maxSurge", "25%")) not in ("0", "0%")
    taken = 0
    for pod in evidence.pods.values():
        own = (pod["metadata"].get("labels") or {}).get(TARGET_LABEL) == expected.name
        if pod.get("spec", {}).get("nodeName") == expected.node and not is_terminal(pod) and (surges or not own):
            taken += _gpus_of(pod.get("spec") or {})
    return taken


def _gpus(deployment: Object) -> int:
    return _gpus_of(deployment.get("spec", {}).get("template", {}).get("spec") or {})


def _gpus_of(spec: Object) -> int:
    """What a pod's containers ask for together."""
    return sum(_whole(((container.get("resources") or {}).get("limits") or {}).get(GPU, "0")) for container in spec.get("containers") or [])


def _whole(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0
