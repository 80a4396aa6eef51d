# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's GPUs have to add up to, and whether they do."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import (
    GpuError,
    describe_site,
    judge_capacity,
    parse_nodes,
)

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_site as g
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


@pytest.mark.parametrize("item, amount, name", [
    ({"kind": "dgpu"}, 1, "dgpu-amd64"),
    ({"kind": "dgpu", "count": "2", "replicas": 4}, 8, "dgpu-amd64-time-slicing-4"),
    ({"kind": "tegra", "arch": "arm64"}, 1, "tegra-arm64"),
    ({"kind": "tegra", "arch": "arm64", "replicas": 3}, 3, "tegra-arm64-time-slicing-3"),
    ({"kind": "dgpu", "sharing": "mps", "replicas": 2}, 2, "dgpu-amd64-mps-2"),
    ({"kind": "dgpu", "mig": "single", "count": 7}, 7, "dgpu-amd64-mig-single"),
    ({"kind": "dgpu", "mig": "mixed", "count": 3, "resource": "nvidia.com/mig-1g.5gb"}, 3, "dgpu-amd64-mig-mixed-mig-1g-5gb"),
])
def test_what_a_node_has_to_offer(item, amount, name):
    node, = parse_nodes([dict(item, name="camera-a")])
    assert (node.expected, node.plugin_class) == (amount, name)
    assert describe_site([node])[0]["expected"] == amount


@pytest.mark.parametrize("item, words", [
    ({"kind": "tegra", "sharing": "mps", "replicas": 2}, "a Jetson has no MPS; use time-slicing"),
    ({"kind": "tegra", "count": 2}, "a Jetson is one device"),
    ({"kind": "tegra", "mig": "single"}, "set mig to none"),
    ({"kind": "dgpu", "sharing": "none", "replicas": 2}, "set sharing to time-slicing"),
    ({"kind": "dgpu", "sharing": "time-slicing"}, "shares nothing"),
    ({"kind": "dgpu", "sharing": "mps", "replicas": 49}, "48 MPS clients"),
    ({"kind": "dgpu", "sharing": "mps", "replicas": 2, "mig": "single"}, "cannot do both"),
    ({"kind": "dgpu", "mig": "mixed"}, "name it in resource"),
    ({"kind": "dgpu", "resource": "nvidia.com/mig-1g.5gb"}, "comes with mig mixed only"),
    ({"kind": "dgpu", "resource": "amd.com/gpu"}, "wanted a resource of the device plugin"),
    ({"kind": "none"}, "wanted one of dgpu, tegra"),
    ({"kind": "dgpu", "count": 0}, "wanted a whole number from 1"),
    ({"kind": "dgpu", "count": True}, "wanted a whole number from 1"),
    ({"kind": "dgpu", "replica": 2}, "did you mean 'replicas'?"),
    ({"kind": "dgpu", "colour": 2}, "known keys"),
])
def test_what_cannot_be_had_is_refused(item, words):
    with pytest.raises(GpuError, match=words.replace("?", r"\?")):
        parse_nodes([dict(item, name="camera-a")])


def test_all_mistakes_at_once():
    with pytest.raises(GpuError) as caught:
        parse_nodes([{"name": "a", "kind": "dgpu"}, {"name": "a", "kind": "dgpu"}, {"kind": "dgpu"}, "b",
                     {"name": "c", "kind": "x"}])
    assert len(str(caught.value).splitlines()) == 4
    with pytest.raises(GpuError, match="wanted a list"):
        parse_nodes({})


