# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What package tools say, and what follows from it."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.packages import plan
from ansible_collections.edgeai.sites.plugins.module_utils.packages.plan import File, Installed, PackagesError

CONTAINERD = File("containerd", "1.6.20~ds1-1+deb12u1", "amd64", "/p/containerd.deb")
RUNC = File("runc", "1.1.5+ds1-1+deb12u1", "amd64", "/p/runc.deb")


def test_what_dpkg_says():
    text = "ii \ta\t1\nhi \tb\t2\niU \tc\t3\niHR\td\t4\nrc \te\t5\nun \tf\t\nnonsense\n"
    assert plan.parse_dpkg(text) == {
        "a": Installed("1"), "b": Installed("2", held=True), "c": Installed("3", "unpacked"),
        "d": Installed("4", "half-installed", damaged=True), "e": Installed("5", "config-files"),
    }


def test_what_rpm_says():
    assert plan.parse_rpm("a\t0:1.20.0-1\nb\t3:580.95.05-1.el9\npackage c is not installed\n") == {
        "a": Installed("1.20.0-1"), "b": Installed("3:580.95.05-1.el9")}


def test_files():
    assert plan.parse_files("a\t0:1\tamd64\nb\t2\tall\n", ["/p/a.deb", "/p/b.deb"]) == [
        File("a", "1", "amd64", "/p/a.deb"), File("b", "2", "all", "/p/b.deb")]


def test_one_file_for_each_package():
    assert plan.choose(["runc", "containerd"], [CONTAINERD, RUNC], "x_version") == {"runc": RUNC, "containerd": CONTAINERD}
    with pytest.raises(PackagesError, match="no package file of cni on this host .found: containerd, runc."):
        plan.choose(["cni"], [CONTAINERD, RUNC], "x_version")
    with pytest.raises(PackagesError, match="several versions of runc .*: 1, 1.1.5.* Name one with x_version"):
        plan.choose(["runc"], [RUNC, RUNC._replace(version="1")], "x_version")


@pytest.mark.parametrize("installed, hold, expected", [
    ({}, False, [("install", ("/p/runc.deb", "/p/containerd.deb"))]),
    ({"runc": Installed(RUNC.version)}, False, [("install", ("/p/containerd.deb",))]),
    ({"runc": Installed(RUNC.version), "containerd": Installed(CONTAINERD.version)}, False, []),
    ({"runc": Installed(RUNC.version), "containerd": Installed(CONTAINERD.version)}, True, [("hold", ("runc", "containerd"))]),
    ({"runc": Installed(RUNC.version, held=True), "containerd": Installed(CONTAINERD.version)}, False, [("unhold", ("runc",))]),
])
def test_present(installed, hold, expected):
    actions = plan.present(installed, {"runc": RUNC, "containerd": CONTAINERD}, hold)
    assert [(action.kind, action.targets) for action in actions] == expected
