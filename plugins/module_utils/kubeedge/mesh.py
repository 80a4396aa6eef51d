# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EdgeMesh as Kubernetes objects, and what has to be right about a cluster before it runs there. Pure.

Agents on edge nodes get no service account token: pods that have one do not come back from a reboot without a link, and
these ask EdgeCore's metaServer instead. Agents in the cloud ask the API server. Hence two DaemonSets for each architecture.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_daemonsets import EDGE_LABEL
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_secrets import NAMESPACE
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.manifests import ManifestError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_facts import ADDRESS, DNS_PORT, LINK, PORT
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

NAME = "edgemesh-agent"
CONFIG_MAP = "edgemesh-agent-config"
PSK_SECRET, PSK_KEY = "edgemesh-agent-psk", "psk"
CONFIG_DIR, PSK_DIR = "/etc/edgemesh/config", "/etc/edgemesh/secret"
# Another key makes other pods: agents read it once.
CONFIG_HASH, PSK_MARK = "edgeai.sites/config", "edgeai.sites/psk"
# A Service with this label is left to others: EdgeMesh does not take its traffic.
SKIP_LABEL = "service.edgemesh.kubeedge.io/service-proxy-name"
SKIPPED_BY_US = "edgeai.sites/mesh-skips"
CRD_GROUP = "networking.istio.io"
CRDS = tuple("%s.%s" % (plural, CRD_GROUP) for plural in ("destinationrules", "gateways", "virtualservices"))
# From upstream's example; whoever reads its documentation knows it.
PUBLIC_PSK = "JugH9HP1XBouyO5pWGeZa8LtipDURrf17EJvUHcJGuQ="
PSK_BYTES, PSK_LEAST = 32, 32
MOST_RELAYS = 16
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_ADDRESS = re.compile(r"^[0-9A-Fa-f.:]{2,45}$")
_SERVICE = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_LABELS = {"app.kubernetes.io/name": NAME, MANAGED_BY_LABEL: MANAGED_BY}

Object = Dict[str, Any]


@dataclass(frozen=True)
class Mesh:
    """``relays``: each ``{"node": name, "addresses": [IP]}``. ``edge``, ``cloud``: architectures of the nodes there.

    ``psk_mark``: changes with the key, tells nothing about it. ``image_of``: the agent's image by digest for an architecture.
    """

    relays: List[Object]
    image_of: Callable[[str], str]
    edge: Tuple[str, ...] = ()
    cloud: Tuple[str, ...] = ()
    psk_mark: str = ""
    resources: Dict[str, Any] = field(default_factory=dict)


def check_relays(relays: Iterable[Object]) -> List[str]:
    """What speaks against them, one sentence each."""
    found, problems = list(relays), []
    if not 1 <= len(found) <= MOST_RELAYS:
        problems.append("edgemesh_relays has %d entries; wanted 1 to %d: without one, agents behind different routers never meet"
                        % (len(found), MOST_RELAYS))
    for relay in found[:MOST_RELAYS]:
        name, addresses = relay.get("node"), relay.get("addresses") or []
        if not isinstance(name, str) or not _NAME.match(name):
            problems.append("edgemesh_relays names the node %r; wanted the name of a Kubernetes node" % (name,))
        bad = [address for address in addresses if not isinstance(address, str) or not _ADDRESS.match(address)]
        if not addresses or bad:
            problems.append("relay %s has the addresses %s; wanted IP addresses at which all other agents reach it"
                            % (name, ", ".join(repr(address) for address in bad) or "none"))
    return problems


def check_services(names: Iterable[str]) -> List[str]:
    """Problems of a list of services."""
    return ["edgemesh_skip_services names %r; wanted namespace/name" % (name,) for name in names
            if not isinstance(name, str) or not _SERVICE.match(name)]


def psk_problem(text: str) -> str:
    """Why a shared key is none; empty for a good one."""
    if text.strip() == PUBLIC_PSK:
        return "is the example of EdgeMesh's documentation, which everybody knows"
    return "" if len(text.strip()) >= PSK_LEAST else "has %d characters, wanted at least %d" % (len(text.strip()), PSK_LEAST)


