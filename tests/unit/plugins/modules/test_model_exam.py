# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout asks of a model on its node: once, at once, and only the container of the wanted image."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.edgeai.sites.plugins.module_utils.health.adapters import local_pods
from ansible_collections.edgeai.sites.plugins.modules import model_exam

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.modules.edge_node import Node

ONE, TWO = ({"inputs": [{"name": "seed", "data": [seed]}]} for seed in (1, 2))


@pytest.fixture
def node(monkeypatch):
    running = Node()
    monkeypatch.setattr(local_pods, "EDGED_PORT", running.port)
    yield running
    running.close()


@pytest.fixture
def run(node, capsys):
    def run_module(failed=False, **more):
        params = {"namespace": "edgeai", "target": c.TARGET, "digest": c.NEW, "port": node.port, "model": "vision", "requests": [ONE, TWO],
                  "probe_timeout": 1, **more}
        with patch_module_args(params), pytest.raises(SystemExit):
            model_exam.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == failed
        return result
    return run_module


def test_it_asks_everything_in_its_order(node, run):
    pod = node.runs()
    node.model["/ready"] = (200, b"")
    said = run(http_path="/ready", http_turns=2, warm_ups=3)
    assert (said["error"], said["changed"]) == ("", False)
    assert said["container_id"] == "%s/containerd://c0" % pod["metadata"]["uid"]
    assert (said["health"], said["http"], said["answers"]) == (c.WELL, [True, True], [c.RIGHT, c.RIGHT])
    assert len(said["times"]) == 2 and all(0 < time < 1000 for time in said["times"])
    infer = ("POST", "/v2/models/vision/infer")
    assert node.asked == [("GET", "/pods", None), ("GET", "/health", None), ("GET", "/ready", None), ("GET", "/ready", None),
                          *[(*infer, ONE)] * 3, (*infer, ONE), (*infer, TWO)]


COUNTER = {"output": "class", "metric": "edgeai_outputs_total", "label": "bin", "path": "/metrics"}


@pytest.mark.parametrize(("answer", "outputs"), [
    ((200, b'# TYPE edgeai_outputs_total counter\nedgeai_outputs_total{output="class",bin="good"} 7\n'), {"bins": {"good": 7}, "problem": ""}),
    ((404, b"nothing here"), None), ((200, b"x" * (1 << 20) + b"y"), None), ((200, b"\xff\xfe"), None)])
def test_it_reads_the_counter_of_outputs(node, run, answer, outputs):
    node.runs()
    node.model["/metrics"] = answer
    said = run(counter=COUNTER)
    assert said["error"] == "" and len(said["answers"]) == 2, "whatever becomes of the counter"
    assert said["outputs"] == outputs if outputs else said["outputs"]["problem"] and said["outputs"]["bins"] == {}


def test_a_container_of_another_image_is_not_asked(node, run):
    node.runs(digest=c.OLD)
    said = run()
    assert c.OLD in said["error"] and "answers" not in said
    assert {path for _method, path, _body in node.asked} == {"/pods"}


def test_it_does_not_wait(run):
    assert "no pod of it yet" in run()["error"]


def test_an_answer_that_fails_ends_it(node, run):
    node.runs()
    node.model["/v2/models/vision/infer"] = (500, {"error": "CUDA out of memory"})
    said = run()
    assert "answered 500" in said["error"] and "CUDA out of memory" in said["error"] and "answers" not in said


def test_a_model_whose_name_is_a_path_is_asked_as_that_model(node, run):
    node.runs()
    node.model["/v2/models/a%20b/infer"] = (200, c.RIGHT)
    assert run(model="a b")["error"] == ""


def test_without_edgecore_it_says_so(run, monkeypatch):
    monkeypatch.setattr(local_pods, "EDGED_PORT", 1)
    assert "127.0.0.1:1/pods" in run()["error"]


def test_no_request_is_refused(run):
    assert "wanted one at least" in run(failed=True, requests=[])["msg"]
