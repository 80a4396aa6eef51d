# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to an API server: what comes back, what is refused, and how long it may take."""

from __future__ import annotations

import time

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import MAX_RETRY_AFTER, ApiError, KubeApi

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import FakeSite

NODES = "/api/v1/nodes"


@pytest.fixture
def site():
    with FakeSite() as running:
        yield running.fill()


@pytest.fixture
def api(site, tmp_path):
    return KubeApi.from_kubeconfig(site.kubeconfig(tmp_path))


def test_documents_and_the_clock_of_the_server(api):
    assert [item["metadata"]["name"] for item in api.get(NODES)["items"]] == [c.NODE]
    assert abs(api.now() - c.NOW) < 5


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_an_error_carries_status_and_message(site, api, status):
    site.refuse = status
    with pytest.raises(ApiError, match="%s answered %d: Unauthorized" % (NODES, status)) as caught:
        api.get(NODES)
    assert caught.value.status == status


def test_a_program_that_logs_in_is_for_the_library(site, tmp_path):
    program = tmp_path / "login"
    program.write_text("""#!/bin/sh
echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "t0ken"}}'
""")
    program.chmod(0o755)
    path = site.kubeconfig(tmp_path)
    document = yaml.safe_load(open(path, encoding="utf-8"))
    document["users"][0]["user"] = {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}}
    (tmp_path / "programs").write_text(yaml.safe_dump(document))
    api = KubeApi.from_kubeconfig(str(tmp_path / "programs"))
    assert [item["metadata"]["name"] for item in api.get(NODES)["items"]] == [c.NODE]
    assert site.authorizations[-1] == "Bearer t0ken"


def test_a_token_is_shown(site, tmp_path):
    path = site.kubeconfig(tmp_path)
    document = yaml.safe_load(open(path, encoding="utf-8"))
    document["users"][0]["user"] = {"token": "t0ken"}
    (tmp_path / "tokens").write_text(yaml.safe_dump(document))
    KubeApi.from_kubeconfig(str(tmp_path / "tokens")).get(NODES)
    assert site.authorizations == ["Bearer t0ken"]


@pytest.mark.parametrize("header, seconds", [("7", 7.0), ("900", MAX_RETRY_AFTER), ("soon", 0.0), (None, 0.0)])
def test_an_error_carries_how_long_the_server_wants_to_be_left_alone(site, api, header, seconds):
    site.refuse, site.retry_after = 429, header
    with pytest.raises(ApiError) as caught:
        api.get(NODES)
    assert caught.value.retry_after == seconds


def test_nobody_listens(tmp_path):
    with FakeSite() as gone:
        path = gone.kubeconfig(tmp_path)
    with pytest.raises(ApiError, match="does not answer: connection refused") as caught:
        KubeApi.from_kubeconfig(path).get(NODES)
    assert caught.value.status == 0


def test_too_slow(site, api):
    site.health = lambda: time.sleep(2) or (200, {})
    begun = time.monotonic()
    with pytest.raises(ApiError, match="no answer in time"):
        api.get("/x/proxy/health", read_seconds=0.2)
    assert time.monotonic() - begun < 1.5


def test_too_large(site, api):
    site.raw = b'"' + b"x" * 5000 + b'"'
    with pytest.raises(ApiError, match="larger than 1000 bytes"):
        api.get("/x/proxy/health", limit=1000)


def test_not_json(site, api):
    site.raw = b"<html>"
    with pytest.raises(ApiError, match="not JSON"):
        api.get("/x/proxy/health")


@pytest.mark.parametrize("text", [None, "", "[]", "a: [", "kind: Config", "apiVersion: v1\nclusters: 5"])
def test_a_useless_kubeconfig(tmp_path, text):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ApiError, match="kubeconfig .* cannot be used"):
        KubeApi.from_kubeconfig(str(path))


def test_a_watch_gives_lines_as_they_come(site, api):
    lines = api.lines(NODES, {"watch": "1", "resourceVersion": str(site.version), "timeoutSeconds": "5"}, 5)
    site.put("nodes", c.node("one"))
    assert b'"one"' in next(lines)
    site.put("nodes", c.node("two"))
    assert b'"two"' in next(lines)
    lines.close()
