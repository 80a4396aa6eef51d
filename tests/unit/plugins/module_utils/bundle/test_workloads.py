# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a node needs."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.workloads import node_images, runs_here

NODE = {"name": "hall1", "lines": ["line-a", "line-b"], "labels": {"gpu": "yes", "zone": 1}}


@pytest.mark.parametrize("runs_on, here", [
    ({"lines": ["line-b", "line-c"]}, True), ({"lines": ["line-c"]}, False), ({"lines": []}, False),
    ({"nodes": ["hall1"]}, True), ({"nodes": ["hall2"]}, False),
    ({"labels": {"gpu": "yes"}}, True), ({"labels": {"gpu": "yes", "zone": "1"}}, True),
    ({"labels": {"gpu": "no"}}, False), ({"labels": {"other": "yes"}}, False), ({"labels": {}}, False),
])
def test_runs_here(runs_on, here):
    assert runs_here(runs_on, NODE) is here


def test_node_without_lines_and_labels():
    assert not runs_here({"lines": ["line-a"]}, {"name": "x"})
    assert not runs_here({"labels": {"a": "b"}}, {"name": "x", "labels": None})


@pytest.mark.parametrize("runs_on, message", [
    (None, "must say one thing"), ({}, "must say one thing"), ({"lines": [], "nodes": []}, "must say one thing"),
    ({"line": ["a"]}, "did you mean 'lines'"), ({"lines": "line-a"}, "not understood"),
])
def test_bad_runs_on(runs_on, message):
    with pytest.raises(BundleError, match=message):
        runs_here(runs_on, NODE)


def test_node_images():
    workloads = [
        {"name": "vision", "image": "vision:1", "runs_on": {"lines": ["line-a"]}},
        {"name": "vision-b", "image": "vision:1", "runs_on": {"nodes": ["hall1"]}},
        {"name": "fusion", "image": "fusion:2", "runs_on": {"lines": ["fusion"]}},
        {"name": "audio", "image": "audio:3", "runs_on": {"labels": {"gpu": "yes"}}},
    ]
    assert node_images(workloads, NODE) == ["audio:3", "vision:1"]
    assert node_images([], NODE) == []
    with pytest.raises(BundleError, match="workload x has no image"):
        node_images([{"name": "x", "runs_on": {"nodes": ["hall1"]}}], NODE)


@pytest.mark.parametrize("gpu, images", [
    ("none", []), ("dgpu", ["gpu-proof:1", "nvidia-device-plugin:v0.20.0"]), ("tegra", ["gpu-proof:1", "nvidia-device-plugin:v0.20.0"]),
])
def test_a_gpu_brings_its_images(gpu, images):
    assert node_images([], dict(NODE, gpu=gpu)) == images
    assert node_images([], dict(NODE, gpu=gpu), gpu_images=["mine:2"]) == (["mine:2"] if images else [])
