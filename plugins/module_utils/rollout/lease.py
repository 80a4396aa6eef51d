# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a ledger, by a Lease of its cluster (coordination.k8s.io/v1). Pure.

A holder renews its Lease. Whether it still lives is judged by how long the Lease has not changed by the clock of whoever looks, as
Kubernetes' own controllers do: two machines' clocks are never compared.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from typing import Any, Dict, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger_objects import metadata

Lease = Dict[str, Any]

API = "coordination.k8s.io/v1"
# A holder that was not heard of for so long is gone; one that could not renew for GIVE_UP_SECONDS stops before that.
DURATION_SECONDS = 30
GIVE_UP_SECONDS = 20
RENEW_SECONDS = 5
# Nobody waits longer for a Lease of another make.
LONGEST_SECONDS = 120
FREE, WAIT, HELD = "free", "wait", "held"


@dataclass(frozen=True)
class Seen:
    """A Lease as this process sees it. since: when it was seen to change last, by this process' clock; moved: it was seen to change."""

    lease: Optional[Lease]
    since: float
    moved: bool = False


def observe(before: Optional[Seen], lease: Optional[Lease], clock: float) -> Seen:
    """Return what is known after one more look. lease: None where there is none."""
    if before is None:
        return Seen(lease, clock)
    if _spec(before.lease) == _spec(lease):
        return before
    return Seen(lease, clock, True)


def judge(seen: Seen, clock: float) -> str:
    """Return FREE (nobody holds it, or its holder is gone), HELD (its holder lives), or WAIT (not known yet)."""
    if not holder(seen.lease) or clock - seen.since >= duration(seen.lease):
        return FREE
    return HELD if seen.moved or duration(seen.lease) > LONGEST_SECONDS else WAIT


def holder(lease: Optional[Lease]) -> str:
    """Return who holds a Lease, empty for nobody."""
    return str(_spec(lease).get("holderIdentity") or "")


def duration(lease: Optional[Lease]) -> int:
    """Return for how many seconds a Lease holds after its last change."""
    value = _spec(lease).get("leaseDurationSeconds")
    return value if isinstance(value, int) and value > 0 else DURATION_SECONDS


def until(lease: Optional[Lease]) -> str:
    """Return until when it is held by its own account, for people."""
    text = str(_spec(lease).get("renewTime") or "")
    try:
        end = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + duration(lease)
    except ValueError:
        return "an unknown time"
    return time.strftime("%H:%M:%S UTC", time.gmtime(end))


def taken(lease: Optional[Lease], namespace: str, name: str, me: str, now: float) -> Lease:
    """Return the Lease as a new holder writes it."""
    spec = _spec(lease)
    version = (lease or {}).get("metadata", {}).get("resourceVersion")
    transitions = spec.get("leaseTransitions")
    return {"apiVersion": API, "kind": "Lease",
            "metadata": {**metadata(namespace, name, name), **({"resourceVersion": version} if version else {})},
            "spec": {"holderIdentity": me, "leaseDurationSeconds": DURATION_SECONDS, "acquireTime": _time(now), "renewTime": _time(now),
                     "leaseTransitions": (transitions if isinstance(transitions, int) else 0) + 1}}


def renewed(lease: Lease, now: float) -> Lease:
    """Return the Lease as its holder renews it."""
    return {**lease, "spec": {**lease["spec"], "renewTime": _time(now)}}


def released(lease: Lease, now: float) -> Lease:
    """Return the Lease as its holder lets go of it."""
    return {**lease, "spec": {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _time(now)}}


def _spec(lease: Optional[Lease]) -> Dict[str, Any]:
    return (lease or {}).get("spec") or {}


def _time(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
