# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small parts: times, expressions, the message."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health.expression import (
    ExpressionError,
    check_expression,
    holds,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.judge import excerpt, judge_site
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import ExpectedNode, parse_time, worst
from ansible_collections.edgeai.sites.plugins.module_utils.health.nodes import judge_node
from ansible_collections.edgeai.sites.plugins.module_utils.health.report import describe, message

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


@pytest.mark.parametrize("expression, document, result", [
    ("status == 'ok' && model.loaded", {"status": "ok", "model": {"loaded": True}}, True),
    ("status == 'ok' && model.loaded", {"status": "ok", "model": {"loaded": "yes"}}, False),
    ("status == 'ok' && model.loaded", {"status": "ok"}, False),
    ("status", {"status": "ok"}, False),
    ("`1`", {}, False),
    ("length(x) > `0`", {"x": 5}, False),
    ("a == `1`", None, False),
    ("outputs[?name=='class'] | [0].data[0] == `3`", {"outputs": [{"name": "class", "data": [3]}]}, True),
    ("outputs[?name=='class'] | [0].data[0] == `3`", {"outputs": []}, False),
])
def test_only_the_boolean_true_holds(expression, document, result):
    check_expression(expression)
    assert holds(expression, document) is result


@pytest.mark.parametrize("expression", ["status ==", "a[", "", "foo(", "'x"])
def test_a_broken_expression_is_refused(expression):
    with pytest.raises(ExpressionError):
        check_expression(expression)


@pytest.mark.parametrize("text, seconds", [
    ("1970-01-01T00:00:10Z", 10), ("1970-01-01T00:00:10.5Z", 10.5), ("1970-01-01T00:01:00.000001Z", 60.000001),
    (None, None), ("", None), ("soon", None), ("2026-13-01T00:00:00Z", None),
])
def test_times(text, seconds):
    assert parse_time(text) == seconds


def test_no_states_are_unknown():
    assert worst([]) == "unknown"


def test_an_excerpt_is_short():
    assert len(excerpt({"x": "y" * 5000})) < 310


def result_of(evidence, conclusion, targets=None, nodes=()):
    targets = [c.expected()] if targets is None else targets
    site = judge_site(targets, nodes, evidence)
    return describe(site, conclusion, targets), message("hall", site, conclusion, 12)


def test_a_healthy_result():
    result, text = result_of(c.evidence(), "healthy", nodes=[ExpectedNode(c.NODE, c.VERSION)])
    assert text == "site hall: 1 of 1 targets healthy, 1 of 1 nodes"
    target, node = result["targets"][0], result["nodes"][0]
    assert (target["digest"], target["line"], target["latency_ms"]) == (c.NEW, "line-a", 12.5)
    assert (target["health"], target["answer"], target["reasons"]) == (c.WELL, c.RIGHT, [])
    assert (node["version"], node["engine"], node["ready"], node["lease_age"]) == (
        c.VERSION, "containerd://2.3.2-k3s2", True, 4.0)
    assert {row["verdict"] for row in result["verdicts"]} == {"pass"}
    assert {row["check"] for row in result["verdicts"]} == {
        "node.ready", "node.version", "workload.rollout", "workload.serving", "workload.image", "workload.health",
        "workload.answer"}


def test_nothing_expected_fails_and_says_so():
    result, text = result_of(c.evidence(), "failed", targets=[])
    assert result["healthy"] is False
    assert [row["verdict"] for row in result["verdicts"] if row["check"] == "site.targets"] == ["fail"]
    assert "no workload is bound" in text


def test_parts_with_one_complaint_share_a_line():
    _result, text = result_of(c.evidence(blind="the API does not answer"), "failed",
                              targets=[c.expected(), c.expected(name="vision-line-b")])
    assert text.splitlines()[1:] == [
        "  vision-line-a, vision-line-b are unknown: the API does not answer. To do: look at the link to the site and at "
        "its server"]


def test_the_message_tells_found_and_remedy():
    _result, text = result_of(c.evidence(deployments=[]), "failed")
    assert "vision-line-a is absent: there is no Deployment vision-line-a. To do: run the inference playbook" in text


@pytest.mark.parametrize("found, state", [
    ("v1.32.10-kubeedge-v1.23.1", "healthy"), ("v1.32.10-kubeedge-v1.23.0", "failed"), ("v1.23.1", "failed"), ("", "failed")])
def test_an_edgecore_node_names_its_version_last(found, state):
    evidence = c.evidence(nodes=[c.node(version=found)])
    judged = judge_node(ExpectedNode(c.NODE, "v1.23.1", "edgecore"), evidence)
    assert judged.state == state
    assert state == "healthy" or "run the edgecore playbook" in judged.findings[1].remedy
