# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this edge node up? A verdict from evidence of the node and of the cloud; each sign alone was seen green on broken nodes.

Seen on real nodes, and the cause of each rule: the unit is ``active`` and syncloop says ``ok`` without any certificate, with
one of another CA, without CNI, without the pause image, with the wrong cgroup driver; a node that lost its database is Ready
in the cloud with all its pods Running, because its crash loop renews the lease, and it loops with 38 s from start to start.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.units import Unit

PROGRESSING, READY, FAILED = "progressing", "ready", "failed"

LEASE_MAX_AGE = 40.0   # seconds; Kubernetes calls a node unknown after this
# EdgeCore renews its lease every 10 s. After its link was mended its status comes first, and the lease soon after.
LOST_LEASE_SECONDS = 45.0
CLOCK_TOLERANCE = 5.0  # seconds that a lease or heartbeat may seem to be from the future
STABLE_SECONDS = 60.0  # a process that lives so long is in none of the known loops, the longest of which takes 38 s
MAX_RESTARTS = 4       # a start that systemd repeated so often is a crash loop, even if nobody knows why


class Wanted(NamedTuple):
    """What the node shall be. ``not_before``: monotonic seconds; an older process does not count (a restart was asked for)."""

    node_name: str
    version: str
    stable_seconds: float = STABLE_SECONDS
    not_before: float = 0.0


class Local(NamedTuple):
    """One look at the node, on it.

    ``at`` monotonic and ``wall`` this node's clock, both seconds. Texts are "" when all is well: ``enrolled`` says what of the
    certificates is missing, ``syncloop``, ``engine``, ``network`` and ``pause`` why not; ``x509``: certificate errors in the
    journal since the start. ``pods``: the kubelet's own list, None when it gave none. ``answers``: uid of a Ready pod -> "" when
    a port of it answered, else why not.
    """

    at: float
    wall: float
    unit: Unit
    restarts_before: int = 0
    enrolled: str = ""
    syncloop: str = ""
    engine: str = ""
    network: str = ""
    pause: str = ""
    x509: int = 0
    sandbox_errors: int = 0
    pods: Optional[list[dict[str, Any]]] = None
    answers: dict[str, str] = {}


class Cloud(NamedTuple):
    """The same in the cloud: the Node with its Lease, and the pods that are bound to it. ``error``: why it could not be asked."""

    error: str = ""
    node: Optional[dict[str, Any]] = None
    lease: Optional[dict[str, Any]] = None
    pods: list[dict[str, Any]] = []


class Verdict(NamedTuple):
    """``stage`` is where it stands: unit, enrolled, hub, syncloop, engine, network, pause, stable, cloud, node, version,
    heartbeat, pods, answer, ready."""

    state: str
    stage: str
    reason: str


def judge_local(local: Local, wanted: Wanted, hopeless: bool = False) -> Verdict:
    """The verdict on what can be known on the node. ``hopeless``: its journal has lines after which waiting is pointless."""
    verdict = _unit(local, wanted) or _parts(local) or _stable(local, wanted) or Verdict(READY, "ready", "")
    if verdict.state == PROGRESSING and hopeless:
        return verdict._replace(state=FAILED)
    if verdict.state == PROGRESSING and local.unit.restarts - local.restarts_before >= MAX_RESTARTS:
        return Verdict(FAILED, "unit", "EdgeCore dies again and again: systemd restarted it %d times" % (
            local.unit.restarts - local.restarts_before))
    return verdict


def judge(local: Local, cloud: Cloud, wanted: Wanted) -> Verdict:
    """The verdict on everything, for a node that is well by itself."""
    here = judge_local(local, wanted)
    if here.state != READY:
        return here
    if cloud.error:
        return Verdict(PROGRESSING, "cloud", "the cloud cannot be asked: %s" % cloud.error)
    if cloud.node is None:
        return Verdict(PROGRESSING, "node", "the Node %s is not registered" % wanted.node_name)
    for stage, reason in (("node", _not_ready(cloud.node)), ("version", _other_version(cloud.node, wanted)),
                          ("heartbeat", _stale(local, cloud)), ("pods", _other_pods(local, cloud)), ("answer", _silent(local))):
        if reason:
            return Verdict(PROGRESSING, stage, reason)
    return Verdict(READY, "ready", "")


