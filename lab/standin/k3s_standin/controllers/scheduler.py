"""Gives pods a node, or says why there is none."""

from __future__ import annotations

from collections import Counter

from standin_common import quantity
from . import conditions

_SELECTOR = "node(s) didn't match Pod's node affinity/selector"


def tolerates(tolerations, taint):
    for t in tolerations or []:
        if t.get("effect") and t["effect"] != taint["effect"]:
            continue
        if not t.get("key"):
            if t.get("operator") == "Exists":
                return True
        elif t["key"] == taint["key"] and (
                t.get("operator") == "Exists" or (t.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def _expression_holds(labels, expression):
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator in ("Gt", "Lt"):
        try:
            have, limit = int(labels[key]), int(values[0])
        except (KeyError, ValueError, IndexError):
            return False
        return have > limit if operator == "Gt" else have < limit
    return {"In": labels.get(key) in values, "NotIn": labels.get(key) not in values, "Exists": key in labels,
            "DoesNotExist": key not in labels}[operator]


def matches_node(spec, node):
    """nodeSelector and required node affinity."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms")
    if not required:
        return True
    named = {"metadata.name": node["metadata"]["name"]}
    return any(all(_expression_holds(labels, e) for e in term.get("matchExpressions") or [])
               and all(_expression_holds(named, e) for e in term.get("matchFields") or []) for term in required)


class Scheduler:
    watches = {"pods", "nodes"}

    def __init__(self, objects, recorder):
        self._objects, self._recorder = objects, recorder
        self.wake_in = None

    def sync(self):
        waiting = [p for p in self._objects.all("pods")
                   if not p["spec"].get("nodeName") and conditions.is_active(p) and not p["spec"].get("schedulingGates")
                   and p["spec"].get("schedulerName") == "default-scheduler"]
        for pod in sorted(waiting, key=lambda p: int(p["metadata"]["resourceVersion"])):
            self._place(pod)

    def _place(self, pod):
        nodes = self._objects.all("nodes")
        used = self._usage()
        refusals, fitting = Counter(), []
        for node in nodes:
            name = node["metadata"]["name"]
            reasons = self._refusals(pod, node, used.get(name, {}))
            refusals.update(reasons)
            if not reasons:
                fitting.append((used.get(name, {}).get("pods", 0), name))
        if fitting:
            self._bind(pod, min(fitting)[1])
        else:
            self._report(pod, len(nodes), refusals)

    def _usage(self):
        used = {}
        for pod in self._objects.all("pods"):
            node = pod["spec"].get("nodeName")
            if node and not conditions.is_terminal(pod):
                total = used.setdefault(node, {})
                for name, amount in quantity.pod_requests(pod["spec"]).items():
                    total[name] = total.get(name, 0) + amount
        return used

    @staticmethod
    def _refusals(pod, node, used):
        spec = pod["spec"]
        if node["spec"].get("unschedulable") and not tolerates(spec.get("tolerations"), {
                "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}):
            return ["node(s) were unschedulable"]
        for taint in node["spec"].get("taints") or []:
            if taint["effect"] != "PreferNoSchedule" and not tolerates(spec.get("tolerations"), taint):
                return ["node(s) had untolerated taint(s)"]
        if not matches_node(spec, node):
            return [_SELECTOR]
        allocatable = (node.get("status") or {}).get("allocatable") or {}
        short = []
        for name, amount in quantity.pod_requests(spec).items():
            have = quantity.parse(allocatable.get(name, 0)) - used.get(name, 0)
            if amount > have:
                short.append("Too many pods" if name == "pods" else f"Insufficient {name}")
        return short

    def _bind(self, pod, node):
        def change(obj):
            obj["spec"]["nodeName"] = node

        with self._objects.store.lock:
            bound = self._objects.edit("pods", pod, change)
            if bound is None:
                return
            self._set_condition(bound, "True")
        meta = pod["metadata"]
        self._recorder.record(pod, "Normal", "Scheduled",
                              f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
                              "default-scheduler")

    def _set_condition(self, pod, status, reason=None, message=None):
        def change(obj):
            present = obj["status"].get("conditions") or []
            obj["status"]["conditions"] = conditions.put(present, "PodScheduled", status, reason, message,
                                                         lastProbeTime=None,
                                                         observedGeneration=obj["metadata"].get("generation", 1))
        self._objects.edit("pods", pod, change, "status")

    def _report(self, pod, nodes, refusals):
        if not nodes:
            message = "no nodes available to schedule pods"
        else:
            order = sorted(f"{count} {reason}" for reason, count in refusals.items())
            unhelpful = sum(count for reason, count in refusals.items() if not reason.startswith("Insufficient"))
            victims = [f"{nodes - unhelpful} No preemption victims found for incoming pod"] if nodes > unhelpful else []
            unhelpful_text = [f"{unhelpful} Preemption is not helpful for scheduling"] if unhelpful else []
            message = (f"0/{nodes} nodes are available: {', '.join(order)}. no new claims to deallocate, preemption: "
                       f"0/{nodes} nodes are available: {', '.join(victims + unhelpful_text)}.")
        if conditions.find(pod, "PodScheduled").get("message") == message:
            return
        self._set_condition(pod, "False", "Unschedulable", message)
        self._recorder.record(pod, "Warning", "FailedScheduling", message, "default-scheduler")
