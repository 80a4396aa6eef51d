# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a node needs for its workloads and its GPU."""

from __future__ import annotations

import difflib

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.plugin_manifest import PLUGIN_IMAGE, PROOF_IMAGE

SELECTORS = ("lines", "nodes", "labels")


def runs_here(runs_on, node, where="runs_on"):
    """Tell whether a workload's ``runs_on`` selects ``node`` (``{name, lines, labels}``)."""
    if not isinstance(runs_on, dict) or len(runs_on) != 1:
        raise BundleError(
            "%s must say one thing" % where, found="%.120r" % (runs_on,), wanted="exactly one of %s" % ", ".join(SELECTORS),
        )
    (selector, value), = runs_on.items()
    if selector == "lines" and isinstance(value, list):
        return bool(set(value) & set(node.get("lines") or []))
    if selector == "nodes" and isinstance(value, list):
        return node["name"] in value
    if selector == "labels" and isinstance(value, dict):
        labels = node.get("labels") or {}
        return bool(value) and all(key in labels and str(labels[key]) == str(want) for key, want in value.items())
    near = [] if selector in SELECTORS else difflib.get_close_matches(str(selector), SELECTORS, n=1)
    raise BundleError(
        "%s is not understood" % where, found="%.120r" % (runs_on,),
        wanted="lines: [..], nodes: [..] or labels: {..}", remedy="did you mean %r?" % near[0] if near else None,
    )


def node_images(workloads, node, gpu_images=(PLUGIN_IMAGE, PROOF_IMAGE)):
    """Return the sorted images (``name:version``) that a node needs, without repetition.

    ``workloads`` bring theirs, and a ``node`` whose ``gpu`` is not ``none`` needs ``gpu_images``.
    """
    images = set() if node.get("gpu", "none") == "none" else set(gpu_images)
    for workload in workloads:
        where = "workload %s: runs_on" % workload.get("name", "without a name")
        if runs_here(workload.get("runs_on"), node, where):
            if not isinstance(workload.get("image"), str):
                raise BundleError("workload %s has no image" % workload.get("name"), wanted="image: <name>:<version>")
            images.add(workload["image"])
    return sorted(images)