def _unit(local: Local, wanted: Wanted) -> Verdict | None:
    unit = local.unit
    if unit.active in ("failed", "inactive", ""):
        return Verdict(FAILED if unit.active == "failed" else PROGRESSING, "unit",
                       "the unit is %s (result %s)" % (unit.active or "absent", unit.result or "unknown"))
    if unit.started < wanted.not_before:
        return Verdict(PROGRESSING, "unit", "the old process has not been replaced yet")
    if (unit.active, unit.sub) != ("active", "running"):
        return Verdict(PROGRESSING, "unit", "the unit is %s/%s, restarted %d times" % (unit.active, unit.sub, unit.restarts))
    return None


def _parts(local: Local) -> Verdict | None:
    x509 = "%d certificate errors in the journal since the start" % local.x509 if local.x509 else ""
    sandbox = "%d pods could not be started" % local.sandbox_errors if local.sandbox_errors else ""
    pods = "" if local.pods is not None else "the kubelet's list of pods cannot be had"
    for stage, reason in (("enrolled", local.enrolled), ("hub", x509), ("syncloop", local.syncloop or pods), ("engine", local.engine),
                          ("network", local.network), ("pause", local.pause), ("engine", sandbox)):
        if reason:
            return Verdict(PROGRESSING, stage, reason)
    return None


def _stable(local: Local, wanted: Wanted) -> Verdict | None:
    runs = local.at - local.unit.started
    if runs >= wanted.stable_seconds:
        return None
    return Verdict(PROGRESSING, "stable", "EdgeCore runs for %.0f s, wanted %.0f s without a restart" % (runs, wanted.stable_seconds))


def _not_ready(node: dict[str, Any]) -> str:
    condition = _ready(node)
    if condition is None:
        return "the Node has no Ready condition yet"
    if condition.get("status") == "True":
        return ""
    return "the Node is not Ready: %s" % (condition.get("message") or condition.get("reason") or "no reason")


def _other_version(node: dict[str, Any], wanted: Wanted) -> str:
    running = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "none"
    if running.partition("-kubeedge-")[2].split("+")[0] == wanted.version.split("+")[0]:
        return ""
    return "the Node reports version %s, wanted is one that ends in -kubeedge-%s" % (running, wanted.version)


def lost_its_lease(cloud: Cloud) -> bool:
    """Return whether the Node's status came through long after its lease was renewed for the last time.

    Seen with KubeEdge 1.23.1: CloudCore passes an error of an API server that was away on without a status, EdgeCore takes that for
    an answer with an empty lease, and renews that one from then on. Its journal says nothing, and only a restart of EdgeCore helps.
    """
    heartbeat, renewed = _heartbeat(cloud), _renewed(cloud)
    return heartbeat is not None and renewed is not None and heartbeat - renewed > LEASE_MAX_AGE


def _heartbeat(cloud: Cloud) -> float | None:
    return seconds(str((_ready(cloud.node or {}) or {}).get("lastHeartbeatTime") or ""))


def _renewed(cloud: Cloud) -> float | None:
    return seconds(str((((cloud.lease or {}).get("spec")) or {}).get("renewTime") or ""))


def _stale(local: Local, cloud: Cloud) -> str:
    """Heartbeat, lease, process start and ``wall`` are all read from this node's clock, so other clocks do not matter.

    The heartbeat may be 5 minutes old on a healthy node, so it must only be newer than the start; the lease, which comes 10 s
    after the first registration, must be fresh. In the crash loop of a lost database the lease is fresh and the heartbeat old.
    """
    started = local.wall - (local.at - local.unit.started)
    heartbeat, renewed = _heartbeat(cloud), _renewed(cloud)
    if heartbeat is None or heartbeat < started - 1:  # it has whole seconds
        return "the Node's heartbeat is %s than this start of EdgeCore" % (
            "missing, and so no newer" if heartbeat is None else "%.0f s older" % (started - heartbeat))
    if renewed is None:
        return "" if local.wall - heartbeat <= LEASE_MAX_AGE else "the Node has no lease"
    if not -CLOCK_TOLERANCE <= local.wall - renewed <= LEASE_MAX_AGE:
        return "the Node's lease was renewed %.0f s ago" % (local.wall - renewed)
    return ""


