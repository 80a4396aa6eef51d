# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do kubectl logs and exec work on an edge node? From what one log request came to, to a sentence for the report. Pure.

Both take the same way: the API server dials the node's address, rules on its host lead that to CloudCore's stream server, and
EdgeCore answers through a tunnel. It is a capability and no part of health: a site without it is as wanted.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

WORKS = "works"
NOT = "not possible here, because "
UNKNOWN = "not known: "
NO_POD = UNKNOWN + "no pod runs there that could be asked"
KUBELET_PORT = 10350
_NO_WAY = ("no way leads from the API server to the node's port %d. It takes edgeStream on the node (edgecore_config: modules.edgeStream."
           "enable: true), cloudcore_stream, and NAT rules on the API server's host that lead to CloudCore")
# The first that fits decides; more particular words come first.
_CAUSES = (
    (("x509", "certificate signed by unknown", "failed to verify certificate"),
     "the API server does not trust the stream server's certificate (K3s verifies it against its own CA)"),
    (("can not get edge session", "edge session", "not found in session"),
     "CloudCore has no tunnel to the node: switch edgeStream on there (edgecore_config: modules.edgeStream.enable: true)"),
    (("connection refused", "502", "bad gateway", "no route to host", "network is unreachable"), _NO_WAY),
    (("i/o timeout", "deadline exceeded", "no answer in time", "timed out"), _NO_WAY),
)


def pod_on(node: str, pods: Iterable[Dict[str, Any]]) -> Optional[Dict[str, str]]:
    """A container that runs on the node: namespace, pod and container. None when there is none."""
    for pod in sorted(pods, key=lambda item: str(item["metadata"].get("name"))):
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        running = [status for status in statuses if "running" in (status.get("state") or {})]
        if (pod.get("spec") or {}).get("nodeName") == node and running and "deletionTimestamp" not in pod["metadata"]:
            return {"namespace": str(pod["metadata"].get("namespace", "")), "pod": str(pod["metadata"]["name"]),
                    "container": str(running[0]["name"])}
    return None


def judge(status: int, text: str, ready: bool = True) -> str:
    """``status``: of the answer to a log request, 200 for a log, 0 for none; ``text``: what was said instead of a log."""
    if status == 200:
        return WORKS
    if not ready:
        return UNKNOWN + "the node is not Ready now"
    words = text.lower()
    if status == 403:
        return UNKNOWN + "this kubeconfig may not read logs"
    if status == 404 or "container not found" in words or "is waiting to start" in words:
        return UNKNOWN + "the pod that was asked has just gone"
    for signs, because in _CAUSES:
        if any(sign in words for sign in signs):
            return NOT + (because % KUBELET_PORT if "%d" in because else because)
    return UNKNOWN + (" ".join(text.split())[:200] or "no answer")
