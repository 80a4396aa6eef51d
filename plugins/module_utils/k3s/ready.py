# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this K3s node up? A pure state machine over samples: progressing, ready, or failed with a reason.

Seen on real nodes, and the cause of each rule: `systemctl start` returning 0 proves nothing (a server is "started"
whatever becomes of its kubelet); Ready=True appears 5 s before the start-up taints go, and is 5 s stale after a
restart; the heartbeat in the Ready condition may be 5 minutes old on a healthy node, while the lease is renewed
every 10 s. So the evidence is the lease.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.units import Unit

PROGRESSING = "progressing"
READY = "ready"
FAILED = "failed"

LEASE_MAX_AGE = 40.0       # seconds; Kubernetes calls a node unknown after this
CLOCK_TOLERANCE = 2.0      # seconds that a lease may seem to be from the future (time is being slewed)
PAUSE_PATIENCE = 20.0      # seconds for the import of the sandbox image after everything else is well
IMAGE_LIST_SECONDS = 60.0  # after the start of a kubelet, until its list of images is surely its own
MAX_RESTARTS = 4           # a start that systemd repeated so often is a crash loop, even if nobody knows why

STARTUP_TAINTS = frozenset((
    "node.cloudprovider.kubernetes.io/uninitialized", "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable", "node.kubernetes.io/network-unavailable",
))


class Wanted(NamedTuple):
    """What the node shall be. ``version_proved``: the binary on disk says exactly ``version``.
    ``not_before``: monotonic seconds; an older process does not count (a restart was asked for).
    ``serving_only``: a server that lets agents join is enough; systemd calls it active once its API answers."""

    node_name: str
    version: str
    version_proved: bool = False
    not_before: float = 0.0
    serving_only: bool = False


class Sample(NamedTuple):
    """One look at the node.

    ``at`` monotonic, ``wall`` this node's clock (both seconds); ``api_error`` is "" when the API answered;
    ``node`` and ``lease`` are API documents or None when absent; ``pause_missing`` is the wanted sandbox image
    when it is known to be missing, "" when present, None when not looked at.
    """

    at: float
    wall: float
    unit: Unit
    api_error: str = ""
    node: dict[str, Any] | None = None
    lease: dict[str, Any] | None = None
    pause_missing: str | None = None


class Verdict(NamedTuple):
    """``stage`` is where it stands: unit, serving, api, node, version, lease, taints, pause, ready."""

    state: str
    stage: str
    reason: str


def judge(samples: list[Sample], wanted: Wanted, hopeless: bool = False) -> Verdict:
    """The verdict over all samples of one wait, oldest first.

    ``hopeless``: the journal has lines after which waiting is pointless. The deadline is the caller's: at its end
    the last verdict's reason says what was missing.
    """
    last = samples[-1]
    verdict = _unit(last.unit, wanted) or (
        Verdict(READY, "serving", "") if wanted.serving_only else _node(samples, wanted))
    if verdict.state != PROGRESSING:
        return verdict
    if hopeless:
        return verdict._replace(state=FAILED)
    grown = last.unit.restarts - min(sample.unit.restarts for sample in samples)
    if grown >= MAX_RESTARTS:
        return Verdict(FAILED, "unit", "K3s dies again and again: systemd restarted it %d times" % grown)
    return verdict


def _unit(unit: Unit, wanted: Wanted) -> Verdict | None:
    if unit.active in ("failed", "inactive"):
        return Verdict(FAILED if unit.active == "failed" else PROGRESSING, "unit",
                       "the unit is %s (result %s)" % (unit.active, unit.result or "unknown"))
    if unit.started < wanted.not_before:
        return Verdict(PROGRESSING, "unit", "the old process has not been replaced yet")
    if (unit.active, unit.sub) != ("active", "running"):
        return Verdict(PROGRESSING, "unit", "the unit is %s/%s, restarted %d times" % (
            unit.active, unit.sub, unit.restarts))
    return None


def _node(samples: list[Sample], wanted: Wanted) -> Verdict:
    last = samples[-1]
    if last.api_error:
        return Verdict(PROGRESSING, "api", "the Kubernetes API does not answer: %s" % last.api_error)
    if last.node is None:
        return Verdict(PROGRESSING, "node", "the node %s is not registered" % wanted.node_name)
    for stage, reason in (("node", _not_ready(last.node)), ("version", _other_version(last.node, wanted)),
                          ("lease", _stale_lease(samples)), ("taints", _startup_taints(last.node))):
        if reason:
            return Verdict(PROGRESSING, stage, reason)
    if last.pause_missing:
        return _pause(samples)
    return Verdict(READY, "ready", "")


