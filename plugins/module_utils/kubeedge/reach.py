# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this edge node reach its CloudCore, and is it CloudCore that answers? From what a probe saw to verdicts. Pure.

10002 is HTTPS over TCP (CA, certificates, tokens); 10000 is the hub, TLS with client certificates; QUIC is UDP 10001.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, inconclusive, passed

HTTPS, HUB, QUIC = "cloudcore_https", "cloudcore_hub", "cloudcore_quic"

# A QUIC packet of a version that nobody speaks: who speaks any has to answer with those that it speaks (RFC 9000, 6.1 and 17.2.1).
_VERSION_OF_NOBODY = b"\x1a\x2a\x3a\x4a"
QUIC_PACKET_BYTES = 1200


class Seen(NamedTuple):
    """What the probe saw. Errors are "" when all went well.

    ``https``: connecting to 10002; ``ca_sha256``: of what /ca.crt gave, "" when that was no certificate; ``trust``: why, or why
    the server's own certificate is not good for this name by that CA. ``hub``: connecting to 10000;
    ``client``: what the hub said to this node's certificate, None when it has none. ``quic``: "answer", "refused", "silent" or "" (not asked).
    """

    https: str = ""
    ca_sha256: str = ""
    trust: str = ""
    hub: str = ""
    client: Optional[str] = None
    quic: str = ""


def seen(facts: dict[str, Any]) -> Seen:
    """The evidence out of what a module returned."""
    return Seen(**{name: facts[name] for name in Seen._fields if name in facts})


def judge(found: Seen, server: str, ports: dict[str, int], transport: str, ca_sha256: str = "") -> list[dict[str, Any]]:
    """Verdicts, in the order of a join. ``ca_sha256``: of the CA in the cloud, "" when it is not known."""
    return _https(found, server, ports["https"], ca_sha256) + (
        _quic(found, server, ports["quic"]) if transport == "quic" else _hub(found, server, ports["websocket"]))


def _https(found: Seen, server: str, port: int, ca_sha256: str) -> list[dict[str, Any]]:
    place, wanted = "%s port %d/tcp" % (server, port), "CloudCore's CA at /ca.crt, from this node"
    if found.https:
        return [failed(HTTPS, "%s: %s" % (place, found.https), wanted, _remedy(found.https, port, "tcp"))]
    if not found.ca_sha256:
        return [failed(
            HTTPS, "%s answers, but not as CloudCore does: %s" % (place, found.trust or "no certificate at /ca.crt"), wanted,
            "Something else listens there, such as a proxy or a load balancer with HTTP rules. Pass TCP %d through to CloudCore as "
            "it is, or correct the address" % port)]
    if found.trust:
        return [failed(HTTPS, "%s: %s" % (place, found.trust), "a certificate of CloudCore's CA for %s" % server, _trust(found.trust, server))]
    if ca_sha256 and found.ca_sha256 != ca_sha256:
        return [failed(HTTPS, "%s serves the CA %s…" % (place, found.ca_sha256[:12]), "the CA of this cloud, %s…" % ca_sha256[:12],
                       "Another CloudCore answers there: correct the address, or look for a second CloudCore behind it")]
    return [passed(HTTPS, "%s, CA %s…" % (place, found.ca_sha256[:12]), wanted)]


def _trust(error: str, server: str) -> str:
    if "mismatch" in error or "not valid for" in error or "doesn't match" in error:
        return ("Give CloudCore the name or address %s (cloudcore.addresses or cloudcore.names in fleet.yml) and run the cloudcore "
                "step, or use one that its certificate has" % server)
    if "expired" in error or "not yet valid" in error:
        return "Set the clocks of this node and of CloudCore's host right"
    return ("Something between ends TLS and begins it anew (a proxy, an inspecting firewall): let TCP pass through to CloudCore "
            "as it is, on this port and on the hub's")


def _hub(found: Seen, server: str, port: int) -> list[dict[str, Any]]:
    place, wanted = "%s port %d/tcp" % (server, port), "the hub of CloudCore, from this node"
    if found.hub:
        return [failed(HUB, "%s: %s" % (place, found.hub), wanted, _remedy(found.hub, port, "tcp"))]
    return [passed(HUB, place, wanted)]


def _quic(found: Seen, server: str, port: int) -> list[dict[str, Any]]:
    place, wanted = "%s port %d/udp" % (server, port), "CloudCore's QUIC, from this node"
    if found.quic == "answer":
        return [passed(QUIC, place, wanted)]
    if found.quic == "refused":
        return [failed(QUIC, "%s: nobody listens" % place, wanted,
                       "Switch QUIC on in CloudCore (the site's transport does that with the cloudcore step), or set transport: websocket")]
    return [inconclusive(QUIC, "%s: no answer" % place, wanted,
                         "A firewall drops UDP %d, or QUIC is off in CloudCore. Open it, or set transport: websocket for the site" % port)]


def _remedy(error: str, port: int, protocol: str) -> str:
    if "refused" in error:
        return "Nothing listens there: run the cloudcore step, or look why CloudCore is down; check the port"
    if "name" in error.lower():
        return "The name is not known here: correct it, give the node a resolver that knows it, or use an address"
    return "A firewall, a route or a wrong address: open %d/%s from this node to CloudCore" % (port, protocol)


def quic_packet(connection: bytes) -> bytes:
    """A datagram that makes every QUIC server answer. ``connection``: 8 random bytes."""
    head = b"\xc0" + _VERSION_OF_NOBODY + bytes((len(connection),)) + connection + b"\x08" + connection[::-1]
    return head + bytes(QUIC_PACKET_BYTES - len(head))


def is_quic(answer: bytes) -> bool:
    """Whether a datagram is the answer to it: a long header with the version 0."""
    return len(answer) > 6 and bool(answer[0] & 0x80) and answer[1:5] == bytes(4)


def unreachable(found: Seen) -> bool:
    """Whether CloudCore just cannot be reached now, so that later is another matter; nothing is wrong about who answers."""
    return bool(found.https) or (bool(found.ca_sha256) and not found.trust and (bool(found.hub) or found.quic in ("refused", "silent")))
