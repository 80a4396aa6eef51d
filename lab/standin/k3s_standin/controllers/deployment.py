"""Rolls Deployments from one ReplicaSet to the next, in the steps and with the status that a real one shows."""

from __future__ import annotations

import hashlib
import json
import math

from ..api.objects import copy, now, seconds_since
from . import conditions

REVISION = "deployment.kubernetes.io/revision"
_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _replicas(obj):
    return obj["spec"].get("replicas") or 0


def _status(obj, name):
    return (obj.get("status") or {}).get(name) or 0


def _template_hash(template):
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_HASH_LETTERS[b % len(_HASH_LETTERS)] for b in digest[:10])


def _same_template(replica_set, deployment):
    template = copy(replica_set["spec"]["template"])
    template.get("metadata", {}).get("labels", {}).pop("pod-template-hash", None)
    return template == deployment["spec"]["template"]


def _resolve(value, total, rounding):
    text = str(value)
    return rounding(int(text[:-1]) * total / 100) if text.endswith("%") else int(value)


def surge_and_unavailable(deployment):
    """(maxSurge, maxUnavailable) in pods."""
    strategy, wanted = deployment["spec"]["strategy"], _replicas(deployment)
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    surge = _resolve(strategy["rollingUpdate"]["maxSurge"], wanted, math.ceil)
    unavailable = _resolve(strategy["rollingUpdate"]["maxUnavailable"], wanted, math.floor)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, wanted)


