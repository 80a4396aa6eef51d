# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the record of a run to what a person wants to know: is every site as wanted, and if not, why.

Pure: no I/O, no clock, no Ansible. A *record* is the dictionary that the ``report`` callback collects:

.. code-block:: text

    {"schema": 1, "fleet": str, "started": ISO 8601, "finished": ISO 8601, "playbook": str, "check_mode": bool,
     "sites": {site: [{"name", "runtime", "arch", "gpu", "address", "lines"}]},
     "hosts": {host: {"changed": int, "bytes_sent": int, "unreachable": str | None,
                      "version": str, "certificate_expires": float,
                      "failures": [{"step", "task", "message", "deferred"}]}},
     "steps": [{"name", "seconds": float}],
     "preflight": [verdict + {"site", "host"}],
     "health": {site: {"healthy": bool, "targets": [...], "nodes": [...], "verdicts": [...]}},
     "gpu": {site: {"healthy": bool, "nodes": [...], "verdicts": [...]}},
     "gpu_health": {host: {"healthy": bool, "gpu": str, "found": str, "verdicts": [verdict + {"host"}]}},
     "cloudcore": {place: {"healthy": bool, "verdicts": [...]}}}

``health`` is what ``site_health`` returns, ``gpu`` what ``gpu_proof``, ``gpu_health`` and ``cloudcore`` what ``gpu_health`` and
``cloudcore_health`` return. The cloud is one of the ``sites``, under its own name. ``version`` is what a node said when it was
started, ``certificate_expires`` (seconds since 1970) that of an EdgeCore node.
"""
from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, field
from typing import Any, Iterable

from ansible_collections.edgeai.sites.plugins.module_utils.report.status import (
    BAD,
    STATUS_ORDER,
    VERDICT_ORDER,
    Found,
    status_of,
)

#: The place of the inventory that is no site.
CLOUD = "cloud"


@dataclass(frozen=True)
class NodeLine:
    """One node of a site as the report shows it."""

    name: str
    runtime: str
    arch: str
    address: str
    version: str
    engine: str  # "real", "stand-in" or "" when the node did not report a version
    state: str
    changed: int
    bytes_sent: int
    certificate_days: int | None = None  # until the end of an EdgeCore node's certificate, negative after it


@dataclass(frozen=True)
class SiteSummary:
    """One site: its status, why, what runs where, and what was observed."""

    name: str
    status: str
    reasons: tuple[str, ...]
    nodes: tuple[NodeLine, ...]
    targets: tuple[dict[str, Any], ...]
    verdicts: tuple[dict[str, Any], ...]
    gpus: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()  # what is worth knowing and neither good nor bad


@dataclass(frozen=True)
class Summary:
    """The whole run."""

    fleet: str
    playbook: str
    started: str
    finished: str
    check_mode: bool
    sites: tuple[SiteSummary, ...]
    steps: tuple[dict[str, Any], ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True when no site is known to be other than wanted. A fleet without sites is never good."""
        return bool(self.sites) and not any(site.status in BAD for site in self.sites)


def engine_of(version: str) -> str:
    """``"stand-in"`` when the version's build metadata says so, ``"real"`` otherwise, ``""`` without a version."""
    if not version:
        return ""
    return "stand-in" if "standin" in version.partition("+")[2] else "real"


def summarise(record: dict[str, Any]) -> Summary:
    """Summarise a run record. Sites are sorted worst first, then by name."""
    sites = [_site(name, nodes, record) for name, nodes in record.get("sites", {}).items()]
    sites.sort(key=lambda site: (STATUS_ORDER.index(site.status), site.name))
    counts = {status: sum(site.status == status for site in sites) for status in STATUS_ORDER}
    return Summary(
        fleet=record.get("fleet", ""),
        playbook=record.get("playbook", ""),
        started=record.get("started", ""),
        finished=record.get("finished", ""),
        check_mode=bool(record.get("check_mode")),
        sites=tuple(sites),
        steps=tuple(record.get("steps", ())),
        counts={status: number for status, number in counts.items() if number},
    )


