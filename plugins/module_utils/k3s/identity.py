# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the K3s that is already on a host can become what is wanted, or must be left alone."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import token as tokens

RESET = "If this host shall really be used anew, reset it first (its K3s data is lost)"


class Existing(NamedTuple):
    """What was found on the host; "" or False when it is not there."""

    datastore: bool = False          # server/db has a database
    server_token: str = ""           # server/token
    passwd: str = ""                 # server/cred/passwd
    joined: bool = False             # the kubelet has a client certificate
    ca_hashes: tuple[str, ...] = ()  # of the CA that the agent trusts: of the PEM file, and of each certificate
    other_unit: bool = False         # the unit of the other kind is installed
    config_token: str = ""           # token in config.yaml
    config_server: str = ""          # server in config.yaml


def conflicts(existing: Existing, runtime: str, token: str) -> list[str]:
    """Reasons to refuse, one sentence each with the way out; ``token`` is "" when none was given."""
    found = []
    if runtime == "k3s_agent" and existing.datastore:
        found.append("this host is a K3s server with a cluster in /var/lib/rancher/k3s/server/db, and shall become "
                     "an agent: that would throw the cluster away. Set its runtime back to k3s_server. " + RESET)
    elif runtime == "k3s_server" and existing.joined and not existing.datastore:
        found.append("this host is an agent of another server, and shall become a server of its own. Set its "
                     "runtime back to k3s_agent. " + RESET)
    elif existing.other_unit:
        found.append("the unit of the other kind of node (server or agent) is installed on this host; two K3s "
                     "would fight for the same ports and data. Remove it, or correct the node's runtime")
    found.extend(_server_token(existing, token) if runtime == "k3s_server" else _agent_cluster(existing, token))
    return found


def must_verify_join(existing: Existing, runtime: str, token: str, server_url: str) -> bool:
    """Whether server and token are to be tried before anything is written: not yet joined, or one is new."""
    if runtime != "k3s_agent" or not token:
        return False
    return not existing.joined or token != existing.config_token or server_url != existing.config_server


def _server_token(existing: Existing, token: str) -> list[str]:
    if not existing.datastore:
        return []
    known = _known_secrets(existing)
    if not token:
        if known:
            return []
        return ["the datastore exists and its token is gone (server/token and server/cred/passwd are missing): K3s "
                "would make a new one and then refuse its own data. Give the old token in k3s_token"]
    if known and tokens.parse(token).secret not in known:
        return ["k3s_token differs from the token this cluster was created with, and the datastore is encrypted "
                "with that one: K3s would not start again. Leave k3s_token empty to keep it, or set the old value "
                "(it is in /var/lib/rancher/k3s/server/token); to change it, use `k3s token rotate` first"]
    return []


def _known_secrets(existing: Existing) -> set[str]:
    known = set()
    for line in existing.passwd.splitlines():
        fields = line.strip().split(",")
        if len(fields) >= 2 and fields[1] == "server":
            known.add(fields[0])
    try:
        known.add(tokens.parse(existing.server_token).secret)
    except ValueError:
        pass  # absent or unreadable: passwd alone decides
    return known


def _agent_cluster(existing: Existing, token: str) -> list[str]:
    if not existing.joined or not token or not existing.ca_hashes:
        return []
    if tokens.parse(token).ca_hash in existing.ca_hashes:
        return []
    return ["this node belongs to another cluster: the CA it trusts is not the one in the join token. Correct the "
            "inventory (wrong site?), or, if the server was installed anew, take the node out of the old cluster: "
            "stop k3s-agent and remove /var/lib/rancher/k3s/agent and /etc/rancher/node. " + RESET]
