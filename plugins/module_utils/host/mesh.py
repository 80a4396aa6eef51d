# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of hosts on which EdgeMesh's agent will run. Pure, like ``verdicts``."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, inconclusive, make, passed, warned
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_facts import PORT

AGENT = "edgemesh-agent"


def mesh(evidence, intent):
    """Its port, its kind of link, and nobody else who proxies services on an edge node."""
    if not intent.get("mesh"):
        return []
    wanted = f"port {PORT}/tcp free, the kernel module dummy" + (", no kube-proxy" if intent["runtime"] == "edgecore" else "")
    verdicts = [failed("mesh", f"port {PORT} on {entry['address']} is taken by {entry.get('process') or 'a process that could not be seen'}",
                       wanted, "Move that program to another port: EdgeMesh's agents find each other at this one.")
                for entry in evidence["ports"] if entry["port"] == PORT and entry.get("process") != AGENT]
    proxies = [entry for entry in evidence["ports"] if entry.get("process") == "kube-proxy"]
    if proxies and intent["runtime"] == "edgecore":
        verdicts.append(failed("mesh", f"kube-proxy runs here (pid {proxies[0].get('pid')})", wanted,
                               "Two would take the same traffic: keep kube-proxy off edge nodes, and reboot this one."))
    dummy = evidence["modules"]["state"].get("dummy", {"works": False, "loadable": False})
    if not (dummy["works"] or dummy["loadable"]):
        verdicts.append(_no_dummy(evidence, wanted))
    return verdicts or [passed("mesh", "all there", wanted)]


def _no_dummy(evidence, wanted):
    if not evidence["modules"]["tree"]:
        return inconclusive("mesh", "no sign of dummy, and no module tree to look in", wanted, "Try on the host: modprobe dummy")
    return failed("mesh", "the kernel has no module dummy", wanted,
                  "Install the package with the kernel's other modules, or leave EdgeMesh out: edgemesh_state: absent.")


def relays(evidence, intent):
    """Before the first run nobody listens there: a refusal says that the way is open."""
    wanted = intent.get("mesh")
    if not wanted:
        return []
    if "mesh" not in evidence:
        return [make("mesh_relays", "error", "the probe returned nothing", "evidence on the relays",
                     "Run preflight again; if it stays, look at the host's network by hand.")]
    verdicts = []
    for relay in wanted["relays"]:
        name, problem = relay["node"], evidence["mesh"].get(relay["node"], "was not tried")
        text = f"port {PORT}/tcp of the relay {name}"
        if not problem:
            verdicts.append(passed("mesh_relays", f"{name} answers", text))
        elif "refused" in problem and "no answer" not in problem:
            verdicts.append(passed("mesh_relays", f"the way to {name} is open, its agent does not run yet", text))
        else:
            verdicts.append(warned("mesh_relays", f"{name}: {problem}", text,
                                   f"Open {PORT}/tcp from this node to the relay, or correct its addresses in edgemesh_relays"))
    return verdicts
