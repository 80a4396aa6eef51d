# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build or update a bundle: ask plan, act through the store and the downloader."""

from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import plan
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.archive import read_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import blob_path
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import (
    MAX_SIZE,
    PACKAGE_KINDS,
    PROGRAM_KINDS,
    Artifact,
    Manifest,
    Tarball,
)
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import check_elf, check_package
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.store import sha256_file
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.sums import MAX_BYTES, parse_bare_sha512, parse_sums
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.tarball import checksums, take_member


class Builder:
    """Bring a Store to what a list of Wants says."""

    def __init__(self, store, downloader, check_mode=False):
        self.store = store
        self.downloader = downloader
        self.check_mode = check_mode
        self.sums = {}

    def run(self, wants):
        """Return ``{changed, artifacts, removed, bytes_fetched, diff}``; raise BundleError with the cause."""
        if not self.check_mode:
            self.store.open()
        before = self.store.manifest
        done = [self._handle(want, before.find(want.key)) for want in wants]
        manifest = Manifest(tuple(artifact for artifact, unused in done))
        stale = plan.stale_blobs(manifest, self.store.blobs())
        changed = before.dump() != manifest.dump() or any(action != "kept" for unused, (action, unused2) in done)
        changed |= bool(self.store.outdated(manifest))
        if not self.check_mode:
            self.store.publish(manifest)
            self.store.close(stale)
        rows = [
            dict(name=a.name, kind=a.kind, version=a.version, arch=a.arch, file_name=a.file_name, sha256=a.sha256,
                 action=action, bytes_fetched=fetched)
            for a, (action, fetched) in done
        ]
        return dict(
            changed=changed or bool(stale), artifacts=rows, removed=stale,
            bytes_fetched=sum(row["bytes_fetched"] for row in rows),
            diff=dict(before=plan.summary(before), after=plan.summary(manifest)),
        )

    def _handle(self, want, have):
        """Return ``(artifact, (action, bytes fetched))`` of one want."""
        sound = have is not None and self.store.is_sound(have.sha256)
        step = plan.decide(want, have, sound)
        if step == plan.ASK:
            expected = plan.expected_checksum(want, self._sums_of(want))
            step = plan.decide(want, have, sound, expected)
        if step == plan.KEEP:
            return have, ("kept", 0)
        if self.check_mode:
            return self._artifact(want, expected, 0), ("fetched", 0)
        if want.member:
            return self._handle_tarball(want, expected)
        fetched = 0
        if not self.store.is_sound(expected):
            fetched = self._fetch(want, expected)
        # A damaged blob is replaced above even where bundle.json already lists it.
        return self._finish(want, expected), ("fetched", fetched)

    def _handle_tarball(self, want, expected):
        """Fetch the tarball unless another binary already needed it, and take this one out."""
        fetched = self._collect_verified(want, expected)
        path = self.store.incoming(expected)
        sha256, sha512 = checksums(path)
        if want.pin not in (None, sha256):
            raise BundleError(
                "two checksums for %s" % want.source_name,
                found="sha512 %s by %s, of a file with sha256 %s" % (sha512, want.sums_location, sha256),
                wanted="sha256 %s in the lock file" % want.pin,
                remedy="the release was replaced or the pin is wrong; find out which before you change the lock file",
            )
        taken = self.store.incoming("%s-%s" % (expected, want.file_name))
        take_member(path, want.member, taken, MAX_SIZE[want.kind], want.source_name)
        self._inspect(want, taken)
        digest = sha256_file(taken)
        os.rename(taken, self.store.incoming(digest))
        self.store.adopt(digest)
        artifact = self._artifact(want, digest, self.store.size(digest), tarball=Tarball(sha256, sha512, want.member))
        return artifact, ("fetched", fetched)

    def _sums_of(self, want):
        location = want.sums_location
        if location not in self.sums:
            data = self.downloader.read(location, MAX_BYTES) if location else None
            parse = parse_bare_sha512 if want.member else parse_sums
            self.sums[location] = None if data is None else parse(data.decode("utf-8", "replace"), location)
        return self.sums[location]

    def _fetch(self, want, expected):
        """Collect, verify and adopt one file; return the bytes that came."""
        fetched = self._collect_verified(want, expected)
        self._inspect(want, self.store.incoming(expected))
        self.store.adopt(expected)
        return fetched

    def _collect_verified(self, want, expected):
        """Collect the file with the checksum ``expected`` (SHA-256 or SHA-512); return the bytes that came."""
        incoming = self.store.incoming(expected)
        resumed = os.path.exists(incoming)
        fetched = 0 if resumed and self._has(incoming, expected) else self._collect(want, incoming)
        if not self._has(incoming, expected) and resumed:
            # The old part may have been of a file that was replaced at the source: once more, from the start.
            os.unlink(incoming)
            fetched += self._collect(want, incoming)
        if not self._has(incoming, expected):
            sha256, sha512 = checksums(incoming)
            os.unlink(incoming)
            name, found = ("sha256", sha256) if len(expected) == len(sha256) else ("sha512", sha512)
            by_pin = want.pin and name == "sha256"
            raise BundleError(
                "%s does not have its checksum" % want.source_name,
                found="%s %s from %s" % (name, found, want.location),
                wanted="%s %s by %s" % (name, expected, "the lock file" if by_pin else want.sums_location),
                remedy="the file is damaged or was replaced; nothing of it was kept. Repair the source and run again",
            )
        return fetched

    @staticmethod
    def _has(path, expected):
        return expected in checksums(path)

    def _collect(self, want, incoming):
        fetched = self.downloader.fetch(want.location, incoming, MAX_SIZE[want.kind])
        if fetched is None:
            raise BundleError(
                "%s is not at the source" % want.source_name, found="no file %s" % want.location,
                remedy="check the version in the lock file and what the source offers",
            )
        return fetched

    @staticmethod
    def _inspect(want, path):
        """Refuse a file that has its checksum and is still the wrong thing; return the Image of an image."""
        with open(path, "rb") as stream:
            if want.kind in PROGRAM_KINDS:
                check_elf(stream.read(20), want.arch, want.file_name)
            if want.kind in PACKAGE_KINDS:
                check_package(stream.read(20), want.kind, want.file_name)
            return read_image(stream, want.arch, want.file_name) if want.kind == "image" else None

    def _finish(self, want, sha256):
        image = self._inspect(want, blob_path(self.store.root, sha256))
        return self._artifact(want, sha256, self.store.size(sha256), image)

    @staticmethod
    def _artifact(want, sha256, size, image=None, tarball=None):
        return Artifact(
            name=want.name, kind=want.kind, version=want.version, arch=want.arch, sha256=sha256, size=size,
            source=want.location, file_name=want.file_name, image=image, tarball=tarball,
        )
