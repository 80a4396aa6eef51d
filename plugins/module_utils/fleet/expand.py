# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A valid fleet.yml as groups, hosts and variables: the inventory contract in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.cloudcore import (
    cloudcore_of,
    has_edge_nodes,
    serves,
    settings,
    speaker,
)

RUNTIME_GROUPS = {"k3s_server": "k3s_servers", "k3s_agent": "k3s_agents", "edgecore": "edgecore_nodes"}
# They exist in every fleet, even empty: a play on gpu_nodes is no typing error where nobody has a GPU.
FIXED_GROUPS = ("sites", *RUNTIME_GROUPS.values(), "gpu_nodes", "cloud")


@dataclass
class Group:
    variables: Dict[str, Any] = field(default_factory=dict)
    children: List[str] = field(default_factory=list)


@dataclass
class Host:
    groups: List[str]
    variables: Dict[str, Any]


@dataclass
class Layout:
    """What Ansible's inventory will hold, by name, in the order of fleet.yml."""

    groups: Dict[str, Group] = field(default_factory=dict)
    hosts: Dict[str, Host] = field(default_factory=dict)


def expand(data: Dict[str, Any]) -> Layout:
    """data: a fleet.yml that passed schema and rules. Values are passed on as they are, never copied or cast."""
    layout = Layout(groups={"all": Group(_fleet_variables(data)), **{name: Group() for name in FIXED_GROUPS}})
    cloud = data.get("cloud") or {}
    for site in data["sites"]:
        name = group_of_site(site["name"])
        layout.groups[name] = Group(_site_variables(site, cloud))
        layout.groups["sites"].children.append(name)
        for node in site["nodes"]:
            layout.hosts[node["name"]] = _host(node, name)
    if cloud:
        cloudcore = settings("cloud", cloud) if serves(cloud, data["sites"]) else None
        layout.groups["cloud"].variables = _place_variables("cloud", cloud, cloud.get("api"), cloudcore)
    for node in cloud.get("nodes", []):
        layout.hosts[node["name"]] = _host(node, "cloud")
    return layout


def group_of_site(name: str) -> str:
    return "site_" + name.replace("-", "_")


def _fleet_variables(data: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "edge_fleet": data["fleet"],
        "edge_workloads": data.get("workloads", []),
        **data.get("vars", {}),
    }


def _site_variables(site: Dict[str, Any], cloud: Dict[str, Any]) -> Dict[str, Any]:
    variables = {
        "edge_site_timezone": site.get("timezone", "UTC"),
        "edge_site_windows": site.get("windows", []),
    }
    if "wan_mbit" in site:
        variables["edge_site_wan_mbit"] = site["wan_mbit"]
    if has_edge_nodes(site):
        variables["edge_site_transport"] = site.get("transport", "websocket")
    return {**variables, **_place_variables(site["name"], site, cloud.get("api"), cloudcore_of(site, cloud))}


def _place_variables(
    name: str, place: Dict[str, Any], fallback_api: Optional[str], cloudcore: Optional[Dict[str, Any]]
) -> Dict[str, Any]:
    """What a site and the cloud have in common. EdgeCore nodes have no API of their own: theirs is the cloud's."""
    nodes = place.get("nodes", [])
    server = next((node for node in nodes if node.get("runtime") == "k3s_server"), None)
    own_api = f"https://{_in_url(server['address'])}:6443" if server else fallback_api
    api = place.get("api", own_api)
    return {
        "edge_site": name,
        "edge_site_nodes": [_summary(node) for node in nodes],
        **({"edge_site_server": server["name"]} if server else {}),
        **({"edge_site_speaker": speaker(place)} if nodes else {}),
        **({"edge_site_api": api} if api else {}),
        **({"edge_cloudcore": cloudcore} if cloudcore else {}),
        **place.get("vars", {}),
    }


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _summary(node: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "name": node["name"],
        "address": node["address"],
        **({"runtime": node["runtime"]} if "runtime" in node else {}),
        "arch": node["arch"],
        "gpu": node.get("gpu", "none"),
        "labels": node.get("labels", {}),
        "lines": node.get("lines", []),
    }


def _host(node: Dict[str, Any], place_group: str) -> Host:
    summary = _summary(node)
    groups = [place_group]
    if "runtime" in node:
        groups.append(RUNTIME_GROUPS[node["runtime"]])
    if summary["gpu"] != "none":
        groups.append("gpu_nodes")
    variables = {"ansible_host": node["address"]}
    variables.update({f"edge_{key}": summary[key] for key in ("runtime", "arch", "gpu", "labels", "lines") if key in summary})
    return Host(groups, {**variables, **node.get("vars", {})})