def _other_pods(local: Local, cloud: Cloud) -> str:
    here = {uid_of(pod): _name(pod) for pod in local.pods or [] if from_cloud(pod)}
    there = {uid_of(pod): _name(pod) for pod in cloud.pods if _belongs(pod)}
    leaving = {uid_of(pod) for pod in cloud.pods if not _belongs(pod)}
    lacking = sorted(name for uid, name in there.items() if uid not in here)
    surplus = sorted(name for uid, name in here.items() if uid not in there and uid not in leaving)
    told = []
    if lacking:
        told.append("the cloud says that %s, which this node does not know" % _run(lacking))
    if surplus:
        told.append("this node runs %s, which the cloud does not know" % ", ".join(surplus[:5]))
    return "; ".join(told)


def _run(names: list[str]) -> str:
    return "%s %s here" % (", ".join(names[:5]), "runs" if len(names) == 1 else "run")


def _silent(local: Local) -> str:
    """One pod that is Ready has to answer. Where none is Ready, that is the workload's business, not EdgeCore's."""
    if not local.answers or not all(local.answers.values()):
        return ""
    names = {uid_of(pod): _name(pod) for pod in local.pods or []}
    uid = sorted(local.answers)[0]
    return "no Ready pod answers: %s: %s" % (names.get(uid, uid), local.answers[uid])


def probes(pods: list[dict[str, Any]], limit: int = 3) -> dict[str, tuple[str, int]]:
    """``{uid: (address, port)}`` of Ready pods of the cloud to try; few, because one answer is enough."""
    found = {}
    for pod in pods:
        port = _port(pod)
        if from_cloud(pod) and _is_ready(pod) and port and len(found) < limit:
            found[uid_of(pod)] = (str((pod.get("status") or {}).get("podIP") or ""), port)
    return {uid: place for uid, place in found.items() if place[0]}


def uid_of(pod: dict[str, Any]) -> str:
    """The pod's uid."""
    return str((pod.get("metadata") or {}).get("uid") or "")


def from_cloud(pod: dict[str, Any]) -> bool:
    """Whether a pod of the kubelet's list came from the cloud; static pods are the node's own."""
    return ((pod.get("metadata") or {}).get("annotations") or {}).get("kubernetes.io/config.source", "api") == "api"


def _belongs(pod: dict[str, Any]) -> bool:
    """Whether the node must know this pod of the cloud: not one that has ended or is on its way out."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not (pod.get("metadata") or {}).get("deletionTimestamp")


def _name(pod: dict[str, Any]) -> str:
    metadata = pod.get("metadata") or {}
    return "%s/%s" % (metadata.get("namespace", ""), metadata.get("name", ""))


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(item.get("type") == "Ready" and item.get("status") == "True"
               for item in (pod.get("status") or {}).get("conditions") or [])


def _port(pod: dict[str, Any]) -> int:
    for container in (pod.get("spec") or {}).get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("protocol", "TCP") == "TCP" and isinstance(port.get("containerPort"), int):
                return int(port["containerPort"])
    return 0


def _ready(node: dict[str, Any]) -> dict[str, Any] | None:
    return next((item for item in (node.get("status") or {}).get("conditions") or [] if item.get("type") == "Ready"), None)


def seconds(text: str) -> float | None:
    """A time of the API as seconds since 1970, or None."""
    found = re.match(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z$", text)
    if not found:
        return None
    moment = datetime.datetime.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp() + float(found.group(2) or 0)


def to_facts(local: Local) -> dict[str, Any]:
    """A look as data that a module returns. Of each pod only what is judged: specifications may hold secrets."""
    facts = local._asdict()
    facts["unit"] = dict(local.unit._asdict())
    facts["pods"] = None if local.pods is None else [_lean(pod) for pod in local.pods]
    return dict(facts)


def from_facts(facts: dict[str, Any]) -> Local:
    """The look out of what a module returned."""
    return Local(**dict(facts, unit=Unit(**facts["unit"])))


def _lean(pod: dict[str, Any]) -> dict[str, Any]:
    metadata = pod.get("metadata") or {}
    source = (metadata.get("annotations") or {}).get("kubernetes.io/config.source")
    return {"metadata": {"namespace": metadata.get("namespace"), "name": metadata.get("name"), "uid": metadata.get("uid"),
                         "annotations": {"kubernetes.io/config.source": source} if source else {}}}
