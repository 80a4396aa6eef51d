# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small fleet and a release for it, and how to change one thing in either."""

from __future__ import annotations

import copy

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import expand

OLD = "sha256:" + "0" * 64
NEW = {"amd64": "sha256:" + "a" * 64, "arm64": "sha256:" + "b" * 64}
NOW = 1_790_000_000
GOLDEN = {"request": {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]}, "expect": "x"}
WORKLOAD = {"name": "vision", "image": "vision:1", "runs_on": {"labels": {"camera": "1"}}, "port": 8080, "load_seconds": 20, "gpu": 1,
            "health": {"path": "/health", "expression": "ok"}, "golden": GOLDEN}
RELEASE = {
    "release": "vision-2", "targets": {"expect": 4}, "gates": {"golden": {"set": OLD, "frames": 4, "min": 1}},
    "workloads": [{"name": "vision", "image": "vision:2",
                   "artifacts": {arch: {"digest": digest, "size_mib": 100, "delta_mib": 10} for arch, digest in NEW.items()}}],
    "waves": [{"name": "canary", "pick": {"per": "class"}, "soak": "5m", "approval": True}, {"name": "rest", "percent": 100, "soak": "10m", "optional": True}],
}


def node(name, arch="amd64", gpu="dgpu", lines=(), facts=None, runtime="k3s_agent", **labels):
    return {"name": name, "address": "192.0.2.1", "runtime": runtime, "arch": arch, "gpu": gpu, "labels": {"camera": "1", **labels},
            "lines": list(lines), "facts": {"gpus": 1, **(facts or {})}}


def fleet(**changes):
    """Two sites: three cameras in the north (one a Jetson), one in the south."""
    sites = [
        {"name": "north", "timezone": "Europe/Berlin", "windows": [], "wan_mbit": 20, "nodes": [
            node("n1", lines=["line-1"]), node("n2", lines=["line-2"]), node("n3", arch="arm64", gpu="tegra", lines=["line-3"])]},
        {"name": "south", "timezone": "UTC", "windows": [], "wan_mbit": 20, "nodes": [node("s1", runtime="edgecore")]},
    ]
    return {**copy.deepcopy({"name": "test", "workloads": [WORKLOAD], "sites": sites}), **changes}


def release(**changes):
    """An expanded release; a change replaces a key of the file."""
    return expand({**copy.deepcopy(RELEASE), **changes})


def plan(fleet_changes=None, seen=None, manifest=None, **changes):
    return make_plan(release(**changes), fleet(**(fleet_changes or {})), manifest, seen)
