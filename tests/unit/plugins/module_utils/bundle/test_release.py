# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs out of release tarballs, and manifests: from the source into the bundle."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import download
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import read_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.build import Builder
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import parse_lock
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.plan import wanted
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.programs import find_manifests
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.store import Store

TARBALL = "ke/v1.23.1/ke-v1.23.1-amd64.tar.gz"
SUM = "ke/v1.23.1/checksum-amd64.txt"
EDGE = {"name": "edgecore", "kind": "binary", "version": "v1.23.1", "file": "ke/{version}/ke-{version}-{arch}.tar.gz",
        "member": "ke/edge/edgecore", "checksum": "ke/{version}/checksum-{arch}.txt"}
CLOUD = dict(EDGE, name="cloudcore", member="ke/cloud/cloudcore")
RULES = {"name": "crd-rules", "kind": "manifest", "version": "v1.23.1", "file": "ke/{version}/rules.yaml"}
PROGRAMS = {"ke/edge/edgecore": b"#!/bin/sh\necho edge\n", "./ke/cloud/cloudcore": b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + b"\x02\x00\x3e\x00"}


def pack(members):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if data is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data or b""))
    return target.getvalue()


class Release:
    """A source with one tarball and one manifest, and a bundle built from it; ``fetches`` counts downloads of the tarball."""

    def __init__(self, root):
        self.source, self.bundle = root / "source", root / "bundle"
        self.fetches = 0
        self.offer(pack(PROGRAMS))
        self.write("ke/v1.23.1/rules.yaml", b"kind: CustomResourceDefinition\n")

    def write(self, name, data):
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def offer(self, tarball):
        self.tarball = tarball
        self.write(TARBALL, tarball)
        self.write(SUM, hashlib.sha512(tarball).hexdigest().encode())

    def build(self, *entries, check_mode=False):
        downloader = download.Downloader(download.build_opener(None), 5, 60, clock=lambda: 0, sleep=lambda seconds: None)
        fetch = downloader.fetch

        def counted(location, *rest):
            self.fetches += location.endswith(".tar.gz")
            return fetch(location, *rest)

        downloader.fetch = counted
        lock = parse_lock({"schema": 1, "artifacts": list(entries)})
        return Builder(Store(str(self.bundle)), downloader, check_mode).run(wanted(lock, ["amd64"], str(self.source)))

    def blob(self, artifact):
        return (self.bundle / "blobs/sha256" / artifact.sha256).read_bytes()


@pytest.fixture
def release(tmp_path):
    return Release(tmp_path)


def pin(data):
    return {"ke-v1.23.1-amd64.tar.gz": hashlib.sha256(data).hexdigest()}


def test_two_programs_of_one_tarball_are_fetched_once(release):
    result = release.build(EDGE, CLOUD)
    assert [(row["name"], row["action"], row["file_name"]) for row in result["artifacts"]] == [
        ("cloudcore", "fetched", "cloudcore"), ("edgecore", "fetched", "edgecore")]
    assert release.fetches == 1
    manifest = read_manifest(str(release.bundle))
    edge = manifest.find(("binary", "edgecore", "v1.23.1", "amd64"))
    assert release.blob(edge) == PROGRAMS["ke/edge/edgecore"]
    assert edge.tarball.sha512 == hashlib.sha512(release.tarball).hexdigest()
    assert not os.path.exists(str(release.bundle / ".incoming"))
    again = release.build(EDGE, CLOUD)
    assert (again["changed"], release.fetches) == (False, 1)


def test_a_pinned_program_that_is_there_needs_no_source(release):
    entry = dict(EDGE, sha256=pin(release.tarball))
    release.build(entry)
    os.unlink(str(release.source / SUM))
    os.unlink(str(release.source / TARBALL))
    assert not release.build(entry)["changed"]


