# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executable: same bytes for the same sources, and nothing needed but Python."""

from __future__ import annotations

import subprocess
import zipfile

import build
import pytest


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return build.build(folder, "v1.36.5+k3s1.standin")


def test_bytes_are_reproducible(built, tmp_path):
    again = build.build(tmp_path, "v1.36.5+k3s1.standin")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in built]


def test_architectures_differ(built):
    assert [p.name for p in built] == ["k3s", "k3s-arm64"]
    assert built[0].read_bytes() != built[1].read_bytes()


def test_it_is_an_executable_zip(built):
    assert built[0].read_bytes().startswith(b"#!/usr/bin/env python3\n") and built[0].stat().st_mode & 0o111
    names = zipfile.ZipFile(built[0]).namelist()
    assert {"__main__.py", "yaml/__init__.py", "k3s_standin/data/schema.json"} <= set(names)
    assert not [n for n in names if n.endswith(".so")]


@pytest.mark.parametrize("words, code, text", [
    (["--version"], 0, "k3s version v1.36.5+k3s1.standin (standin0)\ngo version go1."),
    (["no-such-command"], 3, "No help topic for 'no-such-command'"),
    (["crictl", "info"], 1, "crictl is not in this build"),
    (["server", "--no-such-flag"], 1, "Incorrect Usage: flag provided but not defined: -no-such-flag"),
    (["agent", "--no-such-flag"], 1, 'level=fatal msg="Error: flag provided but not defined: -no-such-flag"'),
])
def test_commands(built, words, code, text, tmp_path):
    extra = ["--data-dir", str(tmp_path)] if words[0] in ("server", "agent") else []
    done = subprocess.run([str(built[0]), *words[:1], *extra, *words[1:]], capture_output=True, text=True, timeout=30,
                          env={"PATH": "/usr/bin:/bin", "K3S_CONFIG_FILE": str(tmp_path / "none.yaml")})
    assert done.returncode == code, done
    assert text in done.stdout + done.stderr
