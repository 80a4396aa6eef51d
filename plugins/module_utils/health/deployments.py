# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a Deployment as wanted, by the numbers? All of them: some are true for an instant while the old model serves."""

from __future__ import annotations

from typing import Iterable, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    ABSENT,
    FAILED,
    HEALTHY,
    PROGRESSING,
    ExpectedTarget,
    Finding,
    Object,
    condition,
)

CHECK = "workload.rollout"
_REVISION = "deployment.kubernetes.io/revision"


def judge_deployment(expected: ExpectedTarget, deployment: Optional[Object]) -> Finding:
    """Judge spec and status of one Deployment; a wrong spec is final, because nothing but a new apply mends it."""
    wanted = "%d of %d updated, ready and available" % (expected.replicas, expected.replicas)
    if deployment is None:
        return Finding(CHECK, ABSENT, "there is no Deployment %s" % expected.name, wanted,
                       "run the inference playbook for the site")
    wrong = _wrong_spec(expected, deployment)
    if wrong:
        return Finding(CHECK, FAILED, wrong, wanted, "run the inference playbook for the site", final=True)
    meta, status = deployment["metadata"], deployment.get("status", {})
    if meta.get("deletionTimestamp"):
        return Finding(CHECK, FAILED, "the Deployment is being deleted", wanted, "run the inference playbook again")
    # Until the controller has seen the change its status is the old one, complete in all parts.
    if (status.get("observedGeneration") or 0) < (meta.get("generation") or 1):
        return Finding(CHECK, PROGRESSING, "the change has not been seen by the cluster yet", wanted)
    failure = _condition_failure(deployment)
    if failure:
        return Finding(CHECK, FAILED, failure, wanted, "see workload.serving for the cause")
    counts = _counts(status)
    if _complete(expected.replicas, status):
        return Finding(CHECK, HEALTHY, counts, wanted)
    return Finding(CHECK, PROGRESSING, counts, wanted)


def current_replicaset(deployment: Object, replicasets: Iterable[Object]) -> Optional[Object]:
    """Return the ReplicaSet of the Deployment's present template, or None while there is none."""
    meta = deployment["metadata"]
    revision = (meta.get("annotations") or {}).get(_REVISION)
    for replicaset in replicasets:
        own = replicaset["metadata"]
        if _owned_by(own, meta.get("uid")) and revision and (own.get("annotations") or {}).get(_REVISION) == revision:
            return replicaset
    return None


def pods_of(replicaset: Optional[Object], pods: Iterable[Object]) -> List[Object]:
    """Return the pods that a ReplicaSet owns."""
    if replicaset is None:
        return []
    return [pod for pod in pods if _owned_by(pod["metadata"], replicaset["metadata"].get("uid"))]


def _owned_by(meta: Object, uid: Optional[str]) -> bool:
    return uid is not None and any(owner.get("uid") == uid for owner in meta.get("ownerReferences") or [])


def _wrong_spec(expected: ExpectedTarget, deployment: Object) -> str:
    spec = deployment.get("spec", {})
    if spec.get("replicas", 1) != expected.replicas:
        return "the Deployment asks for %s pods; it was scaled by hand" % spec.get("replicas")
    if spec.get("paused"):
        return "the Deployment is paused"
    containers = spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    image = containers[0].get("image", "")
    if not image.endswith("@" + expected.digest):
        return "the Deployment asks for image %s, not for %s" % (image or "none", expected.digest)
    return ""


def _condition_failure(deployment: Object) -> str:
    blocked = condition(deployment, "ReplicaFailure")
    if blocked.get("status") == "True":
        return "the cluster refuses to make the pod: %s" % blocked.get("message", blocked.get("reason", ""))
    if condition(deployment, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return "the rollout made no progress within its deadline"
    return ""


def _complete(replicas: int, status: Object) -> bool:
    wanted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    left = ("unavailableReplicas", "terminatingReplicas")
    return all(status.get(key) == replicas for key in wanted) and not any(status.get(key) for key in left)


def _counts(status: Object) -> str:
    text = "%d pods, %d updated, %d ready, %d available" % tuple(
        status.get(key) or 0 for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
    going = status.get("terminatingReplicas") or 0
    return "%s, %d terminating" % (text, going) if going else text
