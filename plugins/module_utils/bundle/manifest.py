# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bundle.json: the list of what a bundle holds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.checks import match, only_keys, require, sha256_hex, sha512_hex
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import (
    IMAGE_VERSION,
    NAME,
    PACKAGE_NAME,
    PACKAGE_VERSION,
    RELEASE_VERSION,
)
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import ANY, K3S_VERSION, check_arch

SCHEMA = 1
MAX_BYTES = 4 * 1024 * 1024
PACKAGE_KINDS = ("deb", "rpm")
KINDS = ("k3s-binary", "k3s-images", "image", "binary", "manifest") + PACKAGE_KINDS
PROGRAM_KINDS = ("k3s-binary", "binary")
# Largest file of each kind in bytes: an upper bound for what a source can make us store.
MAX_SIZE = {
    "k3s-binary": 512 << 20, "k3s-images": 4 << 30, "image": 32 << 30, "binary": 512 << 20, "manifest": 4 << 20,
    "deb": 2 << 30, "rpm": 2 << 30,
}

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}\Z")
REPOSITORY = (
    r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d{1,5})?|localhost(?::\d{1,5})?|[A-Za-z0-9-]+:\d{1,5})"
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+"
)
REFERENCE = re.compile(r"(%s):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})\Z" % REPOSITORY)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Image:
    """What a container engine calls an image: ``registry/name:tag`` and the digest of its manifest."""

    reference: str
    digest: str

    @property
    def pinned(self):
        """Return ``registry/name@sha256:…``, the name that cannot change its meaning."""
        return "%s@%s" % (REFERENCE.match(self.reference).group(1), self.digest)


@dataclass(frozen=True)
class Tarball:
    """The release tarball that a binary was taken out of: its checksums, and the binary's path in it."""

    sha256: str
    sha512: str
    member: str


@dataclass(frozen=True)
class Artifact:
    """One file of the bundle; its bytes are the blob ``blobs/sha256/<sha256>``."""

    name: str
    kind: str
    version: str
    arch: str
    sha256: str
    size: int
    source: str
    file_name: str
    image: Optional[Image] = None
    os: str = "linux"
    tarball: Optional[Tarball] = None

    @property
    def key(self):
        """Return what makes it one artifact among others: kind, name, version, architecture."""
        return (self.kind, self.name, self.version, self.arch)

    @property
    def vouched(self):
        """Return the checksums that a source may give for what this came as."""
        return (self.tarball.sha256, self.tarball.sha512) if self.tarball else (self.sha256,)

    def to_dict(self):
        """Return the JSON object of this artifact."""
        document = {
            "name": self.name, "kind": self.kind, "version": self.version, "os": self.os, "arch": self.arch,
            "sha256": self.sha256, "size": self.size, "source": self.source, "file_name": self.file_name,
        }
        if self.image:
            document["image"] = {"reference": self.image.reference, "digest": self.image.digest}
        if self.tarball:
            document["tarball"] = {
                "sha256": self.tarball.sha256, "sha512": self.tarball.sha512, "member": self.tarball.member,
            }
        return document


@dataclass(frozen=True)
class Manifest:
    """All artifacts of a bundle."""

    artifacts: Tuple[Artifact, ...] = ()

    def find(self, key):
        """Return the artifact with this key or None."""
        return next((artifact for artifact in self.artifacts if artifact.key == key), None)

    def of_kind(self, kind, arch=None):
        """Return the artifacts of one kind, of one architecture or of all."""
        return [a for a in self.artifacts if a.kind == kind and arch in (None, a.arch)]

    def dump(self):
        """Return the text of bundle.json: the same bytes for the same artifacts."""
        artifacts = [artifact.to_dict() for artifact in sorted(self.artifacts, key=lambda a: a.key)]
        return json.dumps({"schema": SCHEMA, "artifacts": artifacts}, indent=2, sort_keys=True) + "\n"


def load_manifest(text, where="bundle.json"):
    """Return the Manifest in the JSON ``text``."""
    try:
        return parse_manifest(json.loads(text), where)
    except ValueError as error:
        raise BundleError("%s is no JSON" % where, found=str(error), remedy="build the bundle again with bundle.yml")


