# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which EdgeMesh's agent will run."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import mesh, verdicts

RELAYS = [{"node": "cloud-1", "addresses": ["192.0.2.1"]}]
INTENT = {"node": "edge1", "runtime": "edgecore", "mesh": {"relays": RELAYS}}
WORKS = {"loaded": False, "works": True, "loadable": False}
ABSENT = {"loaded": False, "works": False, "loadable": False}


def port(number, process):
    return {"port": number, "address": "0.0.0.0", "pid": 7, "process": process, "executable": "", "unit": ""}


def looked(*ports, dummy=None, tree=True, **relays):
    return {"ports": list(ports), "modules": {"tree": tree, "state": {"dummy": dummy or WORKS}}, "mesh": {"cloud-1": "", **relays}}


REFUSED = "192.0.2.1 port 20006: connection refused"
SILENT = "192.0.2.1 port 20006: no answer within 3 s"


@pytest.mark.parametrize(("check", "found", "intent", "expected", "words"), [
    (mesh.mesh, looked(), {}, ["pass"], ""),
    (mesh.mesh, looked(port(20006, "edgemesh-agent")), {}, ["pass"], ""),
    (mesh.mesh, looked(port(20006, "node_exporter")), {}, ["fail"], "another port"),
    (mesh.mesh, looked(port(20006, "")), {}, ["fail"], "another port"),
    (mesh.mesh, looked(port(10256, "kube-proxy")), {}, ["fail"], "keep kube-proxy off"),
    (mesh.mesh, looked(port(10256, "kube-proxy")), {"runtime": "k3s_server"}, ["pass"], ""),
    (mesh.mesh, looked(dummy=ABSENT), {}, ["fail"], "edgemesh_state: absent"),
    (mesh.mesh, looked(dummy=dict(ABSENT, loadable=True)), {}, ["pass"], ""),
    (mesh.mesh, looked(dummy=ABSENT, tree=False), {}, ["inconclusive"], "modprobe dummy"),
    (mesh.mesh, looked(port(20006, "x"), dummy=ABSENT), {"mesh": {}}, [], ""),
    (mesh.relays, looked(), {}, ["pass"], ""),
    # before the first run
    (mesh.relays, looked(**{"cloud-1": REFUSED}), {}, ["pass"], ""),
    (mesh.relays, looked(**{"cloud-1": SILENT}), {}, ["warn"], "Open 20006/tcp"),
    (mesh.relays, looked(**{"cloud-1": REFUSED + "; " + SILENT}), {}, ["warn"], "Open 20006/tcp"),
    (mesh.relays, {}, {}, ["error"], "Run preflight again"),
    (mesh.relays, {}, {"mesh": {}}, [], ""),
])
def test_checks(check, found, intent, expected, words):
    rows = check(found, dict(INTENT, **intent))
    assert [row["verdict"] for row in rows] == expected, rows
    assert words in " ".join(row["remedy"] for row in rows)


def test_they_are_among_the_checks():
    assert {mesh.mesh, mesh.relays} <= {check for _needs, check in verdicts.CHECKS}
