# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a bundle directory on the controller (I/O adapter)."""

from __future__ import annotations

import hashlib
import os

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import MAX_BYTES, PROGRAM_KINDS, load_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import check_elf
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import PIECE_SIZE

MANIFEST_NAME = "bundle.json"
_BUILD = "build the bundle again with bundle.yml"


def blob_path(bundle, sha256):
    """Return the path of a blob."""
    return os.path.join(bundle, "blobs", "sha256", sha256)


def read_manifest(bundle):
    """Return the Manifest of the bundle directory ``bundle``."""
    path = os.path.join(bundle, MANIFEST_NAME)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError("no bundle at %s" % bundle, found=str(error), remedy="build one with bundle.yml, or correct edge_bundle_dir")
    if len(data) > MAX_BYTES:
        raise BundleError("%s is too large" % path, wanted="at most %d bytes" % MAX_BYTES, remedy=_BUILD)
    return load_manifest(data.decode("utf-8", "replace"), path)


class Blob:
    """The bytes of one artifact; ``artifact`` has kind, name, arch, sha256 and size."""

    def __init__(self, bundle, artifact):
        self.artifact = artifact
        self.path = blob_path(bundle, artifact.sha256)
        self.piece_hashes = []

    def verify(self):
        """Read the whole blob and return the SHA-256 of each piece; raise unless it is what bundle.json says."""
        whole, self.piece_hashes, size = hashlib.sha256(), [], 0
        for number, piece in enumerate(self._pieces()):
            if number == 0 and self.artifact.kind in PROGRAM_KINDS:
                check_elf(piece[:20], self.artifact.arch, "blob of %s" % self.artifact.name)
            whole.update(piece)
            size += len(piece)
            self.piece_hashes.append(hashlib.sha256(piece).hexdigest())
        if whole.hexdigest() != self.artifact.sha256 or size != self.artifact.size:
            raise BundleError(
                "%s in the bundle is damaged" % self.artifact.name,
                found="sha256 %s, %d bytes in %s" % (whole.hexdigest(), size, self.path),
                wanted="sha256 %s, %d bytes by bundle.json" % (self.artifact.sha256, self.artifact.size), remedy=_BUILD,
            )
        return self.piece_hashes

    def _pieces(self):
        try:
            with open(self.path, "rb") as stream:
                yield from iter(lambda: stream.read(PIECE_SIZE), b"")
        except OSError as error:
            raise BundleError("%s is not in the bundle" % self.artifact.name, found=str(error), remedy=_BUILD)

    def write_piece(self, number, target):
        """Copy one piece to the file ``target``; the bytes must still be those that were verified."""
        with open(self.path, "rb") as stream:
            stream.seek(number * PIECE_SIZE)
            piece = stream.read(PIECE_SIZE)
        if hashlib.sha256(piece).hexdigest() != self.piece_hashes[number]:
            raise BundleError("%s changed while it was sent" % self.path, remedy="run again when nobody builds the bundle")
        with open(target, "wb") as stream:
            stream.write(piece)
