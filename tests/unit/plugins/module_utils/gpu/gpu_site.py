# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GPU nodes and pods by hand, as a K3s API gives them."""

from __future__ import annotations

import json

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import PLUGIN_LABEL, GpuNode
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.proof import PROOF_LABEL
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Evidence

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

DGPU = GpuNode("camera-a", "dgpu")
TEGRA = GpuNode("camera-b", "tegra", arch="arm64", replicas=2, sharing="time-slicing")
PASS = {"device": "NVIDIA L4", "simulated": False, "result": "pass", "elements": 1024}
SIMULATED = dict(PASS, simulated=True)


def node(name="camera-a", gpus=1, resource="nvidia.com/gpu", **more):
    thing = c.node(name=name, **more)
    thing["status"]["allocatable"] = {"cpu": "4"}
    if gpus is not None:
        thing["status"]["allocatable"][resource] = str(gpus)
    return thing


def plugin_pod(name="camera-a", **more):
    thing = c.pod(name="nvidia-device-plugin-" + name, node=name, **more)
    thing["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "edgeai.sites", PLUGIN_LABEL: "dgpu-amd64"}
    return thing


def plugin_set(image="plugin@sha256:a", config="c1", kind="dgpu-amd64"):
    """The DaemonSet of a class; pods of its making have the same image and the same annotation."""
    template = {"metadata": {"annotations": {"edgeai.sites/config": config}}, "spec": {"containers": [{"image": image}]}}
    return {"metadata": {"name": "nvidia-device-plugin-" + kind, "labels": {PLUGIN_LABEL: kind}}, "spec": {"template": template}}


def made_pod(image="plugin@sha256:a", config="c1", **more):
    thing = plugin_pod(**more)
    thing["metadata"]["annotations"] = {"edgeai.sites/config": config}
    thing["spec"]["containers"] = [{"image": image}]
    return thing


def proof_pod(job, code=None, phase=None, reason="", node="camera-a"):
    """A pod of a Job: running, or ended with an exit code, or refused by the kubelet."""
    state = {"running": {"startedAt": c.stamp(1)}} if code is None else {"terminated": {"exitCode": code, "reason": "x"}}
    phase = phase or ("Running" if code is None else "Failed" if code else "Succeeded")
    status = {"phase": phase, "reason": reason, "message": "no more", "conditions": c.conditions(PodScheduled="True")}
    if not reason:
        status["containerStatuses"] = [{"name": "proof", "state": state, "restartCount": 0}]
    return {"metadata": {"name": job + "-x", "namespace": "edgeai-gpu", "uid": "u-" + job,
                         "labels": {"app.kubernetes.io/managed-by": "edgeai.sites", PROOF_LABEL: job}},
            "spec": {"nodeName": node}, "status": status}


def holder(name="vision-line-a-1", gpus="1", node="camera-a", ready="True", phase="Running"):
    return {"metadata": {"name": name, "namespace": "edgeai"},
            "spec": {"nodeName": node, "containers": [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}]},
            "status": {"phase": phase, "conditions": c.conditions(Ready=ready)}}


def evidence(nodes=None, pods=(), **more):
    return Evidence(now=c.NOW, nodes=c.by_name([node()] if nodes is None else nodes), pods=c.by_name(pods), **more)


def log(answer):
    return "starting\n%s\n" % json.dumps(answer)
