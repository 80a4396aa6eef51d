# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between the inventory and a rollout: whom it is about, how to get there, and what a person does next."""

from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.filter.gpu import gpu_capacity, gpu_nodes
from ansible_collections.edgeai.sites.plugins.filter.inference import inference_targets
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.next_step import next_step
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain, speaking

# What a host may say of itself in its variables, so that a release that does not fit is left out before anything is begun.
FACTS = ("cuda", "jetpack", "gpu_memory_mib")


def rollout_sites(hosts):
    """Return one entry for each site: name, timezone, windows, wan_mbit and nodes with what is known of their GPUs."""
    by_name = {host["inventory_hostname"]: host for host in hosts}
    firsts = {}
    for name in sorted(by_name):
        firsts.setdefault(str(by_name[name]["edge_site"]), by_name[name])
    sites = []
    for site in sorted(firsts):
        host = firsts[site]
        nodes = plain(host["edge_site_nodes"])
        offers = gpu_capacity(gpu_nodes(nodes, by_name))
        for node in nodes:
            node["facts"] = _facts(by_name.get(node["name"], {}), offers.get(node["name"]))
        sites.append({"name": site, "timezone": str(host.get("edge_site_timezone", "UTC")), "nodes": nodes,
                      "windows": plain(host.get("edge_site_windows", [])), "wan_mbit": host.get("edge_site_wan_mbit", 0)})
    return sites


def rollout_devices(hosts, workloads, bundle, state_dir):
    """Return one entry for each site: name, kubeconfig, namespace, nodes, and expected as the module site_health takes it."""
    by_name = {host["inventory_hostname"]: host for host in hosts}
    fleet_nodes = [node for site in rollout_sites(hosts) for node in site["nodes"]]
    sites = []
    for site in rollout_sites(hosts):
        host = next(host for host in hosts if str(host["edge_site"]) == site["name"])
        place = str((host.get("edge_cloudcore") or {}).get("place", site["name"]))
        nodes = plain(host["edge_site_nodes"])
        gpus = gpu_capacity(gpu_nodes(nodes, by_name))
        sites.append({
            "name": site["name"], "nodes": nodes,
            "kubeconfig": str(host.get("inference_kubeconfig") or os.path.join(state_dir, place, "kubeconfig")),
            "namespace": str(host.get("inference_namespace") or ("edgeai" if place == site["name"] else "edgeai-" + site["name"])),
            "expected": inference_targets(workloads, nodes, bundle, fleet_nodes, gpus)})
    return sites


@speaking
def rollout_images(bundle):
    """Return digest -> the name by which nodes know an image, for all images of a bundle."""
    images = [item.image for item in parse_manifest(plain(bundle)).artifacts if item.image is not None]
    return {image.digest: image.pinned for image in images}


def rollout_brought(hosts):
    """Return node -> digests of the images of the release that were put there, for nodes where that was done."""
    return {str(host["inventory_hostname"]): plain(host["__rollout_brought"]) for host in hosts if host.get("__rollout_brought")}


def rollout_not_brought(hosts):
    """Return node -> why the images of the release could not be brought there, for nodes where that is so."""
    return {str(host["inventory_hostname"]): str(host["__rollout_not_brought"]) for host in hosts if host.get("__rollout_not_brought")}


def rollout_next(planned, step, release, inventory, ledger_site=""):
    """Return what a person does next, from the plan's result and the last step's."""
    where = {"ledger": str(planned["ledger"]), "kubeconfig": str(planned["ledger_kubeconfig"] or ""), "site": str(ledger_site)}
    return next_step(plain(planned["plan"]), plain(step), where, str(release), [_short(path) for path in inventory])


def _short(path):
    """A path as people would type it here."""
    relative = os.path.relpath(str(path))
    return str(path) if relative.startswith("..") else relative


def _facts(host, offer):
    facts = {key: host["rollout_plan_" + key] for key in FACTS if host.get("rollout_plan_" + key)}
    if offer:
        facts.update(gpus=offer["allocatable"], shared=offer["shared"])
    return plain(facts)


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"rollout_sites": speaking(rollout_sites), "rollout_devices": speaking(rollout_devices), "rollout_images": rollout_images,
                "rollout_brought": rollout_brought, "rollout_not_brought": rollout_not_brought, "rollout_next": rollout_next}
