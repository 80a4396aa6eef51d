# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that nodes collected from their own pods, for sites whose API has no way to a pod (EdgeCore without tunnel).

On the node: which pod to ask, and when to stop waiting for it. In the site's check: the answers as a Voice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    FAILED,
    HEALTHY,
    Evidence,
    ExpectedTarget,
    Object,
    Probe,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import Voice
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import (
    container_id,
    is_terminal,
    judge_pod,
    running_digest,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import TARGET_LABEL


@dataclass(frozen=True)
class Place:
    """Where the model of a target can be asked on its node, or why not yet. ``settled``: more waiting seems useless."""

    pod: Optional[Object]
    address: str = ""
    problem: str = ""
    settled: bool = False


def find_place(pods: Iterable[Object], namespace: str, target: str, digest: str, now: float) -> Place:
    """Return the place of a target among the pods that the node's own kubelet knows. ``now``: seconds, node's clock."""
    own = [pod for pod in pods if pod["metadata"].get("namespace") == namespace and not is_terminal(pod)
           and (pod["metadata"].get("labels") or {}).get(TARGET_LABEL) == target]
    alive = [pod for pod in own if not pod["metadata"].get("deletionTimestamp")]
    if not alive:
        return Place(None, problem="the old pod has not ended yet" if own else "the node has no pod of it yet")
    pod = max(alive, key=lambda item: item["metadata"].get("creationTimestamp") or "")
    finding = judge_pod(pod, Evidence(now=now))
    if finding.state != HEALTHY:
        return Place(pod, problem=finding.found, settled=finding.state == FAILED)
    if running_digest(pod) != digest:
        return Place(pod, problem="the running container's image is %s" % (running_digest(pod) or "unknown"), settled=True)
    if len(own) > 1:
        return Place(pod, problem="an old pod has not ended yet")
    address = pod.get("status", {}).get("podIP") or ""
    return Place(pod, address, "" if address else "the pod has no address")


class NodeAnswers(Voice):
    """What nodes have said already: asking again repeats it, as long as the same container runs.

    ``given``: target -> {pod, container_id, health, answers, latency_ms, error}.
    """

    def __init__(self, given: Mapping[str, Mapping[str, Any]]) -> None:
        self._given = given
        self._answers: Dict[str, Probe] = {}

    def ask(self, target: ExpectedTarget, pod: Object, elapsed: float) -> None:
        self._answers[target.name] = replace(self._probe(target, pod), at=elapsed)

    def answers(self) -> Dict[str, Probe]:
        return dict(self._answers)

    def log(self, target: ExpectedTarget, pod: Object, lines: int) -> List[str]:
        given = (self._given.get(target.name) or {}).get("log") or []
        return [str(line) for line in given][-lines:]

    def _probe(self, target: ExpectedTarget, pod: Object) -> Probe:
        name, running = pod["metadata"]["name"], container_id(pod)
        given = self._given.get(target.name)
        if given is None:
            return Probe(name, running, 0, error="node %s was not asked: it did not answer Ansible" % target.node)
        if given.get("error"):
            return Probe(name, running, 0, error="on node %s: %s" % (target.node, given["error"]))
        if given.get("container_id") != running:
            return Probe(name, running, 0, error="node %s answered for pod %s, and the cloud knows another start of it: "
                         "it restarted since, or the cloud has not heard of it yet" % (target.node, given.get("pod") or "?"))
        answers: Tuple[Any, ...] = tuple(given.get("answers") or ())
        return Probe(name, running, 0, health=given.get("health"), answer=answers[-1] if answers else None,
                     answers=answers, latency_ms=given.get("latency_ms"))


class ByRuntime(Voice):
    """Asks through the API where that has a way to the pods, and takes the node's own answers on ``edge_nodes``."""

    def __init__(self, api: Voice, given: Voice, edge_nodes: Iterable[str]) -> None:
        self._api = api
        self._given = given
        self._edge_nodes = frozenset(edge_nodes)

    def ask(self, target: ExpectedTarget, pod: Object, elapsed: float) -> None:
        self._of(target).ask(target, pod, elapsed)

    def answers(self) -> Dict[str, Probe]:
        return {**self._api.answers(), **self._given.answers()}

    def log(self, target: ExpectedTarget, pod: Object, lines: int) -> List[str]:
        return self._of(target).log(target, pod, lines)

    def _of(self, target: ExpectedTarget) -> Voice:
        return self._given if target.node in self._edge_nodes else self._api
