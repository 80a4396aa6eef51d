# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the record of a run to what a person wants to know: is every site as wanted, and if not, why.

Pure: no I/O, no clock, no Ansible. A *record* is the dictionary that the ``report`` callback collects:

.. code-block:: text

    {"schema": 1, "fleet": str, "started": ISO 8601, "finished": ISO 8601, "playbook": str, "check_mode": bool,
     "sites": {site: [{"name", "runtime", "arch", "gpu", "address", "lines"}]},
     "hosts": {host: {"changed": int, "bytes_sent": int, "unreachable": str | None,
                      "failures": [{"step", "task", "message"}]}},
     "steps": [{"name", "seconds": float}],
     "preflight": [verdict + {"site", "host"}],
     "health": {site: {"healthy": bool, "targets": [...], "nodes": [...], "verdicts": [...]}},
     "gpu": {site: {"healthy": bool, "nodes": [...], "verdicts": [...]}},
     "gpu_health": {host: {"healthy": bool, "gpu": str, "found": str, "verdicts": [verdict + {"host"}]}}}

``health`` is what the module ``site_health`` returns, ``gpu`` what ``gpu_proof`` and ``gpu_health`` what that module returns.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable

AS_WANTED = "as wanted"
NOT_AS_WANTED = "not as wanted"
REFUSED = "refused"
FAILED = "failed"
UNREACHABLE = "unreachable"
NOT_CHECKED = "not checked"

#: Worst first: a site shows the worst thing that is true of it.
STATUS_ORDER = (UNREACHABLE, REFUSED, FAILED, NOT_AS_WANTED, NOT_CHECKED, AS_WANTED)
BAD = frozenset((UNREACHABLE, REFUSED, FAILED, NOT_AS_WANTED))
VERDICT_ORDER = ("error", "fail", "inconclusive", "warn", "pass")


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
    preflight = [row for row in record.get("preflight", ()) if row.get("site") == name]
    gpu = record.get("gpu", {}).get(name) or {}
    gpu_health = {host: found for host, found in record.get("gpu_health", {}).items() if host in hosts}
    status, reasons = _status(hosts, health, preflight, gpu, gpu_health)
    observed = {node["name"]: node for node in (health or {}).get("nodes", ())}
    return SiteSummary(
        name=name,
        status=status,
        reasons=tuple(reasons),
        nodes=tuple(_node(node, hosts[node["name"]], observed.get(node["name"], {})) for node in nodes),
        targets=tuple((health or {}).get("targets", ())),
        verdicts=(*preflight, *gpu.get("verdicts", ()), *_rows(gpu_health), *(health or {}).get("verdicts", ())),
        gpus=tuple(_gpus(gpu.get("nodes", ()), gpu_health, list(hosts))),
    )


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


def _status(hosts: dict[str, Any], health: dict[str, Any] | None, preflight: list[dict[str, Any]], gpu: dict[str, Any],
            gpu_health: dict[str, Any]):
    """The worst true status and the reasons for it, in the words of the evidence."""
    unreachable = [f"{host}: {data['unreachable']}" for host, data in hosts.items() if data.get("unreachable")]
    if unreachable:
        return UNREACHABLE, unreachable
    refused = _explain(row for row in preflight if row.get("verdict") in ("fail", "error"))
    if refused:
        return REFUSED, refused
    failures = [
        f"{host}: {failure['task']}: {failure['message']}"
        for host, data in hosts.items()
        for failure in data.get("failures", ())
    ]
    bad = [] if gpu.get("healthy") else [row for row in gpu.get("verdicts", ()) if row.get("verdict") not in ("pass", "warn")]
    # The cause stands before what comes of it: a GPU that is broken before a proof that fails.
    reasons = _explain([row for row in _rows(gpu_health) if row.get("verdict") in ("fail", "error")] + bad)
    if health is not None and not health.get("healthy"):
        reasons += _explain(row for row in health.get("verdicts", ()) if row.get("verdict") not in ("pass", "warn"))
        return NOT_AS_WANTED, reasons or failures or ["the site gave no evidence of health"]
    if reasons or (gpu and not gpu.get("healthy")):
        return NOT_AS_WANTED, reasons
    if failures:
        return FAILED, failures
    if health is None:
        return NOT_CHECKED, ["this run did not verify the site"]
    return AS_WANTED, []


def subject_of(row: dict[str, Any]) -> str:
    """What a verdict is about: its workload target, or else its host."""
    return row.get("target") or row.get("host") or ""


def grouped(rows: Iterable[dict[str, Any]], keys: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Rows that say the same under ``keys`` as one: ``(names of what they are about, first row)``, in the order given."""
    groups: dict[tuple, tuple[list[str], dict[str, Any]]] = {}
    for row in rows:
        names, _first = groups.setdefault(tuple(str(row.get(key)) for key in keys), ([], row))
        if subject_of(row) not in names:
            names.append(subject_of(row))
    return [(", ".join(names), row) for names, row in groups.values()]


def _explain(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [
        f"{names}: {row.get('check', '')}: found {row.get('found', 'nothing')}, wanted {row.get('wanted', '')}"
        + (f". {row['remedy']}" if row.get("remedy") else "")
        for names, row in grouped(rows, ("check", "found", "wanted", "remedy"))
    ]


def _node(node: dict[str, Any], host: dict[str, Any], observed: dict[str, Any]) -> NodeLine:
    version = observed.get("version") or ""
    if host.get("unreachable"):
        state = "unreachable"
    elif observed:
        # What the cluster says of the node, not what failed in its name: verify runs once per site, for the server.
        state = "ready" if observed.get("ready") else "not ready"
    else:
        state = "failed" if host.get("failures") else "not checked"
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
    )
