# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a site's health check found to what a rollout may conclude about one target."""

from __future__ import annotations

from typing import Any, Dict, Iterable

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import ABSENT, FAILED, HEALTHY, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id, container_status, running_digest
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import FAIL, INCONCLUSIVE, PASS, Reading, worst
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

WANTED = "healthy by evidence newer than the switch"


def judge_ready(target: TargetJudgement, digest: str, seen: float, since: int, restarts: int = 0) -> Reading:
    """Return the reading of the gate ``ready``. digest: of the image that was wanted; seen, since: when the evidence was seen, and the
    change that it has to be newer than; restarts: how many its container may have had since then.

    Old evidence, and that of a node that is away, proves nothing, whatever it says. Only a failure that waiting cannot mend fails at
    once; others may be a start that goes on, and the deadline decides.
    """
    text = "; ".join(target.reasons) or target.state
    if seen < since:
        return Reading("ready", INCONCLUSIVE, "the evidence is older than the change", WANTED)
    # The pod of the image before may still be there, with restarts of its own.
    of_it = target.pod is not None and running_digest(target.pod) == digest
    found = container_status(target.pod).get("restartCount") or 0 if of_it else 0
    if found > restarts:
        return Reading("ready", FAIL, f"its container was restarted {found} times", WANTED)
    if target.state in (FAILED, ABSENT) and target.final:
        return Reading("ready", FAIL, text, WANTED)
    return Reading("ready", PASS if target.state == HEALTHY else INCONCLUSIVE, text, WANTED)


def verified(name: str, attempt: int, target: TargetJudgement, readings: Iterable[Reading], seen: int, now: int) -> Event:
    """Return the event for the journal: the worst of the readings, with the digest that was seen to run, and in which container."""
    rows = list(readings)
    bad: Dict[str, Any] = next((reading.row() for reading in rows if reading.verdict != PASS), {})
    return {
        "type": "verified", "at": now, "target": name, "attempt": attempt, "seen": seen, "verdict": worst(reading.verdict for reading in rows),
        "digest": running_digest(target.pod) if target.pod else "", "container": container_id(target.pod) if target.pod else "",
        "gates": [reading.row() for reading in rows],
        "reason": f"{bad['gate']}: {bad['found']}" if bad else "",
    }
