# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubectl logs on edge nodes: a sentence for every way in which a log request ended."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import logs_way
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import logs_way as adapter

PATH = "/api/v1/namespaces/default/pods/vision-1/log answered 500: Get \"https://192.0.2.52:10350/containerLogs/default/vision-1/vision\": "


@pytest.mark.parametrize(("status", "text", "start", "words"), [
    (200, "", "works", ""),
    # as a real K3s said it (recordings, section 1)
    (500, PATH + "proxy error from 127.0.0.1:6443 while dialing 192.0.2.52:10350, code 502: 502 Bad Gateway", logs_way.NOT, "port 10350"),
    (500, PATH + "dial tcp 192.0.2.52:10350: connect: connection refused", logs_way.NOT, "edgeStream"),
    (500, PATH + "dial tcp 192.0.2.52:10350: i/o timeout", logs_way.NOT, "NAT rules"),
    (0, "the API at https://192.0.2.41:6443 does not answer: no answer in time", logs_way.NOT, "NAT rules"),
    (500, PATH + "tls: failed to verify certificate: x509: certificate signed by unknown authority", logs_way.NOT, "certificate"),
    (500, PATH + "can not get edge session for the node", logs_way.NOT, "no tunnel"),
    (403, "pods is forbidden", logs_way.UNKNOWN, "may not read logs"),
    (404, "pods \"vision-1\" not found", logs_way.UNKNOWN, "just gone"),
    (400, "container vision is waiting to start: ContainerCreating", logs_way.UNKNOWN, "just gone"),
    (500, "etcdserver: leader changed", logs_way.UNKNOWN, "leader changed"),
    (500, "", logs_way.UNKNOWN, "no answer"),
    (500, "x" * 5000, logs_way.UNKNOWN, "x" * 200),
])
def test_what_a_request_came_to(status, text, start, words):
    said = logs_way.judge(status, text)
    assert said.startswith(start) and words in said and len(said) < 400


def test_a_node_that_is_away_says_nothing_about_the_way():
    assert logs_way.judge(0, "connection refused", ready=False) == "not known: the node is not Ready now"


def pod(name, node="edge-1", running=True, **metadata):
    return {"metadata": {"name": name, "namespace": "default", **metadata}, "spec": {"nodeName": node}, "status": {
        "containerStatuses": [{"name": "side", "state": {"waiting": {}}}, {"name": "vision", "state": {"running": {}} if running else {}}]}}


def test_a_container_that_runs_on_the_node_is_asked():
    pods = [pod("a", node="edge-2"), pod("b", running=False), pod("c", deletionTimestamp="2026-01-01T00:00:00Z"), pod("e"), pod("d")]
    assert logs_way.pod_on("edge-1", pods) == {"namespace": "default", "pod": "d", "container": "vision"}
    assert logs_way.pod_on("edge-3", pods) is None
    assert logs_way.pod_on("edge-1", [{"metadata": {"name": "x"}}]) is None


class Api:
    """Logs of the nodes' pods; what is no text is raised."""

    def __init__(self, logs):
        self.logs, self.asked = logs, []

    def get(self, path):
        assert path == "/api/v1/pods"
        return {"items": [pod("p-" + node, node) for node in self.logs]}

    def text(self, path, query, limit, seconds):
        self.asked.append((path, query, seconds))
        said = self.logs[path.split("/")[6][2:]]
        if isinstance(said, Exception):
            raise said
        return said


def test_each_node_is_asked_once_with_a_deadline():
    api = Api({"a": "line", "b": ApiError(500, PATH + "code 502: 502 Bad Gateway")})
    found = adapter.look(api, [{"name": "a", "ready": True}, {"name": "b", "ready": True}, {"name": "c", "ready": True},
                               {"name": "d", "ready": False}])
    assert found["a"] == "works" and found["b"].startswith(logs_way.NOT)
    assert found["c"] == logs_way.NO_POD and "not Ready" in found["d"]
    assert len(api.asked) == 2 and {seconds for _path, _query, seconds in api.asked} == {adapter.SECONDS}


def test_without_edge_nodes_nothing_is_asked():
    assert adapter.look(None, []) == {}
