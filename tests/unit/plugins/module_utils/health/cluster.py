# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small cluster made by hand: objects as a K3s API gives them, reduced to what a judgement looks at."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    Evidence,
    ExpectedTarget,
    Probe,
    parse_time,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id

NOW = parse_time("2026-11-23T09:30:00Z")
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
TARGET, NODE, VERSION = "vision-line-a", "camera-a", "v1.36.5+k3s1"
RIGHT = {"outputs": [{"name": "class", "data": [3]}]}
WRONG = {"outputs": [{"name": "class", "data": [5]}]}
WELL = {"status": "ok", "model": {"loaded": True}}


def stamp(ago=0.0):
    """Return the RFC 3339 time of ``ago`` seconds before NOW."""
    whole = NOW - ago
    from datetime import datetime, timezone
    return datetime.fromtimestamp(whole, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def expected(**more):
    values = dict(name=TARGET, workload="vision", node=NODE, line="line-a", image="vision:2", digest=NEW, port=8080,
                  model="vision", health_path="/health", health_expression="status == 'ok' && model.loaded",
                  golden_request={"inputs": [{"name": "seed", "data": [7]}]},
                  golden_expect="outputs[?name=='class'] | [0].data[0] == `3`")
    return ExpectedTarget(**dict(values, **more))


def labels(name=TARGET):
    return {"app.kubernetes.io/managed-by": "edgeai.sites", "edgeai.sites/target": name}


def conditions(**states):
    """conditions(Ready="True", Available=("False", "Reason", "text"))"""
    result = []
    for kind, value in states.items():
        status, reason, message = value if isinstance(value, tuple) else (value, "", "")
        result.append({"type": kind, "status": status, "reason": reason, "message": message})
    return result


def deployment(digest=NEW, generation=2, observed=2, revision="2", replicas=1, updated=1, ready=1, available=1, going=0,
               name=TARGET, spec=None, **conds):
    status = {"observedGeneration": observed, "conditions": conditions(**conds)}
    counts = {"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": available,
              "terminatingReplicas": going, "unavailableReplicas": max(0, 1 - available)}
    status.update({key: count for key, count in counts.items() if count})
    pod = {"containers": [{"name": "inference", "image": "lab.example/vision@" + digest}]}
    return {"metadata": {"name": name, "uid": "d-" + name, "generation": generation, "labels": labels(name),
                         "annotations": {"deployment.kubernetes.io/revision": revision}},
            "spec": dict({"replicas": 1, "template": {"spec": pod}}, **(spec or {})), "status": status}


def replicaset(revision="2", name=TARGET):
    return {"metadata": {"name": "%s-%s" % (name, revision), "uid": "rs-%s-%s" % (name, revision),
                         "labels": labels(name),
                         "annotations": {"deployment.kubernetes.io/revision": revision},
                         "ownerReferences": [{"kind": "Deployment", "uid": "d-" + name}]}}


def pod(revision="2", digest=NEW, up=60.0, ready=True, phase="Running", deleting=False, state=None, last=None, restarts=0,
        suffix="x", scheduled=True, name=TARGET, node=NODE, reason="", message="", image_id=None):
    """``state``: the container's state, by default running since ``up`` seconds; None of it with state={}."""
    state = {"running": {"startedAt": stamp(up)}} if state is None else state
    meta = {"name": "%s-%s-%s" % (name, revision, suffix), "namespace": "edgeai", "uid": "p-%s-%s" % (revision, suffix),
            "labels": labels(name), "creationTimestamp": stamp(up + 2)[:19] + "Z",
            "ownerReferences": [{"kind": "ReplicaSet", "uid": "rs-%s-%s" % (name, revision)}]}
    if deleting:
        meta["deletionTimestamp"] = stamp()
    status = {"phase": phase, "reason": reason, "message": message}
    if not scheduled:
        status["conditions"] = conditions(PodScheduled=("False", "Unschedulable", message))
        return {"metadata": meta, "spec": {}, "status": status}
    status["conditions"] = conditions(PodScheduled="True", Ready="True" if ready else "False")
    if state:
        ran = "running" in state or "terminated" in state
        status["containerStatuses"] = [{
            "name": "inference", "state": state, "lastState": {"terminated": last} if last else {}, "ready": ready,
            "started": "running" in state, "restartCount": restarts, "containerID": "containerd://c%d" % restarts,
            "image": "lab.example/vision@" + digest,
            "imageID": (("lab.example/vision@" + digest) if image_id is None else image_id) if ran else ""}]
    return {"metadata": meta, "spec": {"nodeName": node}, "status": status}


def node(name=NODE, ready="True", version=VERSION, taints=(), **conds):
    return {"metadata": {"name": name}, "spec": {"taints": [{"key": key} for key in taints]},
            "status": {"conditions": conditions(Ready=ready, **conds),
                       "nodeInfo": {"kubeletVersion": version, "containerRuntimeVersion": "containerd://2.3.2-k3s2"}}}


def lease(ago=4.0, name=NODE):
    return {"metadata": {"name": name}, "spec": {"renewTime": stamp(ago), "leaseDurationSeconds": 40}}


def probe(of, at=0.0, health=None, answer=None, error="", latency=12.5):
    answer = RIGHT if answer is None else answer
    if error:
        return Probe(of["metadata"]["name"], container_id(of), at, error=error)
    return Probe(of["metadata"]["name"], container_id(of), at, health=WELL if health is None else health, answer=answer,
                 answers=(answer,) * 4, latency_ms=latency)


def by_name(things):
    return {thing["metadata"]["name"]: thing for thing in things}


def evidence(deployments=None, replicasets=None, pods=None, nodes=None, leases=None, probes=None, events=(), **more):
    """A healthy site where nothing else is said."""
    pods = [pod()] if pods is None else pods
    if probes is None:
        probes = {TARGET: probe(pods[0])} if pods else {}
    return Evidence(now=NOW,
                    deployments=by_name([deployment()] if deployments is None else deployments),
                    replicasets=by_name([replicaset()] if replicasets is None else replicasets),
                    pods=by_name(pods),
                    nodes=by_name([node()] if nodes is None else nodes),
                    leases=by_name([lease()] if leases is None else leases),
                    events={str(number): event for number, event in enumerate(events)},
                    probes=probes, **more)