def parse_manifest(document, where="bundle.json"):
    """Check every field of the parsed bundle.json and return the Manifest."""
    only_keys(document, ["schema", "artifacts"], [], where)
    if document["schema"] != SCHEMA:
        raise BundleError(
            "%s has another schema" % where, found=repr(document["schema"]), wanted=str(SCHEMA),
            remedy="build the bundle again with the collection that reads it",
        )
    entries = require(document["artifacts"], list, where + ": artifacts")
    artifacts = tuple(_parse_artifact(entry, "%s: artifact %d" % (where, n)) for n, entry in enumerate(entries, 1))
    if len({artifact.key for artifact in artifacts}) != len(artifacts):
        raise BundleError("%s names an artifact twice" % where, remedy="build the bundle again with bundle.yml")
    return Manifest(artifacts)


def _parse_artifact(entry, where):
    only_keys(
        entry, ["name", "kind", "version", "os", "arch", "sha256", "size", "source", "file_name"], ["image", "tarball"], where,
    )
    if entry["kind"] not in KINDS:
        raise BundleError("%s: kind" % where, found=repr(entry["kind"]), wanted="one of %s" % ", ".join(KINDS))
    if entry["os"] != "linux":
        raise BundleError("%s: os" % where, found=repr(entry["os"]), wanted="linux")
    size = require(entry["size"], int, where + ": size")
    if not 0 < size <= MAX_SIZE[entry["kind"]]:
        raise BundleError(
            "%s: size" % where, found="%d bytes" % size, wanted="1 to %d bytes" % MAX_SIZE[entry["kind"]],
        )
    if entry["kind"] in PACKAGE_KINDS:
        name, version = PACKAGE_NAME, PACKAGE_VERSION
    else:
        name = NAME
        version = {"image": IMAGE_VERSION, "binary": RELEASE_VERSION, "manifest": RELEASE_VERSION}.get(entry["kind"], K3S_VERSION)
    return Artifact(
        name=match(entry["name"], name, where + ": name", "an RFC 1123 label, or the name of a package"),
        kind=entry["kind"],
        version=match(entry["version"], version, where + ": version", "an exact version"),
        arch=_parse_arch(entry, where),
        sha256=sha256_hex(entry["sha256"], where + ": sha256"),
        size=size,
        source=require(entry["source"], str, where + ": source"),
        file_name=match(entry["file_name"], FILE_NAME, where + ": file_name", "a plain file name"),
        image=_parse_image(entry, where),
        tarball=_parse_tarball(entry, where),
    )


def _parse_arch(entry, where):
    if entry["kind"] != "manifest":
        return check_arch(entry["arch"], where + ": arch")
    if entry["arch"] != ANY:
        raise BundleError("%s: arch" % where, found=repr(entry["arch"]), wanted=ANY)
    return ANY


def _parse_tarball(entry, where):
    if (entry["kind"] == "binary") != ("tarball" in entry):
        raise BundleError("%s: tarball belongs to kind binary, and to no other" % where)
    if "tarball" not in entry:
        return None
    tarball = only_keys(entry["tarball"], ["sha256", "sha512", "member"], [], where + ": tarball")
    return Tarball(
        sha256=sha256_hex(tarball["sha256"], where + ": tarball sha256"),
        sha512=sha512_hex(tarball["sha512"], where + ": tarball sha512"),
        member=require(tarball["member"], str, where + ": tarball member"),
    )


def _parse_image(entry, where):
    if entry["kind"] != "image":
        if "image" in entry:
            raise BundleError("%s: image belongs to kind image only" % where)
        return None
    image = only_keys(entry.get("image", {}), ["reference", "digest"], [], where + ": image")
    return Image(
        reference=check_reference(image["reference"], where + ": image reference"),
        digest=match(image["digest"], DIGEST, where + ": image digest", "sha256:<64 hex>"),
    )


def check_reference(value, where):
    """Return ``value`` if it is ``<registry host>/<name>:<tag>``; short names mean different things to each engine."""
    return match(value, REFERENCE, where, "<registry host>/<name>:<tag>, for example registry.example/vision:1")
