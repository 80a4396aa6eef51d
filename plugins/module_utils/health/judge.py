# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From evidence to a judgement of a site: what is expected, against what was seen. No clock, no I/O."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.health.deployments import (
    current_replicaset,
    judge_deployment,
    pods_of,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.expression import holds
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    ABSENT,
    FAILED,
    HEALTHY,
    PROGRESSING,
    UNKNOWN,
    Evidence,
    ExpectedNode,
    ExpectedTarget,
    Finding,
    Object,
    Probe,
    SiteJudgement,
    TargetJudgement,
    worst,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.nodes import (
    CLOCK_TOLERANCE_SECONDS,
    clock_offset,
    judge_node,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import (
    CHECK as SERVING,
    WANTED as ONE_POD,
    container_id,
    is_ready,
    is_terminal,
    judge_pod,
    rejections,
    running_digest,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    TARGET_LABEL,
)

_EXCERPT = 300


def judge_site(targets: Iterable[ExpectedTarget], nodes: Iterable[ExpectedNode], evidence: Evidence) -> SiteJudgement:
    """Judge every expected target and node; what is there and was not expected becomes a warning."""
    targets, nodes = tuple(targets), tuple(nodes)
    return SiteJudgement(
        targets=tuple(judge_target(target, evidence) for target in targets),
        nodes=tuple(judge_node(node, evidence) for node in nodes),
        warnings=tuple(_warnings(targets, nodes, evidence)),
    )


def judge_target(expected: ExpectedTarget, evidence: Evidence) -> TargetJudgement:
    """Judge one target: its Deployment, its node, its pod, the digest that runs, and what the model answered."""
    if evidence.blind:
        return TargetJudgement(expected.name, (_blind(evidence),))
    deployment = evidence.deployments.get(expected.name)
    rollout = judge_deployment(expected, deployment)
    if deployment is None or rollout.state == ABSENT:
        return TargetJudgement(expected.name, (rollout,))
    node = _node_finding(expected, evidence)
    if rollout.final:
        return TargetJudgement(expected.name, (rollout, node))
    pod, serving = _serving(expected, deployment, evidence)
    if node.state == UNKNOWN:
        # What a lost node last said of its pods is history. Whether they still serve cannot be told from here.
        return TargetJudgement(expected.name, (node,), pod=pod)
    findings = [rollout, node, serving]
    if pod is not None:
        findings.append(_image(expected, pod, settled=rollout.state == HEALTHY))
    if worst(finding.state for finding in findings) != HEALTHY:
        return TargetJudgement(expected.name, tuple(findings), pod=pod)
    probe = _probe_of(pod, evidence.probes.get(expected.name))
    answers = [_health(expected, probe), _answer(expected, probe)]
    return TargetJudgement(expected.name, tuple(findings + answers), pod=pod, probe=probe,
                           probe_wanted=worst(finding.state for finding in answers) != HEALTHY)


def _blind(evidence: Evidence) -> Finding:
    return Finding("workload.rollout", UNKNOWN, evidence.blind, "an answer of the site's API",
                   "look at the link to the site and at its server")


def _node_finding(expected: ExpectedTarget, evidence: Evidence) -> Finding:
    """The node's own version and disk are told once, with the node; here only whether it can be believed."""
    return judge_node(ExpectedNode(expected.node), evidence).findings[0]


def _serving(expected: ExpectedTarget, deployment: Object, evidence: Evidence) -> Tuple[Optional[Object], Finding]:
    """Find the pod of the present template, judge it, and see that no older one is left."""
    own = [pod for pod in evidence.pods.values() if _label(pod, TARGET_LABEL) == expected.name]
    current = pods_of(current_replicaset(deployment, evidence.replicasets.values()), own)
    alive = [pod for pod in current if not is_terminal(pod) and not pod["metadata"].get("deletionTimestamp")]
    old = [pod for pod in own if pod not in alive and not is_terminal(pod)]
    newest = max(alive, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", default=None)
    rejected = rejections(current)
    # A refused pod is replaced at once, refused again, and so on: between two of them all looks like a start.
    if rejected and (newest is None or not is_ready(newest)):
        return newest, _rejected(rejected)
    if newest is None:
        return None, _old_pod(old) if old else Finding(SERVING, PROGRESSING, "there is no pod of the wanted release "
                                                       "yet", ONE_POD)
    finding = judge_pod(newest, evidence)
    if finding.state == HEALTHY and old:
        return newest, _old_pod(old)
    if finding.state == HEALTHY and _node_name(newest) != expected.node:
        return newest, Finding(SERVING, FAILED, "the pod runs on node %s" % _node_name(newest), "node " + expected.node,
                               "run the inference playbook for the site")
    if finding.state == HEALTHY and len(alive) > expected.replicas:
        return newest, Finding(SERVING, PROGRESSING, "%d pods of the wanted release run" % len(alive), ONE_POD)
    return newest, finding


def _rejected(counts: Dict[str, int]) -> Finding:
    text = max(counts, key=lambda reason: counts[reason])
    return Finding(SERVING, FAILED, "the node refused %d pods: %s" % (sum(counts.values()), text), ONE_POD,
                   "free what it asks for on the node, then delete the failed pods")


def _old_pod(old: List[Object]) -> Finding:
    answering = [pod for pod in old if is_ready(pod)]
    names = ", ".join(sorted(pod["metadata"]["name"] for pod in answering or old))
    if answering:
        return Finding(SERVING, PROGRESSING, "the old model still answers (pod %s)" % names, ONE_POD,
                       "if it does not end, look at its node: a pod of an unreachable node cannot be stopped")
    return Finding(SERVING, PROGRESSING, "an old pod has not ended yet (%s)" % names, ONE_POD)


def _image(expected: ExpectedTarget, pod: Object, settled: bool) -> Finding:
    """Compare what runs with what is wanted; before the rollout has settled, a difference is only early."""
    found = running_digest(pod)
    if not found:
        return Finding("workload.image", PROGRESSING, "no container runs yet", expected.digest)
    if found != expected.digest:
        return Finding("workload.image", FAILED if settled else PROGRESSING,
                       "the running container's image is %s" % found, expected.digest,
                       "the node has another image under this name: run the artifacts playbook, then delete the pod")
    return Finding("workload.image", HEALTHY, found, expected.digest)


def _probe_of(pod: Object, probe: Optional[Probe]) -> Optional[Probe]:
    """Take a probe only if it spoke to the container that runs now."""
    return probe if probe is not None and probe.container_id == container_id(pod) else None


def _health(expected: ExpectedTarget, probe: Optional[Probe]) -> Finding:
    check, wanted = "workload.health", expected.health_expression
    if probe is None:
        return Finding(check, PROGRESSING, "not asked yet", wanted)
    if probe.error:
        return Finding(check, FAILED, probe.error, wanted, "ask it on its node: the port, the path and the log")
    if not holds(expected.health_expression, probe.health):
        return Finding(check, FAILED, "%s answers %s" % (expected.health_path, excerpt(probe.health)), wanted,
                       "the server runs but says that it is not well: read its log")
    return Finding(check, HEALTHY, excerpt(probe.health), wanted)


def _answer(expected: ExpectedTarget, probe: Optional[Probe]) -> Finding:
    check, wanted = "workload.answer", expected.golden_expect
    if probe is None or probe.error:
        return Finding(check, PROGRESSING, "no inference was asked for yet", wanted)
    wrong = [answer for answer in probe.answers if not holds(expected.golden_expect, answer)]
    if wrong or not probe.answers:
        # A wrong answer is not a matter of time: the same input gave it.
        return Finding(check, FAILED, "model %s answers %s" % (expected.model, excerpt((wrong or [None])[0])), wanted,
                       "the model, its labels or its preprocessing are not those of this release", final=bool(wrong))
    return Finding(check, HEALTHY, excerpt(probe.answer), wanted)


def excerpt(document: Any) -> str:
    """Return JSON for a person, cut to a line or three."""
    text = json.dumps(document, sort_keys=True, separators=(", ", ": "), default=str)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"


def _warnings(targets: Tuple[ExpectedTarget, ...], nodes: Tuple[ExpectedNode, ...],
              evidence: Evidence) -> Iterable[Dict[str, str]]:
    expected = {target.name for target in targets}
    for name, deployment in sorted(evidence.deployments.items()):
        if name not in expected and _label(deployment, MANAGED_BY_LABEL) == MANAGED_BY:
            yield _warning("workload.unexpected", name, "Deployment %s is ours and was not expected" % name,
                           "only what the inventory names", "run the inference playbook, which removes it")
    for node in nodes:
        offset = clock_offset(node.name, evidence)
        if offset is not None and abs(offset) > CLOCK_TOLERANCE_SECONDS:
            yield _warning("node.clock", node.name, "its clock is %d s %s the server's"
                           % (abs(offset), "ahead of" if offset > 0 else "behind"),
                           "within %d s" % CLOCK_TOLERANCE_SECONDS, "see to time synchronisation on both")


def _warning(check: str, target: str, found: str, wanted: str, remedy: str) -> Dict[str, str]:
    return {"check": check, "verdict": "warn", "target": target, "found": found, "wanted": wanted, "remedy": remedy}


def _label(thing: Object, label: str) -> Optional[str]:
    return (thing["metadata"].get("labels") or {}).get(label)


def _node_name(pod: Object) -> str:
    return pod.get("spec", {}).get("nodeName") or "none"
