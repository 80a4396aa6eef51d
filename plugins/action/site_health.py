# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at one site until it is known whether its models run, answer and are right."""
from __future__ import annotations

from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import WELL, Limits
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import EDGECORE, ExpectedNode, ExpectedTarget
from ansible_collections.edgeai.sites.plugins.module_utils.health.node_answers import ByRuntime, NodeAnswers
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import observe
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import crashed
from ansible_collections.edgeai.sites.plugins.module_utils.health.report import describe, message
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.ask import Asker
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import Look
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import logs_way
from ansible_collections.edgeai.sites.plugins.plugin_utils.site_action import SiteAction

LOG_LINES = 10


def text(**more: Any) -> dict[str, Any]:
    return {"type": "str", **more}


def number(default: int) -> dict[str, Any]:
    return {"type": "int", "default": default}


EXPECTED = {
    "name": text(required=True),
    "workload": text(required=True),
    "node": text(required=True),
    "line": text(default=""),
    "image": text(default=""),
    "digest": text(required=True),
    "replicas": number(1),
    "strategy": text(default=""),
    "strategy_reason": text(default=""),
    "port": {"type": "int", "required": True},
    "model": text(required=True),
    "health": {"type": "dict", "required": True, "options": {
        "path": text(default="/health"), "expression": text(required=True)}},
    "golden": {"type": "dict", "required": True, "options": {
        "request": {"type": "dict", "required": True}, "expect": text(required=True)}},
}


class ActionModule(SiteAction):
    """Observes a site to a conclusion."""

    ARGUMENTS = {
        "kubeconfig": {"type": "path", "required": True},
        "site": text(required=True),
        "namespace": text(default="edgeai"),
        "expected": {"type": "list", "elements": "dict", "required": True, "options": EXPECTED},
        "nodes": {"type": "list", "elements": "dict", "default": [], "options": {
            "name": text(required=True), "version": text(default=""), "runtime": text(default="")}},
        "answers": {"type": "dict", "default": {}},
        "deadline": number(300),
        "grace": number(30),
        "settle": number(0),
        "probe_timeout": number(10),
    }
    ERRORS = (expression.ExpressionError,)

    def look(self, params: dict[str, Any]) -> tuple[dict[str, Any], str]:
        targets = [expected_target(item) for item in params["expected"]]
        nodes = [ExpectedNode(**node) for node in params["nodes"]]
        limits = Limits(deadline=params["deadline"], grace=params["grace"], settle=params["settle"])
        api = KubeApi.from_kubeconfig(params["kubeconfig"])
        with Look(api, params["namespace"], params["deadline"]) as eyes:
            asker = Asker(api, params["namespace"], params["probe_timeout"], eyes.wake)
            voice = ByRuntime(asker, NodeAnswers(params["answers"]), (node.name for node in nodes if node.runtime == EDGECORE))
            site, conclusion = observe(eyes, voice, targets, nodes, limits)
            elapsed = eyes.elapsed()
        logs = {}
        for expected, target in zip(targets, site.targets):
            if target.pod is not None and crashed(target.pod) and conclusion != WELL:
                logs[target.name] = voice.log(expected, target.pod, LOG_LINES)
        result = describe(site, conclusion, targets, logs)
        edge = {node.name for node in nodes if node.runtime == EDGECORE}
        ways = logs_way.look(api, [node for node in result["nodes"] if node["name"] in edge])
        for node in result["nodes"]:
            node["logs"] = ways.get(node["name"], "")
        return {**result, "seconds": round(elapsed, 1)}, message(params["site"], site, conclusion, elapsed)


def expected_target(item: dict[str, Any]) -> ExpectedTarget:
    """Turn one element of ``expected`` into an ExpectedTarget; its expressions are compiled here, before any wait."""
    expression.check_expression(item["health"]["expression"])
    expression.check_expression(item["golden"]["expect"])
    same = ("name", "workload", "node", "line", "image", "digest", "replicas", "port", "model", "strategy", "strategy_reason")
    return ExpectedTarget(
        health_path=item["health"]["path"], health_expression=item["health"]["expression"],
        golden_request=item["golden"]["request"], golden_expect=item["golden"]["expect"], **{key: item[key] for key in same})
