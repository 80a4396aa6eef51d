# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod's status means in plain words. Its phase alone says little: Running covers pods that never ran."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    FAILED,
    HEALTHY,
    PROGRESSING,
    Evidence,
    Finding,
    Object,
    age,
    condition,
    parse_time,
)

# A process that dies at once is still reported ready for about a second, above all when another process on the
# host answers its probe. So a container has to have run this long, and longer after a crash.
MIN_UPTIME_SECONDS = 3
UPTIME_AFTER_CRASH_SECONDS = 20
# One restart happens (a camera that was away); a second one is a pattern.
CRASHES_TOLERATED = 1

CHECK = "workload.serving"
WANTED = "one pod, running and ready"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")
_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
                  "RegistryUnavailable")
_START_REASONS = ("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError",
                  "StartError")
_EVENT_REASONS = ("FailedCreatePodSandBox", "FailedMount", "FailedAttachVolume")


def judge_pod(pod: Object, evidence: Evidence) -> Finding:
    """Judge the one pod that should serve."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        return _failed("the scheduler finds no place: %s" % scheduled.get("message", ""),
                       "free what it asks for (CPU, memory, GPU) on its node, and see that the node is not cordoned")
    status = container_status(pod)
    state = status.get("state") or {}
    if "running" in state:
        return _running(pod, status, state["running"], evidence)
    if condition(pod, "Ready").get("status") == "True":
        return _failed("the pod reads Ready although its container does not run: another process on the node "
                       "answers its probe", "find what else listens on that port of the node, and stop it")
    if "terminated" in state:
        return _failed("the container ended: %s" % _end(state["terminated"]), _crash_remedy(pod))
    return _waiting(pod, status, state.get("waiting") or {}, evidence)


def container_status(pod: Object) -> Object:
    """Return the status of the pod's first container (ours has one), or an empty dict."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return statuses[0]


def container_id(pod: Object) -> str:
    """Return what a probe is bound to: one start of one container of one pod."""
    return "%s/%s" % (pod["metadata"].get("uid"), container_status(pod).get("containerID"))


def running_digest(pod: Object) -> str:
    """Return ``sha256:…`` of the image that the container runs, or an empty string while none runs.

    containerd gives ``name@sha256:<manifest>``. A bare ``sha256:<config>`` names the same image by another hash,
    which cannot be compared with a manifest's: the reference that the pod was started from is taken then.
    """
    status = container_status(pod)
    image_id = status.get("imageID") or ""
    if "running" not in (status.get("state") or {}) or not image_id:
        return ""
    named = image_id if "@" in image_id else status.get("image") or ""
    match = _DIGEST.search(named) if "@" in named else None
    return match.group(0) if match else image_id


