# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's API says of a device before its switch, and what a switch writes."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.device import has_image, image_of, judge_device
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.objects import image_change, record_change, repository
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster

DIGEST = cluster.NEW
NODE = {"name": cluster.NODE, "runtime": "k3s_agent", "arch": "amd64", "gpu": "none"}


def node(arch="amd64", images=(DIGEST,), gpus=None, annotations=None, **conditions):
    made = cluster.node(**{"DiskPressure": "False", **conditions})
    made["status"]["nodeInfo"]["architecture"] = arch
    made["status"]["images"] = [{"names": [f"lab.example/vision@{digest}", "lab.example/vision:1"]} for digest in images]
    made["status"]["allocatable"] = {} if gpus is None else {"nvidia.com/gpu": str(gpus)}
    made["metadata"]["annotations"] = annotations or {}
    return made


def workload(gpu=False, annotations=None, strategy=None):
    made = cluster.deployment(digest=cluster.OLD)
    made["metadata"]["annotations"].update(annotations or {})
    if gpu:
        made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    made["spec"]["strategy"] = strategy or {"type": "Recreate"}
    return made


def taker(name=cluster.TARGET, gpus="1", **more):
    """A pod that has a GPU."""
    made = cluster.pod(name=name, **more)
    made["spec"]["containers"] = [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}, {}, {"resources": {"limits": None}}]
    return made


def judged(there=None, target=None, pods=(), lease_ages=None, **inventory):
    """lease_ages: of renewals that were watched; by default the node's own."""
    ages = {cluster.NODE: 4.0} if lease_ages is None else lease_ages
    evidence = cluster.evidence(nodes=[there or node()], deployments=[target or workload()], pods=list(pods), lease_ages=ages)
    return judge_device(cluster.expected(), {**NODE, **inventory}, evidence, DIGEST)


def test_a_device_that_is_there():
    device = judged()
    assert (device.online, device.digest, device.lock, device.present, device.missing) == (True, cluster.OLD, "", True, "")
    assert device.checks == {"arch": True, "disk": True, "driver": True, "gpu_free": True, "clock": True}


def test_an_api_that_does_not_answer_tells_nothing_of_the_device():
    device = judge_device(cluster.expected(), NODE, cluster.evidence(blind="answered 500"), DIGEST)
    assert (device.told, device.online, device.reason) == (False, False, "answered 500") and judged().told


def test_one_that_is_away_says_nothing_more():
    device = judged(node(ready="Unknown"))
    assert device.online is False and device.reason and device.checks is None


@pytest.mark.parametrize(("there", "inventory", "wrong"), [
    (node(arch="arm64"), {}, {"arch": False}), (node(DiskPressure="True"), {}, {"disk": False}), (node(DiskPressure="Unknown"), {}, {"disk": None}),
    (node(DiskPressure="Unknown"), {"runtime": "edgecore"}, {}), (node(DiskPressure="True"), {"runtime": "edgecore"}, {"disk": False}),
    # An EdgeCore that tells of no pressure has room as soon as the image is there, and not before.
    (node(DiskPressure="Unknown", images=()), {"runtime": "edgecore"}, {"disk": None}),
    (node(DiskPressure="Unknown", images=()), {"runtime": "edgecore", "brought": [DIGEST]}, {}),
    (node(DiskPressure="Unknown", images=()), {"brought": [DIGEST]}, {"disk": None}),
])
def test_what_contradicts_and_what_is_not_told(there, inventory, wrong):
    assert judged(there, **inventory).checks == {**{"arch": True, "disk": True, "driver": True, "gpu_free": True, "clock": True}, **wrong}


@pytest.mark.parametrize(("gpu", "asks", "offered", "given"), [
    ("dgpu", True, 1, True), ("dgpu", True, 0, False), ("dgpu", True, None, False), ("dgpu", False, None, True), ("none", True, None, True)])
