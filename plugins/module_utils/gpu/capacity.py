# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which GPUs a site offers its pods: the nodes as data, what each has to show as allocatable, and whether it does."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    ABSENT,
    EDGECORE,
    FAILED,
    HEALTHY,
    PROGRESSING,
    UNKNOWN,
    Evidence,
    ExpectedNode,
    Finding,
    Object,
    condition,
    parse_time,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_status, crashed, judge_pod

CHECK = "gpu.allocatable"
# A kubelet, and EdgeCore, look at their node every 10 s (nodeStatusUpdateFrequency), and tell at once what has changed.
STATUS_SECONDS = 20
RESOURCE = "nvidia.com/gpu"
KINDS = ("dgpu", "tegra")
SHARING = ("none", "time-slicing", "mps")
MIG = ("none", "single", "mixed")
# The GPU serves that many MPS clients at most (Volta and later).
MPS_CLIENTS = 48
MAX_REPLICAS = 64
PLUGIN_LABEL = "edgeai.sites/gpu-plugin"
CONFIG_ANNOTATION = "edgeai.sites/config"
_KEYS = ("name", "kind", "runtime", "arch", "count", "replicas", "sharing", "mig", "resource")


class GpuError(ValueError):
    """What was written cannot be had from these GPUs; the text says where, what was found and what to do."""


@dataclass(frozen=True)
class GpuNode:
    """One node with GPUs. ``count``: devices before sharing (with MIG: its instances). ``runtime``: what runs its pods."""

    name: str
    kind: str
    arch: str = "amd64"
    count: int = 1
    replicas: int = 1
    sharing: str = "none"
    mig: str = "none"
    resource: str = RESOURCE
    runtime: str = ""

    @property
    def edge(self) -> bool:
        """Whether its engine is EdgeCore, which cannot look up a RuntimeClass: there NVIDIA's runtime is the default."""
        return self.runtime == EDGECORE

    @property
    def expected(self) -> int:
        """Return what the node has to show as allocatable."""
        return self.count * self.replicas

    @property
    def plugin_class(self) -> str:
        """Nodes of one class run the same device plugin with the same settings; it is a label value."""
        parts = [self.kind, self.arch] + (["edge"] if self.edge else [])
        if self.sharing != "none":
            parts.append("%s-%d" % (self.sharing, self.replicas))
        if self.mig != "none":
            parts.append("mig-" + self.mig)
        if self.resource != RESOURCE:
            parts.append(self.resource.partition("/")[2].replace(".", "-"))
        return "-".join(parts)


def parse_nodes(data: Any) -> List[GpuNode]:
    """Return the GPU nodes of a site; raise GpuError with every mistake, one a line."""
    if not isinstance(data, list):
        raise GpuError("gpu_resources_nodes: found %s, wanted a list of nodes" % type(data).__name__)
    nodes: List[GpuNode] = []
    mistakes: List[str] = []
    for index, item in enumerate(data):
        try:
            nodes.append(_parse(item, "gpu_resources_nodes[%d]" % index))
        except GpuError as error:
            mistakes.append(str(error))
    names = [node.name for node in nodes]
    mistakes += ["gpu_resources_nodes: node %s is there %d times" % (name, names.count(name))
                 for name in sorted(set(names)) if names.count(name) > 1]
    for node in nodes:
        mistakes += ["node %s: %s" % (node.name, text) for text in _contradictions(node)]
    if mistakes:
        raise GpuError("\n".join(mistakes))
    return nodes


def allocatable(node: Optional[Object], resource: str) -> Optional[int]:
    """Return how many of a resource a Node object offers, 0 when it does not know it, None without a node."""
    if node is None:
        return None
    try:
        return int(node.get("status", {}).get("allocatable", {}).get(resource, 0))
    except (TypeError, ValueError):
        return 0


