# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an edge node as text: edgecore.yaml and its unit.

EdgeCore rewrites its file, with the token in it, unless ``edgecoreVersion`` is exactly its own version; then it leaves it alone.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from typing import Any, Iterator, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.edge_defaults import DEFAULTS, OPTIONAL_KUBELET
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_facts import ADDRESS, CLUSTER_DOMAIN
from ansible_collections.edgeai.sites.plugins.module_utils.started import Watched

HEADER = "# Written by edgeai.sites (role edgecore). Changes made here are undone by the next run.\n"
DRIVERS = ("cgroupfs", "systemd")
TRANSPORTS = ("websocket", "quic")
WATCHED = Watched(paths.STARTED, paths.BINARY, {"config": [paths.CONFIG], "unit": [paths.UNIT_FILE, paths.UNIT_FILE + ".d/*.conf"]})

_KUBELET = ("modules", "edged", "tailoredKubeletConfig")
# What the role's own variables say. Said twice, one of them would be ignored.
_DECIDED = {
    ("edgecoreVersion",): "edgecore_version", ("kind",): "", ("apiVersion",): "",
    ("modules", "edged", "hostnameOverride"): "edgecore_node_name", ("modules", "edged", "nodeIP"): "edgecore_address",
    ("modules", "edged", "podSandboxImage"): "edgecore_pause_image", ("modules", "edged", "nodeLabels"): "edgecore_labels",
    _KUBELET + ("registerWithTaints",): "edgecore_taints", _KUBELET + ("cgroupDriver",): "edgecore_cgroup_driver",
    ("modules", "edgeHub", "token"): "", ("modules", "edgeHub", "httpServer"): "edgecore_cloudcore",
    ("modules", "edgeHub", "websocket", "server"): "edgecore_cloudcore",
    ("modules", "edgeHub", "websocket", "enable"): "edgecore_transport",
    ("modules", "edgeHub", "quic", "server"): "edgecore_cloudcore", ("modules", "edgeHub", "quic", "enable"): "edgecore_transport",
    ("modules", "edgeStream", "server"): "edgecore_cloudcore",
    # Health, reset and the packages of the host count on these.
    ("database", "dataSource"): "", ("modules", "edged", "rootDirectory"): "", ("modules", "edged", "enable"): "",
    _KUBELET + ("containerRuntimeEndpoint",): "", _KUBELET + ("imageServiceEndpoint",): "", _KUBELET + ("readOnlyPort",): "",
    _KUBELET + ("address",): "",
}
# What EdgeMesh's agent needs of EdgeCore.
_MESH = {
    ("modules", "metaManager", "metaServer", "enable"): True,
    _KUBELET + ("clusterDNS",): [ADDRESS], _KUBELET + ("clusterDomain",): CLUSTER_DOMAIN,
}
_OPTIONAL = {("featureGates",)} | {_KUBELET + (name,) for name in OPTIONAL_KUBELET}
# Maps whose keys are free.
_FREE = {("featureGates",)} | {_KUBELET + (name,) for name in (
    "evictionHard", "evictionSoft", "evictionSoftGracePeriod", "evictionMinimumReclaim", "featureGates", "kubeReserved",
    "systemReserved", "qosReserved", "cpuManagerPolicyOptions", "topologyManagerPolicyOptions", "logging", "crashLoopBackOff",
    "memorySwap")}


class Wanted(NamedTuple):
    """What the role knows. ``server``: name or address of CloudCore; ``ports``: name -> number; ``config``: the user's keys.

    ``mesh``: EdgeMesh's agent runs here, which needs metaServer, and answers the DNS questions of pods.
    """

    node_name: str
    version: str
    server: str
    ports: dict[str, int]
    transport: str = "websocket"
    address: str = ""
    cgroup_driver: str = "systemd"
    pause_image: str = ""
    resolv_conf: str = ""
    taints: list[dict[str, str]] = []
    config: dict[str, Any] = {}
    mesh: bool = False


