# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of hosts and controllers: replaced in one step, hashed piece by piece, compared with what was noted of them (I/O)."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from typing import BinaryIO, Callable

from ansible_collections.edgeai.sites.plugins.module_utils.started import Record, Watched

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


def on_disk(watched: Watched, planned: dict[str, str], known: Record | None,
            ignored: Callable[[str], bool] = lambda path: False) -> Record:
    """What a unit would note at a start now, once ``planned`` (path -> text) has been written. ``known``: what it noted last."""
    hashes = {path: hashlib.sha256(text.encode("utf-8")).hexdigest() for path, text in planned.items()}
    for patterns in watched.reasons.values():
        for path in (path for pattern in patterns for path in glob.glob(pattern)):
            if path not in hashes and not ignored(path):
                hashes[path] = _sha256(path)
    binary = os.stat(watched.binary) if os.path.exists(watched.binary) else None
    binary_stat = (binary.st_size, int(binary.st_mtime), binary.st_ino) if binary else None
    if binary and known and known.binary_stat != binary_stat:
        hashes[watched.binary] = _sha256(watched.binary)
    return Record(binary_stat, hashes)


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return sha256_of(stream)
