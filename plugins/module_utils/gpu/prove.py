# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From expected GPUs to verdicts: wait for capacity, run all proofs at once, judge. Who acts is handed in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuNode, allocatable, judge_capacity
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.proof import (
    NEGATIVE,
    POSITIVE,
    PROOF_LABEL,
    Proof,
    finished,
    judge_in_use,
    judge_proof,
    outcome,
    pod_of,
    proofs,
    refused,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    HEALTHY,
    PROGRESSING,
    Evidence,
    Finding,
    Object,
)

LONGEST_PAUSE_SECONDS = 1.0
# A node that refused a pod is asked again after this time.
RETRY_SECONDS = 2.0


class Hands(ABC):
    """The cluster. ``elapsed`` is in seconds since the start and never jumps."""

    @abstractmethod
    def elapsed(self) -> float:
        """Return how long this has been going on."""

    @abstractmethod
    def evidence(self) -> Evidence:
        """Return the nodes of the site, and pods and events of the plugin's namespace."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Return when something changed, or after ``seconds``."""

    @abstractmethod
    def all_pods(self) -> List[Object]:
        """Return the pods of all namespaces, to see who holds the devices."""

    @abstractmethod
    def start(self, job: Object) -> None:
        """Create a Job."""

    @abstractmethod
    def log(self, pod: Object) -> Optional[str]:
        """Return what a pod wrote, or None when that cannot be read now."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Delete a Job and its pods; one that is gone is no error."""

    @abstractmethod
    def leftovers(self) -> List[str]:
        """Return the Jobs that an earlier run did not live to delete."""


@dataclass(frozen=True)
class Orders:
    """``deadline``: for all of it; ``grace``: how long a failure has to last before it is believed."""

    proof_image: Dict[str, str] = field(default_factory=dict)
    run: str = "x"
    prove: bool = True
    deadline: float = 180
    grace: float = 30
    runtime_class: str = "nvidia"


@dataclass(frozen=True)
class Result:
    """What was found of one node."""

    node: GpuNode
    allocatable: Optional[int]
    findings: List[Finding]

    @property
    def good(self) -> bool:
        return all(finding.state == HEALTHY for finding in self.findings)

    def describe(self) -> Dict[str, Any]:
        by_check = {finding.check: finding for finding in self.findings}
        proof = by_check.get(POSITIVE) or next((f for f in self.findings if f.check == "gpu.in_use"), None)
        return {"name": self.node.name, "kind": self.node.kind, "resource": self.node.resource,
                "expected": self.node.expected, "allocatable": self.allocatable, "sharing": self.node.sharing,
                "proof": outcome(proof), "isolation": outcome(by_check.get(NEGATIVE)),
                "evidence": proof.found if proof else "", "good": self.good}

    def verdicts(self) -> List[Dict[str, str]]:
        return [dict(finding.verdict(), host=self.node.name) for finding in self.findings]


def prove(hands: Hands, nodes: Iterable[GpuNode], orders: Orders) -> List[Result]:
    """Return one result per node. All Jobs that were started, and those of dead runs, are deleted in any case."""
    nodes = list(nodes)
    if orders.prove:
        for name in hands.leftovers():
            hands.stop(name)
    findings: Dict[str, List[Finding]] = {}
    pending, turn = nodes, 0
    while pending:
        told, asked_again = _turn(hands, pending, orders, turn)
        findings.update(told)
        turn += 1
        # The offer was history: the plugin behind it is being replaced, or does not stay up. The next look tells which.
        pending = [node for node in pending if node.name in asked_again] if _rest(hands, orders, bool(asked_again)) else []
    evidence = hands.evidence()
    return [Result(node, allocatable(evidence.nodes.get(node.name), node.resource), findings[node.name])
            for node in nodes]


def _turn(hands: Hands, nodes: List[GpuNode], orders: Orders, turn: int) -> Tuple[Dict[str, List[Finding]], Set[str]]:
    """Return what was found, by node, and the nodes that refused a pod although they offer a device."""
    started: List[Proof] = []
    try:
        capacity = _wait_for_capacity(hands, nodes, orders)
        findings = {node.name: [capacity[node.name]] for node in nodes}
        if orders.prove:
            ready = [node for node in nodes if capacity[node.name].state == HEALTHY]
            _start(hands, ready, orders, "%s%d" % (orders.run, turn), started, findings)
            for proof, finding in zip(started, _wait_for_proofs(hands, started, orders)):
                findings[proof.node.name].append(finding)
        evidence = hands.evidence()
        return findings, {proof.node.name for proof in started if refused(pod_of(proof, evidence))}
    finally:
        for proof in started:
            hands.stop(proof.name)


