# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file: what a bundle must hold, in exact versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.checks import is_a, match, only_keys, require, sha256_hex
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import (
    ANY,
    ARCHITECTURES,
    K3S_VERSION,
    check_arch,
    check_source,
    k3s_release_names,
    package_arch,
)

SCHEMA = 1
MAX_BYTES = 1024 * 1024
MAX_ARTIFACTS = 256
KINDS = ("k3s", "image", "package", "binary", "manifest")
#: Kinds that are named by a file of the source.
_WITH_FILE = ("image", "package", "binary", "manifest")

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
IMAGE_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
#: What dpkg and rpm accept, with an upper bound: [epoch:]upstream-version[-revision].
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}\Z")
RELEASE_VERSION = re.compile(r"v?\d+(?:\.\d+){1,3}(?:[-+][0-9A-Za-z.+-]{1,64})?\Z")
PACKAGE_VERSION = re.compile(r"(?:\d{1,9}:)?\d[A-Za-z0-9.+~]{0,99}(?:-[A-Za-z0-9.+~]{1,99})*\Z")
_FILES = {
    "image": (re.compile(r"[A-Za-z0-9{][A-Za-z0-9._+/{}-]{0,254}\.tar\Z"), "a relative path that ends in .tar"),
    "package": (re.compile(r"[A-Za-z0-9{][A-Za-z0-9._+~/{}-]{0,254}\.(?:deb|rpm)\Z"), "a relative path that ends in .deb or .rpm"),
    "binary": (re.compile(r"[A-Za-z0-9{][A-Za-z0-9._+/{}-]{0,254}\.(?:tar\.gz|tgz)\Z"), "a relative path that ends in .tar.gz"),
    "manifest": (re.compile(r"[A-Za-z0-9{][A-Za-z0-9._+/{}-]{0,254}\.ya?ml\Z"), "a relative path that ends in .yaml"),
}
_PATH = re.compile(r"[A-Za-z0-9{][A-Za-z0-9._+/{}-]{0,254}\Z")
_FLOATING = frozenset(["latest", "stable", "edge", "main", "master", "head", "nightly", "testing", "dev"])


@dataclass(frozen=True)
class LockedArtifact:
    """One entry of the lock file; ``architectures`` are those for which it exists.

    A binary is the ``member`` of the release tarball ``file``; ``checksum`` is the source's file with the tarball's
    SHA-512, or None.
    """

    name: str
    kind: str
    version: str
    sha256: Dict[str, str]
    file: Optional[str] = None
    source: Optional[str] = None
    architectures: Tuple[str, ...] = ARCHITECTURES
    member: Optional[str] = None
    checksum: Optional[str] = None

    def file_for(self, arch):
        """Return the path of the file below the source: an image's archive, a package, a tarball, a manifest."""
        return self.file.replace("{arch}", package_arch(self.format, arch) if self.kind == "package" else arch)

    def member_for(self, arch):
        """Return the path of a binary inside its tarball; None for other kinds."""
        return self.member and self.member.replace("{arch}", arch)

    def checksum_for(self, arch):
        """Return the path below the source of the file with a tarball's SHA-512, or None."""
        return self.checksum and self.checksum.replace("{arch}", arch)

    @property
    def format(self):
        """Return ``deb`` or ``rpm`` for a package, the kind for everything else."""
        return self.file.rpartition(".")[2] if self.kind == "package" else self.kind


@dataclass(frozen=True)
class Lock:
    """A whole lock file."""

    artifacts: Tuple[LockedArtifact, ...]


def parse_lock(document):
    """Turn the parsed YAML of a lock file into a Lock; raise BundleError naming the entry and key."""
    only_keys(document, ["schema", "artifacts"], [], "lock file")
    if not is_a(document["schema"], int) or document["schema"] != SCHEMA:
        raise BundleError("lock file has another schema", found=repr(document["schema"]), wanted=str(SCHEMA))
    entries = require(document["artifacts"], list, "lock file: artifacts")
    if not 1 <= len(entries) <= MAX_ARTIFACTS:
        raise BundleError("lock file: artifacts", found="%d entries" % len(entries), wanted="1 to %d" % MAX_ARTIFACTS)
    artifacts = tuple(_parse_entry(entry, number) for number, entry in enumerate(entries, 1))
    seen = set()
    for artifact in artifacts:
        key = (artifact.format, artifact.name, artifact.version)
        if key in seen:
            raise BundleError("lock file names %s %s %s twice" % key, remedy="remove one of the entries")
        seen.add(key)
    return Lock(artifacts)


