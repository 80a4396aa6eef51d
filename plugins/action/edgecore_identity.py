# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of edgecore_identity: it asks the cloud for the Node, and decides by both."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import REFUSING
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import identity, reach
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_cloud import EdgeCloud
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.identity_args import TASK_ARGS


class ActionModule(ActionBase):
    """Evidence of the node and of the cloud, and what follows from it."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=TASK_ARGS)
        result.update(self._execute_module(module_args=self._task.args, task_vars=task_vars))
        if result.get("failed") or "identity" not in result:
            return result
        cloud, now = self._ask(args)
        host = identity.found(result["identity"])
        decision = identity.decide(host, cloud, args["node_name"], now)
        ports = {name: int(port) for name, port in args["ports"].items()}
        found = reach.seen(result.pop("reached"))
        verdicts = reach.judge(found, args["server"], ports, args["transport"], args["ca_sha256"])
        result.update(
            decision=decision.action, reason=decision.reason, needs_token=decision.token, forget=decision.forget,
            start_reason=decision.start, expires=identity.expires(host), verdicts=verdicts, out_of_reach="", deferred=False)
        self._conclude(result, decision, verdicts, found, cloud.error)
        if result["deferred"] and self._task.check_mode:
            # On clean hosts CloudCore does not run yet either: an earlier step of a real run would have started it.
            result.update(failed=False, deferred=False, decision=identity.ENROL, needs_token=True)
            result.setdefault("warnings", []).append(result.pop("msg"))
        return result

    def _ask(self, args: dict[str, Any]) -> tuple[identity.Cloud, float]:
        if client.urllib3 is None:
            return identity.Cloud(error="the Python library kubernetes is missing on the controller"), 0.0
        try:
            cloud = EdgeCloud(os.path.expanduser(str(args["kubeconfig"])), args["node_name"])
            return identity.Cloud(node=cloud.identity(), ca_sha256=args["ca_sha256"]), cloud.now()
        except client.ApiError as error:
            return identity.Cloud(error=str(error), ca_sha256=args["ca_sha256"]), 0.0

    @staticmethod
    def _conclude(result: dict[str, Any], decision: identity.Decision, verdicts: list[dict[str, Any]], found: reach.Seen,
                  error: str) -> None:
        """Refuse, defer, or go on."""
        bad = [verdict for verdict in verdicts if verdict["verdict"] in REFUSING]
        told = "%s. Remedy: %s." % ("; ".join(verdict["found"] for verdict in bad), bad[0]["remedy"]) if bad else ""
        silent = reach.unreachable(found)
        if decision.action in (identity.REFUSE, identity.WAIT):
            result.update(failed=True, deferred=decision.action == identity.WAIT, msg="%s: %s. %s." % (
                "Deferred" if decision.action == identity.WAIT else "Refused, nothing was changed", decision.reason, decision.remedy))
        elif bad and decision.action != identity.KEEP:
            result.update(failed=True, deferred=silent, msg="%s: it would have to join (%s), and cannot. %s" % (
                "Deferred" if silent else "Refused, nothing was changed", decision.reason, told))
        elif bad and not silent:
            result.update(failed=True, msg="Refused, nothing was changed. %s" % told)
        else:
            result["out_of_reach"] = told or error
