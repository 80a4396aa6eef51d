"""Removes what belongs to deleted owners, namespaces and nodes, and old events."""

from __future__ import annotations

import time

from ..api.objects import SYSTEM_NAMESPACES, seconds_since
from .events import TTL_SECONDS

ORPHANED_POD_SECONDS = 40.0


class GarbageCollector:
    watches = None  # any change

    def __init__(self, objects, recorder):
        self._objects = objects
        self.wake_in = None

    def sync(self):
        objects = self._objects
        everything = [(r, o) for r in objects.registry for o in objects.store.list(r)]
        uids = {o["metadata"]["uid"] for _, o in everything}
        dependents = {}
        for resource, obj in everything:
            for owner in obj["metadata"].get("ownerReferences", []):
                dependents.setdefault(owner["uid"], []).append((resource, obj))
        for resource, obj in everything:
            meta = obj["metadata"]
            owners = meta.get("ownerReferences")
            deleting = meta.get("deletionTimestamp")
            if owners and not deleting and not any(o["uid"] in uids for o in owners):
                objects.delete(resource, obj, {"propagationPolicy": "Background"})
            elif deleting and "foregroundDeletion" in meta.get("finalizers", []):
                self._foreground(resource, obj, dependents.get(meta["uid"], []))
            elif deleting and resource.kind == "Namespace":
                self._empty_namespace(resource, obj)
            elif resource.kind == "Event" and seconds_since(obj.get("lastTimestamp") or meta["creationTimestamp"]) \
                    > TTL_SECONDS:
                objects.delete(resource, obj)

    def _foreground(self, resource, obj, dependents):
        for below, dependent in dependents:
            if not dependent["metadata"].get("deletionTimestamp"):
                self._objects.delete(below, dependent, {"propagationPolicy": "Foreground"}
                                     if below.kind == "ReplicaSet" else None)
        if not dependents:
            self._objects.edit(resource, obj, lambda o: o["metadata"].update(finalizers=[
                f for f in o["metadata"]["finalizers"] if f != "foregroundDeletion"]))

    def _empty_namespace(self, resource, namespace):
        objects, name = self._objects, namespace["metadata"]["name"]
        inside = [(r, o) for r in objects.registry if r.namespaced for o in objects.store.list(r, name)]
        for inner, obj in inside:
            if not obj["metadata"].get("deletionTimestamp"):
                objects.delete(inner, obj)
        if not inside and name not in SYSTEM_NAMESPACES:
            objects.store.write(resource, namespace, None)


class PodGarbageCollector:
    """Removes pods whose node is gone from the cluster, after a while of grace."""

    watches = {"pods", "nodes"}

    def __init__(self, objects, recorder):
        self._objects = objects
        self._missing_since = {}
        self.wake_in = None

    def sync(self):
        nodes = {n["metadata"]["name"] for n in self._objects.all("nodes")}
        orphans = {p["metadata"]["uid"]: p for p in self._objects.all("pods")
                   if p["spec"].get("nodeName") and p["spec"]["nodeName"] not in nodes}
        self._missing_since = {u: s for u, s in self._missing_since.items() if u in orphans}
        for uid, pod in orphans.items():
            since = self._missing_since.setdefault(uid, time.monotonic())
            if time.monotonic() - since >= ORPHANED_POD_SECONDS:
                self._objects.delete(self._objects.registry["pods"], pod, {"gracePeriodSeconds": 0})
        self.wake_in = 5.0 if orphans else None
