# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names, addresses and architectures."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import naming
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError


@pytest.mark.parametrize("arch, binary, images, sums", [
    ("amd64", "k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt"),
    ("arm64", "k3s-arm64", "k3s-airgap-images-arm64.tar.zst", "sha256sum-arm64.txt"),
    ("arm", "k3s-armhf", "k3s-airgap-images-arm.tar.zst", "sha256sum-arm.txt"),
])
def test_release_files(arch, binary, images, sums):
    assert naming.k3s_files(arch) == naming.K3sFiles(binary, images, sums)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "armhf", "", None])
def test_other_architectures_are_refused(arch):
    with pytest.raises(BundleError, match="not supported"):
        naming.k3s_files(arch)


@pytest.mark.parametrize("machine, arch", [
    ("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("armv6l", None), ("riscv64", None),
])
def test_machine_arch(machine, arch):
    assert naming.machine_arch(machine) == arch


@pytest.mark.parametrize("version, valid", [
    ("v1.36.5+k3s1", True), ("v1.36.5+k3s1.standin", True), ("v1.37.0-rc1+k3s2", True),
    ("v1.36", False), ("latest", False), ("1.36.5+k3s1", False), ("v1.36.5", False), ("v1.36.5+k3s1\n", False),
])
def test_version(version, valid):
    assert bool(naming.K3S_VERSION.match(version)) is valid


def elf(machine, order="little"):
    mark = {"little": 1, "big": 2}[order]
    return b"\x7fELF" + bytes([2, mark, 1]) + bytes(9) + struct.pack("<HH" if mark == 1 else ">HH", 2, machine)


@pytest.mark.parametrize("header, arch", [
    (elf(62), "amd64"), (elf(183), "arm64"), (elf(40), "arm"), (elf(40, "big"), "arm"), (elf(243), "unknown"),
    (b"#!/usr/bin/env python3\n", None), (b"\x7fELF", None), (b"", None),
])
def test_elf_arch(header, arch):
    assert naming.elf_arch(header) == arch


def test_elf_of_another_architecture_is_an_error():
    naming.check_elf(elf(183), "arm64", "k3s-arm64")
    naming.check_elf(b"#!/bin/sh", "arm64", "k3s-arm64")
    with pytest.raises(BundleError, match="Found: arm64. Wanted: amd64"):
        naming.check_elf(elf(183), "amd64", "k3s")


@pytest.mark.parametrize("header, kind", [
    (b"!<arch>\ndebian-binary", "deb"), (b"\xed\xab\xee\xdb\x03\x00", "rpm"),
])
def test_packages_are_known_by_their_first_bytes(header, kind):
    naming.check_package(header, kind, "a." + kind)
    for wrong in (b"", b"<html>", b"!<arch>\nother.o       "):
        with pytest.raises(BundleError, match="is no .%s package" % kind):
            naming.check_package(wrong, kind, "a." + kind)


@pytest.mark.parametrize("source, relative, location", [
    ("https://host:8443/m", "k3s/v1.36.5+k3s1/k3s", "https://host:8443/m/k3s/v1.36.5%2Bk3s1/k3s"),
    ("/srv/mirror", "k3s/v1.36.5+k3s1/k3s", "/srv/mirror/k3s/v1.36.5+k3s1/k3s"),
    ("/", "k3s", "/k3s"),
])
def test_locate(source, relative, location):
    assert naming.locate(naming.check_source(source), relative) == location


@pytest.mark.parametrize("source", [
    "http://mirror.example", "ftp://mirror.example", "file:///srv", "https://", "mirror", "../mirror",
    "https://user:word@mirror.example", "https://mirror.example/?a=b", "https://mirror.example/#x",
])
def test_refused_sources(source):
    with pytest.raises(BundleError):
        naming.check_source(source)
