# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that shall run EdgeCore."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import edge, evidence, verdicts

DAY = 86400.0
INTENT = {"node": "edge1", "runtime": "edgecore", "arch": "amd64", "address": "192.0.2.11", "gpu": "none",
          "cloudcore": {"server": "192.0.2.1", "ports": {"https": 10002, "websocket": 10000, "quic": 10001}, "transport": "websocket"}}
REACHED = {"https": "", "ca_sha256": "ab" * 32, "trust": "", "hub": "", "client": None, "quic": ""}
CLEAN = {"common_name": "", "expires": 0.0, "database_node": "", "unit": False, "unit_ours": False, "cri_disabled": "", "networks": []}


def looked(cloudcore=None, units=None, **edge_state):
    return {"systemd": {"units": units or {}}, "clock": {"epoch": 1000 * DAY}, "edge": dict(CLEAN, **edge_state), "cloudcore": cloudcore or REACHED}


JOINED = {"common_name": "system:node:edge1", "expires": 1200 * DAY, "database_node": "edge1", "unit": True, "unit_ours": True}


@pytest.mark.parametrize(("check", "found", "intent", "expected", "words"), [
    (edge.one_kubelet, looked(), {}, ["pass"], ""),
    (edge.one_kubelet, looked(units={"kubelet.service": {"active": "inactive"}}), {}, ["fail"], "systemctl disable --now kubelet.service"),
    (edge.one_kubelet, looked(units={"cri-docker.service": {"active": "active"}}), {}, ["warn"], "not Docker"),
    (edge.one_kubelet, looked(units={"cri-docker.service": {"active": "inactive"}}), {}, ["pass"], ""),
    (edge.existing_edgecore, looked(), {}, ["pass"], ""),
    (edge.existing_edgecore, looked(**JOINED), {}, ["pass"], ""),
    (edge.existing_edgecore, looked(**JOINED), {"node_name": "edge9"}, ["fail"], "reset it first"),
    (edge.existing_edgecore, looked(database_node="old"), {}, ["fail"], "reset it first"),
    (edge.existing_edgecore, looked(**{**JOINED, "unit_ours": False}), {}, ["warn"], "edgecore_config first"),
    (edge.existing_edgecore, looked(**{**JOINED, "expires": 900 * DAY}), {}, ["warn"], "enrols it anew"),
    (edge.engine, looked(), {}, ["pass"], ""),
    (edge.engine, looked(networks=["10-edgeai.conflist", "87-podman.conflist"]), {}, ["pass"], ""),
    (edge.engine, looked(networks=["05-calico.conflist"]), {}, ["fail"], "edgecore_pod_subnet"),
    (edge.engine, looked(networks=["05-calico.conflist"]), {"pod_subnet": ""}, ["pass"], ""),
    (edge.engine, looked(cri_disabled='disabled_plugins = ["cri"]'), {}, ["warn"], "takes cri out"),
    (edge.cloudcore, looked(), {}, ["pass", "pass"], ""),
    # before the first run there is no CloudCore
    (edge.cloudcore, looked(dict(REACHED, https="connection refused", hub="connection refused")), {}, ["warn", "warn"], "cloudcore step"),
    (edge.cloudcore, looked(dict(REACHED, trust="IP address mismatch")), {}, ["warn", "pass"], "cloudcore.addresses"),
    (edge.cloudcore, looked(dict(REACHED, trust="unable to get local issuer certificate")), {}, ["fail", "pass"], "ends TLS"),
    (edge.cloudcore, looked(), {"cloudcore": {}}, [], ""),
])
def test_checks(check, found, intent, expected, words):
    rows = check(found, dict(INTENT, **intent))
    assert [row["verdict"] for row in rows] == expected, rows
    assert words in " ".join(row["remedy"] for row in rows)


@pytest.mark.parametrize("check", [edge.one_kubelet, edge.existing_edgecore, edge.engine, edge.cloudcore])
def test_other_runtimes_get_no_verdict(check):
    assert check(looked(), dict(INTENT, runtime="k3s_agent")) == []


def test_no_evidence_of_cloudcore_is_an_error():
    found = looked()
    del found["cloudcore"]
    assert [row["verdict"] for row in edge.cloudcore(found, INTENT)] == ["error"]


@pytest.mark.parametrize(("entry", "verdict"), [
    ({"port": 10350, "address": "127.0.0.1", "pid": 9, "process": "edgecore", "executable": "/usr/local/bin/edgecore", "unit": "edgecore.service"}, "pass"),
    ({"port": 10350, "address": "127.0.0.1", "pid": 9, "process": "x", "executable": "/x", "unit": "x.service"}, "fail"),
    ({"port": 6443, "address": "0.0.0.0", "pid": 9, "process": "x", "executable": "/x", "unit": "x.service"}, "pass"),
])
def test_its_port(entry, verdict):
    assert [row["verdict"] for row in verdicts.ports({"ports": [entry]}, INTENT)] == [verdict]


def test_a_recorded_host_without_edgecore(recorded):
    assert evidence.collect(recorded("raspberry-pi-4"))["edge"] == CLEAN
