# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that a GPU computes in a pod that asked for it, and that a pod that did not ask sees none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuNode
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.plugin_manifest import RUNTIME_CLASS
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    FAILED,
    HEALTHY,
    PROGRESSING,
    Evidence,
    Finding,
    Object,
    condition,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_status, is_terminal, judge_pod
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

PROOF_LABEL = "edgeai.sites/gpu-proof"
POSITIVE, NEGATIVE = "gpu.proof", "gpu.isolation"
IN_USE = "gpu.in_use"
UNPRIVILEGED_ID = 65532
# What the image ends with when it can see no GPU at all.
NO_GPU_EXIT = 3
# Should the controller die, the cluster removes what is left after this time.
KEEP_SECONDS = 600
_WANTED = {POSITIVE: "a pod that asks for the GPU computes on it", NEGATIVE: "a pod that does not ask sees no GPU"}
_EXCERPT = 300


@dataclass(frozen=True)
class Proof:
    """One Job on one node."""

    check: str
    node: GpuNode
    job: Object

    @property
    def name(self) -> str:
        return self.job["metadata"]["name"]


def proofs(node: GpuNode, image: str, run: str, seconds: int, runtime_class: str = RUNTIME_CLASS) -> Tuple[Proof, Proof]:
    """Return the Job that has to find the GPU and the one that must not. ``run`` keeps runs apart."""
    return (Proof(POSITIVE, node, _job(node, image, run, seconds, runtime_class, asks=True)),
            Proof(NEGATIVE, node, _job(node, image, run, seconds, runtime_class, asks=False)))


def pod_of(proof: Proof, evidence: Evidence) -> Optional[Object]:
    """Return the pod of a proof's Job, or None while there is none."""
    for pod in evidence.pods.values():
        if (pod["metadata"].get("labels") or {}).get(PROOF_LABEL) == proof.name:
            return pod
    return None


def finished(pod: Optional[Object]) -> bool:
    return pod is not None and is_terminal(pod)


def refused(pod: Optional[Object]) -> bool:
    """Whether the node did not take the pod: it had not the device that it offered."""
    status = (pod or {}).get("status", {})
    return finished(pod) and not status.get("containerStatuses") and bool(status.get("reason"))


def judge_proof(proof: Proof, evidence: Evidence, log: Optional[str]) -> Finding:
    """Judge one proof by its pod and, when that has ended, by what it wrote."""
    pod = pod_of(proof, evidence)
    if pod is None:
        return _finding(proof, PROGRESSING, "there is no pod of Job %s yet" % proof.name)
    if not finished(pod):
        return _unfinished(proof, pod, evidence)
    status = pod.get("status", {})
    if refused(pod):
        return _finding(proof, FAILED, "the node refused the pod: %s: %s" % (status["reason"], status.get("message", "")),
                        "the device went to another pod meanwhile, or its plugin lost it: run it again")
    if log is None:
        return _finding(proof, PROGRESSING, "the pod has ended and its log is not read yet")
    answer = parse_answer(log)
    ended = (container_status(pod).get("state") or {}).get("terminated") or {}
    judge = _positive if proof.check == POSITIVE else _negative
    return judge(proof, answer, ended.get("exitCode"), log)


def last_words(pod: Object) -> str:
    """Return what a pod that has ended left in its status, or an empty string.

    It comes with the pod, where a log has to be fetched from its node, to which an API server may have no way.
    """
    return str(((container_status(pod).get("state") or {}).get("terminated") or {}).get("message") or "")


def parse_answer(log: str) -> Dict[str, Any]:
    """Return the last line that is a JSON object with a device, or an empty dict."""
    for line in reversed(log.splitlines()):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and "device" in answer:
            return answer
    return {}


def outcome(finding: Optional[Finding]) -> str:
    """Return ``pass``, ``simulated``, ``fail`` or ``not run`` for a report."""
    if finding is None or finding.check == IN_USE:
        return "not run" if finding is None else "in use"
    if finding.state != HEALTHY:
        return "fail"
    return "simulated" if finding.found.startswith("simulated") else "pass"


def holders(node: GpuNode, pods: List[Object]) -> Tuple[int, List[str]]:
    """Return how many devices of a node running pods hold, and which pods."""
    total, names = 0, []
    for pod in pods:
        if pod.get("spec", {}).get("nodeName") != node.name or is_terminal(pod):
            continue
        asked = sum(_asked(container, node.resource) for container in pod["spec"].get("containers") or [])
        if asked:
            total += asked
            ready = condition(pod, "Ready").get("status") == "True"
            names.append("%s/%s%s" % (pod["metadata"].get("namespace"), pod["metadata"]["name"],
                                      "" if ready else " (not ready)"))
    return total, sorted(names)