def test_a_workload_that_asks_for_a_gpu_needs_a_node_that_offers_one(gpu, asks, offered, given):
    checks = judged(node(gpus=offered), workload(gpu=asks), gpu=gpu).checks
    assert checks["driver"] is given and checks["gpu_free"] is given


SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
IN_PLACE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


@pytest.mark.parametrize(("offered", "strategy", "pods", "free"), [
    (1, None, [taker()], True), (1, IN_PLACE, [taker()], True), (1, SURGE, [taker()], False), (2, SURGE, [taker()], True),
    (1, {"type": "RollingUpdate"}, [taker()], False), (1, None, [taker("other")], False), (2, None, [taker("other")], True),
    (2, None, [taker("other", "2")], False), (1, None, [taker("other", deleting=True)], False),
    (1, None, [taker("other", node="camera-b")], True), (1, None, [taker("other", phase="Succeeded")], True), (1, None, [cluster.pod(name="other")], True),
])
def test_a_gpu_is_free_when_no_other_pod_of_ours_has_it(offered, strategy, pods, free):
    for runtime in ("k3s_agent", "edgecore"):
        checks = judged(node(gpus=offered), workload(gpu=True, strategy=strategy), pods, gpu="dgpu", runtime=runtime).checks
        assert (checks["driver"], checks["gpu_free"]) == (True, free)


@pytest.mark.parametrize(("lease_ages", "clock"), [({cluster.NODE: 4.0}, True), ({}, None), ({cluster.NODE: 0.0}, True), ({"other": 4.0}, None),
                                                   ({cluster.NODE: 30.0}, False)])
def test_a_clock_is_known_by_a_renewal_that_was_watched(lease_ages, clock):
    assert judged(lease_ages=lease_ages).checks["clock"] is clock


@pytest.mark.parametrize("where", ["node", "workload"])
def test_a_lock_on_the_device_or_on_its_line(where):
    lock = {"edgeai.sites/lock": " cleaning until noon " + "x" * 300}
    device = judged(node(annotations=lock)) if where == "node" else judged(target=workload(annotations=lock))
    assert device.lock.startswith("locked: cleaning until noon") and len(device.lock) < 250


def test_an_image_that_is_not_there_and_why():
    device = judged(node(images=[cluster.OLD]), not_brought="the link broke")
    assert device.present is False and device.missing == "the link broke"
    assert not has_image({"status": {"images": [{"names": None}]}}, DIGEST) and not has_image({}, DIGEST)


def test_the_image_of_a_workload():
    assert image_of(workload()) == ("lab.example/vision@" + cluster.OLD, cluster.OLD)
    assert image_of({}) == ("", "") and image_of({"spec": {"template": {"spec": {"containers": [{"image": "vision:1"}]}}}}) == ("vision:1", "")


@pytest.mark.parametrize(("reference", "name"), [
    ("registry:5000/a/vision:1@sha256:x", "registry:5000/a/vision"), ("vision@sha256:x", "vision"), ("vision:1", "vision"), ("r/vision", "r/vision"),
    ("registry:5000/vision", "registry:5000/vision")])
def test_the_repository_of_a_reference(reference, name):
    assert repository(reference) == name


def test_a_switch_writes_the_image_and_the_record_and_nothing_else():
    document = image_change("vision-line-a", "edgeai", "r/vision@" + DIGEST, "vision:2", {"state": "switching"})
    assert json.loads(document["metadata"]["annotations"]["edgeai.sites/rollout"]) == {"state": "switching"}
    assert document["metadata"]["annotations"]["edgeai.sites/image-version"] == "vision:2"
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert set(container) == {"name", "image"} and set(document["spec"]) == {"template"}
    back = image_change("vision-line-a", "edgeai", "r/vision@" + DIGEST, "", {})
    assert "edgeai.sites/image-version" not in back["metadata"]["annotations"]
    assert set(record_change({"state": "succeeded"})) == {"metadata"}
