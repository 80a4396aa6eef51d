# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes objects that make GPUs a resource: NVIDIA's device plugin, one DaemonSet per class of nodes.

A class is everything that a plugin pod's settings depend on (kind, architecture, sharing, MIG), so that no container
has to choose its settings at run time. Labels come from the inventory: no node feature discovery is needed.
"""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, Iterable, List

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import CONFIG_ANNOTATION, PLUGIN_LABEL, GpuNode
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

PLUGIN_IMAGE = "nvidia-device-plugin:v0.20.0"
PROOF_IMAGE = "gpu-proof:1"
NAME = "nvidia-device-plugin"
PRESENT_LABEL = "nvidia.com/gpu.present"
RUNTIME_CLASS = "nvidia"
PLUGIN_DIR = "/var/lib/kubelet/device-plugins"
CONFIG_DIR = "/config"
MPS_ROOT = "/run/nvidia/mps"
# A Jetson has no NVML, without which the plugin refuses the CDI ways; an environment variable is what pods that did
# not ask could set for themselves, so the runtime is told to ignore it.
_DEVICE_LIST = {"dgpu": "cdi-cri", "tegra": "volume-mounts"}
# Hosts of EdgeCore bring their own containerd, and 1.6 does not take CDI names from the kubelet.
_EDGE_DEVICE_LIST = "volume-mounts"
SITE_LABEL = "edgeai.sites/site"
_DISCOVERY = {"dgpu": "nvml", "tegra": "tegra"}

Object = Dict[str, Any]


def plugin_objects(nodes: Iterable[GpuNode], image_of: Callable[[str], str], namespace: str,
                   runtime_class: str = RUNTIME_CLASS, site: str = "") -> List[Object]:
    """Return Namespace, RuntimeClass, ConfigMap and DaemonSets, ready for server-side apply.

    ``image_of`` gives the plugin's image by digest for an architecture. ``runtime_class`` is for nodes of K3s; those of
    EdgeCore cannot look it up. ``site``: where sites share a cluster, so that each has its own plugins.
    """
    classes = _classes(nodes)
    if not classes:
        return []
    objects = [_namespace(namespace)]
    if runtime_class and not all(node.edge for node in classes.values()):
        objects.append({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": RUNTIME_CLASS,
                        "metadata": {"name": runtime_class}})
    objects.append(_config_map(classes, namespace))
    for name, node in classes.items():
        image, own_class = image_of(node.arch), "" if node.edge else runtime_class
        objects.append(_plugin(name, node, image, namespace, own_class))
        if node.sharing == "mps":
            objects.append(_mps_daemon(name, node, image, namespace, own_class))
    if site:
        for daemon_set in objects:
            if daemon_set["kind"] == "DaemonSet":
                daemon_set["spec"]["template"]["spec"]["nodeSelector"][SITE_LABEL] = site
    return objects


def node_labels(site_nodes: Iterable[str], nodes: Iterable[GpuNode], found: Iterable[Object],
                site_label: str = "") -> List[Object]:
    """Return patches for the nodes of a site whose labels are not right: labels where there is a GPU, none elsewhere.

    ``found`` are Node objects as the API has them. A node that is not among them has not joined and gets no patch.
    ``site_label``: what the plugins of a site that shares its cluster select by.
    """
    by_name, site = {node.name: node for node in nodes}, set(site_nodes)
    patches = []
    for thing in found:
        name, has = thing["metadata"]["name"], thing["metadata"].get("labels") or {}
        wanted = _labels(name, by_name.get(name), site_label)
        if name in site and any(has.get(key) != value for key, value in wanted["metadata"]["labels"].items()):
            patches.append(wanted)
    return patches


def plugin_names(nodes: Iterable[GpuNode]) -> List[str]:
    """Return the names of all DaemonSets that a site needs."""
    names = []
    for name, node in _classes(nodes).items():
        names.append("%s-%s" % (NAME, name))
        if node.sharing == "mps":
            names.append("%s-%s" % (_MPS_NAME, name))
    return names


def config_text(node: GpuNode) -> str:
    """Return the plugin's configuration file for a class of nodes."""
    lines = ["version: v1", "flags:", "  migStrategy: " + node.mig]
    if node.sharing != "none":
        lines += [
            "sharing:",
            "  %s:" % {"time-slicing": "timeSlicing", "mps": "mps"}[node.sharing],
            "    renameByDefault: false",
            # A second replica of the same GPU would be no second GPU: refused instead of given in silence.
            "    failRequestsGreaterThanOne: true",
            "    resources:",
            "      - name: " + node.resource,
            "        replicas: %d" % node.replicas,
        ]
    return "\n".join(lines) + "\n"


_MPS_NAME = "nvidia-mps-control"


def _classes(nodes: Iterable[GpuNode]) -> Dict[str, GpuNode]:
    """One node of each class stands for all of it."""
    found = {node.plugin_class: node for node in nodes}
    return {name: found[name] for name in sorted(found)}


def _namespace(name: str) -> Object:
    # The plugin reaches the kubelet's socket and all devices; its own namespace keeps that right from everything else.
    labels = {MANAGED_BY_LABEL: MANAGED_BY, "pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _config_map(classes: Dict[str, GpuNode], namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
            "data": {name + ".yaml": config_text(node) for name, node in classes.items()}}


