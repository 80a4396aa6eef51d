"""Conditions of objects, and the state of pods that is read from them."""

from __future__ import annotations

from ..api.objects import now, seconds_since


def find(obj, kind):
    """The condition of that type, {} without one."""
    return next((c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == kind), {})


def put(conditions, kind, status, reason=None, message=None, **more):
    """A new list with this condition set; lastTransitionTime moves only when the status does."""
    old = next((c for c in conditions if c["type"] == kind), {})
    same = old.get("status") == status
    new = {"type": kind, "status": status, **more,
           "lastTransitionTime": old.get("lastTransitionTime") if same else now()}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    if old:
        return [new if c["type"] == kind else c for c in conditions]
    return conditions + [new]


def is_ready(pod):
    return find(pod, "Ready").get("status") == "True"


def ready_for(pod):
    """Seconds since the pod became Ready, -1 if it is not."""
    condition = find(pod, "Ready")
    return seconds_since(condition["lastTransitionTime"]) if condition.get("status") == "True" else -1.0


def is_terminal(pod):
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def is_active(pod):
    return not is_terminal(pod) and not pod["metadata"].get("deletionTimestamp")


def controller_of(obj):
    """uid of the controlling owner, or None."""
    return next((o["uid"] for o in obj["metadata"].get("ownerReferences", []) if o.get("controller")), None)


def owner_reference(owner):
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
