# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about a wait: its stages, the node, and why it failed."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.journal import Finding
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import journal, ready

NO_CAUSE = "none of the known causes was found; read the lines below, then `journalctl -t k3s` on the node"


def stages(samples: list[ready.Sample], wanted: ready.Wanted) -> list[str]:
    """The stages that the wait went through, e.g. ``["unit 0.0 s", "lease 6.2 s", "ready 8.1 s"]``."""
    passed = []  # type: list[str]
    previous = ""
    for count, sample in enumerate(samples, 1):
        stage = ready.judge(samples[:count], wanted).stage
        if stage != previous:
            passed.append("%s %.1f s" % (stage, sample.at - samples[0].at))
            previous = stage
    return passed


def summary(node: dict[str, Any] | None, name: str) -> dict[str, str]:
    """The few facts about a node that reports show."""
    info = ((node or {}).get("status") or {}).get("nodeInfo") or {}
    return {"name": name, "version": info.get("kubeletVersion") or "",
            "container_runtime": info.get("containerRuntimeVersion") or "", "kernel": info.get("kernelVersion") or ""}


def failure(unit: str, node_name: str, waited: float, verdict: ready.Verdict, found: list[Finding],
            lines: list[str]) -> dict[str, Any]:
    """Message, cause, remedy and journal excerpt of a wait that did not end well."""
    cause = found[0].cause if found else None
    if verdict.stage == "pause":  # found missing by looking, and no line says so before the first pod
        cause, lines = journal.READER.by_name["pause_image"], []
    excerpt = journal.READER.excerpt(lines)
    meaning = "%s. Remedy: %s" % (cause.meaning, cause.remedy) if cause else NO_CAUSE
    message = "%s on %s is not up after %.0f s: %s. Most likely: %s." % (
        unit, node_name, waited, verdict.reason, meaning)
    if excerpt:
        message += " Journal:\n" + "\n".join(excerpt)
    return {"msg": message, "cause": cause.name if cause else "unknown",
            "remedy": cause.remedy if cause else NO_CAUSE}
