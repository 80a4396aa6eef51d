"""Downstream: pods of edge nodes, and what they mount, on their way to the edge; what was sent is noted in ObjectSyncs."""

from __future__ import annotations

import threading
import traceback

from standin_common import log
from standin_common.apiclient import Refused, Unreachable

from .. import hub
from .api import find

EDGE_LABEL = "node-role.kubernetes.io/edge"
_SYNCS = "/apis/reliablesyncs.kubeedge.io/v1alpha1/namespaces/{}/objectsyncs"
_VOLATILE = ("resourceVersion", "managedFields", "generation")
RETRY_SECONDS = 2.0


class Controller:
    def __init__(self, client, address):
        self._client, self._address = client, address
        self._hub = None
        self._pods, self._nodes, self._mounted = {}, {}, {}
        self._lock = threading.RLock()
        self._listed = threading.Event()      # all pods are known

    def start(self, sessions):
        self._hub = sessions
        for plural, handler in (("nodes", self._on_node), ("pods", self._on_pod), ("configmaps", self._on_mounted),
                                ("secrets", self._on_mounted)):
            threading.Thread(target=self._follow, args=(plural, handler), daemon=True, name=plural).start()

    def _follow(self, plural, handler):
        """List and watch for ever; handler(plural, type, object)."""
        path, known = f"/api/v1/{plural}", {}
        while True:
            try:
                listed = self._client.get(path)
                present = {item["metadata"]["uid"]: item for item in listed["items"]}
                for uid in [uid for uid in known if uid not in present]:
                    handler(plural, "DELETED", known.pop(uid))
                for uid, item in present.items():
                    kind = "MODIFIED" if uid in known else "ADDED"
                    if known.get(uid, {}).get("metadata", {}).get("resourceVersion") != item["metadata"]["resourceVersion"]:
                        handler(plural, kind, item)
                known = present
                if plural == "pods":
                    self._listed.set()
                query = {"resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": 600}
                for event in self._client.watch(path, query, lambda: False):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "BOOKMARK":
                        continue
                    item = event["object"]
                    known[item["metadata"]["uid"]] = item
                    if event["type"] == "DELETED":
                        known.pop(item["metadata"]["uid"])
                    handler(plural, event["type"], item)
            except (Refused, Unreachable) as problem:
                log.kubernetes("W", "reflector.go:569", f"k8s.io/client-go/informers/factory.go:160: failed to list {plural}: {problem}")
                threading.Event().wait(RETRY_SECONDS)
            except Exception:
                traceback.print_exc()
                threading.Event().wait(RETRY_SECONDS)

    # -- nodes -------------------------------------------------------------------------------------
    def _on_node(self, plural, kind, node):
        name = node["metadata"]["name"]
        if EDGE_LABEL not in node["metadata"].get("labels", {}):
            return
        with self._lock:
            before = self._nodes.get(name)
            self._nodes[name] = node
            if kind == "DELETED":
                self._nodes.pop(name)
        if kind == "DELETED":
            self._forget(name)
        elif before is not None:
            self._push(name, "nodes", "update", node)

    def _forget(self, name):
        """The Node is gone, and with it what was noted of it."""
        for pod in [pod for pod in self._pods.values() if pod["spec"].get("nodeName") == name]:
            meta = pod["metadata"]
            log.kubernetes("I", "synccontroller.go:209", f"ObjectSync {name}.{meta['uid']} will be deleted since node {name} has been "
                           "deleted")
            self._quietly("DELETE", f"{_SYNCS.format(meta['namespace'])}/{name}.{meta['uid']}")
        self._hub.forget(name)

    # -- pods --------------------------------------------------------------------------------------
    def _on_pod(self, plural, kind, pod):
        node, meta = pod["spec"].get("nodeName"), pod["metadata"]
        with self._lock:
            before = self._pods.get(meta["uid"])
            self._pods[meta["uid"]] = pod
            if kind == "DELETED":
                self._pods.pop(meta["uid"])
        if not node or not (node in self._nodes or self._hub.session(node)):
            return
        if kind == "DELETED":
            self._push(node, "pods", "delete", pod)
            self._quietly("DELETE", f"{_SYNCS.format(meta['namespace'])}/{node}.{meta['uid']}")
        elif before is None or _meaning(before) != _meaning(pod) or before["spec"].get("nodeName") != node:
            self._deliver(node, pod)
        else:
            self._note(node, pod)

    def _deliver(self, node, pod):
        session = self._hub.session(node)
        if session is None:
            return
        try:
            self._deliver_mounted(session, pod)
            session.push("pods", "update", pod)
        except (hub.Closed, Refused, Unreachable) as problem:
            log.kubernetes("E", "downstream.go:88", f"send message to node {node} failed: {problem}")
            return
        self._note(node, pod)

    def _deliver_mounted(self, session, pod):
        for plural, name in references(pod):
            key = (plural, pod["metadata"]["namespace"], name)
            with self._lock:
                self._mounted.setdefault(key, set()).add(session.node)
            obj = find(self._client, f"/api/v1/namespaces/{key[1]}/{plural}/{name}")
            if obj:
                session.push(plural, "update", obj)

    def _note(self, node, pod):
        """The node has this version of the pod."""
        if self._hub.session(node) is None:
            return
        meta = pod["metadata"]
        folder, name = _SYNCS.format(meta["namespace"]), f"{node}.{meta['uid']}"
        try:
            sync = find(self._client, f"{folder}/{name}")
            if sync is None:
                owner = (self._nodes.get(node) or {}).get("metadata")
                sync = self._client.request("POST", folder, {
                    "apiVersion": "reliablesyncs.kubeedge.io/v1alpha1", "kind": "ObjectSync",
                    "metadata": {"name": name, "namespace": meta["namespace"], **({"ownerReferences": [{
                        "apiVersion": "v1", "kind": "Node", "name": node, "uid": owner["uid"]}]} if owner else {})},
                    "spec": {"objectAPIVersion": "v1", "objectKind": "Pod", "objectName": meta["name"]}})
            sync["status"] = {"objectResourceVersion": meta["resourceVersion"]}
            self._client.request("PUT", f"{folder}/{name}/status", sync)
        except (Refused, Unreachable) as problem:
            log.kubernetes("W", "synccontroller.go:150", f"ObjectSync {name}: {problem}")

    def connected(self, session):
        """A node is there (again): it gets what changed while it was away, and the list of its pods."""
        self._listed.wait()
        with self._lock:
            pods = [pod for pod in self._pods.values() if pod["spec"].get("nodeName") == session.node]
        for pod in pods:
            meta = pod["metadata"]
            sync = find(self._client, f"{_SYNCS.format(meta['namespace'])}/{session.node}.{meta['uid']}") or {}
            if (sync.get("status") or {}).get("objectResourceVersion") == meta["resourceVersion"]:
                self._deliver_mounted(session, pod)
            else:
                self._deliver(session.node, pod)
        session.line.send({"type": "present", "pods": [pod["metadata"]["uid"] for pod in pods]})

    # -- what pods mount ---------------------------------------------------------------------------
    def _on_mounted(self, plural, kind, obj):
        key = (plural, obj["metadata"]["namespace"], obj["metadata"]["name"])
        with self._lock:
            nodes = list(self._mounted.get(key, ()))
        for node in nodes:
            self._push(node, plural, "delete" if kind == "DELETED" else "update", obj)

    # -- ways --------------------------------------------------------------------------------------
    def _push(self, node, plural, action, obj):
        session = self._hub.session(node)
        if session:
            try:
                session.push(plural, action, obj)
            except hub.Closed:
                pass

    def _quietly(self, method, path):
        try:
            self._client.request(method, path)
        except (Refused, Unreachable):
            pass


def _meaning(pod):
    """What the edge has to know of a pod: everything but its status and its version."""
    return {**pod, "status": None, "metadata": {k: v for k, v in pod["metadata"].items() if k not in _VOLATILE}}


def references(pod):
    """{(plural, name)} of ConfigMaps and Secrets that a pod needs."""
    found = set()

    def source(item):
        if "configMap" in item:
            found.add(("configmaps", item["configMap"].get("name")))
        if "secret" in item:
            found.add(("secrets", item["secret"].get("secretName") or item["secret"].get("name")))
        for inner in (item.get("projected") or {}).get("sources") or []:
            source(inner)

    for volume in pod["spec"].get("volumes") or []:
        source(volume)
    for container in pod["spec"]["containers"] + (pod["spec"].get("initContainers") or []):
        for entry in container.get("envFrom") or []:
            source({"configMap": entry["configMapRef"]} if "configMapRef" in entry else {"secret": entry["secretRef"]})
        for entry in container.get("env") or []:
            value = entry.get("valueFrom") or {}
            if "configMapKeyRef" in value:
                source({"configMap": value["configMapKeyRef"]})
            if "secretKeyRef" in value:
                source({"secret": value["secretKeyRef"]})
    return {(plural, name) for plural, name in found if name}
