# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge node as the cloud sees it, over the API (I/O)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils import node_labels, node_taints
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import health, identity

NOT_FOUND, CONFLICT = 404, 409
ATTEMPTS = 5  # for a taint, when somebody else changes the Node at the same time


class EdgeCloud:
    """One Node and what belongs to it."""

    def __init__(self, kubeconfig: str, name: str) -> None:
        self._api = KubeApi.from_kubeconfig(kubeconfig)
        self._name = name
        self._node = "/api/v1/nodes/%s" % quote(name)
        self._lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/%s" % quote(name)

    def identity(self) -> identity.Node | None:
        """What identity.decide needs of the Node; None when there is none. Raises ApiError."""
        node = self._maybe(self._node)
        lease = self._maybe(self._lease) if node else None
        renewed = health.seconds(str(((lease or {}).get("spec") or {}).get("renewTime") or ""))
        return identity.from_api(node, None if renewed is None else self._api.now() - renewed)

    def now(self) -> float:
        """The time by the API server's clock."""
        return self._api.now()

    def observe(self) -> health.Cloud:
        """The Node with its Lease and its pods, or why they cannot be had."""
        try:
            node = self._maybe(self._node)
            pods = self._api.get("/api/v1/pods", {"fieldSelector": "spec.nodeName=" + self._name}).get("items") or []
            return health.Cloud(node=node, lease=self._maybe(self._lease), pods=pods)
        except ApiError as error:
            return health.Cloud(error=str(error))

    def delete_node(self, check_mode: bool = False) -> tuple[bool, list[str]]:
        """Delete the Node and the pods that are bound to it; whether it was there, and those pods.

        Kubernetes takes such pods away only after 40 s. A node that joins again before would never be given them: what CloudCore
        noted as delivered went with the Node, and it sends a pod when that changes.
        """
        node = self._maybe(self._node)
        pods = self._pods()
        if not check_mode:
            self._delete(self._node, {"propagationPolicy": "Background"})
            for pod in pods:
                self._delete(pod, {"gracePeriodSeconds": 0})
        return node is not None, [path.rpartition("namespaces/")[2].replace("/pods/", "/") for path in pods]

    def _pods(self) -> list[str]:
        items = self._api.get("/api/v1/pods", {"fieldSelector": "spec.nodeName=" + self._name}).get("items") or []
        return ["/api/v1/namespaces/%s/pods/%s" % (quote(pod["metadata"]["namespace"]), quote(pod["metadata"]["name"])) for pod in items]

    def _delete(self, path: str, options: dict[str, Any]) -> None:
        try:
            self._api.delete(path, options)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def reconcile(self, labels: dict[str, str] | None, taints: list[dict[str, str]] | None, check_mode: bool) -> list[dict[str, Any]]:
        """Bring our labels and taints up to date; the patches that were (or would be) sent. Raises ApiError."""
        for attempt in range(ATTEMPTS):
            node = self._maybe(self._node)
            if node is None:
                return []
            patches = [patch for patch in (
                node_labels.plan(node, labels) if labels is not None else {},
                node_taints.plan(node, taints) if taints is not None else {}) if patch]
            try:
                # The taints first: they name the version of the Node that they were made from.
                for patch in reversed(patches) if not check_mode else ():
                    self._api.patch(self._node, patch)
                return patches
            except ApiError as error:
                if error.status != CONFLICT or attempt == ATTEMPTS - 1:
                    raise
        return []

    def _maybe(self, path: str) -> dict[str, Any] | None:
        try:
            found = self._api.get(path)
            return found if isinstance(found, dict) else None
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None
