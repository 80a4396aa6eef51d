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
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device

# Whoever needs a line or a device for itself writes who and why into this annotation of the Deployment or the Node.
LOCK = "edgeai.sites/lock"
GPU = "nvidia.com/gpu"


def judge_device(expected: ExpectedTarget, node: Dict[str, Any], evidence: Evidence, digest: str) -> Device:
    """Return the device of a target. digest: of the image that it is to get.

    node: {name, runtime, arch, gpu} of the inventory; brought: digests that were put there; not_brought: why they were not.
    """
    seen = judge_node(ExpectedNode(expected.node, runtime=str(node.get("runtime", ""))), evidence)
    if evidence.blind or seen.findings[0].state != HEALTHY:
        return Device(False, evidence.blind or seen.findings[0].found)
    there = evidence.nodes[expected.node]
    deployment = evidence.deployments.get(expected.name)
    return Device(
        True,
        digest=image_of(deployment)[1] if deployment else "",
        lock=_lock(there) or _lock(deployment or {}),
        present=has_image(there, digest) or digest in node.get("brought", ()),
        missing=str(node.get("not_brought", "")),
        checks=_checks(expected, node, there, evidence))


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


def _checks(expected: ExpectedTarget, node: Dict[str, Any], there: Object, evidence: Evidence) -> Dict[str, Optional[bool]]:
    """preflight: True, False, or None for what this node does not tell."""
    status = there.get("status", {})
    pressure, offset = condition(there, "DiskPressure").get("status"), clock_offset(expected.node, evidence)
    offered = _whole((status.get("allocatable") or {}).get(GPU, "0"))
    needs_gpu = node.get("gpu", "none") != "none" and _asks_for_gpu(evidence.deployments.get(expected.name) or {})
    return {
        "arch": status.get("nodeInfo", {}).get("architecture") == node.get("arch"),
        # EdgeCore tells of no pressure: then its own threshold for images decides.
        "disk": None if pressure not in ("True", "False") and node.get("runtime") != EDGECORE else pressure != "True",
        # A GPU that the node offers to pods has a driver that its plugin could load.
        "driver": not needs_gpu or offered > 0,
        "gpu_free": not needs_gpu or offered > 0,
        # Only a renewal that was watched tells the clock; until then nothing speaks against it.
        "clock": offset is None or abs(offset) <= CLOCK_TOLERANCE_SECONDS,
    }


def _asks_for_gpu(deployment: Object) -> bool:
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    return GPU in ((containers[0].get("resources") or {}).get("limits") or {})


def _whole(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0