class DeploymentController:
    watches = {"deployments", "replicasets", "pods"}

    def __init__(self, objects, recorder):
        self._objects, self._recorder = objects, recorder
        self.wake_in = None

    def sync(self):
        self.wake_in = None
        owned = {}
        for replica_set in self._objects.all("replicasets"):
            owned.setdefault(conditions.controller_of(replica_set), []).append(replica_set)
        for deployment in self._objects.all("deployments"):
            if not deployment["metadata"].get("deletionTimestamp"):
                self._sync_one(deployment, owned.get(deployment["metadata"]["uid"], []))

    # -- one deployment ----------------------------------------------------------------------------
    def _sync_one(self, deployment, owned):
        owned.sort(key=lambda r: int(r["metadata"].get("annotations", {}).get(REVISION, 0)))
        new = next((r for r in owned if _same_template(r, deployment)), None)
        olds = [r for r in owned if r is not new]
        paused = deployment["spec"].get("paused")
        if paused:
            moved = self._scale(deployment, new, _replicas(deployment)) if new else False
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            moved = self._recreate(deployment, new, olds)
        else:
            moved = self._roll(deployment, new, olds)
        if moved:
            # Like the real controller: first act, then (in the next round) report. Until then the status is the
            # old one, and observedGeneration says so.
            self.wake_in = 0.03
            return
        self._update_status(deployment, new, olds)
        if not paused:
            self._drop_history(deployment, olds)

    def _recreate(self, deployment, new, olds):
        if any([self._scale(deployment, r, 0) for r in olds]):
            return True
        if self._old_pods_run(olds):
            return False
        if new is None:
            self._create(deployment, olds, _replicas(deployment))
            return True
        return self._adopt(deployment, new, olds) or self._scale(deployment, new, _replicas(deployment))

    def _old_pods_run(self, olds):
        uids = {r["metadata"]["uid"] for r in olds}
        return any(conditions.controller_of(p) in uids and not conditions.is_terminal(p)
                   for p in self._objects.all("pods")) if uids else False

    def _roll(self, deployment, new, olds):
        wanted = _replicas(deployment)
        surge, unavailable = surge_and_unavailable(deployment)
        total = sum(_replicas(r) for r in olds) + (_replicas(new) if new else 0)
        room = max(0, wanted + surge - total)
        if new is None:
            self._create(deployment, olds, min(room, wanted))
            return True
        if self._adopt(deployment, new, olds):
            return True
        if _replicas(new) > wanted:
            return self._scale(deployment, new, wanted)
        if _replicas(new) < wanted and room:
            return self._scale(deployment, new, min(wanted, _replicas(new) + room))
        return self._shrink_old(deployment, new, olds, wanted - unavailable)

    def _shrink_old(self, deployment, new, olds, minimum):
        running = [r for r in olds if _replicas(r)]
        if not running:
            return False
        total = sum(_replicas(r) for r in running) + _replicas(new)
        budget = total - minimum - (_replicas(new) - _status(new, "availableReplicas"))
        moved = False
        for replica_set in running:  # replicas that never became available cost nothing
            unhealthy = _replicas(replica_set) - _status(replica_set, "availableReplicas")
            drop = min(budget, unhealthy)
            if drop > 0:
                budget -= drop
                moved |= self._scale(deployment, replica_set, _replicas(replica_set) - drop)
        if moved:
            return True
        spare = sum(_status(r, "availableReplicas") for r in running + [new]) - minimum
        for replica_set in running:
            drop = min(spare, budget, _replicas(replica_set))
            if drop > 0:
                spare, budget = spare - drop, budget - drop
                moved |= self._scale(deployment, replica_set, _replicas(replica_set) - drop)
        return moved

    # -- acts --------------------------------------------------------------------------------------
    def _create(self, deployment, olds, replicas):
        meta = deployment["metadata"]
        template = copy(deployment["spec"]["template"])
        label = _template_hash(template)
        template.setdefault("metadata", {}).setdefault("labels", {})["pod-template-hash"] = label
        selector = copy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})["pod-template-hash"] = label
        revision = str(self._last_revision(olds) + 1)
        annotations = {"deployment.kubernetes.io/desired-replicas": str(_replicas(deployment)),
                       "deployment.kubernetes.io/max-replicas":
                           str(_replicas(deployment) + surge_and_unavailable(deployment)[0]), REVISION: revision}
        spec = {"replicas": replicas, "selector": selector, "template": template}
        if deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        created = self._objects.create(self._objects.registry["replicasets"], meta["namespace"], {
            "metadata": {"name": f"{meta['name']}-{label}", "labels": template["metadata"]["labels"],
                         "annotations": annotations, "ownerReferences": [conditions.owner_reference(deployment)]},
            "spec": spec})
        self._progress(deployment, "True", "NewReplicaSetCreated",
                       f'Created new replica set "{created["metadata"]["name"]}"', revision)
        if replicas:
            self._tell_scaling(deployment, created, 0, replicas)

    def _adopt(self, deployment, new, olds):
        """Gives a ReplicaSet that is used again (a rollback) the next revision, and what the Deployment says by now."""
        wait = deployment["spec"].get("minReadySeconds", 0)
        if new["spec"].get("minReadySeconds", 0) != wait:
            self._objects.edit("replicasets", new, lambda o: o["spec"].update(minReadySeconds=wait))
            return True
        revision = int(new["metadata"].get("annotations", {}).get(REVISION, 0))
        if olds and revision < self._last_revision(olds):
            revision = self._last_revision(olds) + 1
            self._objects.edit("replicasets", new, lambda o: o["metadata"].setdefault("annotations", {}).update(
                {REVISION: str(revision)}))
        if deployment["metadata"].get("annotations", {}).get(REVISION) == str(revision):
            return False
        if conditions.find(deployment, "Progressing"):
            self._set_revision(deployment, str(revision))
        else:
            self._progress(deployment, "True", "FoundNewReplicaSet",
                           f'Found new replica set "{new["metadata"]["name"]}"', str(revision))
        return True

    @staticmethod
    def _last_revision(replica_sets):
        return max([int(r["metadata"].get("annotations", {}).get(REVISION, 0)) for r in replica_sets] or [0])

    def _scale(self, deployment, replica_set, replicas):
        before = _replicas(replica_set)
        if before == replicas:
            return False
        self._objects.edit("replicasets", replica_set, lambda o: o["spec"].update(replicas=replicas))
        self._tell_scaling(deployment, replica_set, before, replicas)
        return True

    def _tell_scaling(self, deployment, replica_set, before, after):
        self._recorder.record(deployment, "Normal", "ScalingReplicaSet",
                              f"Scaled {'up' if after > before else 'down'} replica set "
                              f"{replica_set['metadata']['name']} from {before} to {after}", "deployment-controller")

    def _set_revision(self, deployment, revision):
        def change(obj):
            obj["metadata"].setdefault("annotations", {})[REVISION] = revision
        self._objects.edit("deployments", deployment, change, "status")

    def _progress(self, deployment, status, reason, message, revision):
        def change(obj):
            obj["metadata"].setdefault("annotations", {})[REVISION] = revision
            present = (obj.get("status") or {}).get("conditions") or []
            obj.setdefault("status", {})["conditions"] = conditions.put(
                present, "Progressing", status, reason, message, lastUpdateTime=now())
        self._objects.edit("deployments", deployment, change, "status")

    def _drop_history(self, deployment, olds):
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        unused = [r for r in olds if not _replicas(r) and not _status(r, "replicas")]
        for replica_set in unused[:max(0, len(olds) - limit)]:
            self._objects.delete(self._objects.registry["replicasets"], replica_set)

    # -- status ------------------------------------------------------------------------------------
    def _update_status(self, deployment, new, olds):
        every = olds + ([new] if new else [])
        available = sum(_status(r, "availableReplicas") for r in every)
        counts = {"observedGeneration": deployment["metadata"]["generation"],
                  "replicas": sum(_status(r, "replicas") for r in every),
                  "updatedReplicas": _status(new, "replicas") if new else 0,
                  "readyReplicas": sum(_status(r, "readyReplicas") for r in every),
                  "availableReplicas": available,
                  "unavailableReplicas": max(0, sum(_replicas(r) for r in every) - available),
                  "terminatingReplicas": sum(_status(r, "terminatingReplicas") for r in every)}
        status = {k: v for k, v in counts.items() if v or k == "terminatingReplicas"}
        before = deployment.get("status") or {}
        present = self._with_availability(deployment, before.get("conditions") or [], available)
        status["conditions"] = self._with_progress(deployment, present, before, counts, new)
        if status != before:
            self._objects.edit("deployments", deployment, lambda o: o.update(status=status), "status")

    @staticmethod
    def _with_availability(deployment, present, available):
        minimum = _replicas(deployment) - surge_and_unavailable(deployment)[1]
        if available >= minimum:
            wanted = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        else:
            wanted = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        old = next((c for c in present if c["type"] == "Available"), {})
        if (old.get("status"), old.get("reason")) == wanted[:2]:
            return present
        return conditions.put(present, "Available", *wanted, lastUpdateTime=now())

    def _with_progress(self, deployment, present, before, counts, new):
        current = next((c for c in present if c["type"] == "Progressing"), {})
        settled = counts["replicas"] == counts["updatedReplicas"] and current.get("reason") == "NewReplicaSetAvailable"
        if deployment["spec"].get("paused") or settled or new is None:
            return present
        name, wanted = new["metadata"]["name"], _replicas(deployment)
        if counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted:
            return conditions.put(present, "Progressing", "True", "NewReplicaSetAvailable",
                                  f'ReplicaSet "{name}" has successfully progressed.', lastUpdateTime=now())
        if self._moved_on(before, counts):
            return conditions.put(present, "Progressing", "True", "ReplicaSetUpdated",
                                  f'ReplicaSet "{name}" is progressing.', lastUpdateTime=now())
        if not current or current.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
            return present
        left = deployment["spec"]["progressDeadlineSeconds"] - seconds_since(current["lastUpdateTime"])
        if left > 0:
            self.wake_in = min(self.wake_in or left + 0.05, left + 0.05)
            return present
        return conditions.put(present, "Progressing", "False", "ProgressDeadlineExceeded",
                              f'ReplicaSet "{name}" has timed out progressing.', lastUpdateTime=now())

    @staticmethod
    def _moved_on(before, counts):
        old_before = (before.get("replicas") or 0) - (before.get("updatedReplicas") or 0)
        return (counts["updatedReplicas"] > (before.get("updatedReplicas") or 0)
                or counts["replicas"] - counts["updatedReplicas"] < old_before
                or counts["readyReplicas"] > (before.get("readyReplicas") or 0)
                or counts["availableReplicas"] > (before.get("availableReplicas") or 0))