def judge_capacity(expected: GpuNode, evidence: Evidence) -> Finding:
    """Judge what one node offers. Too few is not final: after a restart of K3s the plugin takes a while to be back."""
    wanted = "%d x %s" % (expected.expected, expected.resource)
    if evidence.blind:
        return Finding(CHECK, UNKNOWN, evidence.blind, wanted, "look at the link to the site and at its server")
    node = evidence.nodes.get(expected.name)
    found = allocatable(node, expected.resource)
    if node is None:
        return Finding(CHECK, ABSENT, "node %s is not in the cluster" % expected.name, wanted,
                       "run the %s playbook for it" % _engine(expected).playbook)
    if condition(node, "Ready").get("status") != "True":
        return Finding(CHECK, UNKNOWN, "node %s is not ready, so what it offers is history" % expected.name, wanted,
                       "is it switched on and on the network? Read its journal: %s" % _engine(expected).journal)
    text = "node %s offers %d x %s" % (expected.name, found, expected.resource)
    if found == expected.expected:
        plugin = _successor_finding(expected, evidence)
        if plugin is None:
            return Finding(CHECK, HEALTHY, "%d x %s" % (found, expected.resource), wanted)
    else:
        plugin = _plugin_finding(expected, evidence)
    if plugin.state != HEALTHY:
        return Finding(CHECK, plugin.state, "%s: %s" % (text, plugin.found), wanted, plugin.remedy)
    return Finding(CHECK, PROGRESSING, text + ", with its device plugin running", wanted, _count_remedy(expected, found))


def plugin_pods(name: str, evidence: Evidence) -> List[Object]:
    """Return the living pods of the device plugin on a node, newest first."""
    own = [pod for pod in evidence.pods.values()
           if PLUGIN_LABEL in (pod["metadata"].get("labels") or {}) and not pod["metadata"].get("deletionTimestamp")
           and pod.get("spec", {}).get("nodeName") == name]
    return sorted(own, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)


def _successor_finding(expected: GpuNode, evidence: Evidence) -> Optional[Finding]:
    """Return what is wrong with the plugin behind an offer, or None.

    The kubelet goes on offering for a while what a plugin offered that is being replaced or has crashed; a pod that asks
    for it then is refused. A plugin that is not ours (no DaemonSet) is judged by its offer alone.
    """
    (template,) = [item["spec"]["template"] for item in evidence.daemonsets.values()
                   if item["metadata"].get("labels", {}).get(PLUGIN_LABEL) == expected.plugin_class] or [None]
    if template is None:
        return None
    pods = plugin_pods(expected.name, evidence)
    if pods and _made_of(pods[0]) != _made_of(template):
        return Finding(CHECK, PROGRESSING, "its device plugin is about to be replaced", "one of the new settings",
                       "look at the events of the DaemonSet in the plugin's namespace")
    finding = _plugin_finding(expected, evidence)
    if pods and not _reported_since(expected, pods[0], evidence):
        return Finding(CHECK, PROGRESSING, "its device plugin has just started, and the offer may be that of the one before",
                       "a status of the node that is newer than the plugin", "wait")
    runs = bool(pods) and "running" in (container_status(pods[0]).get("state") or {})
    # One that just started is told from one that crashes by the offer that came after it, without waiting for its uptime.
    return None if runs and finding.state != FAILED else finding


def _reported_since(expected: GpuNode, pod: Object, evidence: Evidence) -> bool:
    """Whether the node has told of itself since the plugin started, or would have if anything had changed."""
    started = parse_time(((container_status(pod).get("state") or {}).get("running") or {}).get("startedAt"))
    heartbeat = parse_time(condition(evidence.nodes.get(expected.name) or {}, "Ready").get("lastHeartbeatTime"))
    if started is None or heartbeat is not None and heartbeat > started:
        return True
    return evidence.now - started >= STATUS_SECONDS


def _made_of(thing: Object) -> Any:
    """What a plugin's pod and its template have in common, and another plugin has not."""
    return (thing["metadata"].get("annotations") or {}).get(CONFIG_ANNOTATION), thing["spec"]["containers"][0]["image"]


def _plugin_finding(expected: GpuNode, evidence: Evidence) -> Finding:
    pods = plugin_pods(expected.name, evidence)
    if not pods:
        return Finding(CHECK, PROGRESSING, "there is no pod of the device plugin on it", "one",
                       "is the node labelled %s=%s, or cordoned with a taint?" % (PLUGIN_LABEL, expected.plugin_class))
    finding = judge_pod(pods[0], evidence)
    if crashed(pods[0]) and finding.state != HEALTHY:
        known = ("is nvidia the default runtime of its containerd (role nvidia_runtime)" if expected.edge else
                 "does K3s know the runtime nvidia (restart K3s after the toolkit was installed)")
        remedy = "%s. Does the host see its GPU (preflight, check gpu), and %s?" % (finding.remedy, known)
        return Finding(CHECK, finding.state, "the device plugin: " + finding.found, finding.wanted, remedy)
    return Finding(CHECK, finding.state, "the device plugin: " + finding.found, finding.wanted, finding.remedy)


