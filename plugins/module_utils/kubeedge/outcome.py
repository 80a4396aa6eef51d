# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about the wait for an edge node: why it failed, and the node. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.journal import Finding
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_journal
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.health import Verdict

NO_CAUSE = "none of the known causes was found; read the lines below, then `journalctl -u edgecore` on the node"
# What was found by looking has its cause in the table too, where no line may say so.
_OF_STAGE = {"pause": "pause_image", "network": "cni"}
_IN_THE_CLOUD = {
    "node": "kubectl describe node {name} in the cloud",
    "version": "another version of EdgeCore registered it: run the artifacts step and the edgecore step",
    "heartbeat": "the node does not report: look for its connection in its journal and in CloudCore's log",
    "pods": "the node and the cloud do not agree on its pods. If it was reset or restored: kubectl delete node {name}, and run again; "
            "else restart EdgeCore: systemctl restart edgecore",
    "answer": "the pod is Ready and its port does not answer: look at the pod, and at rules of a firewall on the node",
    "cloud": "check the kubeconfig and the API server of CloudCore's cluster",
}


def failure(node_name: str, waited: float, verdict: Verdict, found: list[Finding], lines: list[str]) -> dict[str, Any]:
    """Message, cause, remedy and journal excerpt of a wait that did not end well on the node itself."""
    cause = found[0].cause if found else None
    if verdict.stage in _OF_STAGE:
        cause, lines = edge_journal.READER.by_name[_OF_STAGE[verdict.stage]], []
    meaning = "%s. Remedy: %s" % (cause.meaning, cause.remedy) if cause else NO_CAUSE
    message = "EdgeCore on %s is not up after %.0f s: %s. Most likely: %s." % (node_name, waited, verdict.reason, meaning)
    return _told(message, cause.name if cause else "unknown", cause.remedy if cause else NO_CAUSE, edge_journal.READER.excerpt(lines))


def failure_in_the_cloud(node_name: str, waited: float, verdict: Verdict, excerpt: list[str]) -> dict[str, Any]:
    """The same of a node that is well by itself and not in the cloud's eyes."""
    remedy = _IN_THE_CLOUD.get(verdict.stage, NO_CAUSE).format(name=node_name)
    message = "EdgeCore on %s is well by itself, but after %.0f s %s. Remedy: %s." % (node_name, waited, verdict.reason, remedy)
    return _told(message, verdict.stage, remedy, excerpt)


def _told(message: str, cause: str, remedy: str, excerpt: list[str]) -> dict[str, Any]:
    if excerpt:
        message += " Journal:\n" + "\n".join(excerpt)
    return {"msg": message, "cause": cause, "remedy": remedy}


def summary(node: dict[str, Any] | None, name: str) -> dict[str, str]:
    """The few facts about a node that reports show."""
    info = ((node or {}).get("status") or {}).get("nodeInfo") or {}
    return {"name": name, "version": info.get("kubeletVersion") or "",
            "container_runtime": info.get("containerRuntimeVersion") or "", "kernel": info.get("kernelVersion") or ""}
