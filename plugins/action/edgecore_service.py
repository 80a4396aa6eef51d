# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of edgecore_service: what the cloud says of the node, and its labels and taints."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils import node_labels, node_taints
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import health, outcome, upgrade
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_cloud import EdgeCloud
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.service_args import TASK_ARGS

PAUSE = 3.0  # seconds between two looks at node and cloud together


class ActionModule(ActionBase):
    """The module proves the node by itself; here both sides are held against each other, until the deadline."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=TASK_ARGS)
        problems = node_labels.check(args["labels"] or {}) + node_taints.check(args["taints"] or [])
        if problems:
            return dict(result, failed=True, msg="; ".join(problems))
        result = self._attempt(result, args, task_vars)
        kept, current = upgrade.Kept(**result.pop("kept", {})), result.pop("kept_is_current", True)
        if upgrade.goes_back(kept, args["version"], result):
            return self._go_back(result, args, kept, task_vars)
        if not result.get("failed") and not current:
            stored = self._execute_module(module_args=dict(self._task.args, state="kept"), task_vars=task_vars)
            if stored.get("failed"):
                return dict(result, failed=True, msg=stored.get("msg"))
        return result

    def _go_back(self, result: dict[str, Any], args: dict[str, Any], kept: upgrade.Kept, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Put the former version back, prove it, and say what became of both."""
        before = dict(args, state="restored", version=kept.version)
        again = self._attempt({}, before, task_vars, state="restored")
        return upgrade.told(result, kept, args["version"], again.get("msg", "") if again.get("failed") else "")

    def _attempt(self, result: dict[str, Any], args: dict[str, Any], task_vars: dict[str, Any] | None, **more: str) -> dict[str, Any]:
        begun = time.monotonic()
        result.update(self._execute_module(module_args=dict(self._task.args, **more), task_vars=task_vars))
        if result.get("failed") or args["until"] != "ready":
            return result
        if args["out_of_reach"] and not self._task.check_mode:
            result.pop("local", None)
            return dict(result, failed=True, deferred=True, cause="unreachable", remedy="run again when it can be reached",
                        msg="Deferred: the node is well by itself and goes on; %s" % args["out_of_reach"])
        try:
            cloud = EdgeCloud(os.path.expanduser(str(args["kubeconfig"])), args["node_name"])
            return self._prove(result, args, cloud, begun, task_vars)
        except client.ApiError as error:
            if self._task.check_mode:
                return result  # the hosts may be new, and their cluster too
            return dict(result, failed=True, deferred=error.status == 0, msg="EdgeCore on %s: %s" % (args["node_name"], error))

    def _prove(self, result: dict[str, Any], args: dict[str, Any], cloud: EdgeCloud, begun: float,
               task_vars: dict[str, Any] | None) -> dict[str, Any]:
        wanted = health.Wanted(args["node_name"], args["version"], float(args["stable_seconds"]))
        seen = health.Cloud()
        lost_at: float | None = None
        while "local" in result:  # not in check mode
            local, excerpt = health.from_facts(result.pop("local")), result.pop("excerpt", [])
            seen = cloud.observe()
            verdict = health.judge(local, seen, wanted)
            waited = time.monotonic() - begun
            result["stages"].append("%s %.1f s" % (verdict.stage, waited))
            result["waited_seconds"] = round(waited, 1)
            if verdict.state == health.READY:
                result.update(node=outcome.summary(seen.node, args["node_name"]), pods=len(seen.pods))
                break
            if waited >= args["wait_seconds"]:
                told = outcome.failure_in_the_cloud(args["node_name"], waited, verdict, excerpt)
                return dict(result, failed=True, deferred=verdict.stage == "cloud", **told)
            time.sleep(PAUSE)
            lost_at = (waited if lost_at is None else lost_at) if health.lost_its_lease(seen) else None
            state = "started"
            if lost_at is not None and waited - lost_at >= health.LOST_LEASE_SECONDS and "repaired" not in result:
                state, result["repaired"] = "restarted", "EdgeCore was restarted: its lease stood still, while its status came through"
            again = self._execute_module(
                module_args=dict(self._task.args, state=state, wait_seconds=max(1, int(args["wait_seconds"] - waited))),
                task_vars=task_vars)
            changed, stages = result.get("changed"), result["stages"]
            result.update(again, changed=bool(changed or again.get("changed")), stages=stages + again.get("stages", [])[1:])
            if result.get("failed"):
                return result
        return self._labels(result, args, cloud, seen)

    def _labels(self, result: dict[str, Any], args: dict[str, Any], cloud: EdgeCloud, seen: health.Cloud) -> dict[str, Any]:
        patches = cloud.reconcile(args["labels"], args["taints"], self._task.check_mode)
        labels = next((patch["metadata"]["labels"] for patch in patches if "labels" in patch.get("metadata", {})), {})
        result.update(changed=bool(result.get("changed") or patches), labels=labels)
        if labels:
            result["diff"] = node_labels.diff(seen.node or {}, labels)
        return result
