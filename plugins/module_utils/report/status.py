# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a site stands, and why, in the words of the evidence. Pure."""
from __future__ import annotations

from typing import Any, Iterable, NamedTuple

AS_WANTED = "as wanted"
NOT_AS_WANTED = "not as wanted"
REFUSED = "refused"
FAILED = "failed"
UNREACHABLE = "unreachable"
DEFERRED = "deferred"
NOT_CHECKED = "not checked"

#: Worst first: a site shows the worst thing that is true of it.
STATUS_ORDER = (UNREACHABLE, REFUSED, FAILED, NOT_AS_WANTED, DEFERRED, NOT_CHECKED, AS_WANTED)
BAD = frozenset((UNREACHABLE, REFUSED, FAILED, NOT_AS_WANTED, DEFERRED))
VERDICT_ORDER = ("error", "fail", "inconclusive", "warn", "pass")


class Found(NamedTuple):
    """What a run found out about one site: parts of the record, see summary.py."""

    hosts: dict[str, Any]
    health: dict[str, Any] | None
    preflight: list[dict[str, Any]]
    gpu: dict[str, Any]
    gpu_health: list[dict[str, Any]]
    cloudcore: dict[str, Any] | None = None


def status_of(found: Found, is_site: bool = True) -> tuple[str, list[str]]:
    """The worst true status and the reasons for it. ``is_site`` is false for the cloud, which runs no workloads."""
    unreachable = [f"{host}: {data['unreachable']}" for host, data in found.hosts.items() if data.get("unreachable")]
    if unreachable:
        return UNREACHABLE, unreachable
    refused = explain(row for row in found.preflight if row.get("verdict") in ("fail", "error"))
    if refused:
        return REFUSED, refused
    failures = [(host, failure) for host, data in found.hosts.items() for failure in data.get("failures", ())]
    told = _told(failures)
    # The cause stands before what comes of it: a GPU that is broken before a proof that fails, CloudCore before its nodes.
    reasons = explain([row for row in found.gpu_health if row.get("verdict") in ("fail", "error")]
                      + _wrong(found.gpu) + _wrong(found.cloudcore))
    if found.health is not None and not found.health.get("healthy"):
        reasons += explain(_wrong(found.health))
        return NOT_AS_WANTED, reasons or told or ["the site gave no evidence of health"]
    if reasons or any(part and not part.get("healthy") for part in (found.gpu, found.cloudcore)):
        return NOT_AS_WANTED, reasons or told
    if failures:
        return DEFERRED if all(failure.get("deferred") for _host, failure in failures) else FAILED, told
    if found.health is None and (is_site or found.cloudcore is None):
        return NOT_CHECKED, ["this run did not verify the site" if is_site else "this run did not prove CloudCore"]
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


def explain(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Say of each finding what it is about, what was found, what was wanted and what to do."""
    return [
        (f"{names}: " if names else "")
        + f"{row.get('check', '')}: found {row.get('found', 'nothing')}, wanted {row.get('wanted', '')}"
        + (f". {row['remedy']}" if row.get("remedy") else "")
        for names, row in grouped(rows, ("check", "found", "wanted", "remedy"))
    ]


def _wrong(part: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not part or part.get("healthy"):
        return []
    return [row for row in part.get("verdicts", ()) if row.get("verdict") not in ("pass", "warn")]


def _told(failures: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What failed on more than one host in the same words is said once."""
    hosts: dict[str, list[str]] = {}
    for host, failure in failures:
        hosts.setdefault(f"{failure['task']}: {failure['message']}", []).append(host)
    return [f"{', '.join(names)}: {text}" for text, names in hosts.items()]
