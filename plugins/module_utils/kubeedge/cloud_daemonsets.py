# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DaemonSets of the cluster that would put a pod on edge nodes, where kube-proxy, CNI and their like only fail.

EdgeCore labels its nodes node-role.kubernetes.io/edge and sets no taint, so every DaemonSet that selects nothing else
lands there.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

EDGE_LABEL = "node-role.kubernetes.io/edge"
# By it an operator says that a DaemonSet is meant for edge nodes.
ALLOWED = "edgeai.sites/on-edge-nodes"
_KEEP_OFF = {"key": EDGE_LABEL, "operator": "DoesNotExist"}
# What every EdgeCore node carries; None for a value that differs from node to node.
_ALWAYS: Dict[str, Optional[str]] = {
    EDGE_LABEL: "", "node-role.kubernetes.io/agent": "", "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": None, "beta.kubernetes.io/arch": None, "kubernetes.io/hostname": None,
}

Object = Dict[str, Any]


class Stray(NamedTuple):
    """A DaemonSet that would come to edge nodes. ``remedy``: what to do about it."""

    namespace: str
    name: str
    remedy: str


def strays(daemon_sets: Iterable[Object], labels: Iterable[Dict[str, str]] = ({},)) -> List[Stray]:
    """The DaemonSets that at least one edge node would get. ``labels``: of each edge node, as the inventory has them."""
    nodes = [dict(_ALWAYS, **one) for one in labels] or [_ALWAYS]
    found = [item for item in daemon_sets if not _meant(item) and any(_selects(item, node) for node in nodes)]
    return [Stray(item["metadata"]["namespace"], item["metadata"]["name"], _remedy(item)) for item in found]


def guard(daemon_set: Object) -> Object:
    """A merge patch that keeps the DaemonSet off edge nodes and leaves all else as it is."""
    affinity = dict(_pod(daemon_set).get("affinity") or {})
    node = dict(affinity.get("nodeAffinity") or {})
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    # Terms are alternatives: each of them has to keep off.
    terms = [dict(term, matchExpressions=(term.get("matchExpressions") or []) + [_KEEP_OFF])
             for term in required.get("nodeSelectorTerms") or [{}]]
    node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    affinity["nodeAffinity"] = node
    return {"spec": {"template": {"spec": {"affinity": affinity}}}}


def _meant(item: Object) -> bool:
    metadata = item["metadata"]
    return ((metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
            or (metadata.get("annotations") or {}).get(ALLOWED) == "true")


def _selects(item: Object, node: Dict[str, Optional[str]]) -> bool:
    pod = _pod(item)
    for key, value in (pod.get("nodeSelector") or {}).items():
        if key not in node or node[key] not in (None, value):
            return False
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(all(_matches(rule, node) for rule in term.get("matchExpressions") or [])
               for term in required.get("nodeSelectorTerms") or [] if not term.get("matchFields"))


def _matches(rule: Object, node: Dict[str, Optional[str]]) -> bool:
    """Whether an edge node can satisfy the rule; where its value is not known, it can."""
    key, operator, values = rule["key"], rule["operator"], rule.get("values") or []
    if operator == "DoesNotExist":
        return key not in node
    if operator == "NotIn":
        return key not in node or node[key] is None or node[key] not in values
    if key not in node:
        return False
    return operator != "In" or node[key] is None or node[key] in values


def _remedy(item: Object) -> str:
    metadata = item["metadata"]
    if any(key.startswith("svccontroller.k3s.cattle.io/") for key in metadata.get("labels") or {}):
        # K3s writes these anew, so that a patch does not last; its own label is what it looks at.
        return ("label the nodes that shall take traffic: kubectl label node NODE svccontroller.k3s.cattle.io/enablelb=true; "
                "or run K3s with disable: [servicelb]")
    return ("set cloudcore_keep_off_edge: true, which adds the affinity %s DoesNotExist, or do it where the DaemonSet comes "
            "from; if it is meant for edge nodes: kubectl -n %s annotate daemonset %s %s=true"
            % (EDGE_LABEL, metadata["namespace"], metadata["name"], ALLOWED))


def _pod(item: Object) -> Object:
    return ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
