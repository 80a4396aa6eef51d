# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an edge node in a directory: what is found, written, kept and forgotten."""

from __future__ import annotations

import base64
import datetime
import json
import os
import sqlite3
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import config, edge_paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import edge_node, edge_proven
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_node import EdgeNode, Postponed, Refused
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.upgrade import Kept
from ansible_collections.edgeai.sites.plugins.module_utils.started import Watched

CA = "ab" * 32
PARAMS = {
    "node_name": "edge1", "version": "v1.23.1", "server": "192.0.2.1", "ports": {"https": 10002, "websocket": 10000, "quic": 10001, "tunnel": 10004},
    "transport": "websocket", "address": "", "cgroup_driver": "systemd", "pause_image": "docker.io/kubeedge/pause:3.6", "taints": [], "config": {},
    "resolv_conf": "", "action": "enrol", "forget": False, "needs_token": True, "token": "", "ca_sha256": CA, "start_reason": "",
    "mesh": False, "cloud_version": "v1.23.1", "out_of_reach": ""}


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def token(ca=CA, seconds=3600):
    signature = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
    return ".".join([ca, part({"alg": "HS256", "typ": "JWT"}), part({"exp": int(time.time()) + seconds}), signature])


class Unit:
    """systemctl, and what it was told."""

    def __init__(self):
        self.active, self.enabled, self.told = "inactive", "disabled", []

    def __call__(self, argv):
        if argv[1] == "show":
            return 0, "ActiveState=%s\nSubState=running\nUnitFileState=%s\nNeedDaemonReload=no\nDropInPaths=\n" % (self.active, self.enabled), ""
        self.told.append(" ".join(argv[1:]))
        self.active = {"stop": "inactive"}.get(argv[1], self.active)
        self.enabled = "enabled" if argv[1] == "enable" else self.enabled
        return 0, "", ""


@pytest.fixture(name="unit")
def _unit(tmp_path, monkeypatch):
    for name in ("BINARY", "CONFIG_DIR", "CONFIG", "TOKEN", "CA_DIR", "CA", "CERTIFICATES", "CERTIFICATE", "KEY", "DATA", "DATABASE", "UNIT_FILE", "STARTED"):
        monkeypatch.setattr(edge_paths, name, str(tmp_path) + getattr(edge_paths, name))
    for path in (edge_paths.BINARY, edge_paths.UNIT_FILE, edge_paths.STARTED):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(edge_paths.BINARY, "w", encoding="ascii") as stream:
        stream.write("#!")
    os.chmod(edge_paths.BINARY, 0o755)
    monkeypatch.setattr(config, "WATCHED", Watched(edge_paths.STARTED, edge_paths.BINARY, {"config": [edge_paths.CONFIG], "unit": [edge_paths.UNIT_FILE]}))
    return Unit()


def run(unit, check_mode=False, **params):
    unit.told = []
    node = EdgeNode(dict(PARAMS, **params), unit)
    plan = node.plan(check_mode)
    if not check_mode:
        node.apply(plan)
    return plan


def start(unit):
    """As its unit would: note what it starts with."""
    os.system(config.WATCHED.command())  # a shell, as systemd's ExecStartPre has
    unit.active = "active"


def names(plan):
    return [os.path.basename(change.path) for change in plan.files]


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_first_and_second_run(unit):
    text = token()
    plan = run(unit, token=text)
    assert names(plan) == ["edgecore.yaml", "edgecore.service", "bootstrap-edgecore.conf"]
    assert (mode(edge_paths.CONFIG), mode(edge_paths.TOKEN), mode(edge_paths.DATA)) == (0o600, 0o600, 0o700)
    assert unit.told == ["daemon-reload", "enable edgecore.service"]
    assert text not in json.dumps([change.diff() for change in plan.files])
    os.unlink(edge_paths.TOKEN)
    start(unit)
    calm = run(unit, action="keep", needs_token=False)
    assert (calm.changed, calm.restart_reasons, unit.told) == (False, [], [])


def test_check_mode_needs_no_token_and_writes_nothing(unit):
    plan = run(unit, check_mode=True, token="")
    assert plan.changed and not os.path.exists(edge_paths.CONFIG) and unit.told == []


@pytest.mark.parametrize(("changes", "reasons"), [
    ({"pause_image": "x/y:1"}, ["config"]), ({"start_reason": "its Node was deleted"}, ["its Node was deleted"]), ({}, [])])
def test_reasons_for_a_restart(unit, changes, reasons):
    run(unit, token=token())
    os.unlink(edge_paths.TOKEN)
    start(unit)
    assert run(unit, action="keep", needs_token=False, **changes).restart_reasons == reasons
    unit.active = "inactive"
    assert run(unit, action="keep", needs_token=False, **changes).restart_reasons == []


