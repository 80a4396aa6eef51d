# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Are a DaemonSet, a StatefulSet and a Job as wanted, by their own numbers? Deployments are judged in deployments.py.

How many there have to be comes from the inventory: an object that wants none of its own accord (a taint, a typing error in a
selector) reads as complete, and is not.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    ABSENT,
    FAILED,
    HEALTHY,
    PROGRESSING,
    Finding,
    Object,
    condition,
)

CHECK = "workload.rollout"


def judge_daemonset(daemonset: Optional[Object], nodes: int, digest: str = "") -> Finding:
    """Judge a DaemonSet that has to run on that many nodes of the inventory, from an image with that digest."""
    wanted = "%d of %d nodes updated, ready and available" % (nodes, nodes)
    early = _early(daemonset, "DaemonSet", wanted, digest)
    if early:
        return early
    status = daemonset.get("status", {})
    if daemonset.get("spec", {}).get("updateStrategy", {}).get("type") == "OnDelete":
        return Finding(CHECK, FAILED, "its pods are replaced only when somebody deletes them (OnDelete)", wanted,
                       "set the update strategy RollingUpdate", final=True)
    counts = [status.get(key) or 0 for key in ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")]
    found = "%d nodes wanted by the cluster, %d updated, %d ready, %d available" % tuple(counts)
    whole = counts == [nodes] * 4 and nodes > 0 and not status.get("numberUnavailable") and not status.get("numberMisscheduled")
    remedy = "" if counts[0] == nodes else "compare its node selector and tolerations with the labels and taints of the nodes"
    return Finding(CHECK, HEALTHY if whole else PROGRESSING, found, wanted, "" if whole else remedy)


def judge_statefulset(statefulset: Optional[Object], replicas: int, digest: str = "") -> Finding:
    """Judge a StatefulSet of that many pods. It has no condition that ever says that it failed: a deadline has to."""
    wanted = "%d of %d updated, ready and available" % (replicas, replicas)
    early = _early(statefulset, "StatefulSet", wanted, digest)
    if early:
        return early
    spec, status = statefulset.get("spec", {}), statefulset.get("status", {})
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition"):
        return Finding(CHECK, FAILED, "a part of its pods keeps the old image (OnDelete or a partition)", wanted,
                       "set the update strategy RollingUpdate without a partition", final=True)
    if spec.get("replicas", 1) != replicas:
        return Finding(CHECK, FAILED, "it asks for %s pods" % spec.get("replicas"), wanted, "it was scaled by hand: scale it back", final=True)
    counts = [status.get(key) or 0 for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
    one_revision = bool(status.get("updateRevision")) and status.get("currentRevision") == status.get("updateRevision")
    whole = counts == [replicas] * 4 and replicas > 0 and one_revision
    found = "%d pods, %d updated, %d ready, %d available" % tuple(counts)
    return Finding(CHECK, HEALTHY if whole else PROGRESSING, found, wanted)


def judge_job(job: Optional[Object]) -> Finding:
    """Judge a Job: done is what says that it is, and a Job that runs is not done."""
    wanted = "complete"
    if job is None:
        return Finding(CHECK, ABSENT, "there is no such Job", wanted, "create it")
    if condition(job, "Failed").get("status") == "True":
        failed = condition(job, "Failed")
        return Finding(CHECK, FAILED, "it failed: %s" % (failed.get("message") or failed.get("reason") or "no reason"), wanted,
                       "read the log of its last pod", final=True)
    if condition(job, "Complete").get("status") == "True":
        return Finding(CHECK, HEALTHY, "complete", wanted)
    if job.get("spec", {}).get("suspend"):
        return Finding(CHECK, PROGRESSING, "it is suspended", wanted, "resume it")
    status = job.get("status", {})
    return Finding(CHECK, PROGRESSING, "%d pods run, %d failed" % (status.get("active") or 0, status.get("failed") or 0), wanted)


def _early(thing: Optional[Object], kind: str, wanted: str, digest: str) -> Optional[Finding]:
    """What can be told before the numbers: they belong to an older change until it was observed."""
    if thing is None:
        return Finding(CHECK, ABSENT, "there is no such %s" % kind, wanted, "create it")
    meta, status = thing["metadata"], thing.get("status", {})
    if meta.get("deletionTimestamp"):
        return Finding(CHECK, FAILED, "it is being deleted", wanted, "create it again")
    containers = thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    image = containers[0].get("image", "")
    if digest and not image.endswith("@" + digest):
        return Finding(CHECK, FAILED, "it asks for image %s, not for %s" % (image or "none", digest), wanted, "apply it again", final=True)
    if (status.get("observedGeneration") or 0) < (meta.get("generation") or 1):
        return Finding(CHECK, PROGRESSING, "the change has not been seen by the cluster yet", wanted)
    return None
