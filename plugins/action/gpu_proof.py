# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the GPUs of a site, proves that they compute, and that only those see them who asked."""
from __future__ import annotations

import secrets
from typing import Any

from ansible.utils.display import Display

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuError, parse_nodes
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.prove import Orders, message, prove
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.jobs import KINDS, JobHands
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import Watcher
from ansible_collections.edgeai.sites.plugins.plugin_utils.site_action import SiteAction

NODE = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True, "choices": ["dgpu", "tegra"]},
    "runtime": {"type": "str", "default": ""},
    "arch": {"type": "str", "default": "amd64", "choices": ["amd64", "arm64"]},
    "count": {"type": "int", "default": 1},
    "replicas": {"type": "int", "default": 1},
    "sharing": {"type": "str", "choices": ["none", "time-slicing", "mps"]},
    "mig": {"type": "str", "default": "none", "choices": ["none", "single", "mixed"]},
    "resource": {"type": "str", "default": "nvidia.com/gpu"},
}


class ActionModule(SiteAction):
    """Waits, proves, cleans up."""

    ARGUMENTS = {
        "kubeconfig": {"type": "path", "required": True},
        "site": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": "edgeai-gpu"},
        "nodes": {"type": "list", "elements": "dict", "required": True, "options": NODE},
        "images": {"type": "dict", "default": {}},
        "prove": {"type": "bool", "default": True},
        "runtime_class": {"type": "str", "default": "nvidia"},
        "deadline": {"type": "int", "default": 180},
        "grace": {"type": "int", "default": 30},
    }
    ERRORS = (GpuError,)

    def look(self, params: dict[str, Any]) -> tuple[dict[str, Any], str]:
        if self._task.check_mode:
            return {"nodes": [], "verdicts": []}, "check mode: nothing is proven"
        nodes = parse_nodes(params["nodes"])
        missing = sorted({node.arch for node in nodes} - set(params["images"])) if params["prove"] else []
        if missing:
            raise GpuError("images: there is no proof image for %s; give one by digest, or set prove to false" % ", ".join(missing))
        orders = Orders(proof_image=params["images"], run=secrets.token_hex(3), prove=params["prove"],
                        deadline=params["deadline"], grace=params["grace"], runtime_class=params["runtime_class"])
        api = KubeApi.from_kubeconfig(params["kubeconfig"])
        with Watcher(api, params["namespace"], KINDS) as watcher:
            hands = JobHands(api, params["namespace"], watcher)
            results = prove(hands, nodes, orders)
            elapsed = watcher.elapsed()
        if hands.kept:
            Display().warning("site %s: could not delete the Jobs %s; the cluster does it after their deadline"
                              % (params["site"], ", ".join(hands.kept)))
        result = {
            "healthy": bool(results) and all(result.good for result in results),
            "seconds": round(elapsed, 1),
            "left": hands.kept,
            "nodes": [result.describe() for result in results],
            "verdicts": [row for result in results for row in result.verdicts()],
        }
        return result, message(params["site"], results)
