# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules between the keys of fleet.yml that a JSON Schema cannot express.

The data may still break the schema: every rule looks only at parts that have the right shape, so that
one run reports everything that is wrong.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, Iterator, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.cloudcore import check_cloudcore
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.explain import nearest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import Document, Finding
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

# Set by the plugin itself; a value from `vars` would make the inventory contradict itself.
RESERVED_VARS = (
    "edge_arch",
    "edge_cloudcore",
    "edge_fleet",
    "edge_gpu",
    "edge_labels",
    "edge_lines",
    "edge_runtime",
    "edge_site",
    "edge_site_api",
    "edge_site_nodes",
    "edge_site_server",
    "edge_site_speaker",
    "edge_site_timezone",
    "edge_site_transport",
    "edge_site_wan_mbit",
    "edge_site_windows",
    "edge_workloads",
)
RESERVED_SITE_NAMES = ("cloud",)
RESERVED_NODE_NAMES = ("all", "cloud", "localhost", "sites", "ungrouped")


def check(
    document: Document,
    time_zones: Collection[str],
    expression_error: Optional[Callable[[str], Optional[str]]] = None,
) -> List[Finding]:
    """Every broken rule, in the order of the rules.

    time_zones: the names this controller knows. expression_error: says what is wrong with a JMESPath
    expression, or None; left out where jmespath is not installed.
    """
    data = document.data if isinstance(document.data, dict) else {}
    sites = list(mappings(data, (), "sites"))
    cloud = mapping(data, "cloud")
    nodes = [node for site in sites for node in mappings(site.data, site.path, "nodes", text(site.data, "name"))]
    cloud_nodes = list(mappings(cloud, ("cloud",), "nodes"))
    workloads = list(mappings(data, (), "workloads"))
    problems: List[Problem] = []
    problems += _unique("site", sites, "name")
    problems += _unique("node", nodes + cloud_nodes, "name")
    problems += _unique("address", nodes + cloud_nodes, "address")
    problems += _unique("workload", workloads, "name")
    problems += _reserved_names("site", sites, RESERVED_SITE_NAMES)
    problems += _reserved_names("node", nodes + cloud_nodes, RESERVED_NODE_NAMES)
    problems += _reserved_vars([Placed((), data), Placed(("cloud",), cloud)] + sites + nodes + cloud_nodes)
    problems += _addresses(nodes + cloud_nodes)
    problems += _time_zones(sites, time_zones)
    problems += _windows(sites)
    for site in sites:
        problems += _runtime_mix(site)
        problems += _unique_lines(site)
    problems += _cloud_runtimes(cloud_nodes)
    problems += check_cloudcore(sites, Placed(("cloud",), cloud))
    for workload in workloads:
        problems += _references(workload, nodes)
        problems += _gpu_where_it_runs(workload, nodes)
        problems += _expressions(workload, expression_error)
    problems += _deployment_names(workloads, nodes)
    return [document.finding(path, message) for path, message in problems]


def targets(workload: Dict[str, Any], nodes: List[Placed]) -> Iterator[Tuple[str, Placed]]:
    """(suffix of the Deployment's name, node) for each place where the workload runs."""
    runs_on = mapping(workload, "runs_on")
    lines, names, labels = texts(runs_on, "lines"), texts(runs_on, "nodes"), mapping(runs_on, "labels")
    for node in nodes:
        name = text(node.data, "name")
        for line in texts(node.data, "lines"):
            if line in lines:
                yield line, node
        node_labels = mapping(node.data, "labels")
        if name in names or (labels and all(node_labels.get(key) == value for key, value in labels.items())):
            yield name, node


def _unique(kind: str, items: List[Placed], key: str) -> Iterator[Problem]:
    first: Dict[str, Placed] = {}
    for item in items:
        value = text(item.data, key)
        if not value:
            continue
        if value in first:
            owner = first[value]
            where = f"in site '{owner.site}'" if owner.site else "before"
            yield item.path + (key,), f"{kind} '{value}' is there already {where}; it must be unique in the fleet"
        first.setdefault(value, item)


def _reserved_names(kind: str, items: List[Placed], reserved: Tuple[str, ...]) -> Iterator[Problem]:
    for item in items:
        if text(item.data, "name") in reserved:
            yield item.path + ("name",), f"'{item.data['name']}' is a name of the inventory itself; name the {kind} otherwise"


def _reserved_vars(items: List[Placed]) -> Iterator[Problem]:
    for item in items:
        for name in mapping(item.data, "vars"):
            if name in RESERVED_VARS:
                yield item.path + ("vars", name), f"'{name}' comes from the keys of fleet.yml; it cannot be set in vars"


def _addresses(nodes: List[Placed]) -> Iterator[Problem]:
    for node in nodes:
        address = text(node.data, "address")
        if address and not is_ip(address) and not is_host_name(address):
            yield node.path + ("address",), f"found '{address}'; wanted an IPv4 or IPv6 address or a DNS name"


