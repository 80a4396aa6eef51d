"""One pod of each DaemonSet on every node that it selects."""

from __future__ import annotations

from ..api.objects import copy
from . import conditions
from .deployment import _template_hash
from .scheduler import matches_node, tolerates

_HASH = "controller-revision-hash"
_TOLERATED = [("node.kubernetes.io/not-ready", "NoExecute"), ("node.kubernetes.io/unreachable", "NoExecute"),
              ("node.kubernetes.io/disk-pressure", "NoSchedule"), ("node.kubernetes.io/memory-pressure", "NoSchedule"),
              ("node.kubernetes.io/pid-pressure", "NoSchedule"), ("node.kubernetes.io/unschedulable", "NoSchedule")]


class DaemonSetController:
    watches = {"daemonsets", "pods", "nodes"}

    def __init__(self, objects, recorder):
        self._objects, self._recorder = objects, recorder
        self.wake_in = None

    def sync(self):
        for daemon_set in self._objects.all("daemonsets"):
            if not daemon_set["metadata"].get("deletionTimestamp"):
                self._sync_one(daemon_set)

    def _sync_one(self, daemon_set):
        objects, meta = self._objects, daemon_set["metadata"]
        template = daemon_set["spec"]["template"]
        revision = _template_hash(template)
        pods = [p for p in objects.all("pods", meta["namespace"]) if conditions.controller_of(p) == meta["uid"]]
        nodes = {n["metadata"]["name"] for n in objects.all("nodes") if self._wants(template["spec"], n)}
        by_node = {}
        for pod in pods:
            if conditions.is_terminal(pod) and not pod["metadata"].get("deletionTimestamp"):
                objects.delete(objects.registry["pods"], pod)
            elif conditions.is_active(pod):
                by_node.setdefault(pod["spec"].get("nodeName"), []).append(pod)
        for node in sorted(nodes - set(by_node)):
            if not any(p["spec"].get("nodeName") == node for p in pods):
                self._create(daemon_set, node, revision)
        for node in set(by_node) - nodes:
            for pod in by_node[node]:
                objects.delete(objects.registry["pods"], pod)
        self._replace_outdated(daemon_set, by_node, nodes, revision)
        self._update_status(daemon_set, by_node, nodes, revision)

    @staticmethod
    def _wants(spec, node):
        tolerations = (spec.get("tolerations") or []) + [
            {"key": k, "operator": "Exists", "effect": e} for k, e in _TOLERATED]
        taints = [t for t in node["spec"].get("taints") or [] if t["effect"] in ("NoSchedule", "NoExecute")]
        return matches_node(spec, node) and all(tolerates(tolerations, t) for t in taints)

    def _create(self, daemon_set, node, revision):
        template, meta = copy(daemon_set["spec"]["template"]), daemon_set["metadata"]
        spec = template["spec"]
        spec["nodeName"] = node
        spec["tolerations"] = (spec.get("tolerations") or []) + [
            {"key": k, "operator": "Exists", "effect": e} for k, e in _TOLERATED]
        labels = {**(template.get("metadata", {}).get("labels") or {}), _HASH: revision}
        pod = {"metadata": {**template.get("metadata", {}), "labels": labels, "generateName": meta["name"] + "-",
                            "ownerReferences": [conditions.owner_reference(daemon_set)]}, "spec": spec}
        created = self._objects.create(self._objects.registry["pods"], meta["namespace"], pod)
        self._recorder.record(daemon_set, "Normal", "SuccessfulCreate",
                              f"Created pod: {created['metadata']['name']}", "daemonset-controller")

    def _replace_outdated(self, daemon_set, by_node, nodes, revision):
        if daemon_set["spec"]["updateStrategy"]["type"] != "RollingUpdate":
            return
        unavailable = [n for n in nodes if not any(conditions.is_ready(p) for p in by_node.get(n, []))]
        for node in sorted(nodes):
            for pod in by_node.get(node, []):
                outdated = pod["metadata"].get("labels", {}).get(_HASH) != revision
                if outdated and (node in unavailable or not unavailable):
                    self._objects.delete(self._objects.registry["pods"], pod)
                    unavailable.append(node)

    def _update_status(self, daemon_set, by_node, nodes, revision):
        pods = [by_node[n][0] for n in nodes if by_node.get(n)]
        ready = sum(conditions.is_ready(p) for p in pods)
        updated = sum(p["metadata"].get("labels", {}).get(_HASH) == revision for p in pods)
        status = {"currentNumberScheduled": len(pods), "numberMisscheduled": 0, "desiredNumberScheduled": len(nodes),
                  "numberReady": ready, "observedGeneration": daemon_set["metadata"]["generation"]}
        optional = {"updatedNumberScheduled": updated, "numberAvailable": ready, "numberUnavailable": len(nodes) - ready}
        status.update({k: v for k, v in optional.items() if v})
        if status != daemon_set.get("status"):
            self._objects.edit("daemonsets", daemon_set, lambda o: o.update(status=status), "status")