def check(wanted: Wanted) -> list[str]:
    """What speaks against it, one sentence each."""
    problems = []
    if not re.match(r"^v\d+\.\d+\.\d+\S*$", wanted.version):
        problems.append("edgecore_version is %r; write it like v1.23.1" % wanted.version)
    if not re.match(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", wanted.node_name):
        problems.append("the node name %r is not one (lower-case letters, digits, dashes and dots); correct the inventory"
                        % wanted.node_name)
    if wanted.cgroup_driver not in DRIVERS:
        problems.append("the cgroup driver is %r; wanted one of %s" % (wanted.cgroup_driver, ", ".join(DRIVERS)))
    if wanted.transport not in TRANSPORTS:
        problems.append("the transport is %r; wanted one of %s" % (wanted.transport, ", ".join(TRANSPORTS)))
    if not wanted.server:
        problems.append("edgecore_cloudcore names no address of CloudCore; give cloudcore.addresses or names in fleet.yml")
    missing = [name for name in ("https", wanted.transport) if not wanted.ports.get(name)]
    if missing:
        problems.append("edgecore_cloudcore.ports lacks %s" % ", ".join(missing))
    return problems + list(_unfit(wanted.config, DEFAULTS, ())) + (list(_against_mesh(wanted.config)) if wanted.mesh else [])


def _against_mesh(given: dict[str, Any]) -> Iterator[str]:
    for path, value in _MESH.items():
        found = given  # type: Any
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None and found != value:
            yield "edgecore_config sets %s to %r, and EdgeMesh needs %r: take it out, or set edgemesh_state: absent" % (
                ".".join(path), found, value)


def _unfit(given: dict[str, Any], known: dict[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    for key in sorted(given):
        here, name = place + (key,), ".".join(place + (key,))
        if here in _DECIDED:
            yield "edgecore_config sets %s, which %s" % (
                name, "%s says" % _DECIDED[here] if _DECIDED[here] else "the role decides; take it out")
        elif key not in known and here not in _OPTIONAL:
            near = difflib.get_close_matches(key, list(known) + [path[-1] for path in _OPTIONAL if path[:-1] == place], 1)
            yield "edgecore_config has the unknown key %s, which EdgeCore would ignore in silence%s" % (
                name, "; did you mean %s?" % near[0] if near else "")
        elif isinstance(known.get(key), dict) and not isinstance(given[key], dict):
            yield "edgecore_config: %s is %r; wanted a dictionary" % (name, given[key])
        elif isinstance(known.get(key), bool) and not isinstance(given[key], bool):
            yield "edgecore_config: %s is %r; wanted true or false" % (name, given[key])
        elif isinstance(given[key], dict) and here not in _FREE:
            yield from _unfit(given[key], known.get(key) or {}, here)


def document(wanted: Wanted) -> dict[str, Any]:
    """The whole edgecore.yaml: EdgeCore's defaults, what the role decides, and the user's keys on top.

    Labels are not in it: EdgeCore sets them once, at the first registration, and a change would restart it for nothing.
    """
    whole = copy.deepcopy(DEFAULTS)
    modules = whole["modules"]
    whole["edgecoreVersion"] = wanted.version
    modules["edgeHub"]["httpServer"] = "https://" + _at(wanted, "https")
    for transport in TRANSPORTS:
        modules["edgeHub"][transport]["enable"] = transport == wanted.transport
        modules["edgeHub"][transport]["server"] = _at(wanted, transport)
    modules["edgeStream"]["server"] = _at(wanted, "tunnel")
    modules["eventBus"]["enable"] = False  # there is no broker on the node
    edged = modules["edged"]
    edged["hostnameOverride"] = wanted.node_name
    if wanted.address:
        edged["nodeIP"] = wanted.address
    if wanted.pause_image:
        edged["podSandboxImage"] = wanted.pause_image
    kubelet = edged["tailoredKubeletConfig"]
    kubelet["cgroupDriver"] = wanted.cgroup_driver
    if wanted.taints:
        kubelet["registerWithTaints"] = [dict(taint) for taint in wanted.taints]
    if wanted.resolv_conf:
        kubelet["resolvConf"] = wanted.resolv_conf
    for path, value in _MESH.items() if wanted.mesh else ():
        place = whole
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    return _merged(whole, wanted.config)


def _at(wanted: Wanted, port: str) -> str:
    host = "[%s]" % wanted.server if ":" in wanted.server else wanted.server
    return "%s:%d" % (host, wanted.ports.get(port) or 0)


def _merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def to_yaml(whole: dict[str, Any]) -> str:
    """Block YAML, keys sorted. Written by hand because targets have no PyYAML; a JSON scalar is a YAML scalar."""
    return HEADER + "".join("%s\n" % line for line in _lines(whole, ""))


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _entry(indent + _scalar_key(key) + ":", value[key], indent)
    else:
        for item in value:
            nested = isinstance(item, (dict, list)) and item
            if nested:
                first = True
                for line in _lines(item, indent + "  "):
                    yield indent + "- " + line[len(indent) + 2:] if first else line
                    first = False
            else:
                yield "%s- %s" % (indent, json.dumps(item, ensure_ascii=False))


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value:
        yield start
        yield from _lines(value, indent + "  ")
    else:
        yield "%s %s" % (start, json.dumps(value, ensure_ascii=False))


def _scalar_key(key: Any) -> str:
    text = str(key)
    plain = re.match(r"^[A-Za-z][A-Za-z0-9_.-]*$", text) and text.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
    return text if plain else json.dumps(text, ensure_ascii=False)


def scalar(text: str, name: str) -> str:
    """The first scalar of that name in some edgecore.yaml, also one that EdgeCore has rewritten; "" when absent."""
    found = re.search(r"^\s*%s:[ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*(#.*)?$" % re.escape(name), text, re.MULTILINE)
    return found.group(1) if found else ""


def shown(text: str) -> str:
    """An edgecore.yaml for a diff: EdgeCore may have written a token into it."""
    return re.sub(r"(?m)^(\s*(?:token|mqttPassword):[ \t]+)(?!\"\"\s*$)\S.*$", r'\1"***"', text)


def unit() -> str:
    """The systemd unit.

    KillMode=process because pods are containerd's, not EdgeCore's. EdgeCore looks for containerd and for an address only
    while it starts. ``active`` says nothing about a join: there is no sd_notify. ExecStartPre notes what it starts with.
    """
    return HEADER + """[Unit]
Description=KubeEdge EdgeCore
Documentation=https://kubeedge.io
Wants=network-online.target containerd.service
After=network-online.target containerd.service

[Service]
Type=simple
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
Restart=always
RestartSec=10s
ExecStartPre=-/bin/sh -c "{record}"
ExecStart={binary} --config={config}

[Install]
WantedBy=multi-user.target
""".format(record=WATCHED.command().replace("%", "%%"), binary=paths.BINARY, config=paths.CONFIG)
