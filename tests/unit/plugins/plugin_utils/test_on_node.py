# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action that runs modules on another host: over a real connection, and what becomes of what a node says of its model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers, Exam
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Question
from ansible_collections.edgeai.sites.plugins.plugin_utils.on_node import ByNode
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

EXAM = Exam("/health", ({"inputs": [1]}, {"inputs": [2]}), warm_ups=3, http_path="/ready", http_turns=2)
QUESTION = Question("plant/" + c.TARGET, c.NEW, "`true`", EXAM, 0)


ROOT = Path(__file__).resolve().parents[4]
# In a process of its own: there Ansible's loaders are set up as in a play, which tests must not do to each other.
PLAY = """
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins import loader as loaders
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible_collections.edgeai.sites.plugins.plugin_utils.on_node import OnNode

class Asker(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return super().run(tmp, task_vars)

reader = DataLoader()
asker = Asker(Task(), None, PlayContext(), reader, Templar(loader=reader, variables={}), loaders)
try:
    print(json.dumps(OnNode(asker, "edge1", json.loads(sys.argv[1])).run("ansible.builtin.ping", json.loads(sys.argv[2]))))
except Exception as error:
    print(json.dumps({"raised": type(error).__name__, "text": str(error)}))
"""


def ping(arguments, **more):
    """Run a module on host edge1, and return its result, or what was raised."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "edge_secret": "x", **more}
    done = subprocess.run([sys.executable, "-c", PLAY, json.dumps(variables), json.dumps(arguments)], check=True, capture_output=True, text=True,
                          env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/dev")}, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_module_runs_over_the_connection_of_the_host():
    assert ping({"data": "seen"})["ping"] == "seen"


@pytest.mark.parametrize("arguments, variables, why", [
    ({"data": "crash"}, {}, "node edge1: .*boom"),
    ({}, {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}, "Connection refused"),
    ({}, {"ansible_connection": "pigeon"}, "edge1 is to be reached by pigeon"),
])
def test_a_host_that_does_not_answer_raises(arguments, variables, why):
    found = ping(arguments, **variables)
    assert found.get("raised", "").startswith("Ansible"), found
    assert re.search(why, found["text"], re.IGNORECASE | re.DOTALL), found


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
