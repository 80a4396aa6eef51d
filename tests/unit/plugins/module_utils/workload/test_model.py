# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator may write, and what is refused with which words."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError, parse_workloads

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import WORKLOAD, workload


def test_all_keys_arrive():
    (parsed,) = parse_workloads([WORKLOAD])
    assert (parsed.name, parsed.image, parsed.lines, parsed.port, parsed.model, parsed.load_seconds, parsed.env,
            parsed.cpu, parsed.memory, parsed.gpu, parsed.health_path) == (
        "vision", "vision:1", ("line-a", "line-b"), 8080, "vision", 5, (("LEVEL", "3"),), "100m", "96Mi", 0, "/health")


def test_defaults():
    (parsed,) = parse_workloads([workload(model=None, load_seconds=None, env=None, resources=None, gpu=None,
                                          health={"expression": "ok"})])
    assert (parsed.model, parsed.load_seconds, parsed.env, parsed.gpu, parsed.health_path) == (
        "vision", 30, (), 0, "/health")


def test_numbers_may_be_text_as_templates_give_them():
    (parsed,) = parse_workloads([workload(port="8080", load_seconds="7")])
    assert (parsed.port, parsed.load_seconds) == (8080, 7)


@pytest.mark.parametrize("data, words", [
    ({}, ["edge_workloads: found dict", "list"]),
    (["x"], ["edge_workloads[0]", "found str"]),
    ([workload(name=None)], ["edge_workloads[0]", "name missing"]),
    ([workload(name="Vision")], ["edge_workloads[0].name", "'Vision'"]),
    ([workload(name="v" * 64)], ["at most 63"]),
    ([workload(name="v\n")], [".name"]),
    ([workload(), workload()], ["'vision' is used 2 times"]),
    ([workload(imgae="x")], ["unknown key 'imgae'", "did you mean 'image'"]),
    ([workload(replicas=2)], ["unknown key 'replicas'", "known keys: name"]),
    ([workload(image="vision")], ["edge_workloads[vision].image", "like vision:1"]),
    ([workload(image="registry.example/vision:1")], [".image", "<artifact name>:<version>"]),
    ([workload(image=None, golden=None)], ["image and golden missing"]),
    ([workload(runs_on={})], ["runs_on: found nothing", "exactly one of"]),
    ([workload(runs_on={"lines": ["a"], "nodes": ["b"]})], ["found lines, nodes"]),
    ([workload(runs_on={"lines": []})], ["runs_on.lines: found []"]),
    ([workload(runs_on={"lines": "line-a"})], ["wanted a list of names"]),
    ([workload(runs_on={"lines": ["a", "a"]})], ["a name twice"]),
    ([workload(runs_on={"labels": {}})], ["at least one label"]),
    ([workload(port=0)], [".port", "1 to 65535"]),
    ([workload(port=True)], [".port", "found True"]),
    ([workload(port="80; rm")], [".port"]),
    ([workload(load_seconds=0)], [".load_seconds"]),
    ([workload(load_seconds="soon")], [".load_seconds", "'soon'"]),
    ([workload(load_seconds=float("nan"))], [".load_seconds"]),
    ([workload(load_seconds=True)], [".load_seconds"]),
    ([workload(load_seconds=9000)], [".load_seconds", "at most 7200"]),
    ([workload(model="../x")], [".model"]),
    ([workload(env={"A B": "x"})], [".env.A B"]),
    ([workload(env={"DEBUG": True})], [".env.DEBUG", "quote"]),
    ([workload(env={"CAMERA": "x"})], [".env.CAMERA", "the line already sets it"]),
    ([workload(resources={"memory": "lots"})], [".resources.memory", "like 512Mi"]),
    ([workload(resources={"mem": "1Gi"})], ["unknown key 'mem'", "'memory'"]),
    ([workload(gpu=-1)], [".gpu"]),
    ([workload(health={"path": "/health"})], [".health: expression missing"]),
    ([workload(health={"path": "health", "expression": "x"})], [".health.path"]),
    ([workload(health={"path": "/a/../../api/v1/secrets", "expression": "x"})], [".health.path"]),
    ([workload(health={"path": "/a?x=1", "expression": "x"})], [".health.path"]),
    ([workload(health={"expression": " "})], [".health.expression"]),
    ([workload(golden={"request": {}, "expect": "x"})], [".golden.request.inputs", "Open Inference Protocol"]),
    ([workload(golden={"request": {"inputs": [1]}})], [".golden: expect missing"]),
])
def test_mistakes(data, words):
    with pytest.raises(WorkloadError) as caught:
        parse_workloads(data)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("path", ["/", "/health", "/a/b-c_d.e~f", "/..a/b"])
def test_paths_that_are_fine(path):
    assert parse_workloads([workload(health={"path": path, "expression": "x"})])[0].health_path == path


def test_an_error_never_repeats_the_value_of_an_environment_variable():
    with pytest.raises(WorkloadError) as caught:
        parse_workloads([workload(env={"URL": ["rtsp://user:hunter2@camera"]})])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("written, seconds", [(0.2, 1), (2.5, 3), ("7", 7), (300, 300)])
def test_load_seconds_are_rounded_up(written, seconds):
    assert parse_workloads([workload(load_seconds=written)])[0].load_seconds == seconds


def test_camera_may_be_set_where_no_line_does():
    (parsed,) = parse_workloads([workload(runs_on={"nodes": ["camera-a"]}, env={"CAMERA": "x"})])
    assert parsed.env == (("CAMERA", "x"),)
