# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bundle should hold, and what to do with each part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import ANY, UPSTREAM, check_arch, k3s_files, locate
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.oci import layout

KEEP, ASK, FETCH = "keep", "ask", "fetch"


@dataclass(frozen=True)
class Want:
    """One file that belongs into the bundle, where it comes from and what vouches for it.

    A binary is the ``member`` of the tarball at ``location``; pin and checksum file are the tarball's, and
    ``sums_location`` names a file with its bare SHA-512, or is None. All others are the file at ``location`` itself.
    """

    name: str
    kind: str
    version: str
    arch: str
    file_name: str
    location: str
    sums_location: Optional[str]
    pin: Optional[str]
    member: Optional[str] = None

    @property
    def key(self):
        """Return the key of the artifact that this becomes."""
        return (self.kind, self.name, self.version, self.arch)

    @property
    def source_name(self):
        """Return the name of the file at the source."""
        return self.location.rpartition("/")[2] if self.member else self.file_name


def wanted(lock, architectures, source=None):
    """Return the Wants of ``lock`` for ``architectures``; ``source`` is an address, a directory or None (upstream)."""
    wants = []
    known = sorted({check_arch(arch) for arch in architectures})
    for arch in known + [ANY] * bool(known):
        for entry in lock.artifacts:
            if arch in entry.architectures:
                wants.extend(_k3s(entry, arch, source) if entry.kind == "k3s" else _file(entry, arch, source))
    if not wants:
        raise BundleError(
            "nothing to put into the bundle", found="architectures %s" % (sorted(architectures) or "none"),
            wanted="an artifact of the lock file for at least one architecture of the fleet",
            remedy="name the architectures of the fleet",
        )
    return sorted(wants, key=lambda want: want.key)


def _k3s(entry, arch, source):
    source = entry.source or source
    files = k3s_files(arch)
    # Upstream has one directory per version; a mirror has those of several products side by side.
    base = "k3s/%s" % entry.version if source else entry.version
    source = source or UPSTREAM
    return [
        Want(
            name=entry.name, kind=kind, version=entry.version, arch=arch, file_name=file_name,
            location=locate(source, "%s/%s" % (base, file_name)),
            sums_location=locate(source, "%s/%s" % (base, files.sums)), pin=entry.sha256.get(file_name),
        )
        for kind, file_name in (("k3s-binary", files.binary), ("k3s-images", files.images))
    ]


def _file(entry, arch, source):
    """An image, a package or a manifest: one file with a checksum file beside it. A binary: in such a file."""
    source = entry.source or source
    if not source:
        raise BundleError(
            "%s %s:%s has no source" % (entry.kind, entry.name, entry.version), found="the default (K3s releases only)",
            remedy="set source to your mirror or directory, or give this entry of the lock file a source",
        )
    path = entry.file_for(arch)
    folder, unused, file_name = path.rpartition("/")
    if entry.kind == "binary":
        checksum = entry.checksum_for(arch)
        return [Want(
            name=entry.name, kind=entry.kind, version=entry.version, arch=arch,
            file_name=entry.member_for(arch).rpartition("/")[2], location=locate(source, path),
            sums_location=locate(source, checksum) if checksum else None, pin=entry.sha256.get(file_name),
            member=entry.member_for(arch),
        )]
    sums = "sha256sum-%s.txt" % arch
    return [Want(
        name=entry.name, kind=entry.format, version=entry.version, arch=arch, file_name=file_name,
        location=locate(source, path), sums_location=locate(source, "%s/%s" % (folder, sums) if folder else sums),
        pin=entry.sha256.get(file_name),
    )]


def expected_checksum(want, sums):
    """Return the checksum that ``want`` must have by its pin and by the checksum file of its source.

    ``sums`` is the parsed checksum file, or None if the source has none: enough for a pinned artifact, never for a K3s
    release. The answer is a SHA-256; for a tarball whose source has a checksum file it is a SHA-512 (``sums`` is one
    then), and the pin has to be checked, too.
    """
    remedy = "compare the mirror with the upstream release; do not go on with files that nobody vouches for"
    if sums is None:
        is_release = want.kind.startswith("k3s-")
        if want.pin and not is_release:
            return want.pin
        raise BundleError(
            "no checksum for %s" % want.source_name, found="no file %s" % want.sums_location,
            wanted="a checksum file beside the artifact" + ("" if is_release else " or a pin in the lock file"),
            remedy=remedy,
        )
    if want.member:
        return sums
    if want.file_name not in sums:
        raise BundleError(
            "no checksum for %s" % want.file_name, found="%s without a line for it" % want.sums_location,
            wanted="a line with its sha256", remedy=remedy,
        )
    if want.pin and want.pin != sums[want.file_name]:
        raise BundleError(
            "two checksums for %s" % want.file_name, found="%s in %s" % (sums[want.file_name], want.sums_location),
            wanted="%s in the lock file" % want.pin,
            remedy="the release was replaced or the pin is wrong; find out which before you change the lock file",
        )
    return sums[want.file_name]


def decide(want, artifact, blob_is_sound, expected=None):
    """Return KEEP, FETCH, or ASK when the checksum file of the source must be read first.

    ``artifact`` is what the bundle lists under the same key (or None), ``blob_is_sound`` whether its bytes have
    its SHA-256, ``expected`` the answer of :func:`expected_checksum` once asked. A pinned artifact that is there
    needs no network at all.
    """
    vouched = expected or want.pin
    sound = artifact is not None and blob_is_sound and artifact.file_name == want.file_name
    if sound and artifact.tarball and artifact.tarball.member != want.member:
        sound = False
    if sound and vouched in artifact.vouched:
        return KEEP
    return ASK if expected is None else FETCH


def stale_blobs(manifest, present):
    """Return the SHA-256 of the blobs in ``present`` that nothing in ``manifest`` refers to."""
    used = {artifact.sha256 for artifact in manifest.artifacts} | set(layout(manifest)[1])
    return sorted(set(present) - used)


def summary(manifest):
    """Return the text that a diff shows: one line per artifact."""
    return "".join(
        "%s %s %s %s sha256:%s\n" % (a.kind, a.name, a.version, a.arch, a.sha256)
        for a in sorted(manifest.artifacts, key=lambda a: a.key)
    )
