"""The status document of a pod, as EdgeCore reports it. Pure."""

from __future__ import annotations

import copy

_KINDS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def conditions(before, now, values, unready, terminal=None):
    """values: {kind: bool}; unready: names of containers that are not ready; terminal: reason of a pod that ended"""
    result = []
    for kind in _KINDS:
        value = "True" if values.get(kind, True) else "False"
        old = next((c for c in before if c["type"] == kind), {})
        since = old.get("lastTransitionTime") if old.get("status") == value else None
        condition = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": since or now}
        if kind in ("Ready", "ContainersReady") and value == "False":
            condition.update({"reason": terminal} if terminal else {
                "reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"})
        result.append(condition)
    return result


def container(spec, state):
    """One entry of containerStatuses; state: a ContainerState of pods.py"""
    status = {"name": spec["name"], "state": copy.deepcopy(state.state), "lastState": copy.deepcopy(state.last_state),
              "ready": state.ready, "restartCount": max(0, state.attempt), "image": spec["image"], "imageID": state.image_id,
              "started": state.started}
    if state.id:
        status["containerID"] = f"containerd://{state.id}"
    return status


def phase(spec, states, initialized, started):
    """Pending, Running, Succeeded or Failed."""
    ended = [s.state["terminated"]["exitCode"] for s in states if "terminated" in s.state]
    policy = spec.get("restartPolicy", "Always")
    if not initialized:
        return "Pending"
    if states and len(ended) == len(states) and policy != "Always":
        if not any(ended):
            return "Succeeded"
        return "Failed" if policy == "Never" else "Running"
    return "Running" if started else "Pending"


def without_times(status):
    """A status without what only says when, to see whether there is news."""
    return {**status, "conditions": [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status["conditions"]]}
