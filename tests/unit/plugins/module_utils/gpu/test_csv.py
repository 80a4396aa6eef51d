# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV files of a Jetson."""
from __future__ import annotations

import re

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import csv

DEVICES = "dev, /dev/nvhost-ctrl\ndev, /dev/nvmap\n"
CUDA = "/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1"
DRIVERS = "# of nvidia-l4t-init\n\nlib, %s\nsym, /usr/lib/aarch64-linux-gnu/libcuda.so\ndir, /lib/firmware/tegra23x\n" % CUDA
FILES = {"devices.csv": DEVICES, "drivers.csv": DRIVERS, "l4t.csv": None}
ALL = {"/dev/nvhost-ctrl", "/dev/nvmap", CUDA}


def test_entries():
    entries, unreadable = csv.parse(DRIVERS + "lib\nlib, relative\nexe, /bin/x\n")
    assert [entry.kind for entry in entries] == ["lib", "sym", "dir"]
    assert unreadable == ["6: lib", "7: lib, relative", "8: exe, /bin/x"]


@pytest.mark.parametrize("files, present, problem", [
    (FILES, ALL, None),
    (FILES, ALL - {"/dev/nvmap"}, None),
    (FILES, ALL - {CUDA}, "libcuda.so is not where"),
    (FILES, {CUDA}, "none of the 2 devices"),
    (dict(FILES, **{"drivers.csv": "lib, /usr/lib/libnvscf.so\n"}), ALL, "no line of .* names libcuda.so"),
    (dict(FILES, **{"l4t.csv": "nonsense\n"}), ALL, "l4t.csv line 1: nonsense cannot be read"),
    (dict.fromkeys(csv.DEFAULT_FILES), set(), "none of devices.csv"),
])
def test_problems(files, present, problem):
    found = csv.problems(files, present)
    assert (found == []) if problem is None else (len(found) == 1 and re.search(problem, found[0])), found


def test_targets():
    assert CUDA in csv.targets(FILES) and "/dev/nvmap" in csv.targets(FILES)
