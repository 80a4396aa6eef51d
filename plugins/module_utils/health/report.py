# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A judgement as data for a module's result, and as a message for a person."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import LATE, WELL
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    HEALTHY,
    ExpectedTarget,
    Judgement,
    NodeJudgement,
    SiteJudgement,
    TargetJudgement,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import (
    container_status,
    is_ready,
    running_digest,
)

# The whole text is in the verdicts; a message has to be readable.
MESSAGE_PART = 240


def describe(site: SiteJudgement, conclusion: str, expected: Iterable[ExpectedTarget],
             logs: Optional[Dict[str, List[str]]] = None) -> Dict[str, Any]:
    """Return {healthy, outcome, targets, nodes, verdicts}; ``logs``: last lines of a target's container, by name."""
    by_name = {target.name: target for target in expected}
    return {
        "healthy": conclusion == WELL,
        "outcome": conclusion,
        "targets": [_target(by_name[target.name], target, (logs or {}).get(target.name, []))
                    for target in site.targets],
        "nodes": [_node(node) for node in site.nodes],
        "verdicts": _verdicts(site, by_name),
    }


def message(name: str, site: SiteJudgement, conclusion: str, elapsed: float) -> str:
    """Return one line on success, and the reasons part by part on failure."""
    well = sum(target.state == HEALTHY for target in site.targets)
    text = "site %s: %d of %d targets healthy, %d of %d nodes" % (
        name, well, len(site.targets), sum(node.state == HEALTHY for node in site.nodes), len(site.nodes))
    if conclusion == WELL:
        return text
    if conclusion == LATE:
        text += "; the deadline of %d s has passed" % elapsed
    if not site.targets:
        text += "; no workload is bound to this site, and nothing out of nothing is not health: bind one in " \
                "edge_workloads, or leave the site out"
    return "\n".join([text] + _complaints(site))


def _complaints(site: SiteJudgement) -> List[str]:
    """Tell what is worst about each part and what to do about it; parts with one complaint share a line."""
    names: Dict[str, List[str]] = {}
    for part in site.parts:
        if part.state != HEALTHY:
            worst = [finding for finding in part.findings if finding.state == part.state]
            remedies = [finding.remedy for finding in worst if finding.remedy]
            text = "%s: %s" % (part.state, "; ".join(_short(finding.found) for finding in worst))
            text += ". To do: " + "; ".join(remedies) if remedies else ""
            names.setdefault(text, []).append(part.name)
    return ["  %s %s %s" % (", ".join(parts), "is" if len(parts) == 1 else "are", text)
            for text, parts in names.items()]


def _short(text: str) -> str:
    text = text.rstrip(".")
    return text if len(text) <= MESSAGE_PART else text[:MESSAGE_PART] + "…"


def _target(expected: ExpectedTarget, target: TargetJudgement, log: List[str]) -> Dict[str, Any]:
    pod, probe = target.pod or {}, target.probe
    return {
        "name": expected.name,
        "workload": expected.workload,
        "line": expected.line,
        "node": expected.node,
        "image": expected.image,
        "wanted_digest": expected.digest,
        "digest": running_digest(pod) if pod else "",
        "pod": pod.get("metadata", {}).get("name", ""),
        "restarts": container_status(pod).get("restartCount", 0),
        "ready": bool(pod) and is_ready(pod),
        "health": probe.health if probe else None,
        "answer": probe.answer if probe else None,
        "latency_ms": probe.latency_ms if probe else None,
        "state": target.state,
        "verdict": _verdict(target),
        "reasons": target.reasons,
        "log": log,
        "strategy": expected.strategy,
        "strategy_reason": expected.strategy_reason,
    }


def _node(node: NodeJudgement) -> Dict[str, Any]:
    return {
        "name": node.name,
        "version": node.version,
        "engine": node.engine,
        "ready": node.ready,
        "lease_age": None if node.lease_age is None else round(node.lease_age, 1),
        "state": node.state,
        "verdict": _verdict(node),
        "reasons": node.reasons,
    }


def _verdicts(site: SiteJudgement, expected: Dict[str, ExpectedTarget]) -> List[Dict[str, str]]:
    rows = [dict(finding.verdict(), host=node.name) for node in site.nodes for finding in node.findings]
    rows += [dict(finding.verdict(), target=target.name, host=expected[target.name].node)
             for target in site.targets for finding in target.findings]
    if not site.targets:
        rows.append({"check": "site.targets", "verdict": "fail", "found": "no workload is expected at this site",
                     "wanted": "at least one", "remedy": "bind a workload to one of its lines, nodes or labels"})
    return rows + list(site.warnings)


def _verdict(part: Judgement) -> str:
    order = ("pass", "inconclusive", "fail")
    return max((finding.verdict()["verdict"] for finding in part.findings), key=order.index)