def _rest(hands: Hands, orders: Orders, again: bool) -> bool:
    """Wait before another turn; False when there is none, for there is no reason or no time."""
    until = hands.elapsed() + RETRY_SECONDS
    if not again or until >= orders.deadline:
        return False
    while hands.elapsed() < until:
        hands.wait(max(0.01, until - hands.elapsed()))
    return True


def _wait_for_capacity(hands: Hands, nodes: List[GpuNode], orders: Orders) -> Dict[str, Finding]:
    bad_since: Dict[str, float] = {}
    while True:
        evidence, elapsed = hands.evidence(), hands.elapsed()
        found = {node.name: judge_capacity(node, evidence) for node in nodes}
        _note(bad_since, found, elapsed)
        # A pod of a dead run may still hold the device that is about to be asked for.
        waiting = bool(orders.prove and _proof_pods(evidence))
        waiting = waiting or any(_open(name, finding, bad_since, elapsed, orders) for name, finding in found.items())
        if not waiting or elapsed >= orders.deadline:
            return found
        hands.wait(min(LONGEST_PAUSE_SECONDS, max(0.0, orders.deadline - elapsed)))


def _start(hands: Hands, nodes: List[GpuNode], orders: Orders, run: str, started: List[Proof],
           findings: Dict[str, List[Finding]]) -> None:
    pods = hands.all_pods() if nodes else []
    # Our own deadline judges; the Job's only cleans up behind a controller that died.
    seconds = max(10, int(orders.deadline - hands.elapsed())) + 30
    for index, node in enumerate(nodes):
        asking, free = proofs(node, orders.proof_image[node.arch], "%s%d" % (run, index), seconds,
                              "" if node.edge else orders.runtime_class)
        in_use = judge_in_use(node, pods)
        if in_use is not None:
            findings[node.name].append(in_use)
        for proof in ([] if in_use else [asking]) + [free]:
            # First written down, then done: whatever happens in between, it is deleted.
            started.append(proof)
            hands.start(proof.job)


def _wait_for_proofs(hands: Hands, started: List[Proof], orders: Orders) -> List[Finding]:
    logs: Dict[str, Optional[str]] = {}
    bad_since: Dict[str, float] = {}
    while True:
        evidence, elapsed = hands.evidence(), hands.elapsed()
        for proof in started:
            pod = pod_of(proof, evidence)
            if finished(pod) and not refused(pod) and logs.get(proof.name) is None:
                logs[proof.name] = hands.log(pod)
        found = {proof.name: judge_proof(proof, evidence, logs.get(proof.name)) for proof in started}
        _note(bad_since, found, elapsed)
        done = all(finished(pod_of(proof, evidence)) and logs.get(proof.name) is not None
                   or refused(pod_of(proof, evidence))
                   or not _open(proof.name, found[proof.name], bad_since, elapsed, orders) for proof in started)
        if done or elapsed >= orders.deadline:
            return [found[proof.name] for proof in started]
        hands.wait(min(LONGEST_PAUSE_SECONDS, max(0.0, orders.deadline - elapsed)))


def _note(bad_since: Dict[str, float], found: Dict[str, Finding], elapsed: float) -> None:
    for name, finding in found.items():
        if finding.state in (HEALTHY, PROGRESSING):
            bad_since.pop(name, None)
        else:
            bad_since.setdefault(name, elapsed)


def _open(name: str, finding: Finding, bad_since: Dict[str, float], elapsed: float, orders: Orders) -> bool:
    """True while waiting may still tell something new."""
    if finding.state == HEALTHY:
        return False
    return name not in bad_since or elapsed - bad_since[name] < orders.grace


def _proof_pods(evidence: Evidence) -> List[Object]:
    return [pod for pod in evidence.pods.values() if PROOF_LABEL in (pod["metadata"].get("labels") or {})]


def message(site: str, results: List[Result]) -> str:
    """Return one line when all is well, and what is wrong node by node when not."""
    if not results:
        return "site %s: no node with a GPU is expected, and nothing out of nothing proves nothing" % site
    said = [result.describe() for result in results]
    text = "site %s: %d of %d nodes offer their GPUs" % (
        site, sum(node["allocatable"] == node["expected"] for node in said), len(said))
    counts = {word: sum(node["proof"] == word for node in said) for word in ("pass", "simulated", "in use", "fail")}
    told = ", ".join("%d %s" % (count, word) for word, count in counts.items() if count)
    lines = [text + ("; proof: " + told if told else "")]
    for result in results:
        for finding in result.findings:
            if finding.state != HEALTHY:
                remedy = ". To do: " + finding.remedy if finding.remedy else ""
                lines.append("  %s: %s: found %s, wanted %s%s" % (
                    result.node.name, finding.check, finding.found.rstrip("."), finding.wanted, remedy))
    return "\n".join(lines)