def mark(psk: str) -> str:
    """A name for a key of 256 random bits, from which it cannot be had."""
    return hashlib.sha256(("edgemesh " + psk).encode()).hexdigest()[:16]


def config(relays: Iterable[Object], edge: bool) -> Object:
    """The agent's configuration file on one side."""
    document: Object = {
        "apiVersion": "agent.edgemesh.config.kubeedge.io/v1alpha1",
        "kind": "EdgeMeshAgent",
        "commonConfig": {"bridgeDeviceName": LINK, "bridgeDeviceIP": ADDRESS},
        "modules": {
            # In the cloud the cluster's own DNS answers.
            "edgeDNS": {"enable": edge, "listenPort": DNS_PORT},
            "edgeProxy": {"enable": True, "serviceFilterMode": "FilterIfLabelExists"},
            "edgeTunnel": {
                "enable": True, "listenPort": PORT, "psk": {"enable": True, "path": "%s/%s" % (PSK_DIR, PSK_KEY)},
                "relayNodes": [{"nodeName": relay["node"], "advertiseAddress": list(relay["addresses"])} for relay in relays],
            },
        },
    }
    if edge:
        document["kubeAPIConfig"] = {"metaServer": {"server": "http://127.0.0.1:10550"}}
    return document


def objects(mesh: Mesh, crds: List[Object], configs: Dict[str, str]) -> List[Object]:
    """All but the secret, in the order to apply. ``crds``: those to bring along; ``configs``: texts for edge and cloud.

    Raises ManifestError.
    """
    problems = check_relays(mesh.relays)
    if problems:
        raise ManifestError("; ".join(problems))
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    reading = ["get", "list", "watch"]
    found = [_labelled(crd) for crd in crds] + [
        _object("v1", "ServiceAccount", NAMESPACE, automountServiceAccountToken=False),
        _object("rbac.authorization.k8s.io/v1", "ClusterRole", "", rules=[
            {"apiGroups": [""], "resources": ["nodes", "pods", "services", "endpoints", "namespaces"], "verbs": reading},
            {"apiGroups": [CRD_GROUP], "resources": ["*"], "verbs": reading}]),
        _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", roleRef=role, subjects=[account]),
        dict(_object("v1", "ConfigMap", NAMESPACE, data={side + ".yaml": text for side, text in configs.items()}), metadata={
            "name": CONFIG_MAP, "namespace": NAMESPACE, "labels": dict(_LABELS)}),
    ]
    for side, architectures in (("edge", mesh.edge), ("cloud", mesh.cloud)):
        found += [_daemon_set(mesh, side, arch, configs[side]) for arch in sorted(set(architectures))]
    return found


def wanted_crds(crds: List[Object], foreign: Iterable[str]) -> List[Object]:
    """Those of the bundle that are ours to apply. ManifestError when the bundle lacks one, or has something else."""
    by_name = {(item.get("metadata") or {}).get("name"): item for item in crds if item.get("kind") == "CustomResourceDefinition"}
    if len(by_name) != len(crds):
        raise ManifestError("the bundle's resource definitions of EdgeMesh hold other objects. Build the bundle again")
    missing = [name for name in CRDS if name not in by_name and name not in set(foreign)]
    if missing:
        text = "the bundle does not hold %s, which EdgeMesh's agent watches. Add the entries edgemesh-crd-* to the lock file and build it again"
        raise ManifestError(text % " and ".join(missing))
    return [by_name[name] for name in CRDS if name in by_name and name not in set(foreign)]


