# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the identity of an edge node: keep it, enrol, enrol anew, delete the Node first, wait, or refuse.

Seen on real nodes, and the cause of each rule: with certificates of another CA EdgeCore tries for ever and never enrols
anew, and so it does with an expired certificate; a token has no effect while there is a certificate; a host that lost its
database while its Node object is still there kills its containers behind a Node that stays Ready; two hosts of one name
take the session from each other; a Node that was deleted comes back only when EdgeCore is started again.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.certificate import Certificate

KEEP, ENROL, RE_ENROL, DELETE_NODE_FIRST, WAIT, REFUSE = (
    "keep", "enrol", "re_enrol", "delete_node_first", "wait", "refuse")

PREFIX = "system:node:"
ALIVE_SECONDS = 40.0  # a lease that is younger is being renewed by somebody


class Found(NamedTuple):
    """What the host has. ``certificate`` is None without a readable one, ``unreadable`` says why one cannot be read.

    ``database``: there is one that knows a node; ``database_node`` is its name. ``active``: EdgeCore runs here now.
    """

    ca_sha256: str = ""
    certificate: Optional[Certificate] = None
    unreadable: str = ""
    key_fits: bool = False
    database: bool = False
    database_node: str = ""
    machine_id: str = ""
    system_uuid: str = ""
    active: bool = False


class Node(NamedTuple):
    """The Node object in the cloud. ``silent_seconds``: since its lease was renewed, None when it has none."""

    machine_id: str = ""
    system_uuid: str = ""
    version: str = ""
    silent_seconds: Optional[float] = None


class Cloud(NamedTuple):
    """What the cloud says. ``error``: why it could not be asked, "" when it was. ``ca_sha256`` may be "" when unknown."""

    error: str = ""
    node: Optional[Node] = None
    ca_sha256: str = ""


class Decision(NamedTuple):
    """``token``: a token is needed. ``forget``: remove CA and certificates before the start. ``start``: EdgeCore must be
    started anew, with the reason; "" when not. ``reason`` is for people, ``remedy`` is set where there is nothing to do here."""

    action: str
    reason: str
    remedy: str = ""
    token: bool = False
    forget: bool = False
    start: str = ""


def found(facts: dict[str, Any]) -> Found:
    """The evidence of a host from what the module returned of it."""
    cert = facts.get("certificate") or None
    return Found(
        ca_sha256=str(facts.get("ca_sha256") or ""), unreadable=str(facts.get("unreadable") or ""),
        certificate=Certificate(str(cert["common_name"]), float(cert["not_before"]), float(cert["not_after"])) if cert else None,
        key_fits=bool(facts.get("key_fits")), database=bool(facts.get("database")),
        database_node=str(facts.get("database_node") or ""), machine_id=str(facts.get("machine_id") or ""),
        system_uuid=str(facts.get("system_uuid") or ""), active=bool(facts.get("active")))


def from_api(node: dict[str, Any] | None, lease_age: float | None) -> Node | None:
    """A Node document in the few words that count here. ``lease_age`` in seconds."""
    if node is None:
        return None
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return Node(str(info.get("machineID") or ""), str(info.get("systemUUID") or ""), str(info.get("kubeletVersion") or ""), lease_age)


def decide(host: Found, cloud: Cloud, name: str, now: float) -> Decision:
    """What to do so that this host is the node ``name``. ``now``: seconds since 1970, by the controller."""
    refused = _other_node_here(host, name) or _other_machine_there(host, cloud, name)
    if refused:
        return refused
    flaw = _flaw(host, cloud, name, now)
    if cloud.error:
        return _without_cloud(host, cloud, flaw)
    if cloud.node is not None and not host.database:
        return Decision(
            DELETE_NODE_FIRST, "the Node %s exists and this host has lost its database: it would kill its containers behind a Node "
            "that stays Ready" % name, token=bool(flaw), forget=bool(flaw), start="its Node is made anew")
    if flaw and host.ca_sha256 and host.certificate is not None:
        return Decision(RE_ENROL, flaw, token=True, forget=True, start="it enrols anew")
    if flaw:
        return Decision(ENROL, flaw, token=True, forget=bool(host.ca_sha256), start="it enrols")
    if cloud.node is None and host.active:
        return Decision(KEEP, "enrolled, but its Node is gone", start="its Node was deleted, and it registers at a start only")
    return Decision(KEEP, "enrolled as %s, certificate good for %d days" % (name, _days(host, now)))


