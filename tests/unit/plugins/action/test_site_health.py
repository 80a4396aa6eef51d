# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action against an API server that behaves well, badly, or not at all."""

from __future__ import annotations

import json
import threading
import time

import pytest
from ansible_collections.edgeai.sites.plugins.action import site_health
from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client

from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import FakeSite, hasty

EXPECTED = {
    "name": c.TARGET, "workload": "vision", "node": c.NODE, "line": "line-a", "image": "vision:2", "digest": c.NEW,
    "port": 8080, "model": "vision", "health": {"path": "/health", "expression": "status == 'ok' && model.loaded"},
    "golden": {"request": {"inputs": [{"name": "seed", "data": [7]}]},
               "expect": "outputs[?name=='class'] | [0].data[0] == `3`"}}


@pytest.fixture
def site(monkeypatch):
    with hasty(monkeypatch, FakeSite()) as running:
        yield running


@pytest.fixture
def run(site, tmp_path):
    """Run the action as Ansible does; return its result and the seconds it took."""
    def run_module(check_mode=False, **more):
        params = dict({"kubeconfig": more.get("kubeconfig") or site.kubeconfig(tmp_path), "site": "hall", "expected": [EXPECTED],
                       "nodes": [{"name": c.NODE, "version": c.VERSION}], "deadline": 8, "grace": 0, "probe_timeout": 1}, **more)
        begun = time.monotonic()
        result = act(site_health, params, check_mode)
        return result, time.monotonic() - begun
    return run_module


def later(seconds, act):
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


@pytest.mark.parametrize("check_mode", [False, True])
def test_all_well(site, run, check_mode):
    site.fill()
    result, seconds = run(check_mode=check_mode)
    assert not result.get("failed"), result
    assert (result["healthy"], result["changed"], result["outcome"]) == (True, False, "healthy")
    assert result["msg"] == "site hall: 1 of 1 targets healthy, 1 of 1 nodes"
    target = result["targets"][0]
    assert (target["digest"], target["answer"], target["verdict"]) == (c.NEW, c.RIGHT, "pass")
    assert 0 < target["latency_ms"] < 2000
    assert seconds < 4
    assert len(site.paths("/v2/models/vision/infer")) == 4, "one to warm up and three that are measured"
    assert all(path.startswith("GET") or "/proxy/" in path for path in site.requests), "it only reads"
    questions = site.paths("/proxy/")
    assert len(site.requests) - len(questions) == 5, "one list of each kind, no events"
    assert not site.paths("watch=1"), "one look was enough"


def test_what_waits_is_watched_and_explained(site, run):
    site.fill(pods=[c.pod(state={"waiting": {"reason": "ContainerCreating"}}, ready=False)],
              deployments=[c.deployment(ready=0, available=0)],
              events=[{"metadata": {"name": "e"}, "reason": "FailedCreatePodSandBox", "message": "no pause image",
                       "involvedObject": {"uid": c.pod()["metadata"]["uid"]}, "lastTimestamp": c.stamp()}])
    result, _seconds = run()
    assert "the node cannot make a pod: no pause image" in result["msg"]
    assert site.paths("/events")


def test_it_waits_for_the_new_model_while_the_old_one_serves(site, run):
    """The API tells the story of an update; at each step the plain counts look complete."""
    old = dict(revision="1", digest=c.OLD, suffix="o")
    site.fill(deployments=[c.deployment(observed=1, revision="1")], replicasets=[c.replicaset("1")], pods=[c.pod(**old)])
    asked = []
    site.infer = lambda: asked.append(sorted(site.objects["pods"])) or (200, c.RIGHT)

    def update():
        site.put("deployments", c.deployment(observed=2, revision="1", updated=0))
        site.put("replicasets", c.replicaset("2"))
        site.put("pods", c.pod(deleting=True, **old))
        time.sleep(0.3)
        site.put("deployments", c.deployment())
        time.sleep(0.3)
        site.drop("pods", c.pod(**old)["metadata"]["name"])
        site.put("pods", c.pod())

    later(0.3, update)
    result, seconds = run()
    assert result["healthy"], result["msg"]
    assert 0.8 < seconds < 6
    assert {tuple(names) for names in asked} == {("vision-line-a-2-x",)}


@pytest.mark.parametrize("change, state, words", [
    (dict(infer=lambda: (200, c.WRONG)), "failed", "model vision answers"),
    (dict(infer=lambda: (500, {"error": "CUDA"})), "failed", "answered 500"),
    (dict(infer=lambda: time.sleep(2) or (200, c.RIGHT)), "failed", "no answer in time"),
    (dict(health=lambda: (200, {"status": "degraded"})), "failed", "degraded"),
    (dict(health=lambda: (503, c.WELL)), "failed", "answered 503"),
    (dict(raw=b"<html>hello</html>"), "failed", "not JSON"),
    (dict(raw=b'"' + b"x" * 2000000 + b'"'), "failed", "larger than"),
    (dict(refuse=401), "unknown", "401: Unauthorized"),
])
def test_bad_answers(site, run, change, state, words):
    for name, value in change.items():
        setattr(site, name, value)
    site.fill()
    result, seconds = run()
    assert result["failed"] and not result["healthy"]
    assert result["targets"][0]["state"] == state
    assert words in result["msg"]
    assert seconds < 4


