# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bundle.json."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Image, Manifest, load_manifest

A, B = "a" * 64, "b" * 64
BINARY = Artifact("k3s", "k3s-binary", "v1.36.5+k3s1", "amd64", A, 5, "/srv/k3s", "k3s")
IMAGE = Artifact(
    "vision", "image", "1", "amd64", B, 7, "https://m/vision-1-amd64.tar", "vision-1-amd64.tar",
    Image("lab.edgeai.example/vision:1", "sha256:" + A),
)


PACKAGE = Artifact(
    "libnvidia-compute-580", "deb", "1:580.95.05-0ubuntu1~24.04.1", "arm64", A, 9, "https://m/x.deb",
    "libnvidia-compute-580_580.95.05-0ubuntu1~24.04.1_arm64.deb",
)


def test_round_trip_is_stable():
    text = Manifest((IMAGE, BINARY, PACKAGE)).dump()
    assert text == Manifest((BINARY, PACKAGE, IMAGE)).dump()
    manifest = load_manifest(text)
    assert set(manifest.artifacts) == {BINARY, IMAGE, PACKAGE}
    assert manifest.find(("image", "vision", "1", "amd64")) == IMAGE
    assert manifest.find(("image", "vision", "2", "amd64")) is None


@pytest.mark.parametrize("reference, pinned", [
    ("lab.edgeai.example/vision:1", "lab.edgeai.example/vision@sha256:" + A),
    ("localhost:5000/a/b:v1.2", "localhost:5000/a/b@sha256:" + A),
    ("reg:5000/a:1", "reg:5000/a@sha256:" + A),
])
def test_pinned_reference(reference, pinned):
    assert Image(reference, "sha256:" + A).pinned == pinned


def broken(**values):
    entry = dict(IMAGE.to_dict(), **values)
    return json.dumps({"schema": 1, "artifacts": [{k: v for k, v in entry.items() if v != "-"}]})


@pytest.mark.parametrize("text, message", [
    ("{", "no JSON"),
    ("[]", "wrong type"),
    ('{"schema": 9, "artifacts": []}', "another schema"),
    (json.dumps({"schema": 1, "artifacts": [BINARY.to_dict()] * 2}), "twice"),
    (broken(sha256="../../etc/passwd"), "hexadecimal"),
    (broken(size=0), "size"),
    (broken(size=True), "wrong type"),
    (broken(size=1 << 60), "size"),
    (broken(file_name="../x.tar"), "plain file name"),
    (broken(file_name="a/x.tar"), "plain file name"),
    (broken(file_name=".hidden"), "plain file name"),
    (broken(kind="blob"), "kind"),
    (broken(os="windows"), "os"),
    (broken(arch="x86_64"), "arch"),
    (broken(version="-"), "lacks version"),
    (broken(image="-"), "lacks reference, digest"),
    (broken(image={"reference": "vision:1", "digest": "sha256:" + A}), "registry host"),
    (broken(image={"reference": "library/vision:1", "digest": "sha256:" + A}), "registry host"),
    (broken(image={"reference": "lab.example/vision:1", "digest": A}), "image digest"),
    (broken(kind="deb"), "image belongs to kind image only"),
    (broken(kind="deb", image="-", version="v1"), "exact version"),
    (broken(extra=1), "unknown key"),
])
def test_bad_manifests(text, message):
    with pytest.raises(BundleError, match=message):
        load_manifest(text)
