# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cutting a file into pieces that survive a lost link."""

from __future__ import annotations

import re

PIECE_SIZE = 16 * 1024 * 1024
PIECE_NAME = re.compile(r"([0-9a-f]{64})\.(\d{1,6})\Z")


def lengths(size, piece_size=PIECE_SIZE):
    """Return the length in bytes of every piece of a file of ``size`` bytes."""
    full, rest = divmod(size, piece_size)
    return [piece_size] * full + ([rest] if rest else [])


def piece_name(sha256, number):
    """Return the file name of one piece; its file is named by its own SHA-256."""
    return "%s.%d" % (sha256, number)


def to_send(wanted, staged):
    """Return the numbers of the pieces that must be sent.

    ``wanted`` lists the SHA-256 of every piece, ``staged`` maps piece number (as text) to the SHA-256 found.
    """
    return [number for number, digest in enumerate(wanted) if staged.get(str(number)) != digest]
