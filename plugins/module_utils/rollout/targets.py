# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is meant by a release: its workloads bound to nodes, and everyone who has to be left out, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.explain import nearest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import Placed
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import targets as places
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.fit import REFUSE, REPLACE, SURGE, Fit, gpu_fit
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.states import (
    ALREADY_CURRENT,
    DEFERRED,
    REJECTED,
    SKIPPED,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import Workload, parse_workloads


@dataclass(frozen=True)
class Candidate:
    """One workload on one node of a site, before it is decided whether it takes part."""

    id: str
    site: str
    line: str
    node: Dict[str, Any]
    workload: Workload
    wanted: Dict[str, Any]

    @property
    def kind(self) -> str:
        """The class of hardware, by all that is known of it; one canary speaks for one class."""
        parts = [self.workload.name, self.node["arch"], self.node.get("gpu", "none")]
        for key in ("jetpack", "cuda"):
            value = self.node.get("facts", {}).get(key)
            if value:
                parts.append(f"{key} {value}")
        return "/".join(parts)


def candidates(release: Dict[str, Any], fleet: Dict[str, Any]) -> List[Candidate]:
    """Return everyone that the release means, sorted by id; RolloutError when names or the expected number are not right."""
    known = {workload.name: (workload, raw) for workload, raw in zip(parse_workloads(fleet["workloads"]), fleet["workloads"])}
    sites = {site["name"]: site for site in fleet["sites"]}
    _names(release, known, sites)
    chosen = release["targets"]["sites"] or sorted(sites)
    excluded = {key: set(names) for key, names in release["targets"]["exclude"].items()}
    found = []
    for name in chosen:
        if name in excluded["sites"]:
            continue
        nodes = [Placed((), node, name) for node in sites[name]["nodes"]]
        for wanted in release["workloads"]:
            workload, raw = known[wanted["name"]]
            for suffix, place in places(raw, nodes):
                line = suffix if workload.lines else ""
                if place.data["name"] not in excluded["nodes"] and line not in excluded["lines"]:
                    identity = f"{name}/{workload.name}-{suffix.replace('.', '-')}"
                    found.append(Candidate(identity, name, line, place.data, workload, wanted))
    found.sort(key=lambda candidate: candidate.id)
    _count(release["targets"]["expect"], found)
    return found


def image_of(candidate: Candidate, manifest: Optional[Manifest]) -> Tuple[str, int, int]:
    """Return (digest, bytes, bytes that differ from the image before) for the architecture of the node.

    A release may name the digest itself, the bundle knows it, or both: then they must agree. RolloutError when nobody
    knows it: a name such as ``vision:2`` alone may mean something else tomorrow and is never deployed.
    """
    arch, wanted = candidate.node["arch"], candidate.wanted
    written = wanted["artifacts"].get(arch)
    if manifest is None:
        if written is None:
            raise RolloutError(f"workload {wanted['name']}: no digest of {wanted['image']} for {arch}; wanted it under artifacts, "
                               "or a bundle that holds the image")
        return written["digest"], written["size"], written["delta"]
    try:
        held = find_image(wanted["image"], manifest, arch)
    except BundleError as error:
        raise RolloutError(f"workload {wanted['name']}: {error.text()}") from error
    if written is None:
        return held.image.digest, held.size, held.size
    if written["digest"] != held.image.digest:
        raise RolloutError(f"workload {wanted['name']}: the release names {written['digest']} for {arch}, the bundle holds "
                           f"{held.image.digest} as {wanted['image']}; build the bundle again, or correct the release")
    return held.image.digest, held.size, min(written["delta"], held.size)


def left_out(candidate: Candidate, digest: str, fit: Optional[Fit], seen: Dict[str, Any]) -> Optional[Tuple[str, str]]:
    """Return (state, reason) for a target that takes no part, or None. ``seen``: what is known of it now, may be empty."""
    obstacle = _obstacle(candidate)
    if obstacle:
        return REJECTED, obstacle
    if fit is not None and fit.strategy == REFUSE:
        return REJECTED, f"{fit.reason}. {fit.remedy}"
    if seen.get("quarantine"):
        return SKIPPED, f"in quarantine: {seen['quarantine']}"
    if seen.get("online") is False:
        return DEFERRED, seen.get("reason") or "its node does not answer"
    if seen.get("digest") == digest and seen.get("healthy", True):
        return ALREADY_CURRENT, "this image runs there already"
    return None


def fit_of(candidate: Candidate, gpus_asked: int) -> Fit:
    """Return how the target can be updated. gpus_asked: what all workloads of its node ask for together."""
    workload, node, wanted = candidate.workload, candidate.node, candidate.wanted["strategy"]
    facts, where = node.get("facts", {}), "node " + node["name"]
    if candidate.line and wanted == SURGE:
        return Fit(REFUSE, f"camera line {candidate.line} serves one pod, so old and new cannot stand side by side",
                   "Take strategy auto or replace for this workload.")
    if not workload.gpu:
        # As its Deployment says; a surge is only ever asked for to bridge the load of a GPU model.
        return Fit(REPLACE, f"camera line {candidate.line} serves one pod" if candidate.line else "it needs no GPU, and is replaced in place")
    memory = candidate.wanted["requires"].get("gpu_memory_mib", 0)
    fit = gpu_fit(workload.gpu, facts.get("gpus"), in_use=gpus_asked, own=workload.gpu, shared=bool(facts.get("shared")),
                  workload_memory_mib=memory, memory_mib=facts.get("gpu_memory_mib", 0),
                  memory_in_use_mib=facts.get("gpu_memory_in_use_mib", 0), wanted=wanted, node=where)
    if candidate.line and fit.strategy == SURGE:
        return Fit(REPLACE, f"camera line {candidate.line} serves one pod", fit.remedy, fit.free)
    return fit


def unproven(candidate: Candidate) -> List[str]:
    """Return the requirements that nothing is known about: no check before a switch compares them."""
    facts, requires = candidate.node.get("facts", {}), candidate.wanted["requires"]
    return [key for key in ("cuda", "jetpack", "gpu_memory_mib") if key in requires and not facts.get(key)]


def _obstacle(candidate: Candidate) -> str:
    """What of the node contradicts the requirements; empty when nothing does, or nothing is known."""
    node, requires = candidate.node, candidate.wanted["requires"]
    facts, gpu = node.get("facts", {}), node.get("gpu", "none")
    if "arch" in requires and node["arch"] not in requires["arch"]:
        return f"its node is {node['arch']}; the release wants {' or '.join(requires['arch'])}"
    if "gpu" in requires and gpu not in requires["gpu"]:
        return f"its node has gpu {gpu}; the release wants {' or '.join(requires['gpu'])}"
    if "cuda" in requires and facts.get("cuda") and _version(facts["cuda"]) < _version(requires["cuda"]):
        return f"its driver offers CUDA {facts['cuda']}; the release wants {requires['cuda']} or later"
    if "jetpack" in requires and facts.get("jetpack") and not any(
            _version(facts["jetpack"])[:len(_version(wanted))] == _version(wanted) for wanted in requires["jetpack"]):
        return f"it runs JetPack {facts['jetpack']}; the release is built for {' and '.join(requires['jetpack'])}"
    memory = facts.get("gpu_memory_mib")
    if memory and requires.get("gpu_memory_mib", 0) > memory:
        return f"its GPU has {memory} MiB of memory; the release wants {requires['gpu_memory_mib']} MiB"
    return ""


def _version(text: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in str(text).split(".") if part.isdigit())


def _names(release: Dict[str, Any], workloads: Dict[str, Any], sites: Dict[str, Any]) -> None:
    """Names that the fleet does not have are mistakes: who excludes line-7 wants line-7 left alone."""
    nodes = {node["name"] for site in sites.values() for node in site["nodes"]}
    lines = {line for site in sites.values() for node in site["nodes"] for line in node.get("lines") or []}
    exclude = release["targets"]["exclude"]
    mistakes = []
    for kind, names, known in (
            ("workload", [item["name"] for item in release["workloads"]], workloads),
            ("site", release["targets"]["sites"] + exclude["sites"], sites),
            ("site", [name for item in release["windows"]["deny"] for name in item.get("sites", [])], sites),
            ("node", exclude["nodes"], nodes), ("line", exclude["lines"], lines)):
        mistakes += [f"the fleet has no {kind} '{name}'.{nearest(name, known)}" for name in names if name not in known]
    if mistakes:
        raise RolloutError("\n".join(f"release {release['release']}: {text}" for text in dict.fromkeys(mistakes)))


def _count(expect: int, found: List[Candidate]) -> None:
    if len(found) == expect:
        return
    by_site: Dict[str, int] = {}
    for candidate in found:
        by_site[candidate.site] = by_site.get(candidate.site, 0) + 1
    listed = ", ".join(f"{name} {count}" for name, count in sorted(by_site.items())) or "no site"
    raise RolloutError(f"found {len(found)} targets in the inventory ({listed}); the release expects {expect}. "
                       "Correct targets.expect, or find out which lines came or went")
