"""Keeps the number of pods that a ReplicaSet asks for."""

from __future__ import annotations

from ..api import selectors
from ..api.objects import copy
from . import conditions


class ReplicaSetController:
    watches = {"replicasets", "pods"}

    def __init__(self, objects, recorder):
        self._objects, self._recorder = objects, recorder
        self.wake_in = None

    def sync(self):
        self.wake_in = None
        pods_of = {}
        for pod in self._objects.all("pods"):
            pods_of.setdefault(conditions.controller_of(pod), []).append(pod)
        for replica_set in self._objects.all("replicasets"):
            if not replica_set["metadata"].get("deletionTimestamp"):
                self._sync_one(replica_set, pods_of.get(replica_set["metadata"]["uid"], []))

    def _sync_one(self, replica_set, pods):
        active = [p for p in pods if conditions.is_active(p)]
        missing = (replica_set["spec"].get("replicas") or 0) - len(active)
        if missing > 0:
            for _ in range(missing):
                self._create_pod(replica_set)
        elif missing < 0:
            # not running first, then the youngest
            order = sorted(active, key=lambda p: (
                bool(p["spec"].get("nodeName")), (p.get("status") or {}).get("phase") == "Running",
                conditions.is_ready(p), -int(p["metadata"]["resourceVersion"])))
            for pod in order[:-missing]:
                self._objects.delete(self._objects.registry["pods"], pod)
                self._recorder.record(replica_set, "Normal", "SuccessfulDelete",
                                      f"Deleted pod: {pod['metadata']['name']}", "replicaset-controller")
        self._update_status(replica_set, pods, active)

    def _create_pod(self, replica_set):
        template, meta = copy(replica_set["spec"]["template"]), replica_set["metadata"]
        pod = {"metadata": {**template.get("metadata", {}), "generateName": meta["name"] + "-",
                            "ownerReferences": [conditions.owner_reference(replica_set)]},
               "spec": template["spec"]}
        created = self._objects.create(self._objects.registry["pods"], meta["namespace"], pod)
        self._recorder.record(replica_set, "Normal", "SuccessfulCreate",
                              f"Created pod: {created['metadata']['name']}", "replicaset-controller")

    def _update_status(self, replica_set, pods, active):
        spec = replica_set["spec"]
        wait = spec.get("minReadySeconds") or 0
        ready = [p for p in active if conditions.is_ready(p)]
        available = [p for p in ready if conditions.ready_for(p) >= wait]
        if len(available) < len(ready):
            self.wake_in = 1.0
        labeled = [p for p in active if selectors.matches(spec["selector"], p["metadata"].get("labels"))]
        terminating = [p for p in pods if p["metadata"].get("deletionTimestamp") and not conditions.is_terminal(p)]
        status = {"replicas": len(active), "fullyLabeledReplicas": len(labeled), "readyReplicas": len(ready),
                  "availableReplicas": len(available), "terminatingReplicas": len(terminating),
                  "observedGeneration": replica_set["metadata"]["generation"]}
        status = {k: v for k, v in status.items() if v or k in ("replicas", "terminatingReplicas")}
        if status != replica_set.get("status"):
            self._objects.edit("replicasets", replica_set, lambda o: o.update(status=status), "status")
