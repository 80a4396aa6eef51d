# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a node there, of the wanted version, and alive right now? The Ready condition alone is minutes old."""

from __future__ import annotations

from typing import List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    EDGECORE,
    FAILED,
    HEALTHY,
    PROGRESSING,
    UNKNOWN,
    Evidence,
    ExpectedNode,
    Finding,
    NodeJudgement,
    Object,
    age,
    condition,
    parse_time,
)

# The kubelet renews its lease every 10 s and its conditions every 5 min; the server gives up on it after 40 s.
LEASE_FRESH_SECONDS = 40
# Smaller differences between the clocks of a node and its server are of no interest here.
CLOCK_TOLERANCE_SECONDS = 10
_WANTED = "Ready, lease renewed within %d s" % LEASE_FRESH_SECONDS
_STARTUP_TAINTS = ("node.cloudprovider.kubernetes.io/uninitialized", "node.kubernetes.io/not-ready")
_PRESSURES = ("DiskPressure", "MemoryPressure", "PIDPressure")


def judge_node(expected: ExpectedNode, evidence: Evidence) -> NodeJudgement:
    """Judge one node of the inventory by its Node and Lease objects."""
    if evidence.blind:
        finding = Finding("node.ready", UNKNOWN, evidence.blind, _WANTED,
                          "look at the link to the site and at its server")
        return NodeJudgement(expected.name, (finding,))
    node = evidence.nodes.get(expected.name)
    if node is None:
        finding = Finding("node.ready", FAILED, "node %s is not in the cluster" % expected.name, "node joined",
                          "run the %s playbook for it, and read its journal: %s" % (expected.playbook, expected.journal))
        return NodeJudgement(expected.name, (finding,))
    info = node.get("status", {}).get("nodeInfo", {})
    lease_age = lease_age_of(expected.name, evidence)
    findings = [_liveness(expected, node, lease_age)]
    findings.extend(_version(expected, info.get("kubeletVersion", "")))
    findings.extend(_pressure(expected.name, node))
    return NodeJudgement(expected.name, tuple(findings), version=info.get("kubeletVersion", ""),
                         engine=info.get("containerRuntimeVersion", ""),
                         ready=condition(node, "Ready").get("status") == "True", lease_age=lease_age)


def lease_age_of(name: str, evidence: Evidence) -> Optional[float]:
    """Return the seconds since the node renewed its lease, or None when that cannot be told.

    A renewal that was watched is timed by one clock. Else the lease's own time counts, which the node wrote by
    *its* clock: a time in the future proves nothing until it is seen to move.
    """
    if name in evidence.lease_ages:
        return evidence.lease_ages[name]
    renewed = parse_time(evidence.leases.get(name, {}).get("spec", {}).get("renewTime"))
    if renewed is None or renewed - evidence.now > CLOCK_TOLERANCE_SECONDS:
        return None
    return max(0.0, evidence.now - renewed)


def clock_offset(name: str, evidence: Evidence) -> Optional[float]:
    """Return how many seconds the node's clock is ahead of the server's, if a renewal was watched."""
    renewed = parse_time(evidence.leases.get(name, {}).get("spec", {}).get("renewTime"))
    if renewed is None or name not in evidence.lease_ages:
        return None
    return renewed - (evidence.now - evidence.lease_ages[name])


def _liveness(expected: ExpectedNode, node: Object, lease_age: Optional[float]) -> Finding:
    name, wanted, ready = expected.name, _WANTED, condition(node, "Ready")
    if ready.get("status") == "False":
        return Finding("node.ready", PROGRESSING, "node %s is not ready: %s" % (name, ready.get("message", "")), wanted,
                       "read the node's journal: %s" % expected.journal)
    if ready.get("status") != "True":
        return Finding("node.ready", UNKNOWN, "node %s has not been heard of: %s"
                       % (name, ready.get("message") or "no Ready condition"), wanted, _away(name))
    if lease_age is None:
        return Finding("node.ready", UNKNOWN, "node %s has no lease time that can be trusted (none yet, or its clock "
                       "is ahead)" % name, wanted, "wait for a renewal; compare the clocks of node and server")
    if lease_age >= LEASE_FRESH_SECONDS:
        return Finding("node.ready", UNKNOWN, "node %s was last heard of %s ago, though it still reads Ready"
                       % (name, age(lease_age)), wanted, _away(name))
    taints = [taint.get("key") for taint in node.get("spec", {}).get("taints") or []]
    startup = [key for key in _STARTUP_TAINTS if key in taints]
    if startup:
        return Finding("node.ready", PROGRESSING, "node %s is still starting (taint %s)" % (name, startup[0]), wanted)
    return Finding("node.ready", HEALTHY, "Ready, lease renewed %s ago" % age(lease_age), wanted)


def _away(name: str) -> str:
    return "is %s switched on and on the network? Its models may go on serving; their state is not known" % name


def _version(expected: ExpectedNode, found: str) -> List[Finding]:
    if not expected.version:
        return []
    # EdgeCore gives the version of the kubelet inside it and its own: v1.32.10-kubeedge-v1.23.1.
    right = found.endswith("-kubeedge-" + expected.version) if expected.runtime == EDGECORE else found == expected.version
    state = HEALTHY if right else FAILED
    return [Finding("node.version", state, "node %s runs %s" % (expected.name, found or "no known version"),
                    expected.version, "" if state == HEALTHY else "run the %s playbook" % expected.playbook)]


def _pressure(name: str, node: Object) -> List[Finding]:
    short = [kind for kind in _PRESSURES if condition(node, kind).get("status") == "True"]
    return [Finding("node.pressure", FAILED, "node %s reports %s" % (name, " and ".join(short)), "no pressure",
                    "free disk or memory; the kubelet is about to evict pods and delete unused images")] if short else []
