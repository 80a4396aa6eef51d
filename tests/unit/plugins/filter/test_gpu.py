# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters as templates call them: errors in Ansible's words, results as plain data."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.filter.gpu import FilterModule

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import image, node

F = FilterModule().filters()
SITE = [node("server", runtime="k3s_server"), node("camera-a", gpu="dgpu"), node("camera-b", arch="arm64", gpu="tegra"),
        node("far", runtime="edgecore", gpu="dgpu")]
HOSTS = {"camera-a": {"gpu_resources_count": 2, "gpu_resources_replicas": "2"}, "camera-b": {"gpu_resources_sharing": ""}}
NODES = F["gpu_nodes"](SITE, HOSTS)
BUNDLE = {"schema": 1, "artifacts": [image(name, version, arch) for arch in ("amd64", "arm64")
                                     for name, version in (("nvidia-device-plugin", "v0.20.0"), ("gpu-proof", "1"))]}


def test_the_nodes_with_a_gpu_and_what_their_hosts_say():
    assert NODES == [
        {"name": "camera-a", "kind": "dgpu", "arch": "amd64", "runtime": "k3s_agent", "count": 2, "replicas": "2"},
        {"name": "camera-b", "kind": "tegra", "arch": "arm64", "runtime": "k3s_agent"},
        {"name": "far", "kind": "dgpu", "arch": "amd64", "runtime": "edgecore"}]
    assert F["gpu_nodes"](SITE)[1:] == NODES[1:]


def test_images_come_from_the_bundle_by_digest_and_architecture():
    images = F["gpu_images"](NODES, BUNDLE)
    assert sorted(images) == ["amd64", "arm64"] and "@sha256:a" in images["amd64"] and "@sha256:b" in images["arm64"]
    sets = [thing for thing in F["gpu_manifests"](NODES, BUNDLE) if thing["kind"] == "DaemonSet"]
    assert ["@sha256:" + x in s["spec"]["template"]["spec"]["containers"][0]["image"] for s, x in zip(sets, "aab")] == [True] * 3


def test_labels_for_all_nodes_of_the_site_and_for_no_other():
    joined = [{"metadata": {"name": name}} for name in ("server", "camera-a", "camera-b", "far", "another-site")]
    patches = F["gpu_node_labels"](NODES, SITE, joined, "hall")
    assert [patch["metadata"]["name"] for patch in patches] == ["camera-a", "camera-b", "far"]
    assert {patch["metadata"]["labels"]["edgeai.sites/site"] for patch in patches} == {"hall"}


def test_capacity():
    assert F["gpu_capacity"](NODES) == {"camera-a": {"allocatable": 4, "shared": True},
                                        "camera-b": {"allocatable": 1, "shared": False},
                                        "far": {"allocatable": 1, "shared": False}}


@pytest.mark.parametrize("call, words", [
    (lambda: F["gpu_manifests"](NODES, {"schema": 1, "artifacts": BUNDLE["artifacts"][:2]}), "not in the bundle for arm64"),
    (lambda: F["gpu_images"](NODES, BUNDLE, image="gpu-proof:2"), "'gpu-proof:2' is not in the bundle"),
    (lambda: F["gpu_capacity"]([dict(NODES[1], count=2)]), "a Jetson is one device"),
])
def test_mistakes_become_filter_errors(call, words):
    with pytest.raises(AnsibleFilterError) as caught:
        call()
    assert words in str(caught.value)