def is_terminal(pod: Object) -> bool:
    """True when none of the pod's containers can run any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def is_waiting(pod: Object) -> bool:
    """True while the pod has a node and its container has neither begun nor ended: the status seldom says why."""
    state = container_status(pod).get("state") or {}
    return bool(pod.get("spec", {}).get("nodeName")) and "running" not in state and "terminated" not in state


def rejections(pods: Iterable[Object]) -> Dict[str, int]:
    """Return how many pods a kubelet refused, by reason (``OutOfnvidia.com/gpu: …``)."""
    counts: Dict[str, int] = {}
    for pod in pods:
        status = pod.get("status", {})
        if status.get("phase") == "Failed" and not status.get("containerStatuses") and status.get("reason"):
            text = "%s: %s" % (status["reason"], status.get("message", ""))
            counts[text] = counts.get(text, 0) + 1
    return counts


def crashed(pod: Object) -> bool:
    """True when the end of a process is part of the story, so that its log may tell why."""
    status = container_status(pod)
    return bool(status.get("restartCount")) or "terminated" in (status.get("state") or {})


def _running(pod: Object, status: Object, running: Object, evidence: Evidence) -> Finding:
    restarts = status.get("restartCount") or 0
    last = (status.get("lastState") or {}).get("terminated")
    # After a reboot of the node the old container ends with reason Unknown: nothing that the model did.
    crashes = restarts if last and last.get("reason") != "Unknown" else 0
    started = parse_time(running.get("startedAt")) or evidence.now
    uptime = max(0.0, evidence.now - started)
    if not (status.get("ready") and is_ready(pod)):
        if crashes > CRASHES_TOLERATED:
            return _failed("the container restarted %d times; the last time %s" % (crashes, _end(last)),
                           _crash_remedy(pod))
        return _progressing("the model is not ready %s after its start" % age(uptime), "is it still loading? Its "
                            "start-up probe allows twice load_seconds")
    needed = UPTIME_AFTER_CRASH_SECONDS if crashes else MIN_UPTIME_SECONDS
    if uptime < needed:
        if crashes > CRASHES_TOLERATED:
            return _failed("the container restarted %d times, %s ago; the last time %s" % (crashes, age(uptime),
                           _end(last)), _crash_remedy(pod))
        return _progressing("the container started %s ago%s; it is watched for %d s"
                            % (age(uptime), ", after " + _end(last) if crashes else "", needed))
    return Finding(CHECK, HEALTHY, "pod %s is ready, up for %s" % (pod["metadata"]["name"], age(uptime)), WANTED)


def _waiting(pod: Object, status: Object, waiting: Object, evidence: Evidence) -> Finding:
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE_REASONS:
        return _failed("the image is not on the node (%s): %s" % (reason, message), "run the artifacts playbook for "
                       "the node; K3s's journal says whether the image file could be imported")
    if reason in _START_REASONS:
        last = (status.get("lastState") or {}).get("terminated")
        return _failed("the container does not stay up (%s): %s" % (reason, _end(last) if last else message),
                       _crash_remedy(pod))
    # The status says ContainerCreating for ever; only events tell what keeps the node from it.
    event = _newest_event(pod, evidence.events.values())
    if event is not None and event["reason"] == "FailedCreatePodSandBox":
        return _failed("the node cannot make a pod: %s" % event.get("message", ""), _sandbox_remedy(event))
    if event is not None:
        return _progressing("%s: %s" % (event["reason"], event.get("message", "")))
    return _progressing("the pod is being started%s" % (" (%s)" % reason if reason else ""))


def _sandbox_remedy(event: Object) -> str:
    message = event.get("message", "")
    if "pause" in message:
        return "K3s's own images (pause) are not on the node: add k3s-airgap-images to the bundle, run artifacts"
    if "no runtime for" in message:
        return "the NVIDIA runtime was installed after K3s started: restart K3s on the node"
    return "read the node's journal (SYSLOG_IDENTIFIER=k3s) and its containerd log"


def _newest_event(pod: Object, events: Iterable[Object]) -> Optional[Object]:
    uid = pod.get("metadata", {}).get("uid")
    own: List[Object] = [event for event in events if event.get("reason") in _EVENT_REASONS and uid is not None
                         and event.get("involvedObject", {}).get("uid") == uid]
    return max(own, key=_event_time, default=None)


def _event_time(event: Object) -> str:
    # eventTime has a fraction and the others have none: only the common part can be compared.
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")[:19]


def _end(terminated: Optional[Object]) -> str:
    """``it ended with exit code 2 (Error)``, with the runtime's message where it has one."""
    terminated = terminated or {}
    text = "it ended with exit code %s (%s)" % (terminated.get("exitCode", "?"), terminated.get("reason", "no reason"))
    return "%s: %s" % (text, terminated["message"]) if terminated.get("message") else text


def _crash_remedy(pod: Object) -> str:
    meta = pod.get("metadata", {})
    return "read its log: kubectl -n %s logs --previous %s" % (meta.get("namespace", "?"), meta.get("name", "?"))


def _failed(found: str, remedy: str) -> Finding:
    return Finding(CHECK, FAILED, found, WANTED, remedy)


def _progressing(found: str, remedy: str = "") -> Finding:
    return Finding(CHECK, PROGRESSING, found, WANTED, remedy)
