# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disk space for artifacts, decided before the first byte is sent."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError

MIB = 1024 * 1024
RESERVE = 64 * MIB


def needs(missing, staging_device):
    """Return ``{device: bytes}`` that the missing files need at their peak.

    ``missing`` lists ``(size, bytes already staged, device of the target)``. Pieces lie on the staging device until
    their file is assembled; files are assembled one by one, so where both are one device, only the largest file
    is there twice.
    """
    result = {}
    for size, staged, device in missing:
        result[staging_device] = result.get(staging_device, 0) + max(0, size - staged)
    for device in {device for unused, unused2, device in missing}:
        sizes = [size for size, unused, where in missing if where == device]
        result[device] = result.get(device, 0) + (max(sizes) if device == staging_device else sum(sizes))
    return result


def check_space(needed, free, paths):
    """Raise unless every device has what it needs and RESERVE on top.

    ``free`` maps device to bytes, ``paths`` maps device to a directory on it that a person knows.
    """
    for device, amount in sorted(needed.items()):
        if free[device] < amount + RESERVE:
            raise BundleError(
                "not enough disk space below %s, nothing was sent" % paths[device],
                found="%d MiB free" % (free[device] // MIB),
                wanted="%s for artifacts and %s in reserve" % (mebibytes(amount), mebibytes(RESERVE)),
                remedy="free space on this file system or give it a larger disk",
            )


def mebibytes(amount):
    """Return bytes as a person reads them, rounded up."""
    return "%d MiB" % -(-amount // MIB)
