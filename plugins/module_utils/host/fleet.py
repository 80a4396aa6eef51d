# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that need more than one host: duplicates, and agents that belong to another cluster. Pure."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed


def judge_fleet(probes):
    """Compare the hosts with each other.

    :param probes: ``{host: {"evidence": {..}, "intent": {..}}}`` of the hosts that answered.
    :return: ``{host: [verdict]}``, only hosts with a finding.
    """
    findings = {}
    for host, verdict in _duplicates(probes) + _foreign_agents(probes):
        findings.setdefault(host, []).append(verdict)
    return findings


def _duplicates(probes):
    """Values that only one host may have. Addresses may come again at another site: factories share private ranges."""
    rules = (
        ("node_name", _node_name, "a name of its own in the fleet", "Rename all but one of them in the inventory."),
        ("machine_id", _machine_id, "a machine-id of its own",
         "The disks were cloned, or one machine is in the inventory twice. On all but one: rm /etc/machine-id "
         "/var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"),
        ("address", _site_address, "an address of its own at the site", "Correct the addresses in the inventory."),
    )
    found = []
    for check, key, wanted, remedy in rules:
        holders = {}
        for host, probe in sorted(probes.items()):
            holders.setdefault(key(probe), []).append(host)
        for value, hosts in holders.items():
            if value and len(hosts) > 1:
                shown = value if isinstance(value, str) else value[-1]
                for host in hosts:
                    others = ", ".join(other for other in hosts if other != host)
                    found.append((host, failed(check, f"{shown} is also that of {others}", wanted, remedy)))
    return found


def _node_name(probe):
    return str(probe["intent"].get("node_name") or probe["intent"].get("node", "")).lower()


def _machine_id(probe):
    return probe["evidence"].get("machine", {}).get("machine_id", "")


def _site_address(probe):
    address = probe["intent"].get("address", "")
    return (probe["intent"].get("site", ""), address) if address else ""


def _foreign_agents(probes):
    """An agent trusts one cluster CA for ever: it must be the one of its site's server."""
    found = []
    for host, probe in sorted(probes.items()):
        server = probe["intent"].get("site_server", "")
        mine = probe["evidence"].get("k3s", {}).get("ca_sha256", "")
        known = probes.get(server, {}).get("evidence", {}).get("k3s")
        if not mine or known is None or host == server or known["ca_sha256"] == mine:
            continue
        theirs = known["ca_sha256"]
        what = f"{server} has {theirs[:12]}" if theirs else f"{server} has no cluster yet"
        found.append((host, failed(
            "cluster_identity", f"belongs to the cluster with CA {mine[:12]}; {what}", "one CA at the site",
            "This node joined another cluster, or its server was set up anew. If the cluster of its server is the right one: "
            "on the host systemctl disable --now k3s-agent; rm -rf /var/lib/rancher/k3s /etc/rancher; and, if the node is "
            "still known there, kubectl delete node on the server. Else restore the server from its backup.")))
    return found