def _not_ready(node: dict[str, Any]) -> str:
    for condition in (node.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Ready":
            if condition.get("status") == "True":
                return ""
            return "the node is not Ready: %s" % (condition.get("message") or condition.get("reason") or "no reason")
    return "the node has no Ready condition yet"


def _other_version(node: dict[str, Any], wanted: Wanted) -> str:
    running = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "none"
    if running == wanted.version or (wanted.version_proved and _core(running) == _core(wanted.version)):
        return ""
    return "the kubelet reports version %s, wanted is %s" % (running, wanted.version)


def _core(version: str) -> str:
    # A release reports its exact version. A build from source reports v1.2.3+k3s-<commit> while `k3s --version`
    # says v1.2.3+k3s1: then the version before the + must do, and only if the binary says exactly what is wanted.
    return version.split("+")[0]


def _startup_taints(node: dict[str, Any]) -> str:
    taints = [str(taint.get("key")) for taint in (node.get("spec") or {}).get("taints") or []]
    left = sorted(STARTUP_TAINTS.intersection(taints))
    return "the node still has start-up taints: %s" % ", ".join(left) if left else ""


def _stale_lease(samples: list[Sample]) -> str:
    """Renewal time, process start and ``wall`` are all read from this node's clock, so other clocks do not matter.
    If that clock is stepped in between, a renewal that we saw happening proves the same.

    A node that registers for the first time has no lease for 10 s. Only then does the heartbeat count: a status
    written since K3s started can come from nobody but its kubelet."""
    last = samples[-1]
    renewed = lease_time(last.lease)
    if renewed is None:
        return "" if _fresh(heartbeat_time(last.node), last) else "the node has no lease yet"
    if _fresh(renewed, last):
        return ""
    earlier = [lease_time(sample.lease) for sample in samples if sample.at >= last.unit.started]
    if any(time is not None and time != renewed for time in earlier):
        return ""
    return "the node's lease was renewed %.0f s ago and not since K3s started" % (last.wall - renewed)


def _fresh(moment: float | None, sample: Sample) -> bool:
    """Whether ``moment`` (this node's clock) is after the start of K3s and not long ago."""
    if moment is None:
        return False
    started = sample.wall - (sample.at - sample.unit.started)
    return moment >= started and -CLOCK_TOLERANCE <= sample.wall - moment <= LEASE_MAX_AGE


def _pause(samples: list[Sample]) -> Verdict:
    first = next(sample for sample in samples if sample.pause_missing)
    reason = "the sandbox image %s is not on this node: no pod can start" % samples[-1].pause_missing
    patience_over = samples[-1].at - first.at >= PAUSE_PATIENCE
    return Verdict(FAILED if patience_over else PROGRESSING, "pause", reason)


def lease_time(lease: dict[str, Any] | None) -> float | None:
    """renewTime of a Lease as seconds since 1970, or None."""
    return _seconds(((lease or {}).get("spec") or {}).get("renewTime"))


def heartbeat_time(node: dict[str, Any] | None) -> float | None:
    """lastHeartbeatTime of a node's Ready condition as seconds since 1970, or None."""
    for condition in ((node or {}).get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Ready":
            return _seconds(condition.get("lastHeartbeatTime"))
    return None


def _seconds(text: str | None) -> float | None:
    found = re.match(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z$", text or "")
    if not found:
        return None
    moment = datetime.datetime.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp() + float(found.group(2) or 0)


def sandbox_image(containerd_config: str) -> str:
    """The sandbox (pause) image that containerd was configured with; "" when the file does not say."""
    found = re.search(r"^\s*sandbox(?:_image)?\s*=\s*[\"']([^\"']+)[\"']", containerd_config, re.MULTILINE)
    return found.group(1) if found else ""


def reported_images(sample: Sample) -> list[str]:
    """Names of images in the node's status, if it was written late enough by the kubelet that runs now.

    A kubelet starts with the list that its predecessor wrote and counts anew every 30 s. The list has the largest
    images only, so its silence is no proof of anything."""
    heartbeat = heartbeat_time(sample.node)
    started = sample.wall - (sample.at - sample.unit.started)
    if heartbeat is None or heartbeat < started + IMAGE_LIST_SECONDS:
        return []
    reported = ((sample.node or {}).get("status") or {}).get("images") or []
    return [name for entry in reported for name in entry.get("names") or []]


def has_image(names: list[str], wanted: str) -> bool:
    """Whether an image list (node status, or `k3s ctr images ls -q`) has ``wanted``, short names included."""
    full = wanted
    if "/" not in full:
        full = "docker.io/library/" + full
    elif "." not in full.split("/")[0] and ":" not in full.split("/")[0]:
        full = "docker.io/" + full
    return any(name in (wanted, full) for name in names)
