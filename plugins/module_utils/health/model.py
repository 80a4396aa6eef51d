# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is expected, what was seen, and what was concluded. Times are seconds since the epoch, by the server's clock."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

HEALTHY = "healthy"
PROGRESSING = "progressing"
UNKNOWN = "unknown"
FAILED = "failed"
ABSENT = "absent"

# From harmless to bad. Unknown is worse than progressing: what is not seen cannot get better by waiting for it.
_SEVERITY = (HEALTHY, PROGRESSING, UNKNOWN, FAILED, ABSENT)
# No data is never a pass, and "not yet" is no data.
_VERDICT = {HEALTHY: "pass", PROGRESSING: "inconclusive", UNKNOWN: "inconclusive", FAILED: "fail", ABSENT: "fail"}

Object = Dict[str, Any]

EDGECORE = "edgecore"


@dataclass(frozen=True)
class ExpectedTarget:
    """One Deployment that has to run, answer and be right."""

    name: str
    workload: str
    node: str
    digest: str
    port: int
    model: str
    health_path: str
    health_expression: str
    golden_request: Dict[str, Any]
    golden_expect: str
    line: str = ""
    image: str = ""
    replicas: int = 1
    strategy: str = ""
    strategy_reason: str = ""


@dataclass(frozen=True)
class ExpectedNode:
    """A node of the inventory; an empty version is not compared. ``version`` is that of K3s, or of KubeEdge."""

    name: str
    version: str = ""
    runtime: str = ""

    @property
    def playbook(self) -> str:
        return "edgecore" if self.runtime == EDGECORE else "k3s"

    @property
    def journal(self) -> str:
        return "journalctl -u edgecore" if self.runtime == EDGECORE else "journalctl SYSLOG_IDENTIFIER=k3s"


@dataclass(frozen=True)
class Probe:
    """What one container answered. ``error`` tells why there is no answer; ``container_id`` binds it to one start."""

    pod: str
    container_id: str
    at: float
    error: str = ""
    health: Any = None
    answer: Any = None
    answers: Tuple[Any, ...] = ()
    latency_ms: Optional[float] = None


@dataclass(frozen=True)
class Evidence:
    """All that is known of a site at ``now``; objects as the API gives them, by name.

    ``lease_ages``: node -> seconds since a renewal was *watched*, for nodes where one was. ``blind``: why the
    objects may be out of date (a watch is down), or empty.
    """

    now: float
    deployments: Dict[str, Object] = field(default_factory=dict)
    replicasets: Dict[str, Object] = field(default_factory=dict)
    daemonsets: Dict[str, Object] = field(default_factory=dict)
    pods: Dict[str, Object] = field(default_factory=dict)
    nodes: Dict[str, Object] = field(default_factory=dict)
    leases: Dict[str, Object] = field(default_factory=dict)
    events: Dict[str, Object] = field(default_factory=dict)
    lease_ages: Dict[str, float] = field(default_factory=dict)
    probes: Dict[str, Probe] = field(default_factory=dict)
    blind: str = ""


@dataclass(frozen=True)
class Finding:
    """One check of one thing. ``final``: waiting cannot mend it."""

    check: str
    state: str
    found: str
    wanted: str
    remedy: str = ""
    final: bool = False

    def verdict(self) -> Dict[str, str]:
        """Return the row {check, verdict, found, wanted, remedy} of a report."""
        return {"check": self.check, "verdict": _VERDICT[self.state], "found": self.found, "wanted": self.wanted,
                "remedy": self.remedy}


@dataclass(frozen=True)
class Judgement:
    """Findings about one target or node; its state is that of the worst."""

    name: str
    findings: Tuple[Finding, ...]

    @property
    def state(self) -> str:
        return worst(finding.state for finding in self.findings)

    @property
    def final(self) -> bool:
        return any(finding.final for finding in self.findings)

    @property
    def reasons(self) -> List[str]:
        return [finding.found for finding in self.findings if finding.state != HEALTHY]


@dataclass(frozen=True)
class TargetJudgement(Judgement):
    """``pod`` is the one that serves or tries to; ``probe_wanted``: its answers are all that is missing or wrong."""

    pod: Optional[Object] = None
    probe: Optional[Probe] = None
    probe_wanted: bool = False


@dataclass(frozen=True)
class NodeJudgement(Judgement):
    version: str = ""
    engine: str = ""
    ready: bool = False
    lease_age: Optional[float] = None


@dataclass(frozen=True)
class SiteJudgement:
    targets: Tuple[TargetJudgement, ...]
    nodes: Tuple[NodeJudgement, ...]
    warnings: Tuple[Dict[str, str], ...] = ()

    @property
    def parts(self) -> Tuple[Judgement, ...]:
        return (*self.nodes, *self.targets)

    @property
    def healthy(self) -> bool:
        """True when all is well and there was something to be well: nothing out of nothing is not health."""
        return bool(self.targets) and all(part.state == HEALTHY for part in self.parts)


def worst(states: Any) -> str:
    """Return the worst of some states, and unknown when there are none."""
    return max(states, key=_SEVERITY.index, default=UNKNOWN)


def parse_time(text: Optional[str]) -> Optional[float]:
    """Return the seconds since the epoch of an RFC 3339 time in UTC, with or without fraction, or None."""
    try:
        whole, dot, fraction = str(text).rstrip("Z").partition(".")
        seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
        return seconds + (float("0." + fraction) if dot else 0.0)
    except ValueError:
        return None


def age(seconds: float) -> str:
    """Return a duration for a person: ``8 s``, ``3 min``, ``2 h``."""
    if seconds < 100:
        return "%d s" % seconds
    return "%d min" % (seconds / 60) if seconds < 5400 else "%d h" % (seconds / 3600)


def condition(thing: Object, kind: str) -> Object:
    """Return the condition of a type from an object's status, or an empty dict."""
    for item in thing.get("status", {}).get("conditions") or []:
        if item.get("type") == kind:
            return item
    return {}
