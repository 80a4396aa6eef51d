# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May CloudCore run on this K3s server? Pure. Hosts that shall not run it get no verdict here."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, passed
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import matrix

PROGRAM, UNIT = "/usr/local/bin/cloudcore", "cloudcore.service"
_PROGRAMS = (PROGRAM, "/usr/bin/cloudcore", "/cloudcore")  # on a host, and as a container's own path


def versions(evidence, intent):
    """Told before K3s is installed: afterwards its version could only be changed with effort."""
    wanted = intent.get("cloudcore_server")
    if not wanted:
        return []
    problems = matrix.problems(wanted["version"], intent.get("k3s_version", ""), wanted["unsupported"])
    pair = "KubeEdge %s with Kubernetes %s" % (wanted["version"], intent.get("k3s_version") or "(not said)")
    if not problems:
        return [passed("cloudcore_versions", pair, "versions that go together")]
    return [failed("cloudcore_versions", pair, "versions that go together", problem[:1].upper() + problem[1:] + ".")
            for problem in problems]


def ports(evidence, intent):
    """CloudCore listens on all addresses, in the cluster too, where its pod has the host's network."""
    wanted = intent.get("cloudcore_server")
    if not wanted:
        return []
    taken = [entry for entry in evidence["ports"] if entry["port"] in wanted["ports"] and not _ours(entry)]
    text = ", ".join(str(port) for port in sorted(wanted["ports"]))
    if not taken:
        return [passed("cloudcore_ports", "free, or held by CloudCore", "free: " + text)]
    return [failed("cloudcore_ports", "port %d on %s is taken by %s" % (entry["port"], entry["address"], _holder(entry)),
                   "port %d free for CloudCore" % entry["port"],
                   "Move that program to another port, or CloudCore: cloudcore.ports in fleet.yml.") for entry in taken]


def _ours(entry):
    return entry.get("unit") == UNIT or entry.get("executable", "") in _PROGRAMS or entry.get("process") == "cloudcore"


def _holder(entry):
    if not entry.get("pid"):
        return "a process that could not be seen"
    return "%s (pid %s)" % (entry.get("process") or "a process", entry["pid"])
