# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What agents and strangers get from K3s's own interface."""

from __future__ import annotations

import base64

import pytest
from standin_common import pki
from k3s_standin import supervisor
from standin_common.http import Request, Response


@pytest.fixture
def tls(tmp_path):
    for name in ("server-ca", "client-ca"):
        certificate, key = pki.make_ca(f"k3s-{name}")
        (tmp_path / f"{name}.crt").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key)
    return tmp_path


@pytest.fixture
def ask(tls, objects):
    made = supervisor.Supervisor(tls, lambda: {"node": "n-secret", "server": "s-secret", "bootstrap": ["abcdef.0123"]},
                                 {"ClusterDomain": "cluster.local"}, "10.0.0.1:6443", lambda request: Response(200, "api"))
    made.objects, made.phase = objects, "ready"

    def call(path, user="", **headers):
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        return made.answer(Request("GET", path, path, {}, headers, b"", {}, ("10.0.0.9", 4711)))
    call.supervisor = made
    return call


@pytest.mark.parametrize("phase, path, status, text", [
    ("starting", "/ping", 503, "starting"), ("starting", "/cacerts", 503, "starting"),
    ("core", "/ping", 200, None), ("core", "/api", 503, "runtime core not ready"), ("ready", "/api", 200, None),
])
def test_phases(ask, phase, path, status, text):
    ask.supervisor.phase = phase
    answer = ask(path)
    assert answer.status == status and (text is None or answer.body["message"] == text)


@pytest.mark.parametrize("user, path, status", [
    ("", "config", 403), ("node:wrong", "config", 401), ("node:n-secret", "config", 200), ("server:s-secret", "config", 403),
    ("server:s-secret", "encrypt/status", 200), ("node:n-secret", "encrypt/status", 403), ("abcdef:0123", "config", 200),
    ("node:n-secret", "client-kubelet.crt", 400),
])
def test_who_gets_what(ask, user, path, status):
    assert ask("/v1-k3s/" + path, user).status == status


def test_node_password(ask, objects):
    def certificate(password, name="client-kubelet.crt"):
        return ask("/v1-k3s/" + name, "node:n-secret", **{"K3s-Node-Name": "n1", "K3s-Node-Password": password})
    first = certificate("one")
    assert first.status == 200 and "BEGIN CERTIFICATE" in first.body and "PRIVATE KEY" in first.body
    assert certificate("one", "serving-kubelet.crt").status == 200
    refused = certificate("two")
    assert (refused.status, refused.body["message"]) == (
        403, "unable to verify password for node n1: hash does not match")
    secret = objects.find("secrets", "kube-system", "n1.node-password.k3s")
    stored = base64.b64decode(secret["data"]["hash"]).decode()
    assert stored.startswith("$1:") and stored.split(":")[2:5] == ["15", "8", "1"] and "one" not in stored
