# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between the inventory's GPU nodes and a site: who they are, what to apply, what to prove them with."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import plugin_manifest as manifests
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import (
    RESOURCE,
    GpuError,
    describe_site,
    parse_nodes,
)

SETTINGS = ("count", "replicas", "sharing", "mig", "resource")
RUNTIMES = ("k3s_server", "k3s_agent")


def gpu_nodes(site_nodes, hosts=None, runtimes=RUNTIMES):
    """Return the nodes with GPUs, each with the settings that its host variables give."""
    nodes = []
    for node in site_nodes:
        if node.get("gpu", "none") == "none" or node.get("runtime") not in runtimes:
            continue
        variables = (hosts or {}).get(node["name"]) or {}
        item = {"name": str(node["name"]), "kind": str(node["gpu"]), "arch": str(node["arch"])}
        for key in SETTINGS:
            value = variables.get("gpu_resources_" + key)
            if value not in (None, ""):
                item[key] = value
        nodes.append(item)
    return nodes


def gpu_manifests(nodes, bundle, image=manifests.PLUGIN_IMAGE, namespace="edgeai-gpu", runtime_class=manifests.RUNTIME_CLASS):
    """Return the objects of the device plugin for a site."""
    manifest = parse_manifest(_plain(bundle))
    return manifests.plugin_objects(parse_nodes(_plain(nodes)), lambda arch: find_image(image, manifest, arch).image.pinned,
                                    namespace, runtime_class)


def gpu_node_labels(nodes, site_nodes, found):
    """Return a patch of labels for each K3s node of a site whose labels are not right."""
    names = [str(node["name"]) for node in site_nodes if node.get("runtime") in RUNTIMES]
    return manifests.node_labels(names, parse_nodes(_plain(nodes)), found)


def gpu_images(nodes, bundle, image=manifests.PROOF_IMAGE):
    """Return an image by digest for each architecture of the nodes."""
    manifest = parse_manifest(_plain(bundle))
    return {arch: find_image(image, manifest, arch).image.pinned
            for arch in sorted({node.arch for node in parse_nodes(_plain(nodes))})}


def gpu_capacity(nodes):
    """Return {node: {allocatable, shared}}, what the nodes are expected to offer."""
    # Workloads ask for whole GPUs or shares of them; MIG profiles of other names are none to them.
    return {node["name"]: {"allocatable": node["expected"] if node["resource"] == RESOURCE else 0, "shared": node["sharing"] != "none"}
            for node in describe_site(parse_nodes(_plain(nodes)))}


def _speaking(function):
    """Turn our errors into the one that Ansible shows."""
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except GpuError as error:
            raise AnsibleFilterError(str(error)) from error
        except BundleError as error:
            raise AnsibleFilterError(error.text()) from error
    return wrapper


def _plain(value):
    """Return plain Python data: templates hand over subclasses of str, dict and list."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {name: _speaking(function) for name, function in (
            ("gpu_nodes", gpu_nodes), ("gpu_manifests", gpu_manifests), ("gpu_node_labels", gpu_node_labels),
            ("gpu_images", gpu_images), ("gpu_capacity", gpu_capacity))}
