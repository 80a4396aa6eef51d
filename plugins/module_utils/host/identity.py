# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is this host already? An existing K3s or EdgeCore must be the one that the inventory means. Pure."""
from __future__ import annotations

import re
from urllib.parse import urlsplit

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, passed, warned

K3S_PROGRAMS = ("/usr/local/bin/k3s", "/opt/bin/k3s", "/var/lib/rancher/k3s/data/")
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
ROLE_OF = {"k3s_server": "server", "k3s_agent": "agent"}


def node_name(evidence, intent):
    wanted = intent.get("node_name") or intent.get("node", "")
    registered = evidence["k3s"]["node_name"]
    if not NODE_NAME.fullmatch(wanted):
        return [failed("node_name", wanted or "none", "lower-case letters, digits and dashes, at most 63 (RFC 1123)",
                       "Rename the node in the inventory.")]
    if registered and registered != wanted:
        return [failed("node_name", f"registered as {registered}", wanted,
                       f"Set the node's name to {registered} in the inventory, or remove the old node first: "
                       f"kubectl delete node {registered}, then on the host: {_forget(evidence)}")]
    return [passed("node_name", registered or wanted, wanted)]


def one_runtime(evidence, intent):
    """K3s and EdgeCore both want the kubelet's place on a host."""
    edgecore = [name for name, there in sorted(evidence["edgecore"].items()) if there]
    if intent["runtime"] != "edgecore":
        if edgecore:
            return [failed("one_runtime", f"EdgeCore is installed ({', '.join(edgecore)})", "K3s alone",
                           "Set runtime: edgecore for this node; or remove EdgeCore first: systemctl disable --now edgecore; "
                           "rm -rf /usr/local/bin/edgecore /etc/systemd/system/edgecore.service /etc/kubeedge /var/lib/kubeedge")]
        return [passed("one_runtime", "no EdgeCore", "K3s alone")]
    if evidence["k3s"]["role"]:
        return [failed("one_runtime", f"K3s {evidence['k3s']['role']} is installed", "EdgeCore alone",
                       f"Set runtime: k3s_{evidence['k3s']['role']} for this node; or remove K3s first: {_forget(evidence)}")]
    return [passed("one_runtime", "no K3s", "EdgeCore alone")]


def existing_k3s(evidence, intent):
    """An existing K3s passes when it is ours: our unit, the wanted role, version and cluster."""
    role = ROLE_OF.get(intent["runtime"])
    if role is None:
        return []
    state = evidence["k3s"]
    verdicts = _role(state, role, evidence) + _origin(state) + _version(state, intent) + _cluster(state, intent, evidence)
    if state["containerd_templates"]:
        verdicts.append(warned(
            "existing_k3s", f"own containerd template {', '.join(state['containerd_templates'])}", "K3s writes this file itself",
            "A template of an older K3s pins an old configuration and hides NVIDIA's runtime. Unless you know why it is there: "
            "rm /var/lib/rancher/k3s/agent/etc/containerd/*.tmpl, and restart K3s."))
    if verdicts:
        return verdicts
    found = f"{state['role']} {state['version']}".strip() if state["role"] else "none"
    return [passed("existing_k3s", found, f"none, or a {role} of this site")]


def _role(state, role, evidence):
    if not state["role"] or state["role"] == role:
        return []
    return [failed("existing_k3s", f"a K3s {state['role']} lives here", f"a K3s {role}",
                   f"Set runtime: k3s_{state['role']} for this node; or, if its data may go: {_forget(evidence)}")]


def _origin(state):
    foreign = {name: origin for name, origin in sorted(state["units"].items()) if origin != "edgeai"}
    verdicts = []
    for unit, origin in foreign.items():
        script = "k3s-uninstall.sh" if unit == "k3s.service" else "k3s-agent-uninstall.sh"
        if origin == "install-script":
            found, way = f"{unit} was written by the K3s install script", f"/usr/local/bin/{script}"
        else:
            found = f"{unit} was not written by this collection"
            way = f"systemctl disable --now {unit}; rm /etc/systemd/system/{unit}"
        verdicts.append(failed("existing_k3s", found, "no K3s, or one of this collection",
                               f"Two owners would undo each other's settings. Save its data, then remove it: {way}"))
    return verdicts


def _version(state, intent):
    wanted, found = intent.get("k3s_version", ""), state["version"]
    if not wanted or not state["binary"]:
        return []
    if not found:
        return [failed("existing_k3s", f"{state['binary']} does not tell its version", wanted,
                       f"Run {state['binary']} --version on the host. A broken file may be deleted: the artifact replaces it.")]
    if found == wanted or not state["role"]:
        return []
    return [failed("existing_k3s", f"K3s {found} is installed", f"K3s {wanted}",
                   f"Set k3s_version: {found} for this site. Changing the version of a running site needs snapshots and an "
                   "order of nodes, which this run does not do.")]


def _cluster(state, intent, evidence):
    """An agent remembers the server that it registered with."""
    if intent["runtime"] != "k3s_agent" or not state["agent_data"] or not state["server_url"]:
        return []
    known = {host_of(intent.get("server_url", ""))} | set(intent.get("server_addresses", ()))
    known.discard("")
    if not known or host_of(state["server_url"]) in known:
        return []
    return [failed("existing_k3s", f"registered with {state['server_url']}", f"registered with {', '.join(sorted(known))}",
                   f"Correct the site of this node, or move it: kubectl delete node at the old site, then on the host: "
                   f"{_forget(evidence)}")]


def host_of(url):
    """``https://10.0.0.1:6443`` -> ``10.0.0.1``; empty when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _forget(evidence):
    """Commands that make a host forget its K3s."""
    units = " ".join(sorted(evidence["k3s"]["units"])) or "k3s"
    return f"systemctl disable --now {units}; rm -rf /etc/rancher /var/lib/rancher/k3s /etc/systemd/system/k3s*.service*; reboot"