def cluster_problems(nodes: Iterable[str], relays: Iterable[Object], strays: Iterable[str], cloudcore: bool) -> List[str]:
    """What speaks against a mesh in a cluster. ``strays``: DaemonSets that come to edge nodes."""
    if not cloudcore:
        return ["CloudCore has never started there: run the cloudcore step first"]
    known = sorted(nodes)
    problems = ["the relay %s is no Node of the cluster (it has %s): correct edgemesh_relays, or join it first"
                % (relay["node"], ", ".join(known[:8]) or "none") for relay in relays if relay["node"] not in known]
    if "kube-proxy" in set(strays):
        problems.append("the DaemonSet kube-proxy comes to edge nodes, and two would take the same traffic: keep it off them "
                        "(cloudcore_keep_off_edge: true) and restart those nodes")
    return problems


def service_labels(found: Iterable[Object], wanted: Iterable[str]) -> Tuple[List[Tuple[str, Object]], List[str]]:
    """(Patches by namespace/name, missing services). Labels are taken from those only that have them from us."""
    by_name = {"%s/%s" % (item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"].get("labels") or {}
               for item in found}
    keep, patches = set(wanted), []
    for name in sorted(by_name):
        labels = by_name[name]
        if name in keep and (SKIP_LABEL not in labels):
            patches.append((name, _patch("", "true")))
        elif name not in keep and SKIPPED_BY_US in labels:
            patches.append((name, _patch(None, None)))
    return patches, sorted(keep - set(by_name))


def _patch(skip: Any, ours: Any) -> Object:
    return {"metadata": {"labels": {SKIP_LABEL: skip, SKIPPED_BY_US: ours}}}


def _labelled(crd: Object) -> Object:
    metadata = {key: value for key, value in crd["metadata"].items() if key != "creationTimestamp"}
    metadata["labels"] = dict(metadata.get("labels") or {}, **{MANAGED_BY_LABEL: MANAGED_BY})
    return dict({key: value for key, value in crd.items() if key != "status"}, metadata=metadata)


def _daemon_set(mesh: Mesh, side: str, arch: str, text: str) -> Object:
    name = "%s-%s-%s" % (NAME, side, arch)
    selector = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": side, "kubernetes.io/arch": arch}
    labels = dict(selector, **{MANAGED_BY_LABEL: MANAGED_BY})
    marks = {CONFIG_HASH: hashlib.sha256(text.encode()).hexdigest()[:16], PSK_MARK: mesh.psk_mark}
    return {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": selector}, "revisionHistoryLimit": 3,
            # The port is the host's: the new pod has no room beside the old one.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 0}},
            "template": {"metadata": {"labels": labels, "annotations": marks}, "spec": _pod(mesh, side, arch)},
        },
    }


def _pod(mesh: Mesh, side: str, arch: str) -> Object:
    edge = side == "edge"
    container = {
        "name": NAME, "image": mesh.image_of(arch), "imagePullPolicy": "IfNotPresent",
        "env": [_from_field("NODE_NAME", "spec.nodeName"), _from_field("NAMESPACE", "metadata.namespace")],
        # It makes a link and writes the host's NAT rules; upstream has no smaller set of rights.
        "securityContext": {"privileged": True},
        "resources": mesh.resources or {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
                         {"name": "psk", "mountPath": PSK_DIR, "readOnly": True}],
    }
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{
            "matchExpressions": [{"key": EDGE_LABEL, "operator": "Exists" if edge else "DoesNotExist"},
                                 {"key": "kubernetes.io/arch", "operator": "In", "values": [arch]}]}]}}},
        "automountServiceAccountToken": not edge,
        "serviceAccountName": NAME,
        "hostNetwork": True,
        # Names of the outside come from the host's resolver; the mesh's own would be itself.
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": 10,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": CONFIG_MAP, "items": [{"key": side + ".yaml", "path": "edgemesh-agent.yaml"}]}},
            {"name": "psk", "secret": {"secretName": PSK_SECRET, "defaultMode": 0o400}}],
    }


def _from_field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _object(version: str, kind: str, namespace: str, **more: Any) -> Object:
    metadata: Object = {"name": NAME, "labels": dict(_LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return dict({"apiVersion": version, "kind": kind, "metadata": metadata}, **more)
