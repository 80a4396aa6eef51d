# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image archives that nobody vouches for."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.archive import MAX_DOCUMENT, MAX_MEMBERS, read_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError


def read(data, arch="amd64"):
    return read_image(io.BytesIO(data), arch, "vision.tar")


def test_reference_and_digest(archive):
    maker = archive()
    image = read(maker.bytes())
    assert image.reference == "lab.example/vision:1"
    assert image.digest == maker.manifest["digest"]


def test_containerd_annotation_wins_and_dot_names_are_plain(archive):
    maker = archive()
    entry = maker.entry(maker.manifest, "1")
    entry["annotations"]["io.containerd.image.name"] = "lab.example/other:2"
    maker.index({"manifests": [entry]})
    maker.members = {"./" + name: data for name, data in maker.members.items()}
    assert read(maker.bytes()).reference == "lab.example/other:2"


def test_index_of_platforms(archive):
    maker = archive()
    nested = maker.blob(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [maker.manifest, {"digest": "sha256:" + "0" * 64, "size": 5}],
    }).encode())
    entry = dict(maker.entry(nested, "lab.example/vision:1"), mediaType="application/vnd.oci.image.index.v1+json")
    maker.index({"manifests": [entry]})
    assert read(maker.bytes()).digest == nested["digest"]
    with pytest.raises(BundleError, match="Found: amd64. Wanted: arm64"):
        read(maker.bytes(), "arm64")


def no_index(maker):
    del maker.members["index.json"]


def two_images(maker):
    entry = maker.entry(maker.manifest, "lab.example/vision:1")
    maker.index({"manifests": [entry, entry]})


def no_name(maker):
    maker.index({"manifests": [dict(maker.manifest)]})


def short_name(maker):
    maker.index({"manifests": [maker.entry(maker.manifest, "vision:1")]})


def tampered_layer(maker):
    name = next(name for name, data in maker.members.items() if data.startswith(b"layer"))
    maker.members[name] = b"laYer amd64"


def lost_layer(maker):
    name = next(name for name, data in maker.members.items() if data.startswith(b"layer"))
    del maker.members[name]


def tampered_manifest(maker):
    maker.members["blobs/" + maker.manifest["digest"].replace(":", "/")] += b" "


def bad_digest(maker):
    maker.index({"manifests": [dict(maker.entry(maker.manifest, "lab.example/vision:1"), digest="sha256:../../x")]})


def no_json(maker):
    maker.members["index.json"] = b"{"


def json_list(maker):
    maker.members["index.json"] = b"[]"


def huge_document(maker):
    maker.members["index.json"] = b" " * (MAX_DOCUMENT + 1)


def leads_out(maker):
    maker.members["../evil"] = b"x"


def absolute(maker):
    maker.members["/etc/evil"] = b"x"


def too_many(maker):
    maker.members.update({"f%d" % number: b"" for number in range(MAX_MEMBERS)})


@pytest.mark.parametrize("breakage, message", [
    (no_index, "no index.json.*skopeo copy"), (two_images, "one image"), (no_name, "name of its image"),
    (short_name, "registry host"), (tampered_layer, r"damaged \(layer\)"), (lost_layer, "lacks a blob"),
    (tampered_manifest, r"damaged \(manifest\)"), (bad_digest, "digest"), (no_json, "no JSON"),
    (json_list, "wrong type"), (huge_document, "too large"), (leads_out, "leads out"), (absolute, "leads out"),
    (too_many, "too many members"),
])
def test_broken_archives(archive, breakage, message):
    maker = archive()
    breakage(maker)
    with pytest.raises(BundleError, match=message):
        read(maker.bytes())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(archive, kind):
    member = tarfile.TarInfo("blobs/link")
    member.type, member.linkname = kind, "../../etc/passwd"
    with pytest.raises(BundleError, match="neither file nor directory"):
        read(archive().bytes(extra=[member]))


@pytest.mark.parametrize("data", [b"", b"no tar at all", b"\x1f\x8b" + b"x" * 600])
def test_not_a_tar(data):
    with pytest.raises(BundleError, match="tar|index.json"):
        read(data)


def test_cut_off_archive(archive):
    with pytest.raises(BundleError):
        read(archive().bytes()[:3000])


def test_other_architecture(archive):
    with pytest.raises(BundleError, match="another architecture. Found: arm64. Wanted: amd64"):
        read(archive("arm64").bytes())
