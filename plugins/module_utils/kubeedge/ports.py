# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of CloudCore, told right: 10002 is HTTPS for certificates and tokens over TCP, QUIC is UDP 10001."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple


class Port(NamedTuple):
    """``name``: in `edge_cloudcore.ports`. ``peer``: who connects to it."""

    name: str
    number: int
    protocol: str
    peer: str
    use: str


TABLE = (
    Port("websocket", 10000, "TCP", "edge node", "messages with CloudHub, mutual TLS"),
    Port("quic", 10001, "UDP", "edge node", "the same over QUIC, where a site's transport is quic"),
    Port("https", 10002, "TCP", "edge node", "certificates and tokens: /ca.crt, /edge.crt, /node"),
    Port("stream", 10003, "TCP", "API server", "kubectl logs and exec"),
    Port("tunnel", 10004, "TCP", "edge node", "the tunnel for logs and exec, mutual TLS"),
)
NAMES = tuple(port.name for port in TABLE)


def wanted_by_edge(ports: Dict[str, int], transport: str, stream: bool = False) -> List[Port]:
    """What an edge node has to reach, with the numbers of this CloudCore."""
    names = {"https", transport} | ({"tunnel"} if stream else set())
    return [port._replace(number=ports[port.name]) for port in TABLE if port.name in names]


def listening(ports: Dict[str, int], quic: bool, stream: bool) -> List[Port]:
    """What CloudCore listens on."""
    off = (set() if quic else {"quic"}) | (set() if stream else {"stream", "tunnel"})
    return [port._replace(number=ports[port.name]) for port in TABLE if port.name not in off]


def service_ports(found: List[Port]) -> List[Dict[str, Any]]:
    """The ports of a Kubernetes Service."""
    return [{"name": port.name, "port": port.number, "targetPort": port.number, "protocol": port.protocol} for port in found]