def test_enrolling_anew_stops_forgets_and_keeps_the_database(unit):
    run(unit, token=token())
    start(unit)
    for path in (edge_paths.CA, edge_paths.CERTIFICATE, edge_paths.DATABASE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as stream:
            stream.write("x")
    plan = run(unit, action="re_enrol", forget=True, token=token())
    assert plan.stop and plan.restart_reasons == [] and unit.told[0] == "stop edgecore.service"
    assert not os.path.exists(edge_paths.CA_DIR) and not os.path.exists(edge_paths.CERTIFICATES)
    assert os.path.exists(edge_paths.DATABASE) and os.path.exists(edge_paths.TOKEN)


@pytest.mark.parametrize(("changes", "words"), [
    ({"token": ""}, "no token"), ({"token": "nonsense"}, "1 of 4 parts"), ({"token": token(ca="cd" * 32)}, "another CA's"),
    ({"token": token(seconds=-7300)}, r"expired 12\d min ago"), ({"token": token(), "version": "v1.23.0"}, "security fixes"),
    ({"token": token(), "config": {"x": 1}}, "unknown key x"),
])
def test_what_is_refused_is_not_written(unit, changes, words):
    with pytest.raises(Refused, match=words) as refused:
        run(unit, **changes)
    assert not os.path.exists(edge_paths.CONFIG) and unit.told == []
    assert not changes["token"] or changes["token"] not in str(refused.value)


@pytest.mark.parametrize(("kept", "changes", "error", "words"), [
    (Kept(), {"cloud_version": "v1.22.2"}, Refused, "newer than CloudCore v1.22.2"),
    (Kept("v1.23.1"), {"version": "v1.23.2", "cloud_version": "v1.23.2", "out_of_reach": "connection refused"}, Postponed, "stays at v1.23.1"),
])
def test_another_version_that_is_refused_or_has_to_wait_is_not_written(unit, monkeypatch, kept, changes, error, words):
    monkeypatch.setattr(edge_proven, "kept", lambda: kept)
    with pytest.raises(error, match=words):
        run(unit, action="keep", needs_token=False, **changes)
    assert not os.path.exists(edge_paths.CONFIG) and unit.told == []


def test_without_a_binary_there_is_nothing_to_configure(unit):
    os.unlink(edge_paths.BINARY)
    with pytest.raises(Refused, match="is missing: run the artifacts step first"):
        run(unit, token=token())
    assert run(unit, check_mode=True).warnings


def database(rows=("null/node/edge1",)):
    os.makedirs(edge_paths.DATA, exist_ok=True)
    connection = sqlite3.connect(edge_paths.DATABASE)
    connection.execute("CREATE TABLE meta (key text, type text, value text, PRIMARY KEY (key))")
    connection.executemany("INSERT INTO meta VALUES (?, 'node', '')", [(row,) for row in rows])
    connection.commit()
    return connection


def test_the_node_of_a_database(unit):
    assert edge_node.database_node() == ""
    database().close()
    assert edge_node.database_node() == "edge1"


def test_a_database_that_no_node_is_in_is_none(unit):
    database(["default/pod/a"]).close()
    assert edge_node.database_node() == ""


def test_a_damaged_database_is_none(unit):
    database().close()
    with open(edge_paths.DATABASE, "r+b") as stream:
        stream.write(b"x" * 4096)
    assert edge_node.database_node() == ""


def test_a_database_in_use_can_be_asked(unit):
    connection = database()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO meta VALUES ('a', 'b', 'c')")
    assert edge_node.database_node() == "edge1"
    connection.close()


def write_identity(name="system:node:edge1", other_key=False):
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    day = datetime.datetime(2026, 11, 1)
    cert = (x509.CertificateBuilder().subject_name(names).issuer_name(names).public_key(key.public_key()).serial_number(1)
            .not_valid_before(day).not_valid_after(day + datetime.timedelta(days=365)).sign(key, hashes.SHA256()))
    shown = ec.generate_private_key(ec.SECP256R1()) if other_key else key
    for path, data in (
            (edge_paths.CA, cert.public_bytes(serialization.Encoding.PEM)), (edge_paths.CERTIFICATE, cert.public_bytes(serialization.Encoding.PEM)),
            (edge_paths.KEY, shown.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(data)


@pytest.mark.parametrize("other_key", [True, False])
def test_facts(unit, other_key):
    assert (edge_node.facts(unit)["certificate"], edge_node.facts(unit)["ca_sha256"]) == (None, "")
    write_identity(other_key=other_key)
    found = edge_node.facts(unit)
    assert found["certificate"]["common_name"] == "system:node:edge1" and len(found["ca_sha256"]) == 64
    assert found["key_fits"] is not other_key
    assert "PRIVATE KEY" not in json.dumps(found)


def test_a_certificate_that_cannot_be_read_is_said(unit):
    write_identity()
    with open(edge_paths.CERTIFICATE, "w", encoding="ascii") as stream:
        stream.write("rubbish")
    assert edge_node.facts(unit)["unreadable"] == "there is no certificate in it"