def judge_in_use(node: GpuNode, pods: List[Object]) -> Optional[Finding]:
    """Return why no proof can run on a node: its devices are all held. None when one is free.

    A holder that is not ready is named and no failure here: it may be loading, and if its model is broken, the step that
    would bring a better one comes after this. Whether it serves is what verify asks.
    """
    held, names = holders(node, pods)
    if held < node.expected:
        return None
    text = "all %d held by %s" % (node.expected, ", ".join(names))
    return Finding(IN_USE, HEALTHY, text, "a free device to prove, or pods that hold all of them")


def _asked(container: Object, resource: str) -> int:
    try:
        return int(((container.get("resources") or {}).get("limits") or {}).get(resource, 0))
    except (TypeError, ValueError):
        return 0


def _unfinished(proof: Proof, pod: Object, evidence: Evidence) -> Finding:
    if "running" in (container_status(pod).get("state") or {}):
        return _finding(proof, PROGRESSING, "pod %s still computes" % pod["metadata"]["name"],
                        "a GPU that does not answer: look for XID errors in the host's kernel log")
    finding = judge_pod(pod, evidence)
    return _finding(proof, finding.state if finding.state != HEALTHY else PROGRESSING, finding.found, finding.remedy)


def _positive(proof: Proof, answer: Dict[str, Any], code: Any, log: str) -> Finding:
    device = answer.get("device")
    if code == 0 and device and answer.get("result") == "pass":
        text = "%s computed %s" % (device, "%s sums right" % answer["elements"] if answer.get("elements") else "right")
        return _finding(proof, HEALTHY, "simulated: " + text if answer.get("simulated") else text)
    if code == NO_GPU_EXIT or (answer and not device):
        return _finding(proof, FAILED, "the pod asked for a GPU and sees none (exit code %s)" % code,
                        "is the NVIDIA runtime's mode right (cdi, on Jetson csv), and is the CDI spec of this driver? "
                        "Run the nvidia_runtime playbook")
    return _finding(proof, FAILED, "exit code %s: %s" % (code, _excerpt(log)),
                    "look at the driver (preflight, check gpu) and for XID errors in the host's kernel log")


def _negative(proof: Proof, answer: Dict[str, Any], code: Any, log: str) -> Finding:
    if answer.get("device"):
        return _finding(proof, FAILED, "a pod that did not ask sees %s" % answer["device"],
                        "set accept-nvidia-visible-devices-envvar-when-unprivileged = false, as the role nvidia_runtime does")
    if answer and code == NO_GPU_EXIT:
        return _finding(proof, HEALTHY, "it sees none")
    return _finding(proof, FAILED, "exit code %s: %s" % (code, _excerpt(log)), "read the log of the proof image")


def _finding(proof: Proof, state: str, found: str, remedy: str = "") -> Finding:
    return Finding(proof.check, state, found, _WANTED[proof.check], remedy)


def _excerpt(log: str) -> str:
    text = " ".join(log.split())
    return (text if len(text) <= _EXCERPT else "…" + text[-_EXCERPT:]) or "it wrote nothing"


def _job(node: GpuNode, image: str, run: str, seconds: int, runtime_class: str, asks: bool) -> Object:
    name = "%s-%s-%s" % ("proof" if asks else "free", node.name[:36].replace(".", "-").rstrip("-"), run)
    labels = {MANAGED_BY_LABEL: MANAGED_BY, PROOF_LABEL: name}
    # A CUDA context alone takes some hundred MiB, on a Jetson of the same memory.
    limits = {"memory": "1Gi"}
    if asks:
        limits[node.resource] = "1"
    container = {
        "name": "proof",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        # The one that does not ask tries what such a pod could try.
        "env": [] if asks else [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        "resources": {"requests": dict(limits, cpu="50m", memory="64Mi"), "limits": limits},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        # Not the scheduler's choice: this node has to prove itself, and now.
        "nodeName": node.name,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": UNPRIVILEGED_ID, "runAsGroup": UNPRIVILEGED_ID,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        # CUDA keeps its compiled kernels in $HOME or /tmp.
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    if asks and runtime_class:
        pod["runtimeClassName"] = runtime_class
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": seconds, "ttlSecondsAfterFinished": KEEP_SECONDS,
                 "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
