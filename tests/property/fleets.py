# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fleets and releases that nobody thought of: Hypothesis strategies, and the small helpers that tests share."""

from __future__ import annotations

import copy

from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import expand

NEW = {"amd64": "sha256:" + "a" * 64, "arm64": "sha256:" + "b" * 64}
OLD = "sha256:" + "0" * 64
START = 1_790_000_000
NIGHT = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "22:00", "end": "05:00"}
GOLDEN = {"request": {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]}, "expect": "x"}


def workload(name, labels, gpu=0):
    return {"name": name, "image": f"{name}:1", "runs_on": {"labels": labels}, "port": 8080, "load_seconds": 20, "gpu": gpu,
            "health": {"path": "/health", "expression": "ok"}, "golden": GOLDEN}


def raw_release(**changes):
    """A release file's data for the workloads cam and sum; artifacts of both architectures are named."""
    artifacts = {arch: {"digest": digest, "size_mib": 50, "delta_mib": 10} for arch, digest in NEW.items()}
    release = {"release": "r-1", "workloads": [{"name": "cam", "image": "cam:2", "artifacts": artifacts}], "targets": {"expect": 1},
               "gates": {}}
    return {**copy.deepcopy(release), **changes}


@st.composite
def fleets(draw, windows=False):
    """A fleet with the workloads cam (on nodes with the label cam) and sum (with sum), of 1 to 4 sites."""
    sites = []
    for number in range(draw(st.integers(1, 4))):
        nodes = []
        for index in range(draw(st.integers(1, 5))):
            name = f"s{number}-n{index}"
            labels = {key: "1" for key in draw(st.sampled_from([("cam",), ("cam",), ("cam", "sum"), ("sum",)]))}
            node = {"name": name, "address": "192.0.2.1", "runtime": draw(st.sampled_from(["k3s_agent", "edgecore"])),
                    "arch": draw(st.sampled_from(sorted(NEW))), "gpu": draw(st.sampled_from(["tegra", "dgpu", "tegra"])), "labels": labels,
                    "lines": [f"line-{index // 2}"] if index % 2 == 0 else [], "facts": {"gpus": draw(st.integers(0, 3))}}
            if draw(st.integers(0, 4)) == 0:
                del node["facts"]["gpus"]
            nodes.append(node)
        site = {"name": f"site-{number}", "timezone": draw(st.sampled_from(["Europe/Berlin", "America/Chicago", "Asia/Kolkata"])),
                "windows": [NIGHT] if windows and draw(st.booleans()) else [], "nodes": nodes}
        if draw(st.booleans()):
            site["wan_mbit"] = draw(st.sampled_from([2, 20, 200]))
        sites.append(site)
    return {"name": "generated", "workloads": [workload("cam", {"cam": "1"}, gpu=draw(st.integers(0, 1))), workload("sum", {"sum": "1"})],
            "sites": sites}


@st.composite
def releases(draw):
    """A release for such a fleet, expanded; ``expect`` is set by ``plans``."""
    artifacts = {arch: {"digest": digest, "size_mib": draw(st.integers(1, 400)), "delta_mib": 1} for arch, digest in NEW.items()}
    names = draw(st.sampled_from([["cam"], ["cam", "sum"]]))
    first = draw(st.sampled_from([{"pick": {"per": "class"}}, {"pick": {"per": "site"}}, {"percent": 20}]))
    waves = [{"name": "first", "soak": "5m", "approval": draw(st.booleans()), **first}]
    if draw(st.booleans()):
        waves.append({"name": "half", "percent": 50, "soak": "10m", "optional": True, "max_failures": draw(st.integers(0, 2))})
    waves.append({"name": "rest", "percent": 100, "soak": "5m", "optional": True, "max_failures": draw(st.integers(0, 2))})
    budgets = {"concurrent_targets": draw(st.integers(1, 6)), "concurrent_sites": draw(st.integers(1, 4)),
               "max_unavailable": {"site": draw(st.integers(1, 3)), "line": draw(st.integers(1, 2))}, "mirror": draw(st.booleans()),
               "max_deferred_percent": draw(st.sampled_from([0, 10, 50, 100])),
               "failures": {"max": draw(st.integers(0, 4)), "percent": draw(st.sampled_from([0, 5, 50, 100])), "min_sample": draw(st.integers(1, 10))}}
    return expand({
        "release": draw(st.sampled_from(["r-1", "r-2", "other"])),
        "workloads": [{"name": name, "image": f"{name}:2", "artifacts": artifacts} for name in names],
        "targets": {"expect": 1}, "waves": waves, "budgets": budgets, "gates": {"golden": {"set": OLD, "frames": 4, "min": 1}},
        "timeouts": {"total": "40d"},
        "on_failure": {"target": draw(st.sampled_from(["rollback", "hold"])), "stop": draw(st.sampled_from(["hold", "rollback_wave", "rollback_all"]))},
    })


@st.composite
def plans(draw, windows=False, seen=True):
    """A plan with at least one target, and whatever was known of targets when it was made."""
    release, fleet = draw(releases()), draw(fleets(windows=windows))
    release["targets"]["expect"] = expected(release, fleet)
    known = {}
    if seen:
        for name in ids(release, fleet):
            known[name] = draw(st.sampled_from([{}, {}, {"digest": OLD, "online": True}, {"online": False}, {"quarantine": "it was sick"},
                                                {"digest": NEW["amd64"], "healthy": True}, {"digest": NEW["arm64"], "healthy": False}]))
    return make_plan(release, fleet, None, known)


def ids(release, fleet):
    """The targets that a release means, found the simple way."""
    found = []
    for item in release["workloads"]:
        label = item["name"]
        found += [f"{site['name']}/{label}-{node['name']}" for site in fleet["sites"] for node in site["nodes"] if label in node["labels"]]
    return sorted(found)


def expected(release, fleet):
    """How many targets a release means. A fleet without any is given one, so that there is something to plan."""
    if not ids(release, fleet):
        fleet["sites"][0]["nodes"][0]["labels"] = {"cam": "1"}
    return len(ids(release, fleet))
