# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a workload with GPUs can be updated on a node. Pure: numbers in, strategy and reason out.

A surging update starts the new pod beside the old one. Without room for both the new pod stays Pending, the old one is
never stopped, and the update waits for ever without an error. So whether there is room is decided before the update.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

SURGE = "surge"
REPLACE = "replace"
REFUSE = "refuse"
WANTED = ("auto", SURGE, REPLACE)


@dataclass(frozen=True)
class Fit:
    """The answer of ``gpu_fit``.

    strategy: ``surge`` (new pod first), ``replace`` (old pod goes first, image and model are fetched before) or ``refuse``.
    reason:   one sentence for people, with the numbers that decided.
    remedy:   what to do about a refusal, or about an outage that a ``replace`` brings; empty for ``surge``.
    free:     GPUs (shares of GPUs, where they are shared) that nobody holds once this workload runs; -1 when not known.
    """

    strategy: str
    reason: str
    remedy: str = ""
    free: int = -1


def gpu_fit(
    workload_gpus: int,
    allocatable: Optional[int],
    in_use: int = 0,
    own: int = 0,
    shared: bool = False,
    workload_memory_mib: int = 0,
    memory_mib: int = 0,
    memory_in_use_mib: int = 0,
    wanted: str = "auto",
    node: str = "the node",
) -> Fit:
    """Say how one Deployment of one replica, bound to one node, can be updated there.

    The answer is the same before the first start and after it: the workload's own pod is counted either way. So that a second
    run changes nothing, count in ``in_use`` also the other workloads that are about to start on the node.

    :param workload_gpus: ``nvidia.com/gpu`` that one pod of the workload asks for; 0 for none.
    :param allocatable: ``status.allocatable["nvidia.com/gpu"]`` of the node: shares are counted, not cards, where the
        device plugin shares them. None when it cannot be known (check mode before the node exists).
    :param in_use: sum of the requests of all pods on the node that are neither Succeeded nor Failed, with that of this
        workload's pod.
    :param own: the part of ``in_use`` that the pod of this very workload holds; 0 when it does not run yet.
    :param shared: the node's GPUs are shared (time-slicing or MPS): pods then have no memory of their own.
    :param workload_memory_mib: GPU memory that one pod needs at its peak; 0 when not known.
    :param memory_mib: memory of one GPU; of the smallest where they differ; on Tegra the memory of the whole board.
        0 when not known.
    :param memory_in_use_mib: memory that is taken on that GPU now, with that of this workload's running pod. Only looked at
        where GPUs are shared.
    :param wanted: ``auto`` takes a surge where there is room and a replacement otherwise; ``replace`` never surges;
        ``surge`` (in Kubernetes ``maxSurge: 1, maxUnavailable: 0``) is refused where there is no room for it.
    :param node: the node's name, for the sentences.
    :return: a ``Fit``. Only ``refuse`` forbids to go on; ``deployment_strategy`` turns the others into the Kubernetes field.
    :raises ValueError: for numbers that cannot be (negative, ``own`` above ``in_use``) and an unknown ``wanted``.
    """
    _check(workload_gpus, allocatable, in_use, own, wanted)
    if workload_gpus == 0:
        return Fit(REPLACE if wanted == REPLACE else SURGE, "the workload asks for no GPU")
    if allocatable is None:
        return _unknown(wanted, node)
    others = in_use - own
    hopeless = _never_fits(workload_gpus, allocatable, others, workload_memory_mib, memory_mib, node)
    free = allocatable - others - max(own, workload_gpus)
    if hopeless:
        return Fit(REFUSE, hopeless[0], hopeless[1], max(0, free))
    if own == 0:
        memory_in_use_mib += workload_memory_mib
    if shared and memory_mib and workload_memory_mib and memory_in_use_mib > memory_mib and own == 0:
        return Fit(REFUSE, _memory_obstacle(workload_memory_mib, memory_mib, memory_in_use_mib - workload_memory_mib, node),
                   "Stop or move what shares the GPU, or use a smaller model: shares do not protect from running out of memory.",
                   free)
    if wanted == REPLACE:
        return Fit(REPLACE, "a replacement was asked for", "", free)
    obstacle = _no_room_for_two(workload_gpus, free, shared, workload_memory_mib, memory_mib, memory_in_use_mib, node)
    if not obstacle:
        kind = "shares of a GPU" if shared else "GPUs"
        return Fit(SURGE, f"{free} {kind} free on {node}, {workload_gpus} needed for the new pod beside the old one", "", free)
    if wanted == SURGE:
        return Fit(
            REFUSE,
            f"{obstacle}: with maxUnavailable 0 the old pod is kept until the new one is ready, and the new one would wait "
            f"for ever for what the old one holds",
            "Let it be replaced in place (strategy auto or replace): image and model are fetched first, so that the outage is "
            "only the start; or give the node a free GPU.", free)
    return Fit(REPLACE, obstacle, "The workload is down while the new pod starts; a free GPU on the node would avoid that.", free)


