# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs what: workloads and a site's nodes become the site's targets, one Deployment each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Image, Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.fit import REFUSE, REPLACE, Fit, gpu_fit
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import (
    NAME_LIMIT,
    Workload,
    WorkloadError,
    is_dns_label,
)

EDGECORE = "edgecore"


@dataclass(frozen=True)
class Target:
    """One workload on one node: the unit that is deployed, updated, judged and reported.

    ``line`` may be empty. ``fit``: how it can be updated, for workloads with a GPU. ``runtime``: that of the node.
    ``warning``: what is allowed and hardly meant; empty for most.
    """

    name: str
    workload: Workload
    node: str
    line: str
    image: Image
    fit: Optional[Fit] = None
    runtime: str = ""
    warning: str = ""


def plan_targets(workloads: Iterable[Workload], site_nodes: List[Dict[str, Any]], manifest: Manifest,
                 fleet_nodes: Optional[List[Dict[str, Any]]] = None,
                 gpus: Optional[Dict[str, Dict[str, Any]]] = None) -> List[Target]:
    """Return the targets of one site, sorted by name.

    ``site_nodes`` and ``fleet_nodes`` are lists of {name, runtime, arch, gpu, labels, lines}; images are those that
    the bundle's ``manifest`` holds for the architecture of the node. A workload may name
    lines and nodes of other sites; ``fleet_nodes`` holds all that exist, so that a typing error is still found.
    ``gpus``: node -> {allocatable, shared}, what nodes offer; where it is not known, GPU workloads are replaced in place.
    Raises WorkloadError with every mistake of all workloads, one a line.
    """
    known = list(site_nodes) + list(fleet_nodes or [])
    targets: List[Target] = []
    mistakes: List[str] = []
    for workload in workloads:
        for node, line in _bindings(workload, site_nodes, known, mistakes):
            try:
                targets.append(_target(workload, node, line, manifest))
            except WorkloadError as error:
                mistakes.append("workload %s: %s" % (workload.name, error))
            except BundleError as error:
                mistakes.append("workload %s: %s" % (workload.name, error.text()))
    mistakes.extend(_duplicates(targets))
    targets = [_fitted(target, targets, gpus or {}, mistakes) for target in targets]
    if mistakes:
        raise WorkloadError("\n".join(sorted(set(mistakes))))
    return sorted(targets, key=lambda target: target.name)


def _bindings(workload: Workload, site_nodes: List[Dict[str, Any]], known: List[Dict[str, Any]],
              mistakes: List[str]) -> List[Tuple[Dict[str, Any], str]]:
    """Return (node, line) for each place at this site; append to ``mistakes`` what no node of the fleet has."""
    if workload.labels:
        wanted = dict(workload.labels)
        if not any(_has_labels(node, wanted) for node in known):
            mistakes.append("workload %s: no node has the labels %s" % (workload.name, wanted))
        return [(node, "") for node in site_nodes if _has_labels(node, wanted)]
    if workload.nodes:
        _unknown(workload.name, "node", workload.nodes, {node["name"] for node in known}, mistakes)
        return [(node, "") for node in site_nodes if node["name"] in workload.nodes]
    lines = {line for node in known for line in node.get("lines") or []}
    _unknown(workload.name, "line", workload.lines, lines, mistakes)
    found = []
    for line in workload.lines:
        at = [node for node in site_nodes if line in (node.get("lines") or [])]
        if len(at) > 1:
            mistakes.append("workload %s: line %s is wired to %s; a line belongs to one node"
                            % (workload.name, line, " and ".join(node["name"] for node in at)))
        found.extend((node, line) for node in at[:1])
    return found


def _has_labels(node: Dict[str, Any], wanted: Dict[str, str]) -> bool:
    labels = node.get("labels") or {}
    return all(str(labels.get(key)) == value for key, value in wanted.items())


def _unknown(workload: str, kind: str, names: Iterable[str], known: Iterable[str], mistakes: List[str]) -> None:
    known = sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = "did you mean %r?" % near[0] if near else "known: %s" % (", ".join(known) or "none")
            mistakes.append("workload %s: no %s %r in the inventory; %s" % (workload, kind, name, hint))


def _target(workload: Workload, node: Dict[str, Any], line: str, manifest: Manifest) -> Target:
    if workload.gpu and node.get("gpu", "none") == "none":
        raise WorkloadError("it needs %d GPU, and node %s has none; bind it to a node with gpu: dgpu or tegra, "
                            "or set gpu: 0" % (workload.gpu, node["name"]))
    name = "%s-%s" % (workload.name, (line or node["name"]).replace(".", "-"))
    if not is_dns_label(name):
        raise WorkloadError("its Deployment on %s would be called %r (%d characters); wanted at most %d of a-z, 0-9 "
                            "and '-': shorten or rename" % (node["name"], name, len(name), NAME_LIMIT))
    return Target(name=name, workload=workload, node=node["name"], line=line, runtime=node.get("runtime", ""),
                  warning=_warning(workload, node),
                  image=find_image(workload.image, manifest, node["arch"]).image)


def _warning(workload: Workload, node: Dict[str, Any]) -> str:
    if not workload.gpu or node.get("gpu") != "tegra" or workload.memory_said:
        return ""
    return ("workload %s says no resources.memory, and gets %s: on the Jetson %s that is for model and CUDA too, because its GPU "
            "shares the memory of the processor" % (workload.name, workload.memory, node["name"]))


def _fitted(target: Target, targets: List[Target], gpus: Dict[str, Dict[str, Any]], mistakes: List[str]) -> Target:
    """Return the target with its update strategy. All workloads of the node count, also those that are yet to start."""
    own = target.workload.gpu
    if not own:
        return target
    offer = gpus.get(target.node) or {}
    fit = gpu_fit(own, offer.get("allocatable"), in_use=sum(t.workload.gpu for t in targets if t.node == target.node),
                  own=own, shared=bool(offer.get("shared")), node="node " + target.node)
    if offer.get("shared") and own > 1:
        mistakes.append("workload %s: it asks for %d GPUs of node %s, whose GPU is shared: more shares are not more GPU. "
                        "Ask for 1, or do not share it" % (target.workload.name, own, target.node))
    elif fit.strategy == REFUSE:
        mistakes.append("workload %s: %s. %s" % (target.workload.name, fit.reason, fit.remedy))
    elif target.line:
        # Whatever room the GPU has: two pods would pull at one camera.
        fit = Fit(REPLACE, "camera line %s serves one pod" % target.line, fit.remedy, fit.free)
    return replace(target, fit=fit)


def _duplicates(targets: List[Target]) -> List[str]:
    names = [target.name for target in targets]
    return ["two workloads would both be called %s: rename one of %s"
            % (name, " and ".join(sorted(t.workload.name for t in targets if t.name == name)))
            for name in sorted(set(names)) if names.count(name) > 1]