def test_a_replaced_release_is_fetched_again(release):
    release.build(EDGE)
    release.offer(pack({"ke/edge/edgecore": b"#!/bin/sh\necho newer\n"}))
    result = release.build(EDGE)
    assert result["changed"] and len(result["removed"]) == 2
    edge, = read_manifest(str(release.bundle)).artifacts
    assert release.blob(edge) == b"#!/bin/sh\necho newer\n"


def test_another_member_of_the_same_tarball(release):
    release.build(EDGE)
    assert release.build(dict(EDGE, member="ke/cloud/cloudcore"))["artifacts"][0]["action"] == "fetched"


def test_check_mode_fetches_nothing(release):
    assert release.build(EDGE, check_mode=True)["changed"]
    assert release.fetches == 0 and not release.bundle.exists()


@pytest.mark.parametrize("entry, change, message", [
    (EDGE, lambda r: r.write(TARBALL, b"x"), "does not have its checksum.*sha512"),
    (EDGE, lambda r: r.write(SUM, b"0" * 64), "one SHA-512"),
    (EDGE, lambda r: os.unlink(str(r.source / SUM)), "no checksum for ke-v1.23.1-amd64.tar.gz"),
    (dict(EDGE, sha256=pin(b"other")), lambda r: None, "two checksums for ke-v1.23.1-amd64.tar.gz"),
    (dict(EDGE, member="ke/edge/edgecor"), lambda r: None, "has no ke/edge/edgecor. Found: ke/edge/edgecore"),
    (EDGE, lambda r: r.offer(pack({"ke/edge/edgecore": None})), "no regular file"),
    (EDGE, lambda r: r.offer(pack({"ke/edge/edgecore": b""})), "0 bytes"),
    (EDGE, lambda r: r.offer(b"no gzip"), "cannot be unpacked"),
    (EDGE, lambda r: r.offer(pack(PROGRAMS)[:60]), "cannot be unpacked|has no"),
    (dict(EDGE, member="ke/cloud/cloudcore"), lambda r: r.offer(pack({"ke/cloud/cloudcore": b"\x7fELF" + bytes(14) + b"\xb7\x00"})),
     "another architecture"),
])
def test_what_is_refused(release, entry, change, message):
    change(release)
    with pytest.raises(BundleError, match=message):
        release.build(entry)
    assert read_manifest(str(release.bundle)).artifacts == ()


def test_without_a_checksum_file_the_pin_vouches(release):
    entry = {key: value for key, value in dict(EDGE, sha256=pin(release.tarball)).items() if key != "checksum"}
    assert release.build(entry)["artifacts"][0]["action"] == "fetched"
    with pytest.raises(BundleError, match="does not have its checksum.*sha256 .* by the lock file"):
        release.build(dict(entry, sha256=pin(b"other")))


def test_manifests_have_no_architecture(release):
    data = (release.source / "ke/v1.23.1/rules.yaml").read_bytes()
    release.build(EDGE, dict(RULES, sha256={"rules.yaml": hashlib.sha256(data).hexdigest()}))
    rules, = find_manifests("crd-*", read_manifest(str(release.bundle)))
    assert (rules.arch, release.blob(rules)) == ("any", data)
    with pytest.raises(BundleError, match="no checksum for rules.yaml"):
        release.build(dict(RULES, version="v1.23.2"))


def test_manifests_of_one_version(release):
    data = (release.source / "ke/v1.23.1/rules.yaml").read_bytes()
    release.write("ke/v1.22.2/rules.yaml", data)
    rules = dict(RULES, sha256={"rules.yaml": hashlib.sha256(data).hexdigest()})
    release.build(rules, dict(rules, version="v1.22.2"))
    manifest = read_manifest(str(release.bundle))
    assert [a.version for a in find_manifests("crd-*", manifest, "v1.22.2")] == ["v1.22.2"]
    with pytest.raises(BundleError, match="several versions.*v1.22.2, v1.23.1"):
        find_manifests("crd-*", manifest)
    with pytest.raises(BundleError, match="no manifest helm-"):
        find_manifests("helm-*", manifest)
