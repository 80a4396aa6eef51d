# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's side of EdgeMesh over its API. Nothing here decides."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Tuple
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_daemonsets, cloud_secrets, mesh
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

PAUSE = 1.0  # seconds between two looks at pods that end
_OURS = {"labelSelector": "app.kubernetes.io/name=" + mesh.NAME}
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CORE = "/api/v1/namespaces/" + cloud_secrets.NAMESPACE
_DAEMON_SETS = "/apis/apps/v1/namespaces/%s/daemonsets" % cloud_secrets.NAMESPACE
_RBAC = "/apis/rbac.authorization.k8s.io/v1"

Object = Dict[str, Any]


class MeshCluster:
    """One API server."""

    def __init__(self, api: KubeApi) -> None:
        self._api, self._cluster = api, Cluster(api)

    def nodes(self) -> List[str]:
        """Names of all Nodes."""
        return sorted(node["metadata"]["name"] for node in self._api.get("/api/v1/nodes").get("items") or [])

    def strays(self) -> List[str]:
        """Names of DaemonSets that come to edge nodes."""
        return [stray.name for stray in cloud_daemonsets.strays(self._cluster.daemon_sets())]

    def cloudcore_is_there(self) -> bool:
        """Whether it has made its CA."""
        return self._cluster.exists("%s/secrets/%s" % (_CORE, cloud_secrets.CA_SECRET))

    def services(self) -> List[Object]:
        """All Services."""
        return self._api.get("/api/v1/services").get("items") or []

    def patch_service(self, name: str, patch: Object) -> None:
        """Merge a patch into a Service, namespace/name."""
        namespace, _slash, service = name.partition("/")
        self._api.patch("/api/v1/namespaces/%s/services/%s" % (quote(namespace), quote(service)), patch)

    def psk(self) -> str:
        """The key that is there, "" without one."""
        data = self._cluster.secret(mesh.PSK_SECRET).get(mesh.PSK_KEY, b"")
        return data.decode("ascii", "replace")

    def keep_psk(self, psk: str) -> None:
        """Create the Secret, or replace the key in it."""
        self._cluster.keep_secret(mesh.PSK_SECRET, {mesh.PSK_KEY: psk.encode("ascii")})

    def foreign_crds(self) -> List[str]:
        """Those of our names that others brought."""
        return [name for name, item in self._crds().items() if not _ours(item)]

    def remove(self, check_mode: bool, seconds: float) -> Tuple[List[str], List[str]]:
        """(What was, or would be, removed; what had to stay, one sentence each). Raises ApiError."""
        removed, left = [], []
        sets = ["%s/%s" % (_DAEMON_SETS, item["metadata"]["name"]) for item in self._api.get(_DAEMON_SETS, _OURS).get("items") or []]
        for path in sets:
            self._delete(path, check_mode, removed)
        if not check_mode:
            self._wait_for_pods(seconds)
        for path in ("%s/configmaps/%s" % (_CORE, mesh.CONFIG_MAP), "%s/secrets/%s" % (_CORE, mesh.PSK_SECRET),
                     "%s/serviceaccounts/%s" % (_CORE, mesh.NAME), "%s/clusterrolebindings/%s" % (_RBAC, mesh.NAME),
                     "%s/clusterroles/%s" % (_RBAC, mesh.NAME)):
            self._delete(path, check_mode, removed)
        for name, item in self._crds().items():
            held = self._cluster.objects_of([item]) if _ours(item) else []
            if held:
                left.append("%s stays, it holds %s: delete them, and run again" % (name, ", ".join(held[:5])))
            elif _ours(item):
                self._delete("%s/%s" % (_DEFINITIONS, name), check_mode, removed)
        return removed, left

    def _crds(self) -> Dict[str, Object]:
        items = self._api.get(_DEFINITIONS).get("items") or []
        return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"] in mesh.CRDS}

    def _delete(self, path: str, check_mode: bool, removed: List[str]) -> None:
        if self._cluster.exists(path) if check_mode else self._cluster.delete(path):
            removed.append("/".join(path.split("/")[-2:]))

    def _wait_for_pods(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            pods = self._api.get(_CORE + "/pods", _OURS).get("items") or []
            if not pods:
                return
            if time.monotonic() > deadline:
                names = sorted(str((pod.get("spec") or {}).get("nodeName")) for pod in pods)
                raise ApiError(0, "agents on %s have not ended after %d s: bring these nodes back, or delete their pods with "
                               "--force, and run again" % (", ".join(names[:5]), seconds))
            time.sleep(PAUSE)


def _ours(item: Object) -> bool:
    return (item["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
