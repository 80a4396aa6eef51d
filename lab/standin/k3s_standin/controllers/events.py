"""Writing Event objects; repeated events raise a count instead of piling up."""

from __future__ import annotations

import random

from ..api.objects import now

TTL_SECONDS = 3600


def involved(obj, field_path=None):
    """The reference by which an event names its object."""
    meta = obj["metadata"]
    reference = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "name": meta["name"],
                 "namespace": meta.get("namespace"), "uid": meta.get("uid"),
                 "resourceVersion": meta.get("resourceVersion"), "fieldPath": field_path}
    return {k: v for k, v in reference.items() if v}


def body(reference, kind, reason, message, component, host=None):
    """A new Event document."""
    source = {"component": component}
    if host:
        source["host"] = host
    stamp = now()
    return {"apiVersion": "v1", "kind": "Event",
            "metadata": {"name": f"{reference['name']}.{random.getrandbits(64):016x}",
                         "namespace": reference.get("namespace") or "default"},
            "involvedObject": reference, "reason": reason, "message": message, "source": source,
            "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1, "type": kind, "eventTime": None,
            "reportingComponent": component, "reportingInstance": host or ""}


class Recorder:
    """Events of controllers that run inside the server."""

    def __init__(self, objects):
        self._objects = objects
        self._known = {}

    def record(self, obj, kind, reason, message, component):
        reference = involved(obj)
        key = (reference.get("uid"), reason, message, component)
        with self._objects.store.lock:
            name = self._known.get(key)
            if name:
                event = self._objects.find("events", reference.get("namespace") or "default", name)
                if event:
                    self._objects.edit("events", event, _count)
                    return
            document = body(reference, kind, reason, message, component)
            namespace = document["metadata"]["namespace"]
            owner = self._objects.find("namespaces", None, namespace)
            if owner and not owner["metadata"].get("deletionTimestamp"):
                self._objects.create(self._objects.registry["events"], namespace, document)
                self._known[key] = document["metadata"]["name"]
                while len(self._known) > 500:
                    self._known.pop(next(iter(self._known)))


def _count(event):
    event["count"] = event.get("count", 1) + 1
    event["lastTimestamp"] = now()
