# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads that tests change one thing in."""

from __future__ import annotations

import copy

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest

DIGEST = {arch: "sha256:" + letter * 64 for arch, letter in (("amd64", "a"), ("arm64", "b"))}

WORKLOAD = {
    "name": "vision", "image": "vision:1", "runs_on": {"lines": ["line-a", "line-b"]}, "port": 8080, "model": "vision",
    "load_seconds": 5, "env": {"LEVEL": 3}, "resources": {"cpu": "100m", "memory": "96Mi"}, "gpu": 0,
    "health": {"path": "/health", "expression": "status == 'ok'"},
    "golden": {"request": {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]},
               "expect": "outputs[0].data[0] == `3`"},
}


def workload(**changes):
    """Return a workload with some keys changed, or left out where the change is None."""
    changed = dict(copy.deepcopy(WORKLOAD), **changes)
    return {key: value for key, value in changed.items() if value is not None}


def node(name, lines=(), runtime="k3s_agent", arch="amd64", gpu="none", **labels):
    return {"name": name, "address": "192.0.2.1", "runtime": runtime, "arch": arch, "gpu": gpu, "labels": labels,
            "lines": list(lines)}


SITE = [node("server", ["fusion"], runtime="k3s_server"), node("camera-a", ["line-a"], zone="wet"),
        node("camera-b", ["line-b"], arch="arm64")]


def image(name, version, arch):
    return {"name": name, "kind": "image", "version": version, "os": "linux", "arch": arch, "sha256": "c" * 64,
            "size": 1, "source": "https://mirror.example/x", "file_name": "%s-%s-%s.tar" % (name, version, arch),
            "image": {"reference": "lab.edgeai.example/%s:%s" % (name, version), "digest": DIGEST[arch]}}


BUNDLE = {"schema": 1, "artifacts": [image("vision", "1", "amd64"), image("vision", "1", "arm64"),
                                     image("fusion", "1", "amd64")]}
MANIFEST = parse_manifest(BUNDLE)