@pytest.mark.parametrize("node, pods, state, words", [
    (g.node(), [], "healthy", "1 x nvidia.com/gpu"),
    # After a restart of K3s the resource is there with 0, or not at all, until the plugin has registered again.
    (g.node(gpus=0), [g.plugin_pod()], "progressing", "offers 0"),
    (g.node(gpus=None), [g.plugin_pod()], "progressing", "offers 0"),
    (g.node(gpus=2), [g.plugin_pod()], "progressing", "offers 2"),
    (g.node(gpus="many"), [g.plugin_pod()], "progressing", "offers 0"),
    (g.node(gpus=0), [], "progressing", "no pod of the device plugin"),
    (g.node(gpus=0), [g.plugin_pod("camera-b")], "progressing", "no pod of the device plugin"),
    (g.node(gpus=0), [g.plugin_pod(deleting=True)], "progressing", "no pod of the device plugin"),
    (g.node(gpus=0), [g.plugin_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=3,
                                   last={"exitCode": 1, "reason": "Error"})], "failed", "does not stay up"),
    (g.node(gpus=0), [g.plugin_pod(state={"waiting": {"reason": "ErrImagePull"}}, ready=False)], "failed", "image"),
    (g.node(ready="Unknown"), [], "unknown", "history"),
])
def test_judge_capacity(node, pods, state, words):
    finding = judge_capacity(g.DGPU, g.evidence([node], pods))
    assert (finding.state, finding.check) == (state, "gpu.allocatable")
    assert words in finding.found
    assert finding.state == "healthy" or finding.remedy or "started" in finding.found


@pytest.mark.parametrize("pods, state, words", [
    ([g.made_pod()], "healthy", "1 x nvidia.com/gpu"),
    ([g.made_pod(up=21)], "healthy", "1 x nvidia.com/gpu"),
    ([g.made_pod(up=1)], "progressing", "may be that of the one before"),
    # What the kubelet still offers is its predecessor's.
    ([], "progressing", "no pod of the device plugin"),
    ([g.made_pod(deleting=True)], "progressing", "no pod of the device plugin"),
    ([g.made_pod(image="plugin@sha256:b")], "progressing", "about to be replaced"),
    ([g.made_pod(config="c2")], "progressing", "about to be replaced"),
    ([g.made_pod(state={"waiting": {"reason": "ContainerCreating"}}, ready=False)], "progressing", "the device plugin: "),
    ([g.made_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=3,
                 last={"exitCode": 1, "reason": "Error"})], "failed", "does not stay up"),
])
def test_an_offer_without_its_plugin_is_not_believed(pods, state, words):
    daemonsets = c.by_name([g.plugin_set(), g.plugin_set(kind="tegra-amd64", image="other")])
    finding = judge_capacity(g.DGPU, g.evidence([g.node()], pods, daemonsets=daemonsets))
    assert finding.state == state
    assert words in finding.found


@pytest.mark.parametrize(("told", "state"), [(5, "progressing"), (3, "progressing"), (2, "healthy")])
def test_an_offer_that_the_node_told_after_its_plugin_started_is_believed(told, state):
    node = g.node()
    node["status"]["conditions"][0]["lastHeartbeatTime"] = c.stamp(told)
    daemonsets = c.by_name([g.plugin_set()])
    assert judge_capacity(g.DGPU, g.evidence([node], [g.made_pod(up=3)], daemonsets=daemonsets)).state == state


def test_a_crashing_plugin_is_told_what_to_do():
    pod = g.plugin_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=3)
    finding = judge_capacity(g.DGPU, g.evidence([g.node(gpus=0)], [pod]))
    assert "restart K3s after the toolkit was installed" in finding.remedy


def test_a_missing_runtime_is_told_by_the_event():
    pod = g.plugin_pod(state={"waiting": {"reason": "ContainerCreating"}}, ready=False)
    event = {"metadata": {"name": "e"}, "reason": "FailedCreatePodSandBox", "lastTimestamp": c.stamp()[:19] + "Z",
             "message": 'no runtime for "nvidia" is configured', "involvedObject": {"uid": pod["metadata"]["uid"]}}
    finding = judge_capacity(g.DGPU, g.evidence([g.node(gpus=0)], [pod], events={"e": event}))
    assert finding.state == "failed"
    assert "restart K3s" in finding.remedy


def test_without_a_node_or_an_api_nothing_passes():
    assert judge_capacity(g.DGPU, g.evidence([])).state == "absent"
    assert judge_capacity(g.DGPU, g.evidence(blind="refused")).state == "unknown"
