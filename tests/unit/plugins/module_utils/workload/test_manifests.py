# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes objects: each line of them is there for a reason."""

from __future__ import annotations

import json

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.workload.manifests import (
    build_objects,
    expected_targets,
    startup_seconds,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import parse_workloads
from ansible_collections.edgeai.sites.plugins.module_utils.workload.targets import plan_targets

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import (
    DIGEST,
    MANIFEST,
    SITE,
    node,
    workload,
)


def objects(site=None, **changes):
    return build_objects(plan_targets(parse_workloads([workload(**changes)]), site or SITE, MANIFEST), "edgeai")


def spec(**changes):
    return objects(**changes)[1]["spec"]


def pod(**changes):
    return spec(**changes)["template"]["spec"]


def container(**changes):
    return pod(**changes)["containers"][0]


def test_namespace_first_then_deployments():
    assert [(o["kind"], o["metadata"]["name"]) for o in objects()] == [
        ("Namespace", "edgeai"), ("Deployment", "vision-line-a"), ("Deployment", "vision-line-b")]


def test_labels_tell_whose_what_and_where():
    deployment = objects()[1]
    wanted = {"app.kubernetes.io/managed-by": "edgeai.sites", "app.kubernetes.io/name": "vision",
              "edgeai.sites/workload": "vision", "edgeai.sites/target": "vision-line-a", "edgeai.sites/line": "line-a"}
    assert deployment["metadata"]["labels"] == wanted
    assert deployment["spec"]["template"]["metadata"]["labels"] == wanted
    assert deployment["metadata"]["annotations"] == {"edgeai.sites/image-version": "vision:1"}


def test_the_selector_never_changes():
    """A selector is immutable, so it holds what is the target's name and nothing that an operator may edit."""
    assert spec()["selector"] == {"matchLabels": {"edgeai.sites/target": "vision-line-a"}}


def test_pinned_by_the_scheduler_to_the_node_of_the_line():
    assert pod()["nodeSelector"] == {"kubernetes.io/hostname": "camera-a"}
    assert "nodeName" not in pod()


def test_image_by_digest():
    assert container()["image"] == "lab.edgeai.example/vision@" + DIGEST["amd64"]
    assert container()["imagePullPolicy"] == "IfNotPresent"


def test_camera_and_env():
    assert container()["env"] == [{"name": "CAMERA", "value": "line-a"}, {"name": "LEVEL", "value": "3"}]
    assert container(runs_on={"nodes": ["camera-a"]})["env"] == [{"name": "LEVEL", "value": "3"}]


def test_no_surge():
    assert spec()["strategy"] == {"type": "Recreate"}
    assert spec()["replicas"] == 1


@pytest.mark.parametrize("load, budget", [(1, 30), (15, 30), (16, 32), (300, 600), (301, 602)])
def test_start_up_allows_twice_the_time_to_load(load, budget):
    probe = container(load_seconds=load)["startupProbe"]
    assert startup_seconds(load) == budget
    assert budget <= probe["failureThreshold"] * probe["periodSeconds"] < budget + probe["periodSeconds"]
    assert spec(load_seconds=load)["progressDeadlineSeconds"] > budget + 60


def test_probes_ask_for_the_model_and_liveness_only_for_the_server():
    paths = {kind: container()[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/v2/models/vision/ready", "readinessProbe": "/v2/models/vision/ready",
                     "livenessProbe": "/v2/health/live"}


def test_a_line_goes_on_while_its_server_is_away():
    assert pod()["tolerations"] == [
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]


def test_memory_is_request_and_limit_and_the_cpu_is_not_throttled():
    assert container()["resources"] == {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"memory": "96Mi"}}


@pytest.mark.parametrize("gpu", ["dgpu", "tegra"])
def test_every_pod_has_a_memory_limit(gpu):
    """A Jetson's GPU takes from the memory of the node: without a limit one pod could take the node down."""
    bare = workload(runs_on={"nodes": ["g"]}, gpu=1)
    bare.pop("resources", None)
    site = [node("g", gpu=gpu)]
    deployment = build_objects(plan_targets(parse_workloads([bare]), site, MANIFEST), "edgeai")[1]
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert found["resources"]["limits"]["memory"] == found["resources"]["requests"]["memory"] == "256Mi"


def test_gpu():
    gpu = dict(site=[node("g", gpu="dgpu")], runs_on={"nodes": ["g"]}, gpu=1)
    assert pod(**gpu)["runtimeClassName"] == "nvidia"
    edge = {**gpu, "site": [node("g", gpu="dgpu", runtime="edgecore")]}
    assert "runtimeClassName" not in pod(**edge), "EdgeCore cannot look it up, and the pod would wait for ever"
    assert container(**gpu)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(**gpu)["tolerations"]


@pytest.mark.parametrize("runs_on, gpus, strategy, words", [
    ({"nodes": ["g"]}, {}, "Recreate", "not known"),
    ({"nodes": ["g"]}, {"g": {"allocatable": 1}}, "Recreate", "0 GPUs free on node g"),
    ({"nodes": ["g"]}, {"g": {"allocatable": 2}}, "RollingUpdate", "1 GPUs free on node g"),
    ({"nodes": ["g"]}, {"g": {"allocatable": 4, "shared": True}}, "Recreate", "not known whether its memory is enough"),
    ({"lines": ["line-a"]}, {"g": {"allocatable": 2}}, "Recreate", "camera line line-a serves one pod"),
])
def test_the_gpu_decides_how_it_is_updated(runs_on, gpus, strategy, words):
    site = [node("g", ["line-a"], gpu="dgpu")]
    target, = plan_targets(parse_workloads([workload(runs_on=runs_on, gpu=1)]), site, MANIFEST, gpus=gpus)
    deployment = build_objects([target], "edgeai")[1]
    assert deployment["spec"]["strategy"]["type"] == strategy
    said = expected_targets([target])[0]
    assert (said["strategy"] == "surge") is (strategy == "RollingUpdate")
    assert words in said["strategy_reason"]
    assert "runtimeClassName" not in pod()


def test_the_pod_passes_the_restricted_profile_that_its_namespace_enforces():
    assert objects()[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod()["securityContext"] == {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
                                        "seccompProfile": {"type": "RuntimeDefault"}}
    assert container()["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                              "capabilities": {"drop": ["ALL"]}}
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["enableServiceLinks"] is False


def test_what_is_expected_is_plain_data_and_names_what_was_deployed():
    targets = plan_targets(parse_workloads([workload()]), SITE, MANIFEST)
    expected = expected_targets(targets)
    assert json.loads(json.dumps(expected)) == expected
    assert expected[0] == {
        "name": "vision-line-a", "workload": "vision", "node": "camera-a", "line": "line-a", "image": "vision:1",
        "digest": DIGEST["amd64"], "replicas": 1, "port": 8080, "model": "vision",
        "health": {"path": "/health", "expression": "status == 'ok'"},
        "golden": {"request": workload()["golden"]["request"], "expect": "outputs[0].data[0] == `3`"},
        "strategy": "replace", "strategy_reason": ""}
