# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frozen plan of a rollout: who, when, how and within which bounds. A function of its arguments, and of nothing else.

A plan is plain JSON. Its hash covers everything that decides what is done; the forecast (``forecast.py``), which depends on
the hour, is not part of it. Approvals and ledgers are bound to the hash, so a plan is never changed: another one is made.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import ARCHITECTURES
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import digest
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.stats import fraction
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.targets import (
    Candidate,
    candidates,
    fit_of,
    image_of,
    left_out,
    unproven,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.waves import assign

FORMAT = "edgeai.sites/rollout-plan"
VERSION = 1
# What the LAN of a site is taken to carry for all its nodes together, in bits per second, where it has a mirror.
LAN_BPS = 1_000_000_000


def make_plan(release: Dict[str, Any], fleet: Dict[str, Any], manifest: Optional[Manifest] = None,
              seen: Optional[Dict[str, Dict[str, Any]]] = None) -> Dict[str, Any]:
    """Return the plan, or raise RolloutError with what has to be mended first.

    release: from ``load_release``.
    fleet: {name, workloads (as in fleet.yml), sites: [{name, timezone, windows, wan_mbit, nodes: [{name, runtime, arch, gpu,
    labels, lines, facts}]}]}; facts: what is known of the node's GPU: {gpus, shared, cuda, jetpack, gpu_memory_mib, ...}.
    manifest: the bundle that holds the images; without it the release itself has to name the digests.
    seen: target id -> {digest, online, healthy, quarantine, reason}, as far as known; a target that nobody looked at takes part.
    """
    found = candidates(release, fleet)
    asked = _gpus_asked(fleet, found)
    sites = {site["name"]: site for site in fleet["sites"]}
    targets: Dict[str, Dict[str, Any]] = {}
    out: Dict[str, Dict[str, Any]] = {}
    images: Dict[Tuple[str, str], Tuple[str, int, int]] = {}
    for candidate in found:
        key = (candidate.workload.name, candidate.node["arch"])
        # For an architecture that the release is not built for there need not be an image.
        if key not in images and candidate.node["arch"] in candidate.wanted["requires"].get("arch", ARCHITECTURES):
            images[key] = image_of(candidate, manifest)
        image, known = images.get(key, ("", 0, 0)), (seen or {}).get(candidate.id, {})
        fit = fit_of(candidate, asked.get(candidate.node["name"], 0))
        why = left_out(candidate, image[0], fit, known)
        common = {"site": candidate.site, "node": candidate.node["name"], "line": candidate.line,
                  "workload": candidate.workload.name, "from": known.get("digest", "")}
        if why:
            out[candidate.id] = {**common, "state": why[0], "reason": why[1],
                                 "available": known.get("online", True) and known.get("healthy", True)}
            continue
        targets[candidate.id] = {
            **common, "class": candidate.kind, "image": candidate.wanted["image"], "digest": image[0],
            "bytes": image[2] if known.get("digest") else image[1], "strategy": fit.strategy, "strategy_reason": fit.reason,
            "seconds": _seconds(release, candidate), "unproven": unproven(candidate), "labels": candidate.node.get("labels") or {},
        }
    waves, notes = assign(release, targets)
    plan = {
        "format": FORMAT, "version": VERSION, "release": release["release"], "fleet": fleet["name"],
        "expect": release["targets"]["expect"], "repair": release["targets"]["repair"], "left_out": out,
        "models": {item["name"]: item["model"] for item in release["workloads"]},
        "sites": {name: _site(release, sites[name]) for name in sorted({target["site"] for target in targets.values()})},
        **{key: release[key] for key in ("gates", "timeouts", "retries", "on_failure")},
        "budgets": release["budgets"], "notes": notes + _notes(targets), "waves": waves,
    }
    _schedule(plan, targets)
    plan["targets"] = {name: {key: value for key, value in target.items() if key != "labels"} for name, target in targets.items()}
    plan["hash"] = plan_hash(plan)
    return plan


def plan_hash(plan: Dict[str, Any]) -> str:
    """Return the hash of everything in a plan but the hash itself."""
    return digest({key: value for key, value in plan.items() if key != "hash"})


def check_plan(plan: Any) -> Dict[str, Any]:
    """Return a plan that was read from a file, if it is one, of this version, and as it was made. Else RolloutError."""
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        raise RolloutError(f"found no {FORMAT}; make the plan again with the release file")
    if plan.get("version") != VERSION:
        raise RolloutError(f"found a plan of version {plan.get('version')}; this collection reads version {VERSION}. Finish the "
                           "rollout with the collection that planned it, or plan it again")
    if plan.get("hash") != plan_hash(plan):
        raise RolloutError("the plan was changed after it was made (its hash is not that of its content), so nobody approved it "
                           "as it is now; make the plan again")
    return plan


def _gpus_asked(fleet: Dict[str, Any], found: List[Candidate]) -> Dict[str, int]:
    """node -> GPUs that the workloads of this release ask for there, together."""
    asked: Dict[str, int] = {}
    for candidate in found:
        name = candidate.node["name"]
        asked[name] = asked.get(name, 0) + candidate.workload.gpu
    return asked


def _seconds(release: Dict[str, Any], candidate: Candidate) -> int:
    """The outage of one line: stop, load, ready, golden. The image is on the node by then."""
    parts = release["seconds"]
    load = candidate.wanted["load_seconds"] or candidate.workload.load_seconds
    return parts["stop"] + load + parts["ready"] + (parts["golden"] if "golden" in release["gates"] else 0)


def _site(release: Dict[str, Any], site: Dict[str, Any]) -> Dict[str, Any]:
    windows = release["windows"]
    deny = [{key: value for key, value in item.items() if key != "sites"}
            for item in windows["deny"] if site["name"] in item.get("sites", [site["name"]])]
    own = list(site.get("windows") or [])
    bps = int(fraction(site.get("wan_mbit") or 0) * 1_000_000 * release["budgets"]["wan_percent"] / 100)
    return {"timezone": site.get("timezone") or "UTC", "deny": deny, "wan_bps": bps,
            "switch": own if windows["switch"] == "site" else [], "prepull": own if windows["prepull"] == "site" else []}


def _schedule(plan: Dict[str, Any], targets: Dict[str, Dict[str, Any]]) -> None:
    """Note on each target its wave, and what its pull puts on the site's link (with a mirror only the first of an image)."""
    mirrored = set()
    for number, wave in enumerate(plan["waves"]):
        for name in wave["targets"]:
            target = targets[name]
            first = (target["site"], target["digest"]) not in mirrored
            mirrored.add((target["site"], target["digest"]))
            target["wave"] = number
            target["wan_bytes"] = target["bytes"] if first or not plan["budgets"]["mirror"] else 0
            bps = plan["sites"][target["site"]]["wan_bps"]
            lan = _transfer(target["bytes"], LAN_BPS) if plan["budgets"]["mirror"] else 0
            target["pull_seconds"] = lan + _transfer(target["wan_bytes"], bps)


def _transfer(size: int, bps: int) -> int:
    """Seconds, rounded up; 0 where the speed of the link is not known."""
    return -(-8 * size // bps) if bps else 0


def _notes(targets: Dict[str, Dict[str, Any]]) -> List[str]:
    counts: Dict[str, int] = {}
    for target in targets.values():
        for key in target["unproven"]:
            counts[key] = counts.get(key, 0) + 1
    return [f"{key} of {count} targets is not known, so nobody compares it; say it in their hosts' rollout_plan_{key}"
            for key, count in sorted(counts.items())]