def deployment_strategy(fit: Fit) -> Dict[str, Any]:
    """Return the field ``spec.strategy`` of a Deployment for a fit that is not refused."""
    if fit.strategy == SURGE:
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    if fit.strategy == REPLACE:
        return {"type": "Recreate"}
    raise ValueError(f"a refused fit has no strategy: {fit.reason}")


def _check(workload_gpus, allocatable, in_use, own, wanted):
    if wanted not in WANTED:
        raise ValueError(f"wanted: found {wanted!r}, wanted one of {', '.join(WANTED)}")
    if min(workload_gpus, allocatable or 0, in_use, own) < 0:
        raise ValueError("found a negative number of GPUs, wanted 0 or more")
    if own > in_use:
        raise ValueError(f"own ({own}) is a part of in_use ({in_use}) and cannot be more")


def _unknown(wanted, node):
    reason = f"it is not known what GPUs {node} has"
    if wanted == SURGE:
        return Fit(REFUSE, f"{reason}, and without room a surge waits for ever",
                   "Run gpu_resources for the site first, or take strategy auto.")
    return Fit(REPLACE, f"{reason}; a replacement needs none beside the old pod's")


def _never_fits(workload_gpus, allocatable, others, workload_memory_mib, memory_mib, node):
    """(reason, remedy) when the pod cannot run even alone; None when it can."""
    if allocatable == 0:
        return (f"{node} offers no GPU (allocatable nvidia.com/gpu is 0)",
                f"Run nvidia_runtime and gpu_resources for {node}; if they pass, look at the device plugin's pod there.")
    if workload_gpus > allocatable:
        return (f"the workload asks for {workload_gpus} GPUs, {node} has {allocatable}",
                f"Ask for at most {allocatable}, or bind the workload to a larger node.")
    if workload_memory_mib > memory_mib > 0:
        return (f"the workload needs {workload_memory_mib} MiB of GPU memory, a GPU of {node} has {memory_mib} MiB",
                "Use a smaller model or precision, or bind the workload to a larger GPU.")
    left = max(0, allocatable - others)
    if workload_gpus > left:
        return (f"other workloads hold {others} of the {allocatable} GPUs of {node}: {left} left, {workload_gpus} needed",
                "Stop or move one of the others, or let them share the GPU (gpu_resources_replicas).")
    return None


def _no_room_for_two(workload_gpus, free, shared, workload_memory_mib, memory_mib, memory_in_use_mib, node):
    """Why old and new pod cannot stand side by side; empty when they can."""
    if free < workload_gpus:
        return f"{max(0, free)} GPUs free on {node}, {workload_gpus} needed for the new pod beside the old one"
    if not shared:
        return ""  # a whole free GPU: that its memory is enough was seen before
    if not workload_memory_mib or not memory_mib:
        return f"the GPU of {node} is shared, and it is not known whether its memory is enough for both pods"
    if workload_memory_mib > memory_mib - memory_in_use_mib:
        return _memory_obstacle(workload_memory_mib, memory_mib, memory_in_use_mib, node)
    return ""


def _memory_obstacle(workload_memory_mib, memory_mib, memory_in_use_mib, node):
    free = max(0, memory_mib - memory_in_use_mib)
    return f"{free} of {memory_mib} MiB free on the shared GPU of {node}, {workload_memory_mib} MiB needed for the new pod"
