# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a model is asked through the API server's proxy."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.site_hands import ByProxy
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import MAX_BYTES, Counted, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Exam
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Question
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


class Api:
    """Answers with what each path has, and remembers what was asked."""

    def __init__(self, metrics):
        self.metrics, self.asked = metrics, []

    def text(self, path, query, limit, seconds):
        self.asked.append((path.partition("/pods/")[2], limit))
        return self.metrics if path.endswith("/metrics") else json.dumps(c.WELL)

    def post(self, path, document, seconds, limit):
        self.asked.append((path.partition("/pods/")[2], limit))
        return c.RIGHT


@pytest.mark.parametrize(("port", "asked"), [(0, 8080), (8002, 8002)])
def test_outputs_are_read_from_the_port_of_the_metrics(port, asked):
    api, pod = Api('edgeai_outputs_total{bin="good"} 7'), c.pod()
    exam = Exam("/health", ({"inputs": []},), counter=Counter("class", "edgeai_outputs_total", "bin", "/metrics", port))
    found = ByProxy(api, "edgeai", 5)(Question("plant/" + c.TARGET, c.NEW, "`true`", exam, 0), c.expected(), pod)
    assert found.outputs == Counted({"good": 7}) and found.container == c.container_id(pod)
    assert api.asked[1] == (f"http:{pod['metadata']['name']}:{asked}/proxy/metrics", MAX_BYTES)