@pytest.mark.parametrize("objects, state, words", [
    (dict(leases=[c.lease(ago=90)]), "unknown", "was last heard of 9"),
    (dict(nodes=[c.node(ready="Unknown")]), "unknown", "has not been heard of"),
    (dict(deployments=[]), "absent", "there is no Deployment"),
    (dict(pods=[c.pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}, ready=False)]),
     "failed", "the image is not on the node"),
])
def test_bad_objects(site, run, objects, state, words):
    site.fill(**objects)
    result, seconds = run()
    assert result["failed"]
    assert result["targets"][0]["state"] == state
    assert words in result["msg"]
    assert seconds < 5
    assert not site.paths("/proxy/"), "a model is asked only when its pod is the right one"


def test_a_lease_that_moves_proves_life(site, run):
    site.fill(leases=[c.lease(ago=90)])
    later(0.4, lambda: site.put("leases", c.lease(ago=85)))
    result, _seconds = run(grace=5)
    assert result["healthy"], result["msg"]


def test_a_crash_comes_with_its_last_words(site, run):
    site.fill(pods=[c.pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=3,
                          last={"exitCode": 2, "reason": "Error"})])
    result, _seconds = run()
    assert result["targets"][0]["log"] == ["model loaded", "camera gone"]


def test_the_api_is_away(run, tmp_path):
    with FakeSite() as gone:
        nobody = gone.kubeconfig(tmp_path)
    result, seconds = run(kubeconfig=nobody)
    assert result["failed"]
    assert "does not answer: connection refused" in result["msg"]
    assert result["targets"][0]["verdict"] == "inconclusive"
    assert seconds < 5


def test_the_api_comes_late(site, run):
    site.fill()
    site.refuse = 503
    later(0.5, lambda: setattr(site, "refuse", None))
    result, _seconds = run(grace=5)
    assert result["healthy"], result["msg"]


def test_a_watch_that_is_too_old_starts_anew(site, run):
    site.fill(pods=[c.pod(ready=False)], deployments=[c.deployment(ready=0, available=0)])

    def compact():
        site.put("deployments", c.deployment())
        site.put("pods", c.pod())
        site.forget()

    later(0.4, compact)
    result, _seconds = run()
    assert result["healthy"], result["msg"]


def test_the_deadline_holds(site, run):
    site.fill(pods=[c.pod(ready=False)], deployments=[c.deployment(ready=0, available=0)])
    result, seconds = run(deadline=1)
    assert (result["outcome"], result["failed"]) == ("deadline", True)
    assert "the deadline of 1 s has passed" in result["msg"]
    assert seconds < 3


def test_a_failure_has_to_last(site, run):
    site.fill(deployments=[])
    result, seconds = run(grace=1)
    assert result["failed"]
    assert 1 <= seconds < 3


def test_nothing_expected_is_not_healthy(site, run):
    site.fill()
    result, _seconds = run(expected=[])
    assert result["failed"]
    assert "no workload is bound" in result["msg"]


def test_a_node_of_another_version_fails(site, run):
    site.fill()
    result, _seconds = run(nodes=[{"name": c.NODE, "version": "v1.36.6+k3s1"}])
    assert result["failed"]
    assert "runs v1.36.5+k3s1" in result["msg"]


def test_a_broken_expression_is_told_before_anything_is_asked(site, run):
    result, _seconds = run(expected=[dict(EXPECTED, health={"expression": "status =="})])
    assert result["failed"]
    assert "not a JMESPath expression" in result["msg"]
    assert site.requests == []


def test_a_missing_kubeconfig_is_named(run, tmp_path):
    result, _seconds = run(kubeconfig=str(tmp_path / "nowhere"))
    assert result["failed"]
    assert str(tmp_path / "nowhere") in result["msg"]


@pytest.mark.parametrize("library, holder, attribute", [
    ("kubernetes", client, "urllib3"), ("jmespath", expression, "jmespath")])
def test_missing_libraries_are_named(run, monkeypatch, library, holder, attribute):
    monkeypatch.setattr(holder, attribute, None)
    result, _seconds = run()
    assert result["failed"]
    assert library in result["msg"]


def test_the_token_is_in_no_result(site, run):
    site.refuse = 401
    result, _seconds = run()
    assert "secret-token" not in json.dumps(result)
