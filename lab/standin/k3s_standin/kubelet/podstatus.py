"""The status document of a pod, from what its worker knows. Pure: no I/O."""

from __future__ import annotations

from ..api.store import copy


def _condition(present, kind, status, generation, now, reason=None, message=None):
    old = next((c for c in present if c["type"] == kind), {})
    new = {"type": kind, "observedGeneration": generation, "status": "True" if status else "False",
           "lastProbeTime": None,
           "lastTransitionTime": old.get("lastTransitionTime") if old.get("status") == ("True" if status else "False")
           and old.get("lastTransitionTime") else now}
    if reason:
        new["reason"], new["message"] = reason, message
    return new


def conditions(present, generation, now, sandbox_ready, initialized, unready, terminal_reason=None):
    """The five conditions of a pod; PodScheduled is the scheduler's and kept."""
    scheduled = next((c for c in present if c["type"] == "PodScheduled"), {"status": "True"})
    reason, message = None, None
    if terminal_reason:
        reason = terminal_reason
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    ready = not unready and not terminal_reason
    return [
        _condition(present, "PodReadyToStartContainers", sandbox_ready, generation, now),
        _condition(present, "Initialized", initialized, generation, now),
        _condition(present, "Ready", ready, generation, now, reason, message or ""),
        _condition(present, "ContainersReady", ready, generation, now, reason, message or ""),
        {**_condition(present, "PodScheduled", True, generation, now),
         "status": scheduled.get("status", "True") if scheduled.get("status") == "True" else "True"},
    ]


def container_status(spec, container):
    """One entry of containerStatuses. `container`: see ContainerState in pods.py."""
    status = {"name": spec["name"], "state": copy(container.state), "lastState": copy(container.last_state),
              "ready": container.ready, "restartCount": container.restarts, "image": spec["image"],
              "imageID": container.image_id, "started": container.started}
    if container.id:
        status["containerID"] = f"containerd://{container.id}"
    resources = spec.get("resources") or {}
    if container.running:
        status["resources"] = copy(resources)
        if resources.get("requests"):
            status["allocatedResources"] = copy(resources["requests"])
        status["user"] = {"linux": {"uid": 0, "gid": 0, "supplementalGroups": [0]}}
    return status


def phase(spec, containers, initialized, was_started):
    """Pending, Running, Succeeded or Failed. A pod whose container ever got past creation counts as Running."""
    policy = spec.get("restartPolicy", "Always")
    if not initialized:
        return "Pending"
    ended = [c for c in containers if "terminated" in c.state]
    if len(ended) == len(containers) and containers:
        codes = [c.state["terminated"]["exitCode"] for c in ended]
        if policy == "Never" or policy == "OnFailure" and not any(codes):
            return "Failed" if any(codes) else "Succeeded"
        return "Running"
    return "Running" if was_started else "Pending"