def _time_zones(sites: List[Placed], known: Collection[str]) -> Iterator[Problem]:
    for site in sites:
        zone = text(site.data, "timezone")
        if zone and not known:
            yield site.path + ("timezone",), "this controller has no time zone database; install tzdata"
        elif zone and zone not in known:
            hint = nearest(zone, known)
            yield site.path + ("timezone",), f"found '{zone}'; wanted an IANA time zone such as Europe/Berlin.{hint}"


def _windows(sites: List[Placed]) -> Iterator[Problem]:
    for site in sites:
        for window in mappings(site.data, site.path, "windows"):
            start = text(window.data, "start")
            if start and start == text(window.data, "end"):
                yield window.path + ("end",), f"the window starts and ends at {start}: it is empty"


def _runtime_mix(site: Placed) -> Iterator[Problem]:
    nodes = list(mappings(site.data, site.path, "nodes"))
    by_runtime: Dict[str, List[Placed]] = {}
    for node in nodes:
        by_runtime.setdefault(text(node.data, "runtime"), []).append(node)
    name = text(site.data, "name")
    servers, agents = by_runtime.get("k3s_server", []), by_runtime.get("k3s_agent", [])
    if agents and not servers:
        yield site.path + ("nodes",), f"site '{name}' has k3s_agent nodes and no k3s_server; make one node the server"
    if servers and len(servers) % 2 == 0:
        yield servers[-1].path + ("runtime",), _even_servers(name, len(servers))


def _even_servers(site: str, count: int) -> str:
    if count == 2:
        return f"site '{site}' has 2 servers, which are worse than 1: when either stops, the cluster stops; use 1 or 3"
    return f"site '{site}' has {count} servers; they survive no more losses than {count - 1}: use an odd number"


def _cloud_runtimes(nodes: List[Placed]) -> Iterator[Problem]:
    for node in nodes:
        if text(node.data, "runtime") == "edgecore":
            yield node.path + ("runtime",), "an edgecore node belongs to a site; cloud holds what it connects to"


def _unique_lines(site: Placed) -> Iterator[Problem]:
    owner: Dict[str, str] = {}
    for node in mappings(site.data, site.path, "nodes"):
        for line in dict.fromkeys(texts(node.data, "lines")):
            if line in owner:
                yield node.path + ("lines",), (
                    f"line '{line}' is wired to node '{owner[line]}' of this site already; a line belongs to one node"
                )
            owner.setdefault(line, text(node.data, "name"))


def _references(workload: Placed, nodes: List[Placed]) -> Iterator[Problem]:
    runs_on = mapping(workload.data, "runs_on")
    path = workload.path + ("runs_on",)
    known = {
        "lines": sorted({line for node in nodes for line in texts(node.data, "lines")}),
        "nodes": sorted({text(node.data, "name") for node in nodes} - {""}),
    }
    for key, names in known.items():
        value = runs_on.get(key)
        for index, name in enumerate(value if isinstance(value, list) else []):
            if isinstance(name, str) and name not in names:
                yield path + (key, index), f"no node of the fleet has the {key[:-1]} '{name}'.{nearest(name, names)}"
    if mapping(runs_on, "labels") and not any(targets(workload.data, nodes)):
        yield path + ("labels",), "no node of the fleet has these labels: the workload would run nowhere"


def _gpu_where_it_runs(workload: Placed, nodes: List[Placed]) -> Iterator[Problem]:
    count = workload.data.get("gpu")
    if not isinstance(count, int) or count < 1:
        return
    for _suffix, node in targets(workload.data, nodes):
        if node.data.get("gpu", "none") == "none":
            yield workload.path + ("gpu",), (
                f"asks for {count} GPU and runs on node '{text(node.data, 'name')}', which has gpu: none"
            )


def _expressions(workload: Placed, error_of: Optional[Callable[[str], Optional[str]]]) -> Iterator[Problem]:
    for key, field in (("health", "expression"), ("golden", "expect")):
        expression = text(mapping(workload.data, key), field)
        error = error_of(expression) if expression and error_of else None
        if error:
            yield workload.path + (key, field), f"not a JMESPath expression: {error}"


def _deployment_names(workloads: List[Placed], nodes: List[Placed]) -> Iterator[Problem]:
    owners: Dict[Tuple[str, str], str] = {}
    for workload in workloads:
        name = text(workload.data, "name")
        for suffix, node in targets(workload.data, nodes):
            deployment = f"{name}-{suffix}"
            owner = owners.setdefault((node.site, deployment), name)
            if owner != name:
                yield workload.path + ("name",), (
                    f"its Deployment '{deployment}' in site '{node.site}' is also one of workload '{owner}'; rename one"
                )
            if len(deployment) > 63:
                yield workload.path + ("name",), (
                    f"its Deployment '{deployment}' has {len(deployment)} characters; Kubernetes labels hold 63"
                )
