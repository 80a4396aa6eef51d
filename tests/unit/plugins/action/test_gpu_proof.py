# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action against an API server whose kubelets are quick, slow, wrong or away."""

from __future__ import annotations

import json
import threading
import time

import pytest
from ansible_collections.edgeai.sites.plugins.action import gpu_proof
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client, jobs

from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_site as g
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_gpu_site import FakeGpuSite
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import hasty

NODES = [{"name": "camera-a", "kind": "dgpu"}, {"name": "camera-b", "kind": "tegra", "arch": "arm64", "replicas": 2}]
IMAGES = {"amd64": "lab.example/proof@sha256:a", "arm64": "lab.example/proof@sha256:b"}


@pytest.fixture
def site(monkeypatch):
    with hasty(monkeypatch, FakeGpuSite(), jobs) as running:
        yield running


@pytest.fixture
def run(site, tmp_path):
    """Run the action as Ansible does; return its result and the seconds it took."""
    def run_module(check_mode=False, **more):
        params = dict({"kubeconfig": more.get("kubeconfig") or site.kubeconfig(tmp_path), "site": "hall", "nodes": NODES,
                       "images": IMAGES, "deadline": 6, "grace": 0}, **more)
        begun = time.monotonic()
        result = act(gpu_proof, params, check_mode)
        return result, time.monotonic() - begun
    return run_module


def fill(site, nodes=None, pods=()):
    site.fill(deployments=[], replicasets=[], leases=[], pods=list(pods),
              nodes=[g.node(), g.node("camera-b", gpus=2)] if nodes is None else nodes)


def later(seconds, act):
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def test_all_well(site, run):
    fill(site)
    result, seconds = run()
    assert not result.get("failed"), result
    assert (result["healthy"], result["changed"]) == (True, False)
    assert result["msg"] == "site hall: 2 of 2 nodes offer their GPUs; proof: 2 pass"
    assert [(n["name"], n["allocatable"], n["proof"], n["isolation"]) for n in result["nodes"]] == [
        ("camera-a", 1, "pass", "pass"), ("camera-b", 2, "pass", "pass")]
    assert len(site.posted) == 4 and site.jobs == {}
    assert {job["spec"]["template"]["spec"]["containers"][0]["image"] for job in site.posted} == set(IMAGES.values())
    assert seconds < 4


def test_edgecore_nodes_get_no_runtime_class_and_need_no_log(site, run):
    fill(site)
    site.last_words = True
    result, _seconds = run(nodes=[dict(NODES[0], runtime="edgecore"), NODES[1]])
    assert result["healthy"], result["msg"]
    classes = {job["spec"]["template"]["spec"]["nodeName"] for job in site.posted
               if "runtimeClassName" in job["spec"]["template"]["spec"]}
    assert classes == {"camera-b"}
    assert not [path for path in site.requests if path.endswith("/log")]


def test_simulated_hardware_is_called_so(site, run):
    fill(site)
    site.answers["proof"] = (0, g.SIMULATED)
    result, _seconds = run()
    assert result["healthy"]
    assert {node["proof"] for node in result["nodes"]} == {"simulated"}
    assert "2 simulated" in result["msg"]


def test_check_mode_asks_nothing(site, run):
    result, _seconds = run(check_mode=True)
    assert (result["changed"], result["nodes"], site.requests) == (False, [], [])


def test_it_waits_for_the_plugin(site, run):
    fill(site, nodes=[g.node(gpus=0), g.node("camera-b", gpus=None)], pods=[g.plugin_pod(), g.plugin_pod("camera-b")])
    later(0.4, lambda: site.put("nodes", g.node()))
    later(0.8, lambda: site.put("nodes", g.node("camera-b", gpus=2)))
    result, seconds = run()
    assert result["healthy"], result["msg"]
    assert 0.8 < seconds < 5


@pytest.mark.parametrize("answers, words", [
    ({"proof": (3, {"device": None})}, "asked for a GPU and sees none"),
    ({"free": (0, g.PASS)}, "a pod that did not ask sees NVIDIA L4"),
    ({"proof": (1, {"error": "CUDA_ERROR_NO_DEVICE"})}, "CUDA_ERROR_NO_DEVICE"),
])
def test_bad_answers(site, run, answers, words):
    fill(site)
    site.answers.update(answers)
    result, _seconds = run()
    assert result["failed"] and not result["healthy"]
    assert words in result["msg"]
    assert site.jobs == {}, "deleted after a failure too"


def test_a_job_that_gets_no_pod_ends_at_the_deadline(site, run):
    fill(site)
    del site.answers["proof"]
    result, seconds = run(deadline=1)
    assert result["failed"] and "there is no pod of Job proof-camera-a" in result["msg"]
    assert result["nodes"][0]["proof"] == "fail"
    assert seconds < 3 and site.jobs == {}


def test_held_devices(site, run):
    fill(site)
    site.others = [g.holder()]
    result, _seconds = run()
    assert result["healthy"], result["msg"]
    assert [node["proof"] for node in result["nodes"]] == ["in use", "pass"]


def test_leftovers_of_a_dead_run_are_removed(site, run):
    fill(site, pods=[g.proof_pod("proof-old")])
    site.jobs["proof-old"] = {"metadata": {"name": "proof-old"}}
    result, _seconds = run()
    assert result["healthy"], result["msg"]
    assert site.deleted[0] == "proof-old"


def test_a_delete_is_tried_again(site, run):
    fill(site)
    site.delete_errors = 1
    result, _seconds = run()
    assert result["healthy"] and site.jobs == {} and result["left"] == []


def test_jobs_that_stay_are_named(site, run):
    fill(site)
    site.delete_errors = 12
    result, _seconds = run()
    assert result["healthy"]
    assert sorted(result["left"]) == sorted(site.jobs) and len(site.jobs) == 4


def test_the_api_is_away(run, tmp_path):
    with FakeGpuSite() as gone:
        nobody = gone.kubeconfig(tmp_path)
    result, seconds = run(kubeconfig=nobody)
    assert result["failed"] and "does not answer: connection refused" in result["msg"]
    assert seconds < 5


@pytest.mark.parametrize("more, words", [
    (dict(nodes=[dict(NODES[1], count=2)]), "a Jetson is one device"),
    (dict(images={"amd64": "x"}), "no proof image for arm64"),
])
def test_mistakes_are_told_before_anything_is_asked(site, run, more, words):
    result, _seconds = run(**more)
    assert result["failed"] and words in result["msg"]
    assert site.requests == []


def test_no_node_proves_nothing(site, run):
    fill(site)
    result, _seconds = run(nodes=[])
    assert result["failed"] and "proves nothing" in result["msg"]


def test_capacity_alone(site, run):
    fill(site)
    result, _seconds = run(prove=False, images={})
    assert result["healthy"] and site.posted == []
    assert result["nodes"][0]["proof"] == "not run"


def test_a_missing_library_is_named(run, monkeypatch):
    monkeypatch.setattr(client, "urllib3", None)
    result, _seconds = run()
    assert result["failed"] and "kubernetes" in result["msg"]


def test_a_refusal_is_told_without_the_token(site, run):
    site.refuse = 401
    result, _seconds = run(deadline=1)
    assert result["failed"]
    assert "secret-token" not in json.dumps(result)
