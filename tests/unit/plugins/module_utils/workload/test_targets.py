# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workload runs on which node, and which mistakes are found before anything is applied."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError, parse_workloads
from ansible_collections.edgeai.sites.plugins.module_utils.workload.targets import plan_targets

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import (
    DIGEST,
    MANIFEST,
    SITE,
    node,
    workload,
)


def plan(*workloads, site=None, fleet=()):
    return plan_targets(parse_workloads(list(workloads)), SITE if site is None else site, MANIFEST, list(fleet))


def names(targets):
    return [(target.name, target.node, target.line) for target in targets]


@pytest.mark.parametrize("runs_on, targets", [
    ({"lines": ["line-b", "line-a"]}, [("vision-line-a", "camera-a", "line-a"), ("vision-line-b", "camera-b", "line-b")]),
    ({"nodes": ["camera-b"]}, [("vision-camera-b", "camera-b", "")]),
    ({"labels": {"zone": "wet"}}, [("vision-camera-a", "camera-a", "")]),
])
def test_binding(runs_on, targets):
    assert names(plan(workload(runs_on=runs_on))) == targets


def test_each_node_gets_the_digest_of_its_architecture():
    assert [target.image.digest for target in plan(workload())] == [DIGEST["amd64"], DIGEST["arm64"]]


def test_order_of_workloads_and_nodes_does_not_matter():
    fusion = workload(name="fusion", image="fusion:1", runs_on={"lines": ["fusion"]})
    assert plan(workload(), fusion) == plan(fusion, workload(), site=list(reversed(SITE)))


def test_lines_of_other_sites_are_left_to_them():
    elsewhere = [node("far", ["line-z"])]
    assert names(plan(workload(runs_on={"lines": ["line-a", "line-z"]}), fleet=elsewhere)) == [
        ("vision-line-a", "camera-a", "line-a")]
    assert plan(workload(runs_on={"nodes": ["far"]}), fleet=elsewhere) == []


def test_edgecore_nodes_of_the_site_belong_to_it():
    site = [node("camera-a", ["line-a"]), node("kube", ["line-b"], runtime="edgecore")]
    targets = plan(workload(), site=site)
    assert names(targets) == [("vision-line-a", "camera-a", "line-a"), ("vision-line-b", "kube", "line-b")]
    assert [target.runtime for target in targets][1] == "edgecore"


def test_dots_of_a_node_name_become_dashes():
    site = [node("camera.hall1.example")]
    assert names(plan(workload(runs_on={"nodes": ["camera.hall1.example"]}), site=site)) == [
        ("vision-camera-hall1-example", "camera.hall1.example", "")]


@pytest.mark.parametrize("changes, site, words", [
    ({"runs_on": {"lines": ["line-aa"]}}, None, ["no line 'line-aa'", "did you mean 'line-a'"]),
    ({"runs_on": {"nodes": ["x"]}}, None, ["no node 'x'", "known: camera-a, camera-b, server"]),
    ({"runs_on": {"labels": {"zone": "dry"}}}, None, ["no node has the labels {'zone': 'dry'}"]),
    ({"runs_on": {"lines": ["line-a"]}}, [node("a", ["line-a"]), node("b", ["line-a"])],
     ["line line-a is wired to a and b"]),
    ({"gpu": 1}, None, ["needs 1 GPU, and node camera-a has none", "node camera-b has none"]),
    ({"image": "vision:9"}, None, ["vision:9", "for amd64", "for arm64", "vision:1 (amd64)"]),
    ({"image": "fusion:1"}, None, ["for arm64"]),
    ({"name": "v" * 60}, None, ["(67 characters)", "at most 63"]),
    ({"runs_on": {"lines": ["Line_A"]}}, [node("a", ["Line_A"])], ["vision-Line_A"]),
])
def test_mistakes(changes, site, words):
    with pytest.raises(WorkloadError) as caught:
        plan(workload(**changes), site=site)
    for word in words:
        assert word in str(caught.value)


def test_two_workloads_may_not_meet_in_one_name():
    site = [node("a", ["b-c", "c"])]
    with pytest.raises(WorkloadError, match="two workloads would both be called vision-b-c: rename one of vision and vision-b"):
        plan(workload(runs_on={"lines": ["b-c"]}), workload(name="vision-b", runs_on={"lines": ["c"]}), site=site)


def test_all_mistakes_come_at_once():
    with pytest.raises(WorkloadError) as caught:
        plan(workload(image="vision:9"), workload(name="other", runs_on={"lines": ["nowhere"]}))
    assert len(str(caught.value).splitlines()) == 3


def test_a_gpu_is_there():
    assert len(plan(workload(runs_on={"nodes": ["g"]}, gpu=1), site=[node("g", gpu="dgpu")])) == 1


@pytest.mark.parametrize("kind, gpu, resources, warned", [
    ("tegra", 1, {}, True),
    ("tegra", 1, {"cpu": "500m"}, True),
    ("tegra", 1, {"memory": "2Gi"}, False),
    ("tegra", 0, {}, False),
    ("dgpu", 1, {}, False),
])
def test_the_default_memory_of_a_workload_with_a_jetsons_gpu_is_warned_of(kind, gpu, resources, warned):
    (target,) = plan(workload(runs_on={"nodes": ["g"]}, gpu=gpu, resources=resources), site=[node("g", gpu=kind)])
    assert bool(target.warning) == warned
    if warned:
        assert "gets 256Mi" in target.warning and "Jetson g" in target.warning and "resources.memory" in target.warning


@pytest.mark.parametrize("offer, gpus, words", [
    ({"allocatable": 1}, 2, "asks for 2 GPUs, node g has 1"),
    ({"allocatable": 0}, 1, "node g offers no GPU"),
    ({"allocatable": 4, "shared": True}, 2, "more shares are not more GPU"),
])
def test_more_than_the_node_has_is_refused(offer, gpus, words):
    site = [node("g", gpu="dgpu")]
    with pytest.raises(WorkloadError, match=words):
        plan_targets(parse_workloads([workload(runs_on={"nodes": ["g"]}, gpu=gpus)]), site, MANIFEST, gpus={"g": offer})


def test_workloads_that_together_ask_for_more_are_refused():
    site = [node("g", gpu="dgpu")]
    two = [workload(name=name, runs_on={"nodes": ["g"]}, gpu=1) for name in ("a", "b")]
    with pytest.raises(WorkloadError, match="other workloads hold 1 of the 1 GPUs of node g"):
        plan_targets(parse_workloads(two), site, MANIFEST, gpus={"g": {"allocatable": 1}})
    assert len(plan_targets(parse_workloads(two), site, MANIFEST, gpus={"g": {"allocatable": 2, "shared": True}})) == 2
