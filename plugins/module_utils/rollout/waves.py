# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who goes when: every target in exactly one wave, by whole numbers, the same for every order of the inventory."""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, Iterable, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError

Target = Dict[str, Any]


def assign(release: Dict[str, Any], targets: Dict[str, Target]) -> Tuple[List[Dict[str, Any]], List[str]]:
    """Return the waves with their targets (ids, in the order in which they are begun) and notes for people.

    targets: id -> {site, line, class, labels}. Percent is of all these targets, counted together with the waves before,
    rounded up. RolloutError for a wave without targets that is not optional: nothing is not a success.
    """
    if not targets:
        return [], ["no target takes part"]
    order = sorted(targets, key=_lot(release["release"]))
    left = dict.fromkeys(order)
    waves, notes = [], []
    for spec in release["waves"]:
        if "pick" in spec:
            chosen = _pick(spec["pick"], list(left), targets)
        else:
            goal = (len(targets) * spec["percent"] + 99) // 100
            chosen = _in_turn(left, targets)[:max(0, goal - (len(targets) - len(left)))]
        if not chosen and not spec["optional"]:
            raise RolloutError(f"wave {spec['name']} would have no target, and nothing is not a success: leave it out, or mark it "
                               "optional: true")
        if not chosen:
            notes.append(f"wave {spec['name']} is left out: no target is left for it")
            continue
        for name in chosen:
            del left[name]
        keys = ("name", "max_failures", "soak", "approval", "canary")
        waves.append({**{key: spec[key] for key in keys}, "targets": _in_turn(chosen, targets), "size": len(chosen)})
    if waves and waves[0]["canary"]:
        notes += _uncovered(waves[0], targets)
    return waves, notes


def needed(wave: Dict[str, Any], outside: int) -> int:
    """Return how many targets of a wave have to succeed; ``outside``: how many of it are deferred, skipped or canceled.

    At least one: a wave in which nobody is left to succeed is no success.
    """
    return max(1, wave["size"] - outside - wave["max_failures"])


def exceeds(part: int, whole: int, percent: int) -> bool:
    """Return whether part/whole is more than percent/100, in whole numbers: equal is not more, and 0 of 0 is not either."""
    return part * 100 > percent * whole


def _lot(release: str) -> Callable[[str], str]:
    """Lots are drawn anew for each release, so that it is not always the same device that goes first."""
    return lambda name: hashlib.sha256(f"{release}\n{name}".encode("utf-8")).hexdigest()


def _in_turn(names: Iterable[str], targets: Dict[str, Target]) -> List[str]:
    """One of each site, then the second of each: no site has to take a wave alone. Keeps the order within a site."""
    by_site: Dict[str, List[str]] = {}
    for name in names:
        by_site.setdefault(targets[name]["site"], []).append(name)
    ranked = [(rank, site, name) for site, members in by_site.items() for rank, name in enumerate(members)]
    return [name for _rank, _site, name in sorted(ranked, key=lambda item: item[:2])]


def _pick(pick: Dict[str, Any], names: List[str], targets: Dict[str, Target]) -> List[str]:
    """Choose ``count`` of each class, site or line: those with the preferred labels first, sites by turns, lines once."""
    groups: Dict[str, List[str]] = {}
    for name in names:
        key = _key(pick["per"], targets[name])
        if key:
            groups.setdefault(key, []).append(name)
    chosen: Dict[str, None] = {}
    lines, sites = set(), {}
    for key in sorted(groups):
        for _number in range(pick["count"]):
            free = [name for name in groups[key] if name not in chosen and _line(targets[name]) not in lines]
            if not free:
                break
            # min keeps the first of equals: the lot decides.
            best = min(free, key=lambda name: (not _preferred(pick["prefer"], targets[name]), sites.get(targets[name]["site"], 0)))
            chosen[best] = None
            sites[targets[best]["site"]] = sites.get(targets[best]["site"], 0) + 1
            if targets[best]["line"]:
                lines.add(_line(targets[best]))
    return list(chosen)


def _key(per: str, target: Target) -> str:
    if per == "line":
        return f"{target['site']}/{target['line']}" if target["line"] else ""
    return target[per]


def _line(target: Target) -> Tuple[str, str]:
    return target["site"], target["line"]


def _preferred(labels: Dict[str, str], target: Target) -> bool:
    return all(target["labels"].get(key) == value for key, value in labels.items())


def _uncovered(wave: Dict[str, Any], targets: Dict[str, Target]) -> List[str]:
    """Classes without a canary, because each of their lines has one of another class already."""
    covered = {targets[name]["class"] for name in wave["targets"]}
    return [f"class {kind} has no canary: its lines have one of another class already"
            for kind in sorted({target["class"] for target in targets.values()} - covered)]
