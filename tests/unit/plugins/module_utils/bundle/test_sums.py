# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checksum files."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.sums import parse_sums

A, B = "a" * 64, "b" * 64


def test_names_are_whole():
    text = "%s  k3s\n%s *k3s-airgap-images-amd64.tar.zst\n\n" % (A, B)
    assert parse_sums(text, "sums") == {"k3s": A, "k3s-airgap-images-amd64.tar.zst": B}


@pytest.mark.parametrize("line", [
    "a" * 63 + "  k3s", "A" * 64 + "  k3s", A + " k3s", A + "\tk3s", A, A + "  ", A + "  ../k3s", A + "  /etc/passwd",
    A + "  k3s extra", " " + A + "  k3s", "<html>404</html>",
])
def test_broken_line_breaks_the_file(line):
    with pytest.raises(BundleError, match="sums line 2"):
        parse_sums("%s  good\n%s\n" % (A, line), "sums")


def test_two_checksums_for_one_name():
    with pytest.raises(BundleError, match="names k3s twice"):
        parse_sums("%s  k3s\n%s  k3s\n" % (A, B), "sums")
    assert parse_sums("%s  k3s\n%s  k3s\n" % (A, A), "sums") == {"k3s": A}


def test_names_of_debian_packages():
    name = "libnvidia-compute-580_580.95.05-0ubuntu1~24.04.1+b1_amd64.deb"
    assert parse_sums("%s  %s\n" % (A, name), "sums") == {name: A}
