# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over bundles: bundle_manifest, bundle_image, bundle_manifests, gpu_packages, node_images."""

from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import blob_path, read_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import image_reference
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import SCHEMA, parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.packages import gpu_packages as packages_of_gpu
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.programs import find_manifests
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.workloads import node_images as images_of_node
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.plugin_manifest import PLUGIN_IMAGE, PROOF_IMAGE
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import speaking


def bundle_manifest(directory):
    """Return the checked content of bundle.json as plain data."""
    manifest = read_manifest(os.path.expanduser(directory))
    return {"schema": SCHEMA, "artifacts": [artifact.to_dict() for artifact in manifest.artifacts]}


def bundle_image(name, manifest, arch=None):
    """Return <registry>/<name>@sha256:<digest> for name:version."""
    return image_reference(name, parse_manifest(manifest), arch)


def bundle_manifests(directory, pattern, version=""):
    """Return the paths of the Kubernetes manifests in the bundle at ``directory`` whose names fit ``pattern``."""
    directory = os.path.expanduser(directory)
    found = find_manifests(pattern, read_manifest(directory), version)
    return [blob_path(directory, artifact.sha256) for artifact in found]


def gpu_packages(gpu, packages=None, version="", drivers=None, state="present"):
    """Return the packages that a node needs for its GPU."""
    return packages_of_gpu(gpu, packages, version, drivers, state)


def node_images(workloads, node, gpu_images=(PLUGIN_IMAGE, PROOF_IMAGE)):
    """Return the images that workloads and the GPU of a node need on it."""
    return images_of_node(workloads, node, gpu_images)


class FilterModule:
    """The filters by name."""

    def filters(self):
        """Return the filters of this file."""
        return {
            "bundle_manifest": speaking(bundle_manifest),
            "bundle_image": speaking(bundle_image),
            "bundle_manifests": speaking(bundle_manifests),
            "gpu_packages": speaking(gpu_packages),
            "node_images": speaking(node_images),
        }
