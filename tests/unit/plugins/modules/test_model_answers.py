# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node says of its models, and when it stops waiting for them."""

from __future__ import annotations

import json
import threading
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.edgeai.sites.plugins.module_utils.health.adapters import local_pods
from ansible_collections.edgeai.sites.plugins.modules import model_answers

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.modules.edge_node import Node


@pytest.fixture
def node(monkeypatch):
    running = Node()
    monkeypatch.setattr(local_pods, "EDGED_PORT", running.port)
    monkeypatch.setattr(model_answers, "PAUSE_SECONDS", 0.05)
    yield running
    running.close()


@pytest.fixture
def run(node, capsys):
    def run_module(**more):
        expected = {"name": c.TARGET, "digest": c.NEW, "port": node.port, "model": "vision", "health": {"path": "/health"},
                    "golden": {"request": {"inputs": [{"name": "seed", "data": [7]}]}}}
        params = dict({"namespace": "edgeai", "expected": [expected], "deadline": 5, "grace": 0, "probe_timeout": 1}, **more)
        with patch_module_args(params), pytest.raises(SystemExit):
            model_answers.main()
        result = json.loads(capsys.readouterr().out)
        assert not result.get("failed") and result["changed"] is False
        return result["answers"][c.TARGET]
    return run_module


def test_it_asks_what_is_wanted(node, run):
    pod = node.runs()
    answer = run()
    assert (answer["error"], answer["health"], answer["answers"]) == ("", c.WELL, [c.RIGHT] * 4)
    assert answer["pod"] == pod["metadata"]["name"]
    assert answer["container_id"] == "%s/containerd://c0" % pod["metadata"]["uid"]
    assert answer["latency_ms"] > 0
    assert node.asked[-1] == ("POST", "/v2/models/vision/infer", {"inputs": [{"name": "seed", "data": [7]}]})


def test_it_waits_for_the_pod(node, run):
    threading.Timer(0.3, node.runs).start()
    assert run()["error"] == ""


@pytest.mark.parametrize("path, said, error", [
    ("/health", (503, {"status": "loading"}), "answered 503"),
    ("/v2/models/vision/infer", (200, b"<html>"), "not JSON"),
    ("/v2/models/vision/infer", (200, b'"' + b"x" * (local_pods.MAX_ANSWER_BYTES + 1) + b'"'), "larger than"),
])
def test_what_is_no_answer_is_told(node, run, path, said, error):
    node.runs()
    node.model[path] = said
    answer = run()
    assert error in answer["error"]
    assert (answer["health"], answer["answers"]) == (None, [])


def test_a_deadline_ends_it(node, run):
    begun = time.monotonic()
    assert "no pod of it yet" in run(deadline=1)["error"]
    assert 1 <= time.monotonic() - begun < 4


def test_a_wrong_image_is_not_asked(node, run):
    node.runs(digest=c.OLD)
    assert c.OLD in run()["error"]
    assert {path for _method, path, _body in node.asked} == {"/pods"}


def test_without_edgecore_it_says_so(node, run, monkeypatch):
    monkeypatch.setattr(local_pods, "EDGED_PORT", 1)
    assert "EdgeCore does not say what runs here" in run(deadline=0)["error"]


def test_logs_lose_the_prefix_of_the_runtime(tmp_path, monkeypatch):
    folder = tmp_path / "edgeai_a[1]_u" / "inference"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text("2026-11-23T09:00:00Z stderr F CUDA out of memory\n2026-11-23T09:00:01Z stderr F gone\n")
    real = local_pods.glob.glob
    monkeypatch.setattr(local_pods.glob, "glob", lambda pattern: real(pattern.replace("/var/log/pods", str(tmp_path))))
    pod = {"metadata": {"namespace": "edgeai", "name": "a[1]", "uid": "u"}}
    assert local_pods.log(pod, 2) == ["CUDA out of memory", "gone"]
    assert local_pods.log({"metadata": {"namespace": "edgeai", "name": "b", "uid": "u"}}, 2) == []
