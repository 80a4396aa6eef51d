# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's side of CloudCore over its API: secrets, Deployment, DaemonSets. Nothing here decides."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import NOT_FOUND, READ_SECONDS, ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_secrets
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_daemonsets import EDGE_LABEL
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_health import Running, Served
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_removal import GROUP_END
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.manifests import NAME
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

_KEEP = (cloud_secrets.CA_SECRET, cloud_secrets.CERTIFICATE_SECRET, cloud_secrets.TOKEN_SECRET, cloud_secrets.STREAM_SECRET)
_SELECTOR = {"labelSelector": "app.kubernetes.io/name=" + NAME}
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LOG_BYTES = 65536
_SMALL = 1024 * 1024

Object = Dict[str, Any]


class Cluster:
    """One API server, and the namespace of KubeEdge in it."""

    def __init__(self, api: KubeApi, namespace: str = cloud_secrets.NAMESPACE) -> None:
        self.api = api
        self.namespace = namespace
        self._core = "/api/v1/namespaces/" + namespace
        self._deployment = "/apis/apps/v1/namespaces/%s/deployments/%s" % (namespace, NAME)

    def version(self) -> str:
        """Kubernetes' version, like v1.36.3+k3s1."""
        return str(self.api.get("/version").get("gitVersion", ""))

    def secrets(self) -> Dict[str, Dict[str, bytes]]:
        """Decoded data of CloudCore's secrets, of those that exist."""
        found = {name: self._maybe("%s/secrets/%s" % (self._core, name)) for name in _KEEP}
        return {name: {key: _decoded(value) for key, value in (secret.get("data") or {}).items()}
                for name, secret in found.items() if secret is not None}

    def secret(self, name: str) -> Dict[str, bytes]:
        """Decoded data of one secret; empty when it is not there."""
        found = self._maybe("%s/secrets/%s" % (self._core, name)) or {}
        return {key: _decoded(value) for key, value in (found.get("data") or {}).items()}

    def deployment(self) -> Optional[Object]:
        """The Deployment, or None."""
        return self._maybe(self._deployment)

    def mark(self) -> str:
        """What the running pod template says it was restarted for."""
        template = (((self.deployment() or {}).get("spec") or {}).get("template") or {}).get("metadata") or {}
        return str((template.get("annotations") or {}).get(cloud_secrets.MARK, ""))

    def daemon_sets(self) -> List[Object]:
        """All DaemonSets of the cluster."""
        return self.api.get("/apis/apps/v1/daemonsets").get("items") or []

    def edge_nodes(self) -> List[str]:
        """Names of the Nodes that EdgeCore registered."""
        nodes = self.api.get("/api/v1/nodes", {"labelSelector": EDGE_LABEL}).get("items") or []
        return sorted(node["metadata"]["name"] for node in nodes)

    def definitions(self) -> List[Object]:
        """The resource definitions of KubeEdge's groups."""
        items = self.api.get(_DEFINITIONS).get("items") or []
        return [item for item in items if str(item["spec"]["group"]).endswith(GROUP_END)]

    def objects_of(self, definitions: List[Object]) -> List[str]:
        """``plural/name`` of every object of these definitions."""
        found = []
        for item in definitions:
            spec = item["spec"]
            version = next(one["name"] for one in spec["versions"] if one.get("storage"))
            path = "/apis/%s/%s/%s" % (spec["group"], version, spec["names"]["plural"])
            found += ["%s/%s" % (spec["names"]["plural"], thing["metadata"]["name"])
                      for thing in (self._maybe(path) or {}).get("items") or []]
        return sorted(found)

    def exists(self, path: str) -> bool:
        """Whether there is something at ``path``."""
        return self._maybe(path) is not None

    def patch_daemon_set(self, namespace: str, name: str, patch: Object) -> None:
        """Merge a patch into a DaemonSet."""
        self.api.patch("/apis/apps/v1/namespaces/%s/daemonsets/%s" % (quote(namespace), quote(name)), patch)

    def ensure_namespace(self) -> None:
        """Make the namespace if it is not there."""
        if self._maybe(self._core) is None:
            self._create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": self.namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}})

    def keep_secret(self, name: str, data: Dict[str, bytes]) -> None:
        """Create a secret, or replace what is in it."""
        document = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                    "metadata": {"name": name, "namespace": self.namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
                    "data": {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}}
        path = "%s/secrets" % self._core
        if self._maybe("%s/%s" % (path, name)) is None:
            self._create(path, document)
        else:
            self.api.put("%s/%s" % (path, name), document)

    def delete(self, path: str) -> bool:
        """Delete what is at ``path``, its dependents first in the background; whether something was there."""
        try:
            self.api.delete(path, {"propagationPolicy": "Background"})
            return True
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return False

    def delete_secret(self, name: str) -> bool:
        """Delete a secret; whether it was there."""
        return self.delete("%s/secrets/%s" % (self._core, name))

    def running(self, with_lines: bool) -> Running:
        """The Deployment as one look; with what its pods say and log when ``with_lines``."""
        deployment = self.deployment()
        if deployment is None:
            return Running(False, "no Deployment %s/%s" % (self.namespace, NAME))
        spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
        wanted = spec.get("replicas", 1)
        current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        ready = current and all((status.get(key) or 0) == wanted for key in ("replicas", "updatedReplicas", "readyReplicas"))
        text = "%d of %d pods ready" % (status.get("readyReplicas") or 0, wanted) + ("" if current else ", an update under way")
        lines, notes = self._explain() if with_lines else ((), "")
        return Running(bool(ready and wanted), text + notes, tuple(lines))

    def ca_through_proxy(self, port: int) -> List[Served]:
        """What each pod of CloudCore serves as its CA, asked through the API server."""
        found = []
        for pod in self._pods():
            path = "%s/pods/https:%s:%d/proxy/ca.crt" % (self._core, quote(pod["metadata"]["name"]), port)
            name = "pod %s" % pod["metadata"]["name"]
            try:
                found.append((name, self.api.raw(path, _SMALL), ""))
            except ApiError as error:
                found.append((name, b"", str(error)))
        return [served(name, data, b"", error, proxy=True) for name, data, error in found]

    def _explain(self) -> Tuple[List[str], str]:
        lines: List[str] = []
        notes = ""
        for pod in self._pods():
            for status in (pod.get("status") or {}).get("containerStatuses") or []:
                waiting = (status.get("state") or {}).get("waiting") or {}
                if waiting:
                    notes = ", %s %s" % (waiting.get("reason", "waiting"), waiting.get("message", ""))
                    lines.append("%s: %s" % (waiting.get("reason"), waiting.get("message", "")))
            lines += self._log(pod["metadata"]["name"])
        return lines + self._events(), notes[:300].rstrip()

    def _log(self, pod: str) -> List[str]:
        for previous in ("false", "true"):
            try:
                text = self.api.text("%s/pods/%s/log" % (self._core, quote(pod)), {"tailLines": "200", "previous": previous},
                                     _LOG_BYTES)
            except ApiError:
                continue  # a pod that never ran has none; the rest explains it
            if text.strip():
                return text.strip().splitlines()
        return []

    def _events(self) -> List[str]:
        items = (self._maybe("%s/events" % self._core) or {}).get("items") or []
        # A probe that fails only says what is known already.
        return ["%s: %s" % (item.get("reason"), item.get("message")) for item in items
                if item.get("type") == "Warning" and item.get("reason") not in ("Unhealthy", "BackOff")
                and (item.get("involvedObject") or {}).get("name", "").startswith(NAME)][-10:]

    def _pods(self) -> List[Object]:
        return self.api.get("%s/pods" % self._core, _SELECTOR).get("items") or []

    def _create(self, path: str, document: Object) -> None:
        self.api.post(path, document, READ_SECONDS, _SMALL)

    def _maybe(self, path: str) -> Optional[Object]:
        try:
            return self.api.get(path)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None


def served(address: str, ca: bytes, certificate: bytes, error: str, proxy: bool = False) -> Served:
    """What was read, as evidence: hashes instead of bytes."""
    if error:
        return Served(address, error=error, proxy=proxy)
    hashes = [hashlib.sha256(data).hexdigest() if data else "" for data in (ca, certificate)]
    return Served(address, hashes[0], hashes[1], proxy=proxy)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
