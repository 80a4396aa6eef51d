# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OCI image layout around the artifacts: one OCI manifest per artifact, so that standard tools can push it."""

from __future__ import annotations

import hashlib
import json
import re

ARTIFACT_TYPE = "application/vnd.edgeai.sites.artifact.v1"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYOUT_TEXT = '{"imageLayoutVersion": "1.0.0"}\n'
EMPTY_CONFIG = b"{}"

_LAYER_TYPES = {
    "k3s-binary": "application/octet-stream",
    "k3s-images": "application/zstd",
    "image": "application/x-tar",
    "binary": "application/octet-stream",
    "manifest": "application/yaml",
    "deb": "application/vnd.debian.binary-package",
    "rpm": "application/x-rpm",
}


def _compact(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _hex(data):
    return hashlib.sha256(data).hexdigest()


def tag(artifact):
    """Return the tag of an artifact inside the layout; what is not allowed there (``+ ~ :``) becomes ``_``."""
    return re.sub("[+~:]", "_", "%s.%s.%s.%s" % (artifact.kind, artifact.name, artifact.version, artifact.arch))[:128]


def artifact_manifest(artifact):
    """Return the bytes of the OCI manifest of one artifact (always the same for the same artifact)."""
    return _compact({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:" + _hex(EMPTY_CONFIG),
            "size": len(EMPTY_CONFIG),
        },
        "layers": [{
            "mediaType": _LAYER_TYPES[artifact.kind],
            "digest": "sha256:" + artifact.sha256,
            "size": artifact.size,
            "annotations": {"org.opencontainers.image.title": artifact.file_name},
        }],
        "annotations": {
            "org.opencontainers.image.title": artifact.name,
            "org.opencontainers.image.version": artifact.version,
            "sites.edgeai.kind": artifact.kind,
            "sites.edgeai.arch": artifact.arch,
        },
    })


def layout(manifest):
    """Return ``(text of index.json, {sha256: bytes})`` for a bundle manifest.

    The second value holds the small blobs (OCI manifests and the empty config) that stand beside the artifacts.
    """
    blobs = {_hex(EMPTY_CONFIG): EMPTY_CONFIG}
    descriptors = []
    for artifact in sorted(manifest.artifacts, key=lambda a: a.key):
        data = artifact_manifest(artifact)
        blobs[_hex(data)] = data
        descriptors.append({
            "mediaType": MANIFEST_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "digest": "sha256:" + _hex(data),
            "size": len(data),
            "annotations": {"org.opencontainers.image.ref.name": tag(artifact)},
        })
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors}
    return json.dumps(index, indent=2, sort_keys=True) + "\n", blobs
