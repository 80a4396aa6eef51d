# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pod a node asks, and what its answers are worth to whoever judges the site."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import Limits
from ansible_collections.edgeai.sites.plugins.module_utils.health.node_answers import (
    ByRuntime,
    NodeAnswers,
    find_place,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import observe
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health.test_observe import Echo, Film

CRASHED = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}


def local(address="10.244.1.7", **more):
    pod = c.pod(**more)
    pod["status"]["podIP"] = address
    return pod


def place(*pods, digest=c.NEW):
    return find_place(pods, "edgeai", c.TARGET, digest, c.NOW)


def test_a_pod_that_runs_what_is_wanted_is_asked_at_its_address():
    found = place(local())
    assert (found.address, found.problem, found.settled) == ("10.244.1.7", "", False)


@pytest.mark.parametrize("pods, problem, settled", [
    ([], "no pod of it yet", False),
    ([c.pod(deleting=True)], "has not ended", False),
    ([local(), c.pod(deleting=True, suffix="o")], "has not ended", False),
    ([c.pod(ready=False)], "not ready", False),
    ([c.pod(state=CRASHED, ready=False)], "does not stay up", True),
    ([local(digest=c.OLD)], "image is " + c.OLD, True),
    ([local(address="")], "no address", False),
    ([local(phase="Failed")], "no pod of it yet", False),
    ([local(name="fusion-fusion")], "no pod of it yet", False),
])
def test_others_are_not(pods, problem, settled):
    found = place(*pods)
    assert found.address == ""
    assert problem in found.problem
    assert found.settled is settled


def test_the_newest_pod_counts():
    assert place(local(up=600, address="10.244.1.6", phase="Succeeded", suffix="o"), local()).address == "10.244.1.7"


def given(of, **more):
    return {c.TARGET: dict({"pod": of["metadata"]["name"], "container_id": container_id(of), "health": c.WELL,
                            "answers": [c.RIGHT] * 4, "latency_ms": 8.0, "error": "", "log": ["last words"]}, **more)}


def judged(answers, seconds=10, **more):
    voice = ByRuntime(Echo(error="asked through the API"), NodeAnswers(answers), [c.NODE])
    return observe(Film(c.evidence(**more)), voice, [c.expected()], [], Limits(deadline=seconds, grace=3))


def test_a_good_answer_of_the_container_that_runs_is_health():
    site, conclusion = judged(given(c.pod()))
    assert conclusion == "healthy"
    assert (site.targets[0].probe.latency_ms, site.targets[0].probe.answer) == (8.0, c.RIGHT)


@pytest.mark.parametrize("answers, reason", [
    ({}, "node camera-a was not asked"),
    (given(c.pod(), error="connection refused", answers=[]), "on node camera-a: connection refused"),
    (given(c.pod(restarts=1)), "another start of it"),
    (given(c.pod(), answers=[c.RIGHT, c.WRONG, c.RIGHT, c.RIGHT]), "model vision answers"),
    (given(c.pod(), health={"status": "degraded"}), "degraded"),
    (given(c.pod(), answers=[]), "model vision answers null"),
])
def test_any_other_is_not(answers, reason):
    site, conclusion = judged(answers)
    assert conclusion == "failed"
    assert any(reason in text for text in site.targets[0].reasons), site.targets[0].reasons


def test_targets_elsewhere_are_asked_through_the_api():
    echo = Echo()
    voice = ByRuntime(echo, NodeAnswers(given(c.pod(), error="not this one")), ["another-node"])
    site, conclusion = observe(Film(c.evidence()), voice, [c.expected()], [], Limits(deadline=5, grace=1))
    assert conclusion == "healthy" and echo.asked
    assert voice.log(c.expected(), c.pod(), 3) == []


def test_last_words_come_from_the_node():
    assert ByRuntime(Echo(), NodeAnswers(given(c.pod())), [c.NODE]).log(c.expected(), c.pod(), 3) == ["last words"]