def _engine(expected: GpuNode) -> ExpectedNode:
    return ExpectedNode(expected.name, runtime=expected.runtime)


def _count_remedy(expected: GpuNode, found: int) -> str:
    if found == 0:
        return "read the plugin's log: it finds no device, or could not register with the kubelet"
    return "correct the inventory (gpu_resources_count, gpu_resources_replicas), or look for a card that is gone"


def _parse(item: Any, where: str) -> GpuNode:
    if not isinstance(item, dict):
        raise GpuError("%s: found %s, wanted a mapping" % (where, type(item).__name__))
    for key in item:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = "did you mean %r?" % near[0] if near else "known keys: " + ", ".join(_KEYS)
            raise GpuError("%s: unknown key %r; %s" % (where, key, hint))
    if not isinstance(item.get("name"), str) or not item["name"]:
        raise GpuError("%s.name: found %r, wanted the node's name" % (where, item.get("name")))
    where = "node " + item["name"]
    replicas = _number(item.get("replicas", 1), where + ": replicas", MAX_REPLICAS)
    return GpuNode(
        name=item["name"],
        kind=_choice(item.get("kind"), KINDS, where + ": kind"),
        arch=str(item.get("arch", "amd64")),
        count=_number(item.get("count", 1), where + ": count", MAX_REPLICAS),
        replicas=replicas,
        sharing=_choice(item.get("sharing") or ("time-slicing" if replicas > 1 else "none"), SHARING, where + ": sharing"),
        mig=_choice(item.get("mig", "none"), MIG, where + ": mig"),
        resource=_resource(item.get("resource") or RESOURCE, where + ": resource"),
        runtime=str(item.get("runtime") or ""),
    )


def _contradictions(node: GpuNode) -> Iterable[str]:
    if node.sharing == "none" and node.replicas > 1:
        yield "replicas %d without sharing; set sharing to time-slicing, or replicas to 1" % node.replicas
    if node.sharing != "none" and node.replicas < 2:
        yield "sharing %s with 1 replica shares nothing; set replicas to 2 or more, or sharing to none" % node.sharing
    if node.kind == "tegra":
        if node.count != 1:
            yield "count %d, but a Jetson is one device for the device plugin; use replicas to share it" % node.count
        if node.sharing == "mps":
            yield "sharing mps: a Jetson has no MPS; use time-slicing, which does not divide its memory either"
        if node.mig != "none":
            yield "mig %s: the device plugin knows a Jetson as one device without MIG; set mig to none" % node.mig
    if node.sharing == "mps":
        if node.mig != "none":
            yield "sharing mps with mig %s: the device plugin cannot do both; choose one" % node.mig
        if node.replicas > MPS_CLIENTS:
            yield "sharing mps with %d replicas: a GPU serves %d MPS clients at most" % (node.replicas, MPS_CLIENTS)
    if node.mig == "mixed" and not node.resource.startswith("nvidia.com/mig-"):
        yield ("mig mixed offers each profile as a resource of its own; name it in resource (like nvidia.com/mig-1g.5gb) "
               "and give its number in count")
    if node.mig != "mixed" and node.resource != RESOURCE:
        yield "resource %s comes with mig mixed only; leave it out" % node.resource


def _choice(value: Any, known: Iterable[str], where: str) -> str:
    if value not in known:
        raise GpuError("%s: found %r, wanted one of %s" % (where, value, ", ".join(known)))
    return str(value)


def _number(value: Any, where: str, high: int) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)  # Jinja hands numbers over as text
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high:
        raise GpuError("%s: found %r, wanted a whole number from 1 to %d" % (where, value, high))
    return value


def _resource(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.startswith("nvidia.com/") or len(value) > 63:
        raise GpuError("%s: found %r, wanted a resource of the device plugin, like %s" % (where, value, RESOURCE))
    return value


def describe_site(nodes: Iterable[GpuNode]) -> List[Dict[str, Any]]:
    """Return the nodes as plain data, with what each is expected to offer."""
    return [{"name": node.name, "kind": node.kind, "resource": node.resource, "expected": node.expected,
             "sharing": node.sharing, "mig": node.mig, "class": node.plugin_class} for node in nodes]
