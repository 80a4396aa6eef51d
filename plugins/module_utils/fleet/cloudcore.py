# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which CloudCore the EdgeCore nodes of a site talk to, where it runs, and under which addresses it is known.

A site with a k3s_server runs CloudCore itself; the others share that of the cloud.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, Iterator, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parts import (
    Placed,
    Problem,
    is_host_name,
    is_ip,
    mapping,
    mappings,
    text,
    texts,
)

# Ports of CloudCore's own configuration, under the names used here; quic is UDP, the others TCP.
PORTS = {"websocket": 10000, "quic": 10001, "https": 10002, "stream": 10003, "tunnel": 10004}


def speaker(place: Dict[str, Any]) -> Optional[str]:
    """Name of the host that stands for a place in once-per-place plays: its server, else its first node."""
    nodes = place.get("nodes", [])
    servers = [node for node in nodes if node.get("runtime") == "k3s_server"]
    return next((node["name"] for node in servers + nodes), None)


def cloudcore_of(site: Dict[str, Any], cloud: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """`edge_cloudcore` of a valid site; None for a site without EdgeCore nodes."""
    if not has_edge_nodes(site):
        return None
    return settings(site["name"], site) if _servers(site) else settings("cloud", cloud)


def settings(name: str, place: Dict[str, Any]) -> Dict[str, Any]:
    """`edge_cloudcore` of the place where CloudCore runs: place, server, shape, addresses, names, ports."""
    given = place.get("cloudcore") or {}
    shape = given.get("shape", "cluster")
    server = speaker(place)
    known = [node["address"] for node in _own_nodes(place, shape)]
    return {
        "place": name,
        "server": server,
        "shape": shape,
        "addresses": given.get("addresses", [address for address in known if is_ip(address)]),
        "names": given.get("names", [address for address in known if not is_ip(address)]),
        "ports": {**PORTS, **given.get("ports", {})},
    }


def serves(cloud: Dict[str, Any], sites: List[Dict[str, Any]]) -> bool:
    """Whether the cloud runs CloudCore: some site needs it, or it is asked for."""
    return "cloudcore" in cloud or any(has_edge_nodes(site) and not _servers(site) for site in sites)


def has_edge_nodes(place: Dict[str, Any]) -> bool:
    return any(node.get("runtime") == "edgecore" for node in place.get("nodes", []))


def check_cloudcore(sites: List[Placed], cloud: Placed) -> Iterator[Problem]:
    """Broken rules about CloudCore and its edge nodes; parts with a wrong shape count as absent."""
    cloud_nodes = list(mappings(cloud.data, cloud.path, "nodes"))
    needed = "cloudcore" in cloud.data
    for site in sites:
        nodes = list(mappings(site.data, site.path, "nodes"))
        edges = [node for node in nodes if text(node.data, "runtime") == "edgecore"]
        servers = [node for node in nodes if text(node.data, "runtime") == "k3s_server"]
        name = text(site.data, "name")
        if "transport" in site.data and not edges:
            yield site.path + ("transport",), f"site '{name}' has no edgecore node, which is what uses it; remove it"
        if "cloudcore" in site.data and not (edges and servers):
            yield site.path + ("cloudcore",), _no_cloudcore(name, bool(edges))
        if edges and servers:
            yield from _settings(site)
        elif edges and not cloud_nodes:
            yield edges[0].path + ("runtime",), (
                "its CloudCore has no place: name a host under cloud.nodes, or make a node of this site a k3s_server"
            )
        needed = needed or bool(edges and not servers)
    if needed and cloud_nodes:
        yield from _settings(cloud)
    elif "cloudcore" in cloud.data:
        yield cloud.path + ("cloudcore",), "cloud has no node for which it could be set up; name one under cloud.nodes"


def _no_cloudcore(site: str, has_edges: bool) -> str:
    if has_edges:
        return f"site '{site}' has no k3s_server, so its CloudCore is the cloud's: move this key to cloud"
    return f"site '{site}' has no edgecore node, so nothing would join it; remove it"


def _settings(place: Placed) -> Iterator[Problem]:
    given, path = mapping(place.data, "cloudcore"), place.path + ("cloudcore",)
    if text(given, "shape") == "host" and not _servers({"nodes": [n.data for n in mappings(place.data, (), "nodes")]}):
        yield path + ("shape",), "shape 'host' needs a node with runtime k3s_server, on which it will run; use 'cluster'"
    for index, address in enumerate(texts(given, "addresses")):
        problem = _address_problem(address)
        if problem:
            yield path + ("addresses", index), problem
    for index, name in enumerate(texts(given, "names")):
        if is_ip(name):
            yield path + ("names", index), f"found '{name}'; wanted a DNS name. An IP address belongs into 'addresses'"
        elif not is_host_name(name):
            yield path + ("names", index), f"found '{name}'; wanted a DNS name"
    yield from _ports(mapping(given, "ports"), path + ("ports",))
    if "addresses" not in given:
        yield from _default_addresses(place, given)


def _address_problem(address: str) -> str:
    if not is_ip(address):
        # CloudCore parses each as an IP address and signs nothing for the others.
        return f"found '{address}'; wanted an IP address. A DNS name belongs into 'names'"
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast:
        return f"found '{address}'; wanted an address at which edge nodes reach CloudCore"
    return ""


def _ports(ports: Dict[str, Any], path: tuple) -> Iterator[Problem]:
    owner: Dict[Any, str] = {}
    # QUIC is UDP: its number may be that of a TCP port.
    for name, number in {**PORTS, **ports}.items():
        if name in PORTS and name != "quic" and isinstance(number, int):
            if number in owner:
                key = name if name in ports else owner[number]
                yield path + (key,), f"'{owner[number]}' and '{name}' would both be TCP port {number}; change one"
            owner.setdefault(number, name)


def _default_addresses(place: Placed, given: Dict[str, Any]) -> Iterator[Problem]:
    nodes = list(mappings(place.data, place.path, "nodes"))
    shape = text(given, "shape") or "cluster"
    own = _own_nodes({"nodes": [node.data for node in nodes]}, shape)
    if not own and shape == "cluster":
        where = ("cloudcore",) if "cloudcore" in place.data else ()
        yield place.path + where, (
            "no node here is a k3s_server, so nobody knows where edge nodes will find CloudCore: give cloudcore.addresses"
        )
    elif own and not any(is_ip(text(node, "address")) for node in own):
        first = [node for node in nodes if node.data is own[0]][0]
        yield first.path + ("address",), (
            "CloudCore needs an IP address to advertise beside DNS names: give cloudcore.addresses and names"
        )


def _own_nodes(place: Dict[str, Any], shape: str) -> List[Dict[str, Any]]:
    """The nodes whose addresses are CloudCore's: in a cluster any server may run it, on a host only that one."""
    servers = _servers(place)
    return servers if shape == "cluster" else servers[:1]


def _servers(place: Dict[str, Any]) -> List[Dict[str, Any]]:
    return [node for node in place.get("nodes", []) if node.get("runtime") == "k3s_server"]
