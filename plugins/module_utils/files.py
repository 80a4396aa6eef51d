# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of hosts and controllers: replaced in one step, hashed piece by piece (I/O)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import BinaryIO

CHUNK = 1024 * 1024  # bytes


def replace(path: str, text: str, permissions: int) -> None:
    """Write ``path`` in one step: a reader or a power cut sees the old file or the new one, never a part.

    The temporary file is made in the same directory, so that SELinux labels it like its neighbours.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".edgeai-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), permissions)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def sha256_of(stream: BinaryIO) -> str:
    """SHA-256, in hex, of what is left in an open file of any size."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()
