# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between the inventory's GPU nodes and a site: who they are, what to apply, what to prove them with."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import plugin_manifest as manifests
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import (
    RESOURCE,
    describe_site,
    parse_nodes,
)
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain, speaking

SETTINGS = ("count", "replicas", "sharing", "mig", "resource")


def gpu_nodes(site_nodes, hosts=None):
    """Return the nodes with GPUs, each with the settings that its host variables give."""
    nodes = []
    for node in site_nodes:
        if node.get("gpu", "none") == "none":
            continue
        variables = (hosts or {}).get(node["name"]) or {}
        item = {"name": str(node["name"]), "kind": str(node["gpu"]), "arch": str(node["arch"]), "runtime": str(node["runtime"])}
        for key in SETTINGS:
            value = variables.get("gpu_resources_" + key)
            if value not in (None, ""):
                item[key] = value
        nodes.append(item)
    return nodes


def gpu_manifests(nodes, bundle, image=manifests.PLUGIN_IMAGE, namespace="edgeai-gpu", runtime_class=manifests.RUNTIME_CLASS, site=""):
    """Return the objects of the device plugin for a site."""
    manifest = parse_manifest(plain(bundle))
    return manifests.plugin_objects(parse_nodes(plain(nodes)), lambda arch: find_image(image, manifest, arch).image.pinned,
                                    namespace, runtime_class, site)


def gpu_node_labels(nodes, site_nodes, found, site=""):
    """Return a patch of labels for each node of a site whose labels are not right."""
    return manifests.node_labels([str(node["name"]) for node in site_nodes], parse_nodes(plain(nodes)), found, site)


def gpu_images(nodes, bundle, image=manifests.PROOF_IMAGE):
    """Return an image by digest for each architecture of the nodes."""
    manifest = parse_manifest(plain(bundle))
    return {arch: find_image(image, manifest, arch).image.pinned
            for arch in sorted({node.arch for node in parse_nodes(plain(nodes))})}


def gpu_capacity(nodes):
    """Return {node: {allocatable, shared}}, what the nodes are expected to offer."""
    # Workloads ask for whole GPUs or shares of them; MIG profiles of other names are none to them.
    return {node["name"]: {"allocatable": node["expected"] if node["resource"] == RESOURCE else 0, "shared": node["sharing"] != "none"}
            for node in describe_site(parse_nodes(plain(nodes)))}


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {name: speaking(function) for name, function in (
            ("gpu_nodes", gpu_nodes), ("gpu_manifests", gpu_manifests), ("gpu_node_labels", gpu_node_labels),
            ("gpu_images", gpu_images), ("gpu_capacity", gpu_capacity))}
