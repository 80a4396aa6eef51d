# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checksum files: as ``sha256sum`` writes them, and those that hold one bare SHA-512."""

from __future__ import annotations

import re

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.checks import SHA512
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError

MAX_BYTES = 256 * 1024
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+~-]{0,254})\Z")


def parse_sums(text, where):
    """Return ``{file name: sha256}`` of the checksum file ``where``.

    Every line must be ``<64 hex>  <name>``; one broken line makes the file untrustworthy as a whole.
    """
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.match(line)
        if not found:
            raise BundleError(
                "%s line %d is no checksum line" % (where, number), found="%.100r" % line,
                wanted="64 hexadecimal digits, two spaces, a file name", remedy="write the file with sha256sum",
            )
        digest, name = found.groups()
        if sums.setdefault(name, digest) != digest:
            raise BundleError(
                "%s names %s twice" % (where, name), found="%s and %s" % (sums[name], digest), wanted="one checksum",
            )
    return sums


def parse_bare_sha512(text, where):
    """Return the SHA-512 of the checksum file ``where``, which holds nothing else (as KubeEdge's releases have it)."""
    value = text.strip()
    if not SHA512.match(value):
        raise BundleError(
            "%s is no checksum file" % where, found="%.100r" % text, wanted="one SHA-512 of 128 lower-case hexadecimal digits",
            remedy="compare it with the upstream release",
        )
    return value
