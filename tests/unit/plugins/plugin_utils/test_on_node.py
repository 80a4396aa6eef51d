# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of what a node says of its model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible.errors import AnsibleError

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers, Exam
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Question
from ansible_collections.edgeai.sites.plugins.plugin_utils.on_node import ByNode
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

EXAM = Exam("/health", ({"inputs": [1]}, {"inputs": [2]}), warm_ups=3, http_path="/ready", http_turns=2)
QUESTION = Question("plant/" + c.TARGET, c.NEW, "`true`", EXAM, 0)


class Node:
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, **more):
        self.said = {"error": "", "container_id": CONTAINER, "health": c.WELL, "http": [True, True], "answers": [c.RIGHT, c.WRONG],
                     "times": [1.5, 2.5], **more}

    def run(self, module, arguments):
        self.module, self.arguments = module, arguments
        return self.said


POD = c.pod()
CONTAINER = c.container_id(POD)


def ask(node):
    return ByNode(node, "edgeai-plant", 10)(QUESTION, c.expected(), POD)


def test_the_whole_exam_reaches_the_node():
    node = Node()
    found = ask(node)
    assert node.module == "edgeai.sites.model_exam"
    assert node.arguments == {
        "namespace": "edgeai-plant", "target": c.TARGET, "digest": c.NEW, "port": 8080, "model": "vision", "health_path": "/health",
        "http_path": "/ready", "http_turns": 2, "warm_ups": 3, "requests": [{"inputs": [1]}, {"inputs": [2]}], "probe_timeout": 10}
    assert found == Answers(CONTAINER, found.at, health=c.WELL, http=(True, True), answers=(c.RIGHT, c.WRONG), times=(1.5, 2.5))


def test_a_counter_is_read_there_and_comes_back_as_counts():
    node = Node(outputs={"bins": {"good": 7}, "problem": ""})
    question = replace(QUESTION, exam=replace(EXAM, counter=Counter("class", "edgeai_outputs_total", "bin", "/metrics")))
    found = ByNode(node, "edgeai-plant", 10)(question, c.expected(), POD)
    assert node.arguments["counter"] == {"output": "class", "metric": "edgeai_outputs_total", "label": "bin", "path": "/metrics", "port": 0}
    assert found.outputs == Counted({"good": 7})
    node.said["outputs"] = {"bins": {"good": "many"}}
    assert ByNode(node, "edgeai-plant", 10)(question, c.expected(), POD).outputs.problem


@pytest.mark.parametrize("said, why", [
    ({"error": "the old pod has not ended yet"}, "on node camera-a: the old pod has not ended yet"),
    ({"container_id": "another/start"}, "runs another start of vision-line-a than the cloud knows"),
])
def test_what_is_no_answer_of_this_container_raises(said, why):
    with pytest.raises(AnsibleError, match=why):
        ask(Node(**said))
