# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this host fit to run EdgeCore, and may it? Pure. Hosts of other runtimes get no verdict here."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, make, passed, warned
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reach

DAY = 86400
PREFIX = "system:node:"
KUBELETS = ("kubelet.service", "snap.microk8s.daemon-kubelite.service", "rke2-server.service", "rke2-agent.service")
SHIMS = ("cri-docker.service", "dockershim.service")
OWN_NETWORK = "10-edgeai.conflist"


def one_kubelet(evidence, intent):
    """EdgeCore has a kubelet inside: two would end each other's pods."""
    if intent["runtime"] != "edgecore":
        return []
    units = evidence["systemd"]["units"]
    others = [name for name in KUBELETS if name in units]
    if others:
        return [failed("one_kubelet", f"{', '.join(others)} is installed", "no kubelet but EdgeCore's",
                       f"Remove it: systemctl disable --now {' '.join(others)}, and its package; or give this node another runtime")]
    shims = [name for name in SHIMS if units.get(name, {}).get("active") == "active"]
    if shims:
        return [warned("one_kubelet", f"{', '.join(shims)} runs", "no kubelet and none of its helpers",
                       f"EdgeCore uses containerd and not Docker. If nothing else needs it: systemctl disable --now {' '.join(shims)}")]
    return [passed("one_kubelet", "none", "no kubelet but EdgeCore's")]


def existing_edgecore(evidence, intent):
    """An existing EdgeCore passes when it is this node."""
    if intent["runtime"] != "edgecore":
        return []
    state, wanted = evidence["edge"], intent.get("node_name") or intent.get("node", "")
    name = state["common_name"][len(PREFIX):] if state["common_name"].startswith(PREFIX) else state["common_name"]
    for found in (name, state["database_node"]):
        if found and found != wanted:
            return [failed("existing_edgecore", f"this host is the node {found}", f"none, or {wanted}",
                           "Correct name or address in the inventory; or reset it first (reset.yml), if its pods may go")]
    if state["unit"] and not state["unit_ours"]:
        return [warned("existing_edgecore", f"{name or 'an EdgeCore'} that others have set up (keadm)", f"none, or {wanted} of this collection",
                       "Its certificates and database stay; unit and edgecore.yaml are replaced. Move settings of your own into "
                       "edgecore_config first")]
    if name and 0 < state["expires"] <= evidence["clock"]["epoch"]:
        return [warned("existing_edgecore", f"{name}, its certificate expired", f"{wanted} with a good certificate",
                       "The step edgecore enrols it anew. If the clock is wrong, set it right first")]
    left = f", certificate good for {int((state['expires'] - evidence['clock']['epoch']) / DAY)} days" if name else ""
    return [passed("existing_edgecore", f"{name or 'none'}{left}", f"none, or {wanted}")]


def engine(evidence, intent):
    """containerd and the network of pods, as far as they are there; the step edgecore brings what is missing."""
    if intent["runtime"] != "edgecore":
        return []
    state, verdicts = evidence["edge"], []
    if state["cri_disabled"]:
        verdicts.append(warned("engine", f"containerd's configuration has {state['cri_disabled']}", "CRI, for EdgeCore",
                               "The step edgecore takes cri out of that list; Docker does not mind"))
    earlier = [name for name in state["networks"] if name < OWN_NETWORK]
    if earlier and intent.get("pod_subnet", "-"):
        verdicts.append(failed("engine", f"/etc/cni/net.d/{earlier[0]}, which containerd would take", "one network for pods",
                               "Remove that file; or, if it is the wanted network, set edgecore_pod_subnet: \"\""))
    return verdicts or [passed("engine", "nothing in the way", "containerd and a network for pods")]


def cloudcore(evidence, intent):
    """Before the first run CloudCore may not be there yet, so that only what cannot be its absence refuses the host."""
    wanted = intent.get("cloudcore")
    if intent["runtime"] != "edgecore" or not wanted:
        return []
    if "cloudcore" not in evidence:
        return [make("cloudcore_https", "error", "the probe returned nothing", "evidence on CloudCore's ports",
                     "Run preflight again; if it stays, look at the host's network by hand.")]
    found = reach.seen(evidence["cloudcore"])
    verdicts = reach.judge(found, wanted["server"], wanted["ports"], wanted["transport"])
    if reach.unreachable(found):
        return [make(entry["check"], "warn" if entry["verdict"] != "pass" else "pass", entry["found"], entry["wanted"], entry["remedy"])
                for entry in verdicts]
    mends_itself = "cloudcore step" in "".join(entry["remedy"] for entry in verdicts)
    return [dict(entry, verdict="warn") if mends_itself and entry["verdict"] == "fail" else entry for entry in verdicts]
