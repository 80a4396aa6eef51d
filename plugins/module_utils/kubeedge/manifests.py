# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes objects of CloudCore, ready for server-side apply.

What it may do is what its controllers were seen to need, and no more: it reads the whole cluster, because edge nodes ask
it for whatever their pods use, and it writes secrets in its own namespace only. Its sources list the same resources
(build/cloud/03-clusterrole.yaml); devicestatuses is missing there, without which it fills its log with errors (#6862).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_size
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_config import STREAM_DIR
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_daemonsets import EDGE_LABEL
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_secrets import (
    MARK,
    NAMESPACE,
    STREAM_SECRET,
)
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.ports import Port, service_ports
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

NAME = "cloudcore"
# Not "cloudcore": CloudCore writes its own idea of the configuration into a ConfigMap of that name when it finds one.
CONFIG_MAP = "cloudcore-config"
CONFIG_HASH = "edgeai.sites/config"
STREAM_HASH = "edgeai.sites/stream"
CONFIG_FILE = "/etc/kubeedge/config/cloudcore.yaml"
# Without both CloudCore starts, listens to nothing, and says nothing about it.
NEEDED_CRDS = ("objectsyncs.reliablesyncs.kubeedge.io", "clusterobjectsyncs.reliablesyncs.kubeedge.io")
_LABELS = {"app.kubernetes.io/name": NAME, MANAGED_BY_LABEL: MANAGED_BY}
_USER = 65532
_READ = ["get", "list", "watch"]
_ALL = _READ + ["create", "update", "patch", "delete"]

Object = Dict[str, Any]


class ManifestError(ValueError):
    """What is wrong with the objects that were given, and what to do."""


@dataclass(frozen=True)
class Deployment:
    """``config``: text of cloudcore.yaml. ``servers``: nodes where it may run, all but edge nodes when empty.

    ``mark`` and ``stream_sha256``: another value makes another pod.
    """

    image: str
    config: str
    ports: List[Port]
    nodes: int = 0
    replicas: int = 1
    servers: Tuple[str, ...] = ()
    mark: str = ""
    stream_sha256: str = ""
    resources: Dict[str, Any] = field(default_factory=dict)


def check_crds(crds: List[Object]) -> List[Object]:
    """The CRDs of a bundle, in the order of their names. ManifestError when something else is there, or one is missing."""
    others = sorted({"%s %s" % (item.get("kind"), (item.get("metadata") or {}).get("name")) for item in crds
                     if item.get("kind") != "CustomResourceDefinition"})
    if others:
        raise ManifestError("the bundle's CRDs of KubeEdge hold other objects: %s. Build the bundle again" % ", ".join(others))
    by_name = {item["metadata"]["name"]: item for item in crds}
    missing = [name for name in NEEDED_CRDS if name not in by_name]
    if missing:
        raise ManifestError("the bundle does not hold the CRD %s, without which CloudCore hangs without a word. Add KubeEdge's "
                            "CRDs to the lock file and build the bundle again" % " and ".join(missing))
    return [_bare(by_name[name]) for name in sorted(by_name)]


def access(namespace: str = NAMESPACE) -> List[Object]:
    """Namespace, ServiceAccount, roles and their bindings."""
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    return [
        # hostNetwork needs privileged pods to be allowed; nothing else shall run in this namespace.
        _object("v1", "Namespace", namespace, "", labels=dict(_LABELS, **{"pod-security.kubernetes.io/enforce": "privileged"})),
        _object("v1", "ServiceAccount", NAME, namespace),
        _object("rbac.authorization.k8s.io/v1", "ClusterRole", NAME, "", rules=_cluster_rules()),
        _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", NAME, "", roleRef=role, subjects=[account]),
        _object("rbac.authorization.k8s.io/v1", "Role", NAME, namespace, rules=[
            _rule("", ["secrets", "configmaps"], _ALL)]),
        _object("rbac.authorization.k8s.io/v1", "RoleBinding", NAME, namespace, roleRef=dict(role, kind="Role"),
                subjects=[account]),
    ]


def workload(wanted: Deployment, namespace: str = NAMESPACE) -> List[Object]:
    """ConfigMap, Service, PodDisruptionBudget and Deployment."""
    return [
        _object("v1", "ConfigMap", CONFIG_MAP, namespace, data={"cloudcore.yaml": wanted.config}),
        _object("v1", "Service", NAME, namespace, spec={
            "selector": {"app.kubernetes.io/name": NAME}, "ports": service_ports(wanted.ports), "type": "ClusterIP"}),
        # Counted from above: a minimum of one would hold up every drain of a cluster with one server.
        _object("policy/v1", "PodDisruptionBudget", NAME, namespace, spec={
            "maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}}}),
        _object("apps/v1", "Deployment", NAME, namespace, spec={
            "replicas": wanted.replicas,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "strategy": _strategy(wanted.replicas),
            "template": {"metadata": {"labels": dict(_LABELS), "annotations": _annotations(wanted)}, "spec": _pod(wanted)},
        }),
    ]


def _bare(crd: Object) -> Object:
    """Without what generators leave in: an empty status, a creation time of null."""
    metadata = {key: value for key, value in crd["metadata"].items() if key != "creationTimestamp"}
    return dict({key: value for key, value in crd.items() if key != "status"}, metadata=metadata)


def _strategy(replicas: int) -> Object:
    # Its ports are the host's: the new pod has no room beside the old one.
    if replicas == 1:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def _annotations(wanted: Deployment) -> Dict[str, str]:
    # CloudCore reads its files once: other contents have to make another pod.
    marks = {CONFIG_HASH: hashlib.sha256(wanted.config.encode()).hexdigest()[:16]}
    marks.update({MARK: wanted.mark} if wanted.mark else {})
    marks.update({STREAM_HASH: wanted.stream_sha256[:16]} if wanted.stream_sha256 else {})
    return marks


def _pod(wanted: Deployment) -> Object:
    https = next(port.number for port in wanted.ports if port.name == "https")
    probe = {"httpGet": {"path": "/ca.crt", "port": https, "scheme": "HTTPS"}, "timeoutSeconds": 5}
    mounts = [{"name": "config", "mountPath": CONFIG_FILE.rpartition("/")[0], "readOnly": True},
              {"name": "socket", "mountPath": "/var/lib/kubeedge"}]
    volumes = [{"name": "config", "configMap": {"name": CONFIG_MAP}}, {"name": "socket", "emptyDir": {}}]
    if wanted.stream_sha256:
        mounts.append({"name": "stream", "mountPath": STREAM_DIR, "readOnly": True})
        volumes.append({"name": "stream", "secret": {"secretName": STREAM_SECRET, "defaultMode": 0o440}})
    container = {
        "name": NAME,
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": port.name, "containerPort": port.number, "hostPort": port.number, "protocol": port.protocol}
                  for port in wanted.ports],
        "resources": wanted.resources or cloud_size.resources(wanted.nodes),
        # It opens its ports after 1 to 10 seconds. Two minutes are for a slow API server, and no harm: a CloudCore that
        # misses its CRDs is not mended by a restart, but the restarts can be seen.
        "startupProbe": dict(probe, periodSeconds=2, failureThreshold=60),
        "readinessProbe": dict(probe, periodSeconds=10, failureThreshold=2),
        "livenessProbe": dict(probe, periodSeconds=20, failureThreshold=6),
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
    }
    return {
        "serviceAccountName": NAME,
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": _affinity(wanted),
        # Servers may be kept for the control plane, which this belongs to.
        "tolerations": [{"key": key, "operator": "Exists", "effect": "NoSchedule"}
                        for key in ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")],
        "containers": [container],
        "volumes": volumes,
    }


def _affinity(wanted: Deployment) -> Object:
    rules = [{"key": EDGE_LABEL, "operator": "DoesNotExist"}]
    if wanted.servers:
        # Edge nodes dial the addresses of these: on another node nothing would reach it.
        rules.append({"key": "kubernetes.io/hostname", "operator": "In", "values": sorted(wanted.servers)})
    affinity: Object = {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": rules}]}}}
    if wanted.replicas > 1:
        affinity["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}}}]}
    return affinity


def _cluster_rules() -> List[Object]:
    return [
        _rule("", ["nodes", "nodes/status"], _READ + ["create", "update", "patch"]),
        _rule("", ["pods"], _READ + ["create", "update", "delete"]),
        _rule("", ["pods/status"], ["get", "update", "patch"]),
        _rule("", ["configmaps", "secrets", "endpoints", "services", "persistentvolumes", "persistentvolumeclaims",
                   "serviceaccounts"], _READ),
        _rule("", ["serviceaccounts/token"], ["create"]),
        _rule("", ["namespaces"], _READ + ["create"]),
        _rule("", ["events"], ["create", "update", "patch"]),
        _rule("coordination.k8s.io", ["leases"], _READ + ["create", "update"]),
        _rule("storage.k8s.io", ["volumeattachments", "csinodes", "csidrivers"], _READ),
        _rule("certificates.k8s.io", ["certificatesigningrequests"], ["get", "create"]),
        _rule("apiextensions.k8s.io", ["customresourcedefinitions"], _READ),
        _rule("networking.istio.io", ["*"], _READ),
        _rule("reliablesyncs.kubeedge.io", _with_status("objectsyncs", "clusterobjectsyncs"), _ALL),
        _rule("devices.kubeedge.io", _with_status("devices", "devicemodels", "devicestatuses"), _ALL),
        _rule("rules.kubeedge.io", _with_status("rules", "ruleendpoints"), _ALL),
        _rule("policy.kubeedge.io", _with_status("serviceaccountaccesses"), _ALL),
        _rule("operations.kubeedge.io", _with_status("nodeupgradejobs", "imageprepulljobs", "configupdatejobs"),
              _READ + ["update", "patch"]),
    ]


def _with_status(*resources: str) -> List[str]:
    return [name + end for name in resources for end in ("", "/status")]


def _rule(group: str, resources: List[str], verbs: List[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _object(version: str, kind: str, name: str, namespace: str, labels: Any = None, **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": dict(labels or _LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return dict({"apiVersion": version, "kind": kind, "metadata": metadata}, **more)
