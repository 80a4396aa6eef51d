"""Life of nodes: initialisation by K3s, silence and its taints, eviction of pods, clean-up after deletion."""

from __future__ import annotations

import time

from standin_common import log
from ..api.objects import now, seconds_since
from . import conditions
from .scheduler import tolerates

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
FINALIZER = "wrangler.cattle.io/node"
GRACE_SECONDS = 50.0
MONITOR_SECONDS = 5.0
ORPHANED_PASSWORD_SECONDS = 660


class NodeInitializer:
    """Pod CIDR, labels, provider id; takes the `uninitialized` taint off; gives servers their role."""

    watches = {"nodes", "secrets"}

    def __init__(self, objects, recorder, server_name, ready_at):
        """ready_at(): time.monotonic() from which the cloud controller works, None before."""
        self._objects, self._recorder = objects, recorder
        self._server_name, self._ready_at = server_name, ready_at
        self._next_cidr = None
        self.wake_in = None

    def sync(self):
        self.wake_in = None
        nodes = self._objects.all("nodes")
        for node in nodes:
            if node["metadata"].get("deletionTimestamp"):
                self._forget(node)
                continue
            if not node["spec"].get("podCIDR"):
                self._give_cidr(node, nodes)
            self._initialize(node)
        self._clean_passwords(nodes)

    def _give_cidr(self, node, nodes):
        used = {n["spec"].get("podCIDR") for n in nodes}
        if self._next_cidr is None:
            self._next_cidr = max([int(c.split(".")[2]) + 1 for c in used if c] or [0]) % 255
        while f"10.42.{self._next_cidr}.0/24" in used:
            self._next_cidr = (self._next_cidr + 1) % 255
        cidr = f"10.42.{self._next_cidr}.0/24"
        self._next_cidr = (self._next_cidr + 1) % 255

        def change(obj):
            obj["spec"].update(podCIDR=cidr, podCIDRs=[cidr])
        self._objects.edit("nodes", node, change)

    def _initialize(self, node):
        meta = node["metadata"]
        is_server = meta["name"] == self._server_name
        fresh = any(t["key"] == UNINITIALIZED for t in node["spec"].get("taints") or [])
        role_missing = is_server and "node-role.kubernetes.io/control-plane" not in meta.get("labels", {})
        if not fresh and not role_missing and FINALIZER in meta.get("finalizers", []):
            return
        ready_at = self._ready_at()
        if ready_at is None or time.monotonic() < ready_at:
            self.wake_in = 0.3 if ready_at is None else max(0.05, ready_at - time.monotonic())
            return

        def change(obj):
            finalizers = obj["metadata"].setdefault("finalizers", [])
            if FINALIZER not in finalizers:
                finalizers.append(FINALIZER)
            if not fresh and not role_missing:
                return                       # a node that is not K3s's own, such as KubeEdge's
            labels = obj["metadata"].setdefault("labels", {})
            labels.update({"beta.kubernetes.io/instance-type": "k3s", "node.kubernetes.io/instance-type": "k3s"})
            if is_server:
                labels["node-role.kubernetes.io/control-plane"] = "true"
            obj["spec"]["providerID"] = f"k3s://{meta['name']}"
            taints = [t for t in obj["spec"].get("taints") or [] if t["key"] != UNINITIALIZED]
            obj["spec"]["taints"] = taints or None
        self._objects.edit("nodes", node, change)
        if fresh:
            self._recorder.record(node, "Normal", "Synced", "Node synced successfully", "cloud-node-controller")

    def _forget(self, node):
        """A deleted node takes its password secret with it."""
        name = node["metadata"]["name"]
        secret = self._objects.find("secrets", "kube-system", f"{name}.node-password.k3s")
        if secret:
            self._objects.delete(self._objects.registry["secrets"], secret)
        self._objects.edit("nodes", node, lambda o: o["metadata"].update(
            finalizers=[f for f in o["metadata"].get("finalizers", []) if f != FINALIZER] or None))

    def _clean_passwords(self, nodes):
        names = {n["metadata"]["name"]: n for n in nodes}
        for secret in self._objects.all("secrets", "kube-system"):
            name = secret["metadata"]["name"]
            if not name.endswith(".node-password.k3s"):
                continue
            node = names.get(name[:-len(".node-password.k3s")])
            if node and not secret["metadata"].get("ownerReferences"):
                owner = {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"],
                         "uid": node["metadata"]["uid"]}
                log.info(f"Adding node OwnerReference to node-password secret {name}")
                self._objects.edit("secrets", secret, lambda o: o["metadata"].update(ownerReferences=[owner]))
            elif not node and seconds_since(secret["metadata"]["creationTimestamp"]) > ORPHANED_PASSWORD_SECONDS:
                log.info(f"Deleted orphaned node-password secret {name}")
                self._objects.delete(self._objects.registry["secrets"], secret)


