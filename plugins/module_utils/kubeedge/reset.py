# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when a node shall no longer run EdgeCore, in which order, and what must be left because it is somebody else's. Pure.

KubeEdge's own reset leaves behind: the binary, the Node object, CNI state, rules of iptables, links and mounts.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths

FILES = (paths.UNIT_FILE, "/etc/kubeedge", paths.DATA, "/var/log/kubeedge", "/var/lib/edged", "/tmp/keadm.log", paths.BINARY,
         "/usr/local/bin/keadm", paths.STARTED, paths.PROVEN, paths.PROVEN_BINARY)
#: Left by kubelets of others, beside what EdgeCore leaves in the same directory.
FOREIGN_KUBELET = ("config.yaml", "kubeadm-flags.env", "pki", "kubeconfig")


class Found(NamedTuple):
    """What is there. ``containers``: id -> namespace/pod, of containerd's namespace k8s.io. ``kubelets``: units or processes of
    other kubelets. ``kubelet_files``: names in /var/lib/kubelet. ``mounts``: all mount points. ``links``: network interfaces.
    ``known_pods``: namespace/pod of EdgeCore's database, None when there is none that can be read. ``networks``: ids of containers
    with a record of our CNI network."""

    unit: bool = False
    enabled: bool = False
    paths: tuple[str, ...] = ()
    containers: dict[str, str] = {}
    kubelets: tuple[str, ...] = ()
    kubelet_files: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    own_conflist: bool = False
    networks: tuple[str, ...] = ()
    known_pods: Optional[tuple[str, ...]] = None


class Step(NamedTuple):
    """``kind``: stop, containers, networks, unmount, remove, link, reload; ``targets``: names or paths, in order."""

    kind: str
    targets: tuple[str, ...]
    reason: str


class Plan(NamedTuple):
    """``left``: what stays although it is in the way, with the reason, one sentence each."""

    steps: list[Step]
    left: list[str]


def plan(found: Found) -> Plan:
    """Steps in the order in which they have to be taken; none on a host without EdgeCore."""
    steps, left = [], []
    foreign = sorted(found.kubelets) + ["%s/%s" % (paths.KUBELET, name) for name in FOREIGN_KUBELET if name in found.kubelet_files]
    ours = bool(found.unit or found.paths)
    if found.unit:
        steps.append(Step("stop", (paths.UNIT,), "EdgeCore must not start again what is removed here"))
    containers = _containers(found, foreign, ours)
    if containers:
        steps.append(Step("containers", containers, "pods of EdgeCore"))
    kept = sorted(set(found.containers) - set(containers))
    if kept and foreign:
        left.append("%d containers in k8s.io: another kubelet is here (%s), and they are not in EdgeCore's database" % (len(kept), foreign[0]))
    networks = tuple(name for name in found.networks if name not in kept)
    if networks:
        steps.append(Step("networks", networks, "addresses and port rules of those pods"))
    mounts = tuple(sorted((path for path in found.mounts if path.startswith(paths.KUBELET + "/")), reverse=True))
    if ours and not foreign:
        if mounts:
            steps.append(Step("unmount", mounts, "they would keep %s busy" % paths.KUBELET))
        if found.kubelet_files:
            steps.append(Step("remove", (paths.KUBELET,), "volumes of EdgeCore's pods"))
    elif ours and found.kubelet_files:
        left.append("%s: another kubelet uses it (%s)" % (paths.KUBELET, foreign[0]))
    return Plan(steps + _rest(found, kept), left)


def _containers(found: Found, foreign: list[str], ours: bool) -> tuple[str, ...]:
    """All of the namespace are EdgeCore's, unless another kubelet is here too: then only what EdgeCore's database knows."""
    if not ours:
        return ()
    if not foreign:
        return tuple(sorted(found.containers))
    known = found.known_pods or ()
    return tuple(sorted(name for name, pod in found.containers.items() if pod in known))


def _rest(found: Found, kept: list[str]) -> list[Step]:
    steps = []
    if found.paths:
        steps.append(Step("remove", found.paths, "EdgeCore's own: program, configuration, certificates, database"))
    if found.own_conflist and not kept:
        steps.append(Step("remove", (engine.CONFLIST, "/var/lib/cni/networks/" + engine.NETWORK), "the network of its pods"))
        links = tuple(name for name in found.links if name in (engine.BRIDGE, "edgemesh0", "edge-dummy0"))
        if links:
            steps.append(Step("link", links, "the network of its pods"))
    if found.unit:
        steps.append(Step("reload", (), "its unit is gone"))
    return steps