def _parse_entry(entry, number):
    where = "lock file: artifact %d" % number
    require(entry, dict, where)
    kind = entry.get("kind")
    if kind not in KINDS:
        raise BundleError("%s: kind" % where, found=repr(kind), wanted="one of %s" % ", ".join(KINDS))
    required = ["name", "kind", "version"] + (["file"] if kind in _WITH_FILE else [])
    required += ["member"] if kind == "binary" else []
    optional = ["sha256", "source"] + (["checksum"] if kind == "binary" else [])
    only_keys(entry, required, optional + (["architectures"] if kind != "manifest" else []), where)
    if kind == "package":
        name = match(entry["name"], PACKAGE_NAME, where + ": name", "the name of a package, in lower case")
    else:
        name = match(entry["name"], NAME, where + ": name", "a lower-case RFC 1123 label")
    where = "%s (%s)" % (where, name)
    if (kind == "k3s") != (name == "k3s"):
        raise BundleError("%s: the name k3s and the kind k3s belong together" % where, found="kind %s" % kind)
    version = _version(kind, entry["version"], where + ": version")
    architectures = (ANY,) if kind == "manifest" else _architectures(entry.get("architectures"), where)
    file = _file(kind, entry, architectures, where + ": file") if kind in _WITH_FILE else None
    artifact = LockedArtifact(
        name=name, kind=kind, version=version, sha256=_pins(entry.get("sha256", {}), where), file=file,
        source=check_source(require(entry["source"], str, where + ": source")) if "source" in entry else None,
        architectures=architectures, member=_path(entry, "member", where), checksum=_path(entry, "checksum", where),
    )
    _check_pin_names(artifact, where)
    return artifact


def _version(kind, value, where):
    require(value, str, where)
    if value.lower() in _FLOATING:
        raise BundleError(
            "%s moves with time" % where, found=repr(value), wanted="an exact version",
            remedy="write the version that you tested; a bundle must be the same tomorrow",
        )
    if kind == "k3s":
        return match(value, K3S_VERSION, where, "an exact K3s version such as v1.36.5+k3s1")
    if kind == "package":
        return match(value, PACKAGE_VERSION, where, "an exact package version such as 1.20.0-1")
    if kind in ("binary", "manifest"):
        return match(value, RELEASE_VERSION, where, "an exact version such as v1.23.1")
    return match(value, IMAGE_VERSION, where, "letters, digits, '.', '_' and '-'")


def _architectures(value, where):
    if value is None:
        return ARCHITECTURES
    require(value, list, where + ": architectures")
    if not value or len(set(map(str, value))) != len(value):
        raise BundleError("%s: architectures" % where, found=repr(value), wanted="a list without repetition")
    return tuple(check_arch(arch, where + ": architectures") for arch in value)


def _file(kind, entry, architectures, where):
    value = entry["file"]
    pattern, wanted = _FILES[kind]
    match(value, pattern, where, wanted)
    if kind == "package":
        value = value.replace("{name}", entry["name"])
    if kind != "image":
        # A package's file name leaves the epoch out.
        value = value.replace("{version}", entry["version"].rpartition(":")[2])
    _check_plain(value, where, {"package": ", {name} and {version}", "image": ""}.get(kind, " and {version}"))
    if "{arch}" not in value.split("/")[-1] and len(architectures) != 1:
        raise BundleError(
            "%s is the same for several architectures" % where, found=repr(value),
            wanted="{arch} in the file name", remedy="put {arch} in, or name the only one with architectures: [amd64]",
        )
    return value


def _path(entry, key, where):
    """Return the relative path under ``key`` with the version filled in, or None without it."""
    if key not in entry:
        return None
    where = "%s: %s" % (where, key)
    value = match(entry[key], _PATH, where, "a relative path").replace("{version}", entry["version"])
    _check_plain(value, where, " and {version}")
    return value


def _check_plain(value, where, more_braces):
    plain = value.replace("{arch}", "")
    if "{" in plain or "}" in plain or any(part in ("", ".", "..") for part in value.split("/")):
        raise BundleError(
            "%s is not a plain relative path" % where, found=repr(value),
            wanted="no '..', no empty part, no braces but {arch}" + more_braces,
        )


def _pins(value, where):
    require(value, dict, where + ": sha256")
    return {
        require(name, str, where + ": sha256"): sha256_hex(digest, "%s: sha256 of %s" % (where, name))
        for name, digest in value.items()
    }


def _check_pin_names(artifact, where):
    """A pin with a misspelt file name would never be enforced."""
    if artifact.kind == "k3s":
        known = k3s_release_names()
    else:
        known = {artifact.file_for(arch).split("/")[-1] for arch in artifact.architectures}
    only_keys(artifact.sha256, [], sorted(known), where + ": sha256")
