# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read an image archive (a tar with an OCI layout inside) without unpacking or trusting it."""

from __future__ import annotations

import hashlib
import json
import tarfile

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.checks import require
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import DIGEST, Image, check_reference

MAX_MEMBERS = 4096
MAX_DOCUMENT = 4 * 1024 * 1024
CHUNK = 1024 * 1024

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
)
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_EXPORT = "export it as an OCI archive, for example: skopeo copy docker-archive:IN oci-archive:OUT:registry.example/name:tag"


def read_image(stream, arch, where):
    """Return the Image in the seekable binary ``stream`` of an OCI archive.

    Raises BundleError if a member leads out of the archive, a blob is missing or does not have its digest,
    the archive holds several images or none, or the image is for another architecture than ``arch``.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            return _Archive(archive, where).image(arch)
    except (tarfile.TarError, EOFError) as error:
        raise BundleError("%s is no plain tar archive" % where, found=str(error), remedy=_EXPORT)


class _Archive:
    def __init__(self, archive, where):
        self.archive = archive
        self.where = where
        self.members = self._list()

    def image(self, arch):
        if "index.json" not in self.members:
            raise BundleError(
                "%s has no index.json" % self.where, found="no OCI layout", wanted="an OCI archive", remedy=_EXPORT,
            )
        entries = self._document("index.json").get("manifests")
        if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
            raise BundleError(
                "%s must hold one image" % self.where, found="%s entries in index.json" % (
                    len(entries) if isinstance(entries, list) else "no"), wanted="1", remedy="one archive per image",
            )
        reference = self._reference(entries[0].get("annotations"))
        architectures = self._walk(entries[0], depth=0)
        if arch not in architectures:
            raise BundleError(
                "%s holds an image for another architecture" % self.where,
                found=", ".join(sorted(architectures)) or "none", wanted=arch,
                remedy="put the archive for %s under this name" % arch,
            )
        return Image(reference=reference, digest=entries[0]["digest"])

    def _list(self):
        members = {}
        for count, member in enumerate(self.archive, 1):
            name = member.name[2:] if member.name.startswith("./") else member.name
            if count > MAX_MEMBERS:
                raise BundleError("%s has too many members" % self.where, wanted="at most %d" % MAX_MEMBERS)
            if name.startswith("/") or ".." in name.split("/"):
                raise BundleError("%s has a member that leads out of it" % self.where, found="%.120r" % member.name)
            if not (member.isfile() or member.isdir()):
                raise BundleError(
                    "%s has a member that is neither file nor directory" % self.where, found="%.120r" % member.name,
                    remedy=_EXPORT,
                )
            if member.isfile():
                if name in members:
                    raise BundleError("%s has a member twice" % self.where, found="%.120r" % name)
                members[name] = member
        return members

    def _read(self, name, limit):
        member = self.members[name]
        if member.size > limit:
            raise BundleError(
                "%s: %s is too large" % (self.where, name), found="%d bytes" % member.size,
                wanted="at most %d" % limit,
            )
        return self.archive.extractfile(member).read()

    def _document(self, name):
        try:
            document = json.loads(self._read(name, MAX_DOCUMENT))
        except ValueError as error:
            raise BundleError("%s: %s is no JSON" % (self.where, name), found=str(error))
        return require(document, dict, "%s: %s" % (self.where, name))

    def _reference(self, annotations):
        annotations = annotations if isinstance(annotations, dict) else {}
        values = [annotations[name] for name in _NAMES if annotations.get(name)]
        if not values:
            raise BundleError(
                "%s does not say the name of its image" % self.where,
                wanted="the annotation %s in index.json" % _NAMES[1], remedy=_EXPORT,
            )
        return check_reference(values[0], "%s: image name" % self.where)

    def _blob(self, descriptor, where):
        """Verify size and digest of one blob and return its member name."""
        digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
        if not isinstance(digest, str) or not DIGEST.match(digest):
            raise BundleError("%s: %s" % (self.where, where), found="digest %.80r" % (digest,), wanted="sha256:<64 hex>")
        name = "blobs/sha256/" + digest[len("sha256:"):]
        member = self.members.get(name)
        if member is None:
            raise BundleError(
                "%s lacks a blob" % self.where, wanted="%s (%s)" % (digest, where), remedy="export the image again",
            )
        found = hashlib.sha256()
        with self.archive.extractfile(member) as stream:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                found.update(chunk)
        if "sha256:" + found.hexdigest() != digest or descriptor.get("size", member.size) != member.size:
            raise BundleError(
                "%s: blob is damaged (%s)" % (self.where, where),
                found="sha256:%s, %d bytes" % (found.hexdigest(), member.size),
                wanted="%s, %s bytes" % (digest, descriptor.get("size", member.size)), remedy="export the image again",
            )
        return name

    def _walk(self, descriptor, depth):
        """Verify everything below a descriptor and return the architectures of its images."""
        document = self._document(self._blob(descriptor, "manifest"))
        kind = document.get("mediaType") or descriptor.get("mediaType")
        if kind in _INDEX_TYPES and depth == 0:
            found = set()
            for child in require(document.get("manifests"), list, "%s: manifests" % self.where):
                if self._is_listed(child):
                    found |= self._walk(child, depth + 1)
            return found
        if kind not in _MANIFEST_TYPES:
            raise BundleError("%s: media type" % self.where, found="%.80r" % (kind,), wanted=_MANIFEST_TYPES[0])
        config = self._document(self._blob(document.get("config"), "config"))
        for layer in require(document.get("layers"), list, "%s: layers" % self.where):
            self._blob(layer, "layer")
        return {str(config.get("architecture"))}

    def _is_listed(self, descriptor):
        """An index may name platforms whose blobs were not exported; engines skip those too."""
        digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
        return isinstance(digest, str) and "blobs/sha256/" + digest[len("sha256:"):] in self.members
