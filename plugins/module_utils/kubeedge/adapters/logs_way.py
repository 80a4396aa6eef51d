# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the API for one line of a log on each edge node (I/O)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterable, List
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import logs_way

SECONDS = 6.0  # for one node; a way that works takes a fraction of one
AT_ONCE = 8
LIMIT = 65536


def look(api: KubeApi, nodes: Iterable[Dict[str, Any]]) -> Dict[str, str]:
    """``{node: sentence}``. ``nodes``: each with name and ready. One list of pods, then one request per node, eight at once."""
    wanted = [node for node in nodes if node["name"]]
    if not wanted:
        return {}
    try:
        pods = api.get("/api/v1/pods").get("items") or []
    except ApiError as error:
        return {node["name"]: logs_way.judge(error.status, str(error)) for node in wanted}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = pool.map(lambda node: _ask(api, node["name"], bool(node["ready"]), pods), wanted)
        return {node["name"]: text for node, text in zip(wanted, said)}


def _ask(api: KubeApi, node: str, ready: bool, pods: List[Dict[str, Any]]) -> str:
    if not ready:
        return logs_way.judge(0, "", ready=False)
    target = logs_way.pod_on(node, pods)
    if target is None:
        return logs_way.NO_POD
    path = "/api/v1/namespaces/%s/pods/%s/log" % (quote(target["namespace"]), quote(target["pod"]))
    try:
        api.text(path, {"container": target["container"], "tailLines": "1"}, LIMIT, SECONDS)
        return logs_way.judge(200, "")
    except ApiError as error:
        return logs_way.judge(error.status, str(error))