def _site(name: str, nodes: list[dict[str, Any]], record: dict[str, Any]) -> SiteSummary:
    hosts = {node["name"]: record.get("hosts", {}).get(node["name"], {}) for node in nodes}
    health = record.get("health", {}).get(name)
    preflight = [row for row in record.get("preflight", ()) if row.get("site") == name and not _overtaken(row, hosts)]
    gpu = record.get("gpu", {}).get(name) or {}
    gpu_health = {host: found for host, found in record.get("gpu_health", {}).items() if host in hosts}
    cloudcore = record.get("cloudcore", {}).get(name)
    found = Found(hosts, health, preflight, gpu, _rows(gpu_health), cloudcore)
    status, reasons = status_of(found, is_site=name != CLOUD)
    now = _seconds(record.get("finished", ""))
    observed = {node["name"]: node for node in (health or {}).get("nodes", ())}
    return SiteSummary(
        name=name,
        status=status,
        reasons=tuple(reasons),
        nodes=tuple(_node(node, hosts[node["name"]], observed.get(node["name"], {}), now) for node in nodes),
        targets=tuple((health or {}).get("targets", ())),
        verdicts=(*preflight, *gpu.get("verdicts", ()), *_rows(gpu_health), *(cloudcore or {}).get("verdicts", ()),
                  *(health or {}).get("verdicts", ())),
        gpus=tuple(_gpus(gpu.get("nodes", ()), gpu_health, list(hosts))),
        notes=tuple(_notes((health or {}).get("nodes", ()))),
    )


def _overtaken(row: dict[str, Any], hosts: dict[str, Any]) -> bool:
    """Whether the run itself ended what preflight warned of: CloudCore was not there yet, and the node has joined it since."""
    host = hosts.get(row.get("host", ""), {})
    return (row.get("verdict") == "warn" and row.get("check", "").startswith("cloudcore_") and bool(host.get("version"))
            and not host.get("failures"))


def _notes(nodes: Iterable[dict[str, Any]]) -> list[str]:
    """Said once for all the nodes that it is true of."""
    said: dict[str, list[str]] = {}
    for node in nodes:
        if node.get("logs"):
            said.setdefault(node["logs"], []).append(node["name"])
    return [f"kubectl logs and exec on {', '.join(names)}: {text}" for text, names in said.items()]


def _rows(gpu_health: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for found in gpu_health.values() for row in found.get("verdicts", ())]


def _gpus(proven: Iterable[dict[str, Any]], gpu_health: dict[str, Any], order: list[str]) -> list[dict[str, Any]]:
    """One row per GPU node: what proved its GPU, and its worst health verdict with the checks that came out so.

    They are in the order of the site's nodes. A proof is of the whole site, so that a limited run has more of them.
    """
    nodes = {node.get("name", ""): dict(node) for node in proven}
    for host, found in gpu_health.items():
        node = nodes.setdefault(host, {"name": host, "kind": found.get("gpu", ""), "evidence": found.get("found", "")})
        rows = found.get("verdicts", ())
        worst = min((row.get("verdict", "error") for row in rows), key=VERDICT_ORDER.index, default="inconclusive")
        checks = sorted({row.get("check", "") for row in rows if row.get("verdict") == worst})
        node["health"] = worst if worst == "pass" else f"{worst}: {', '.join(checks)}"
    return sorted(nodes.values(), key=lambda node: order.index(node["name"]) if node.get("name") in order else len(order))


def _node(node: dict[str, Any], host: dict[str, Any], observed: dict[str, Any], now: float | None) -> NodeLine:
    version = observed.get("version") or host.get("version") or ""
    expires = host.get("certificate_expires")
    if host.get("unreachable"):
        state = "unreachable"
    elif observed:
        # What the cluster says of the node, not what failed in its name: verify runs once per site, for the server.
        state = "ready" if observed.get("ready") else "not ready"
    elif host.get("failures"):
        state = "deferred" if all(failure.get("deferred") for failure in host["failures"]) else "failed"
    else:
        # A node that told its version was up when it was started.
        state = "up" if host.get("version") else "not checked"
    return NodeLine(
        name=node["name"],
        runtime=node.get("runtime", ""),
        arch=node.get("arch", ""),
        address=node.get("address", ""),
        version=version,
        engine=engine_of(version),
        state=state,
        changed=host.get("changed", 0),
        bytes_sent=host.get("bytes_sent", 0),
        certificate_days=int((expires - now) // 86400) if expires and now else None,
    )


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of the record's own kind of time, None for any other."""
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return None
