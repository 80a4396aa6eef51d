# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names, addresses and architectures of K3s releases.

The trap: the 32-bit ARM binary is called ``k3s-armhf`` while its images and checksums say ``arm``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError

UPSTREAM = "https://github.com/k3s-io/k3s/releases/download"
ARCHITECTURES = ("amd64", "arm64", "arm")
#: What has no architecture, such as a manifest.
ANY = "any"
#: A release (``v1.36.5+k3s1``) or a build from a commit (``v1.36.5+k3s-66a14f0e``), never a channel.
K3S_VERSION = re.compile(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?\+k3s(\d+([.-][0-9A-Za-z.-]+)?|-[0-9a-f]{7,40})\Z")

_BINARY = {"amd64": "k3s", "arm64": "k3s-arm64", "arm": "k3s-armhf"}
_PACKAGE_ARCH = {
    "deb": {"amd64": "amd64", "arm64": "arm64", "arm": "armhf"},
    "rpm": {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7hl"},
}
# armv6l is left out on purpose: the arm build needs ARMv7.
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "armv8l": "arm"}
_ELF_MACHINES = {62: "amd64", 183: "arm64", 40: "arm"}


@dataclass(frozen=True)
class K3sFiles:
    """Names of the release files of one architecture."""

    binary: str
    images: str
    sums: str


def check_arch(arch, where="architecture"):
    """Return ``arch`` if it is one we can serve."""
    if arch not in ARCHITECTURES:
        raise BundleError(
            "%s is not supported" % where, found=repr(arch), wanted="one of %s" % ", ".join(ARCHITECTURES),
            remedy="use the names of Kubernetes (amd64, arm64, arm), not those of uname",
        )
    return arch


def k3s_files(arch):
    """Return the release file names for ``arch``."""
    check_arch(arch)
    return K3sFiles(
        binary=_BINARY[arch], images="k3s-airgap-images-%s.tar.zst" % arch, sums="sha256sum-%s.txt" % arch,
    )


def k3s_release_names():
    """Return every file name that a release may have a checksum for."""
    names = set()
    for arch in ARCHITECTURES:
        names.add(_BINARY[arch])
        names.update("k3s-airgap-images-%s.tar%s" % (arch, end) for end in ("", ".gz", ".zst"))
    return frozenset(names)


def package_arch(package_format, arch):
    """Return what packages of this format (deb, rpm) call the architecture in their file names."""
    return _PACKAGE_ARCH[package_format][check_arch(arch)]


def check_package(header, package_format, name):
    """Raise unless ``header`` (first 20 bytes) is that of a package of this format."""
    # A .deb is an ar archive whose first member is debian-binary; an .rpm has a lead of its own.
    start = b"!<arch>\ndebian-bin" if package_format == "deb" else b"\xed\xab\xee\xdb"
    if not header.startswith(start):
        raise BundleError(
            "%s is no .%s package" % (name, package_format), found="a file that starts with %r" % header[:8],
            wanted="a package as the distribution's tools build it", remedy="the source serves a wrong file under this name",
        )


def machine_arch(machine):
    """Translate ``uname -m`` to the name of the architecture, or None if no artifact runs there."""
    return _MACHINES.get(machine)


def elf_arch(header):
    """Return the architecture in the first 20 bytes of an ELF file, "unknown" for others, None if it is no ELF."""
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    order = "big" if header[5] == 2 else "little"
    return _ELF_MACHINES.get(int.from_bytes(header[18:20], order), "unknown")


def check_elf(header, arch, name):
    """Raise if ``header`` is that of an ELF program for another architecture than ``arch``."""
    found = elf_arch(header)
    if found is not None and found != arch:
        raise BundleError(
            "%s is a program for another architecture" % name, found=found, wanted=arch,
            remedy="the source serves a wrong file under this name; correct the mirror or the pin in the lock file",
        )


def is_url(source):
    """Tell an address from a directory."""
    return "://" in source


def check_source(source):
    """Return ``source`` without a final slash if it is an https address without credentials or an absolute path."""
    if not is_url(source):
        if not source.startswith("/"):
            raise BundleError("source is neither an https address nor an absolute path", found=repr(source))
        return source.rstrip("/") or "/"
    parts = urlsplit(source)
    if parts.scheme != "https" or not parts.hostname:
        raise BundleError(
            "source %r is refused" % source, found="scheme %r" % parts.scheme, wanted="https with a host name",
            remedy="serve the mirror over https and name its certificate authority with ca_file",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BundleError(
            "source has credentials, a query or a fragment in it", wanted="https://host[:port]/path",
            remedy="addresses are written into bundle.json; use a mirror that needs no credentials",
        )
    return source.rstrip("/")


def locate(source, relative):
    """Join ``source`` (address or directory) and a relative path; ``+`` becomes ``%2B`` in addresses."""
    if not is_url(source):
        return "%s/%s" % (source.rstrip("/"), relative)
    return "%s/%s" % (source, "/".join(quote(part, safe="") for part in relative.split("/")))
