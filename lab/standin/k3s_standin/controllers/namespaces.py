"""What every namespace has (service account, CA bundle) and what a fresh cluster has."""

from __future__ import annotations

from ..api.objects import Write

_RUNTIMES = ["crun", "lunatic", "nvidia", "nvidia-experimental", "slight", "spin", "wasmedge", "wasmer", "wasmtime",
             "wws"]


class NamespaceDefaults:
    watches = {"namespaces", "serviceaccounts", "configmaps"}

    def __init__(self, objects, recorder, ca_bundle):
        self._objects, self._ca_bundle = objects, ca_bundle
        self.wake_in = None

    def sync(self):
        for namespace in self._objects.all("namespaces"):
            if namespace["metadata"].get("deletionTimestamp"):
                continue
            name = namespace["metadata"]["name"]
            self._objects.ensure("serviceaccounts", name, {"metadata": {"name": "default"}})
            self._objects.ensure("configmaps", name, {"metadata": {"name": "kube-root-ca.crt"},
                                                      "data": {"ca.crt": self._ca_bundle}})


def bootstrap_cluster(objects, server_address):
    """Objects that a K3s cluster has from its first start."""
    write = Write()
    objects.ensure("clusterroles", None, {"metadata": {"name": "cluster-admin"}, "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, write)
    objects.ensure("clusterroles", None, {"metadata": {"name": "view"}, "rules": [
        {"apiGroups": ["", "apps", "batch"], "verbs": ["get", "list", "watch"], "resources": [
            "pods", "pods/log", "pods/status", "services", "endpoints", "configmaps", "deployments", "replicasets",
            "daemonsets", "statefulsets", "jobs", "events", "namespaces"]}]}, write)
    for name, value in (("system-cluster-critical", 2000000000), ("system-node-critical", 2000001000)):
        objects.ensure("priorityclasses", None, {"metadata": {"name": name}, "value": value,
                                                 "preemptionPolicy": "PreemptLowerPriority"}, write)
    objects.ensure("services", "default", {
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.43.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]}}, write)
    objects.ensure("endpoints", "default", {
        "metadata": {"name": "kubernetes"},
        "subsets": [{"addresses": [{"ip": server_address}], "ports": [{"name": "https", "port": 6443}]}]}, write)


def bootstrap_addons(objects):
    """What K3s's packaged manifests add a few seconds after the start."""
    for name in _RUNTIMES:
        objects.ensure("runtimeclasses", None, {"metadata": {"name": name}, "handler": name})
