# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OCI layout."""

from __future__ import annotations

import hashlib
import json
import re

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.oci import ARTIFACT_TYPE, layout, tag

BINARY = Artifact("k3s", "k3s-binary", "v1.36.5+k3s1", "arm", "a" * 64, 5, "/srv/k3s-armhf", "k3s-armhf")


def test_every_reference_resolves_to_bytes_with_that_digest():
    text, blobs = layout(Manifest((BINARY,)))
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    descriptor, = json.loads(text)["manifests"]
    data = blobs[descriptor["digest"].split(":")[1]]
    assert descriptor["size"] == len(data)
    manifest = json.loads(data)
    assert manifest["artifactType"] == ARTIFACT_TYPE
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert blobs[manifest["config"]["digest"].split(":")[1]] == b"{}"
    assert manifest["layers"] == [{
        "mediaType": "application/octet-stream", "digest": "sha256:" + "a" * 64, "size": 5,
        "annotations": {"org.opencontainers.image.title": "k3s-armhf"},
    }]


def test_tags_are_legal():
    assert tag(BINARY) == "k3s-binary.k3s.v1.36.5_k3s1.arm"
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", tag(BINARY))
    package = Artifact("libstdc++6", "deb", "1:14~rc1+b1", "arm64", "b" * 64, 5, "/srv/p", "p.deb")
    assert tag(package) == "deb.libstdc__6.1_14_rc1_b1.arm64"


def test_same_artifacts_same_bytes():
    other = Artifact("k3s", "k3s-images", "v1.36.5+k3s1", "arm", "b" * 64, 5, "/srv/i", "i.tar.zst")
    assert layout(Manifest((BINARY, other))) == layout(Manifest((other, BINARY)))
