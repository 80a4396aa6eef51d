# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What judges a wave as a whole: a Prometheus on the loopback, and commands."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.plugin_utils.wave_gates import WaveGates
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan


def vector(*values):
    return {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, value]} for value in values]}}


@contextmanager
def prometheus(document, status=200):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def read(tmp_path, url="", **gates):
    plan = small_plan(gates=gates)
    found = WaveGates(url, str(tmp_path)).read(plan, initial(plan))
    return found[0]


QUERY = [{"name": "errors", "query": "sum(errors)", "op": "<", "value": 0.01, "count": 1, "max_failed": 0, "interval": "1s"}]


@pytest.mark.parametrize(("document", "verdict"), [
    (vector("0.001"), "pass"), (vector("0.5"), "fail"), (vector(), "inconclusive"), (vector("0.001", "0.001"), "inconclusive"), (vector("NaN"), "inconclusive"),
    ({"status": "success", "data": {"resultType": "scalar", "result": [1, "0.001"]}}, "pass"), (b"no JSON", "inconclusive"), ({"data": {}}, "inconclusive"),
])
def test_a_query(tmp_path, document, verdict):
    with prometheus(document) as url:
        assert read(tmp_path, url, prometheus=QUERY).verdict == verdict


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://127.0.0.1:1"])
def test_without_an_answer_nothing_is_known(tmp_path, url):
    assert read(tmp_path, url, prometheus=QUERY).verdict == "inconclusive"


def test_an_error_of_the_server_is_no_answer(tmp_path):
    with prometheus(vector("0.001"), status=503) as url:
        assert read(tmp_path, url, prometheus=QUERY).verdict == "inconclusive"


@pytest.mark.parametrize(("argv", "verdict", "words"), [
    (["/bin/true"], "pass", ""), (["/bin/sh", "-c", "echo too dark; exit 1"], "fail", "too dark"), (["/bin/sh", "-c", "exit 75"], "inconclusive", ""),
    (["/nowhere/at/all"], "error", "No such file"), (["/bin/sleep", "20"], "error", ""),
])
def test_a_command(tmp_path, argv, verdict, words):
    reading = read(tmp_path, command=[{"name": "light", "argv": argv, "timeout": "1s"}])
    assert reading.verdict == verdict and words in reading.found


def test_a_command_learns_what_it_judges(tmp_path):
    read(tmp_path, command=[{"name": "light", "argv": ["/bin/sh", "-c", "echo $EDGEAI_RELEASE $EDGEAI_WAVE > seen"]}])
    assert (tmp_path / "seen").read_text() == "vision-2 canary\n"


def test_a_command_that_asked_to_wait_is_not_run_at_once_again(tmp_path):
    plan = small_plan(gates={"command": [{"name": "light", "argv": ["/bin/sh", "-c", "echo . >> seen; exit 75"]}]})
    gates = WaveGates("", str(tmp_path))
    for _turn in range(3):
        gates.read(plan, initial(plan))
    assert (tmp_path / "seen").read_text() == ".\n"