def _other_node_here(host: Found, name: str) -> Decision | None:
    here = host.certificate.common_name[len(PREFIX):] if host.certificate and host.certificate.common_name.startswith(PREFIX) else ""
    other = next((known for known in (here, host.database_node) if known and known != name), "")
    if not other:
        return None
    return Decision(REFUSE, "this host is the node %s, and shall become %s" % (other, name),
                    "Correct name or address in the inventory; or, if it shall really be renamed, reset it first (reset.yml): its "
                    "pods and its Node %s go" % other)


def _other_machine_there(host: Found, cloud: Cloud, name: str) -> Decision | None:
    """A machine that was installed anew has another machine-id; a machine that still speaks is another one in any case."""
    node = cloud.node
    if node is None or not node.machine_id or not host.machine_id or node.machine_id == host.machine_id:
        return None
    speaks = node.silent_seconds is not None and node.silent_seconds < ALIVE_SECONDS
    reinstalled = bool(host.system_uuid) and host.system_uuid.lower() == node.system_uuid.lower()
    if reinstalled and not speaks:
        return None
    state = "and its heartbeat is fresh" if speaks else "silent for %s" % (
        "ever" if node.silent_seconds is None else "%d s" % node.silent_seconds)
    return Decision(REFUSE, "the name %s is taken by another machine (machine-id %s, here %s; %s)" % (
        name, node.machine_id[:8], host.machine_id[:8], state),
        "Give this node another name in the inventory; or, if that machine is gone for good, delete its Node and run again: "
        "kubectl delete node %s" % name)


def _flaw(host: Found, cloud: Cloud, name: str, now: float) -> str:
    """Why the certificates of this host will not do, "" when they do."""
    if not host.ca_sha256 or (host.certificate is None and not host.unreadable):
        return "it is not enrolled yet"
    if host.certificate is None:
        return "its certificate cannot be read: %s" % host.unreadable
    if not host.key_fits:
        return "its key does not fit its certificate"
    if host.certificate.common_name != PREFIX + name:
        return "its certificate is for %s" % (host.certificate.common_name or "nobody")
    if cloud.ca_sha256 and host.ca_sha256 != cloud.ca_sha256:
        return "CloudCore has another CA: it has %s…, this host trusts %s…" % (cloud.ca_sha256[:12], host.ca_sha256[:12])
    if host.certificate.not_after <= now:
        return "its certificate expired %d days ago" % ((now - host.certificate.not_after) / 86400)
    return ""


def _without_cloud(host: Found, cloud: Cloud, flaw: str) -> Decision:
    if flaw or not host.database:
        return Decision(WAIT, "%s, and the cloud cannot be asked: %s" % (flaw or "its database is lost", cloud.error),
                        "Run again when the cloud answers: nothing was changed here")
    return Decision(KEEP, "enrolled; the cloud cannot be asked: %s" % cloud.error)


def _days(host: Found, now: float) -> int:
    return int((host.certificate.not_after - now) / 86400) if host.certificate else 0


def database_node(keys: list[str]) -> str:
    """The node that a database knows, from the keys of its table ``meta`` (``null/node/<name>``)."""
    return next((key.rpartition("/")[2] for key in keys if "/node/" in key), "")


def expires(host: Found) -> float:
    """When the certificate ends, seconds since 1970; 0 without one."""
    return host.certificate.not_after if host.certificate else 0.0
