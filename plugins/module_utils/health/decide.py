# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to stop looking: all well, or nothing left to wait for, or the deadline. Times are seconds since the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    HEALTHY,
    PROGRESSING,
    Judgement,
    SiteJudgement,
    TargetJudgement,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import is_waiting

# A site is only well when all its models answered lately, not one after the other over many minutes.
PROBE_FRESH_SECONDS = 60
PROBE_AGAIN_SECONDS = 2
# How long a single look at the API is believed while the models answer; whoever waits longer follows the changes.
LOOK_FRESH_SECONDS = 10

WELL = "healthy"
GAVE_UP = "failed"
LATE = "deadline"


@dataclass(frozen=True)
class Limits:
    """``grace``: how long a failure has to last before it is believed; ``settle``: how long health has to last."""

    deadline: float = 300
    grace: float = 30
    settle: float = 0


@dataclass(frozen=True)
class Progress:
    """Since when each part is bad without a break, and since when all is well."""

    bad_since: Dict[str, float] = field(default_factory=dict)
    well_since: Optional[float] = None


def advance(progress: Progress, site: SiteJudgement, elapsed: float) -> Progress:
    """Return the progress after one more look."""
    bad = {_key(part): progress.bad_since.get(_key(part), elapsed)
           for part in site.parts if part.state not in (HEALTHY, PROGRESSING)}
    well = (elapsed if progress.well_since is None else progress.well_since) if site.healthy else None
    return Progress(bad, well)


def conclude(progress: Progress, site: SiteJudgement, elapsed: float, limits: Limits) -> str:
    """Return WELL, GAVE_UP or LATE, or an empty string to go on looking."""
    if site.healthy and not any(True for _due in due_probes(progress, site, elapsed, limits)):
        if elapsed - progress.well_since >= limits.settle:
            return WELL
    elif not site.healthy and all(_settled(part, progress, elapsed, limits) for part in site.parts):
        return GAVE_UP
    return LATE if elapsed >= limits.deadline else ""


def due_probes(progress: Progress, site: SiteJudgement, elapsed: float, limits: Limits) -> Iterator[TargetJudgement]:
    """Yield the targets whose model has to be asked now (again)."""
    since = elapsed - PROBE_FRESH_SECONDS
    if limits.settle and progress.well_since is not None and elapsed >= progress.well_since + limits.settle:
        since = max(since, progress.well_since + limits.settle)
    for target in site.targets:
        if target.probe_wanted:
            if target.probe is None or (elapsed - target.probe.at >= PROBE_AGAIN_SECONDS and not target.final):
                yield target
        elif target.state == HEALTHY and target.probe.at < since:
            yield target


def has_to_follow(site: SiteJudgement, age: float, limits: Limits) -> bool:
    """Return whether one look, ``age`` seconds old, is not enough: something has to change first, to stay, or may have changed since."""
    return limits.settle > 0 or age >= LOOK_FRESH_SECONDS or not all(_needs_no_change(part) for part in site.parts)


def is_unexplained(site: SiteJudgement) -> bool:
    """Return whether only events can tell why a container does not run."""
    return any(target.state != HEALTHY and target.pod is not None and is_waiting(target.pod) for target in site.targets)


def _needs_no_change(part: Judgement) -> bool:
    """True for what is well, for what nothing mends, and for what only has to be asked for the first time."""
    return part.state == HEALTHY or part.final or (isinstance(part, TargetJudgement) and part.probe_wanted and part.probe is None)


def _settled(part: Judgement, progress: Progress, elapsed: float, limits: Limits) -> bool:
    """True when more waiting would tell nothing new about this part."""
    if part.state == HEALTHY or part.final:
        return True
    since = progress.bad_since.get(_key(part))
    return since is not None and elapsed - since >= limits.grace


def _key(part: Judgement) -> str:
    return "%s/%s" % (type(part).__name__, part.name)
