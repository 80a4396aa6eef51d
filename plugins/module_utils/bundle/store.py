# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle directory that is being built (I/O adapter)."""

from __future__ import annotations

import fcntl
import os
import re
import shutil

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import MANIFEST_NAME, blob_path, read_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.oci import LAYOUT_TEXT, layout
from ansible_collections.edgeai.sites.plugins.module_utils.files import sha256_of

INCOMING = ".incoming"
_BLOB_NAME = re.compile(r"[0-9a-f]{64}\Z")


def sha256_file(path):
    """Return the SHA-256 of a file, or None if there is none."""
    try:
        with open(path, "rb") as stream:
            return sha256_of(stream)
    except FileNotFoundError:
        return None


class Store:
    """The directory ``root``: an OCI image layout with bundle.json.

    bundle.json is written first (empty) and is what marks a directory as ours; at the end it is written last,
    so that it never lists a blob that is not there.
    """

    def __init__(self, root):
        self.root = root
        self.lock = None
        self.manifest = self._read()
        self.sound = {}

    def _read(self):
        if os.path.lexists(os.path.join(self.root, MANIFEST_NAME)):
            return read_manifest(self.root)
        if os.path.isdir(self.root) and set(os.listdir(self.root)) - {".lock"}:
            raise BundleError(
                "%s is not a bundle" % self.root, found="other files and no bundle.json",
                wanted="a bundle or an empty directory", remedy="choose another directory: blobs that are not listed are removed",
            )
        return Manifest()

    def open(self):
        """Create the directory, keep other builders out, and mark it as ours."""
        os.makedirs(os.path.join(self.root, "blobs", "sha256"), mode=0o755, exist_ok=True)
        os.makedirs(os.path.join(self.root, INCOMING), mode=0o700, exist_ok=True)
        self.lock = open(os.path.join(self.root, ".lock"), "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BundleError("somebody else builds %s" % self.root, remedy="wait for the other run to end")
        self.manifest = read_manifest(self.root) if os.path.exists(os.path.join(self.root, MANIFEST_NAME)) else Manifest()
        if not os.path.exists(os.path.join(self.root, MANIFEST_NAME)):
            self._write(MANIFEST_NAME, self.manifest.dump().encode())

    def is_sound(self, sha256):
        """Tell whether the blob is there with its SHA-256 (read once)."""
        if sha256 not in self.sound:
            self.sound[sha256] = sha256_file(blob_path(self.root, sha256)) == sha256
        return self.sound[sha256]

    def size(self, sha256):
        """Return the size of a blob in bytes."""
        return os.path.getsize(blob_path(self.root, sha256))

    def incoming(self, sha256):
        """Return the path where a file is collected before it is verified; its name makes it resumable."""
        return os.path.join(self.root, INCOMING, sha256 + ".part")

    def adopt(self, sha256):
        """Make the verified incoming file a blob."""
        os.chmod(self.incoming(sha256), 0o644)
        os.rename(self.incoming(sha256), blob_path(self.root, sha256))
        self.sound[sha256] = True

    def blobs(self):
        """Return the SHA-256 of all blobs that are there."""
        try:
            return [name for name in os.listdir(os.path.join(self.root, "blobs", "sha256")) if _BLOB_NAME.match(name)]
        except FileNotFoundError:
            return []

    def outdated(self, manifest):
        """Return ``[(name, bytes)]`` of the documents that differ from what ``manifest`` asks for, bundle.json last."""
        index, small = layout(manifest)
        documents = [(os.path.join("blobs", "sha256", sha256), data) for sha256, data in sorted(small.items())]
        documents += [
            ("oci-layout", LAYOUT_TEXT.encode()), ("index.json", index.encode()), (MANIFEST_NAME, manifest.dump().encode()),
        ]
        return [(name, data) for name, data in documents if self._differs(name, data)]

    def publish(self, manifest):
        """Write the OCI layout and bundle.json as far as they differ."""
        for name, data in self.outdated(manifest):
            self._write(name, data)
        self.manifest = manifest

    def close(self, stale):
        """Remove stale blobs and the collecting directory."""
        for sha256 in stale:
            os.unlink(blob_path(self.root, sha256))
        shutil.rmtree(os.path.join(self.root, INCOMING))

    def _differs(self, name, data):
        try:
            with open(os.path.join(self.root, name), "rb") as stream:
                return stream.read(len(data) + 1) != data
        except FileNotFoundError:
            return True

    def _write(self, name, data):
        path = os.path.join(self.root, name)
        with open(path + ".new", "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(path + ".new", path)