def _labels(name: str, node: Any, site: str) -> Object:
    labels = {PRESENT_LABEL: "true" if node else None, PLUGIN_LABEL: node.plugin_class if node else None,
              SITE_LABEL: site if node and site else None}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def _plugin(name: str, node: GpuNode, image: str, namespace: str, runtime_class: str) -> Object:
    env = {
        "CONFIG_FILE": "%s/config.yaml" % CONFIG_DIR,
        "DEVICE_DISCOVERY_STRATEGY": _DISCOVERY[node.kind],
        "DEVICE_LIST_STRATEGY": _EDGE_DEVICE_LIST if node.edge else _DEVICE_LIST[node.kind],
        # A plugin that finds nothing has to crash where it can be seen, not to wait in silence.
        "FAIL_ON_INIT_ERROR": "true",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    mounts = [_mount("device-plugins", PLUGIN_DIR), _mount("config", CONFIG_DIR, readOnly=True)]
    volumes = [_host_path("device-plugins", PLUGIN_DIR, "Directory"), _config_volume(name)]
    if node.kind == "dgpu":
        env["NVIDIA_CDI_HOOK_PATH"] = "/usr/bin/nvidia-cdi-hook"
        env["NVIDIA_DRIVER_ROOT"] = "/"
        mounts += [_mount("cdi", "/var/run/cdi"), _mount("driver-root", "/driver-root", readOnly=True)]
        volumes += [_host_path("cdi", "/var/run/cdi", "DirectoryOrCreate"), _host_path("driver-root", "/", "Directory")]
    if node.sharing == "mps":
        env["MPS_ROOT"] = MPS_ROOT
        mounts += [_mount("mps-root", "/mps"), _mount("mps-shm", "/dev/shm")]
        volumes += _mps_volumes()
    if node.mig != "none":
        env["NVIDIA_MIG_MONITOR_DEVICES"] = "all"
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": _env(env),
        # Only a privileged container may name its devices by environment variable, as the plugin has to.
        "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": mounts,
    }
    pod = _pod(name, runtime_class, [container], volumes)
    return _daemon_set("%s-%s" % (NAME, name), name, node, namespace, pod)


def _mps_daemon(name: str, node: GpuNode, image: str, namespace: str, runtime_class: str) -> Object:
    """The control daemon that shares a GPU between processes; the plugin waits for it."""
    common = {"image": image, "imagePullPolicy": "IfNotPresent", "securityContext": {"privileged": True}}
    setup = dict(common, name="mount-shm", command=["mps-control-daemon", "mount-shm"],
                 volumeMounts=[_mount("mps-root", "/mps", mountPropagation="Bidirectional")])
    env = {"CONFIG_FILE": "%s/config.yaml" % CONFIG_DIR, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
           "NVIDIA_VISIBLE_DEVICES": "all"}
    daemon = dict(common, name="mps-control-daemon", command=["mps-control-daemon"],
                  env=_env(env) + [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {
                      "apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
                  volumeMounts=[_mount("mps-shm", "/dev/shm"), _mount("mps-root", "/mps"),
                                _mount("config", CONFIG_DIR, readOnly=True)])
    pod = _pod(name, runtime_class, [daemon], _mps_volumes() + [_config_volume(name)])
    pod["hostPID"] = True
    pod["initContainers"] = [setup]
    return _daemon_set("%s-%s" % (_MPS_NAME, name), name, node, namespace, pod, is_plugin=False)


def _daemon_set(full_name: str, name: str, node: GpuNode, namespace: str, pod: Object, is_plugin: bool = True) -> Object:
    selector = {"app.kubernetes.io/name": full_name}
    labels = dict(selector, **{MANAGED_BY_LABEL: MANAGED_BY})
    if is_plugin:
        labels[PLUGIN_LABEL] = name
    # The plugin reads its file once: other settings have to make another pod.
    annotations = {CONFIG_ANNOTATION: hashlib.sha256(config_text(node).encode()).hexdigest()[:16]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": full_name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": selector},
            # Pods that run keep their device while the plugin is replaced.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "revisionHistoryLimit": 3,
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def _pod(name: str, runtime_class: str, containers: List[Object], volumes: List[Object]) -> Object:
    pod = {
        "nodeSelector": {PRESENT_LABEL: "true", PLUGIN_LABEL: name},
        # A node that is kept for GPU work, or that is short of disk, has to go on offering its GPU.
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-node-critical",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "containers": containers,
        "volumes": volumes,
    }
    return dict(pod, runtimeClassName=runtime_class) if runtime_class else pod


def _env(values: Dict[str, str]) -> List[Object]:
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def _mount(name: str, path: str, **more: Any) -> Object:
    return dict({"name": name, "mountPath": path}, **more)


def _host_path(name: str, path: str, kind: str) -> Object:
    return {"name": name, "hostPath": {"path": path, "type": kind}}


def _config_volume(name: str) -> Object:
    return {"name": "config", "configMap": {"name": NAME, "items": [{"key": name + ".yaml", "path": "config.yaml"}]}}


def _mps_volumes() -> List[Object]:
    return [_host_path("mps-root", MPS_ROOT, "DirectoryOrCreate"), _host_path("mps-shm", MPS_ROOT + "/shm", "")]
