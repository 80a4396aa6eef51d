# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take one program out of a release tarball, without unpacking or trusting the rest (I/O adapter)."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zlib

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.files import CHUNK

MAX_MEMBERS = 4096


def checksums(path):
    """Return ``(sha256, sha512)`` of a file, read once."""
    first, second = hashlib.sha256(), hashlib.sha512()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            first.update(chunk)
            second.update(chunk)
    return first.hexdigest(), second.hexdigest()


def take_member(path, member, target, limit, where):
    """Write the regular file ``member`` of the gzipped tarball ``path`` to ``target``.

    ``limit`` is the largest size in bytes that is accepted, ``where`` names the tarball in errors.
    """
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            found = _find(archive, member, where)
            if not found.isreg() or not 0 < found.size <= limit:
                raise BundleError(
                    "%s: %s is not what is expected" % (where, member),
                    found="%s of %d bytes" % ("a file" if found.isreg() else "no regular file", found.size),
                    wanted="a file of 1 to %d bytes" % limit, remedy="correct member in the lock file",
                )
            with open(target, "wb") as stream:
                shutil.copyfileobj(archive.extractfile(found), stream, CHUNK)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BundleError(
            "%s cannot be unpacked" % where, found=str(error), wanted="a tarball that gzip compressed",
            remedy="the source serves a wrong file under this name",
        )


def _find(archive, member, where):
    names = []
    for entry in archive:
        name = entry.name[2:] if entry.name.startswith("./") else entry.name
        if name == member:
            return entry
        names.append(name)
        if len(names) > MAX_MEMBERS:
            raise BundleError("%s has too many members" % where, wanted="at most %d" % MAX_MEMBERS)
    raise BundleError(
        "%s has no %s" % (where, member), found=", ".join(names[:20]) or "nothing", wanted=member,
        remedy="correct member in the lock file",
    )
