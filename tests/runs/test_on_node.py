# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action that runs a module on another host, over a real connection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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
