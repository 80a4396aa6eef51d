# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons for a restart, by evidence."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils import started
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import evidence, paths

SERVER = "k3s_server"
UNIT = paths.unit_file(SERVER)
STAT = (100, 1700000000, 42)
HASHES = {paths.BINARY: "b" * 64, paths.CONFIG: "c" * 64, UNIT: "d" * 64, UNIT + ".env": "e" * 64}


def disk(stat=STAT, drop=(), **changes):
    hashes = {key: value for key, value in HASHES.items() if key not in drop and key != paths.BINARY}
    hashes.update({key.replace("__", "/"): value for key, value in changes.items()})
    return started.Record(stat, hashes)


RECORD = started.Record(STAT, HASHES)


def with_file(path, value="f" * 64):
    record = disk()
    return record._replace(hashes=dict(record.hashes, **{path: value}))


@pytest.mark.parametrize(("current", "reasons"), [
    (disk(), []),
    (disk((100, 1700000001, 43)), ["binary"]),
    (disk((100, 1700000001, 43))._replace(hashes=dict(disk().hashes, **{paths.BINARY: "b" * 64})), []),
    (disk((100, 1700000001, 43))._replace(hashes=dict(disk().hashes, **{paths.BINARY: "a" * 64})), ["binary"]),
    (with_file(paths.CONFIG), ["config"]),
    (with_file(paths.CONFIG + ".d/10-x.yaml"), ["config"]),
    (with_file(paths.REGISTRIES), ["registries"]),
    (with_file(UNIT + ".env"), ["env"]),
    (with_file(UNIT), ["unit"]),
    (with_file(UNIT + ".d/override.conf"), ["unit"]),
    (with_file(paths.AGENT + "/etc/containerd/config-v3.toml.d/10-x.toml"), ["containerd"]),
    (with_file(paths.AGENT + "/etc/containerd/config-v3.toml.tmpl"), ["containerd"]),
    (with_file(paths.AGENT + "/etc/kubelet.conf.d/10-x.conf"), ["kubelet"]),
    (disk(drop=(paths.CONFIG,)), ["config"]),
    (with_file("/etc/passwd"), []),
])
def test_restart_reasons(current, reasons):
    assert started.restart_reasons(RECORD, current, evidence.watched(SERVER)) == reasons


def test_without_a_record_there_is_a_reason():
    assert started.restart_reasons(None, disk(), evidence.watched(SERVER)) == [started.UNKNOWN]


def test_parse_skips_nonsense_and_generated_files():
    generated = paths.AGENT + "/etc/kubelet.conf.d/00-k3s-defaults.conf"
    record = started.parse("stat 1 2 3\nrubbish\n%s  /x\n%s  %s\nstat\n" % ("a" * 64, "b" * 64, generated), evidence.ignored)
    assert record.hashes == {"/x": "a" * 64}


def test_a_broken_stat_line_is_a_reason():
    assert started.restart_reasons(started.parse("stat 1\n"), disk(), evidence.watched(SERVER))


def test_the_shell_command_writes_what_parse_reads(tmp_path, monkeypatch):
    """The command of the unit, run for real in a directory of its own."""
    for name in ("BINARY", "CONFIG", "REGISTRIES", "STARTED", "UNIT_DIR", "AGENT"):
        monkeypatch.setattr(paths, name, str(tmp_path) + getattr(paths, name))
    files = {paths.BINARY: "binary", paths.CONFIG: "a: 1\n", paths.CONFIG + ".d/5 x.yaml": "b: 2\n",
             paths.unit_file(SERVER): "[Unit]\n", paths.env_file(SERVER): "A=1\n"}
    for path, text in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    subprocess.run(["/bin/sh", "-c", evidence.watched(SERVER).command()], check=True)
    with open(paths.STARTED, encoding="utf-8") as stream:
        record = started.parse(stream.read())
    assert os.stat(paths.STARTED).st_mode & 0o777 == 0o600
    binary = os.stat(paths.BINARY)
    assert record.binary_stat == (binary.st_size, int(binary.st_mtime), binary.st_ino)
    assert set(record.hashes) == set(files)