class NodeMonitor:
    """Marks nodes whose lease stands still, taints them, and evicts their pods after the tolerated time."""

    watches = {"nodes"}

    def __init__(self, objects, recorder, grace=GRACE_SECONDS, period=MONITOR_SECONDS):
        """grace: seconds without a sign of life; period: seconds between two looks"""
        self._objects, self._recorder, self._grace, self._period = objects, recorder, grace, period
        self._seen = {}      # node -> (renewTime, when this controller saw it change)
        self._tainted = {}   # node uid -> when the NoExecute taint was seen first
        self._marked = set()  # uids of pods marked for deletion
        self.wake_in = period

    def sync(self):
        self.wake_in = self._period
        for node in self._objects.all("nodes"):
            if not node["metadata"].get("deletionTimestamp"):
                self._judge(node)
        for node in self._objects.all("nodes"):
            self._match_taints(node)
            self._evict(node)

    def _judge(self, node):
        name = node["metadata"]["name"]
        lease = self._objects.find("leases", "kube-node-lease", name)
        evidence = ((lease or {}).get("spec", {}).get("renewTime"),
                    conditions.find(node, "Ready").get("lastHeartbeatTime"))
        seen = self._seen.get(name)
        if seen is None or seen[0] != evidence:
            self._seen[name] = (evidence, time.monotonic())
            return
        ready = conditions.find(node, "Ready")
        if lease and time.monotonic() - seen[1] > self._grace and ready and ready.get("status") != "Unknown":
            self._mark_unknown(node)

    def _mark_unknown(self, node):
        def change(obj):
            for condition in obj["status"]["conditions"]:
                condition.update(status="Unknown", reason="NodeStatusUnknown", lastTransitionTime=now(),
                                 message="Kubelet stopped posting node status.")
        self._objects.edit("nodes", node, change, "status")
        self._recorder.record(node, "Normal", "NodeNotReady", f"Node {node['metadata']['name']} status is now: "
                              "NodeNotReady", "node-controller")
        for pod in self._objects.all("pods"):
            if pod["spec"].get("nodeName") == node["metadata"]["name"] and conditions.is_ready(pod):
                self._objects.edit("pods", pod, _not_ready, "status")
                self._recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready", "node-controller")

    def _match_taints(self, node):
        """Taints follow the Ready condition."""
        status = conditions.find(node, "Ready").get("status")
        wanted = {"Unknown": UNREACHABLE, "True": None}.get(status, NOT_READY)
        taints = node["spec"].get("taints") or []
        managed = [t for t in taints if t["key"] in (UNREACHABLE, NOT_READY)]
        have = {(t["key"], t["effect"]) for t in managed}
        should = {(wanted, "NoSchedule"), (wanted, "NoExecute")} if wanted else set()
        if status is None:
            should = {(NOT_READY, "NoSchedule")}
        if have == should:
            return
        for effect in ("NoSchedule", "NoExecute"):  # two writes, as the two real controllers do
            keep = [t for t in taints if t["key"] not in (UNREACHABLE, NOT_READY) or t["effect"] != effect]
            added = [{"key": k, "effect": e, "timeAdded": now()} for k, e in should if e == effect]
            present = [t for t in taints if (t["key"], t["effect"]) in should and t["effect"] == effect]
            taints = keep + (present or added)
            self._objects.edit("nodes", node, lambda o, new=taints: o["spec"].update(taints=new or None))

    def _evict(self, node):
        taints = [t for t in node["spec"].get("taints") or [] if t["effect"] == "NoExecute"]
        uid = node["metadata"]["uid"]
        if not taints:
            self._tainted.pop(uid, None)
            return
        since = self._tainted.setdefault(uid, time.monotonic())
        for pod in self._objects.all("pods"):
            if pod["spec"].get("nodeName") != node["metadata"]["name"] or not conditions.is_active(pod):
                continue
            tolerated = [self._tolerated_seconds(pod, t) for t in taints]
            if time.monotonic() - since >= min(tolerated):
                meta = pod["metadata"]
                self._recorder.record(pod, "Normal", "TaintManagerEviction",
                                      f"Marking for deletion Pod {meta['namespace']}/{meta['name']}",
                                      "taint-eviction-controller")
                self._objects.delete(self._objects.registry["pods"], pod)

    @staticmethod
    def _tolerated_seconds(pod, taint):
        matching = [t for t in pod["spec"].get("tolerations") or [] if tolerates([t], taint)]
        if not matching:
            return 0.0
        limits = [t["tolerationSeconds"] for t in matching if t.get("tolerationSeconds") is not None]
        return float(min(limits)) if limits else float("inf")


def _not_ready(pod):
    pod["status"]["conditions"] = [
        {**c, "status": "False", "lastTransitionTime": now()} if c["type"] == "Ready" else c
        for c in pod["status"]["conditions"]]
