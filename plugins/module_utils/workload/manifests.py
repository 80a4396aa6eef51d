# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes objects of a site's targets, and what a health check has to find afterwards."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.fit import REPLACE, deployment_strategy
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import (
    CONTAINER,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    TARGET_LABEL,
    Workload,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.targets import EDGECORE, Target

MIN_STARTUP_SECONDS = 30
STOP_SECONDS = 10
# Besides loading, a rollout has to stop the old pod (Recreate) and to be scheduled and unpacked.
ROLLOUT_EXTRA_SECONDS = 90
UNPRIVILEGED_ID = 65532


def build_objects(targets: Iterable[Target], namespace: str) -> List[Dict[str, Any]]:
    """Return the Namespace and one Deployment per target, ready for server-side apply."""
    return [namespace_object(namespace)] + [_deployment(target, namespace) for target in targets]


def expected_targets(targets: Iterable[Target]) -> List[Dict[str, Any]]:
    """Return plain dicts, one per target, as the option ``expected`` of the module site_health takes them."""
    return [
        {
            "name": target.name,
            "workload": target.workload.name,
            "node": target.node,
            "line": target.line,
            "image": target.workload.image,
            "digest": target.image.digest,
            "replicas": 1,
            "port": target.workload.port,
            "model": target.workload.model,
            "health": {"path": target.workload.health_path, "expression": target.workload.health_expression},
            "golden": {"request": target.workload.golden_request, "expect": target.workload.golden_expect},
            "strategy": target.fit.strategy if target.fit else REPLACE,
            "strategy_reason": target.fit.reason if target.fit else "",
        }
        for target in targets
    ]


def startup_seconds(load_seconds: int) -> int:
    """Return how long a model may take to load before it is restarted: twice its 99th percentile, 30 at least."""
    return max(MIN_STARTUP_SECONDS, 2 * load_seconds)


def namespace_object(name: str) -> Dict[str, Any]:
    """Return the Namespace of the product's objects on a site."""
    labels = {MANAGED_BY_LABEL: MANAGED_BY, "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _deployment(target: Target, namespace: str) -> Dict[str, Any]:
    labels = _labels(target)
    annotations = {"edgeai.sites/image-version": target.workload.image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": target.name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": {
            "replicas": 1,
            # One camera cannot serve two pods; a surge without a free GPU would wait for ever.
            "strategy": deployment_strategy(target.fit) if target.fit else {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": startup_seconds(target.workload.load_seconds) + ROLLOUT_EXTRA_SECONDS,
            "selector": {"matchLabels": {TARGET_LABEL: target.name}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(target)},
        },
    }


def _labels(target: Target) -> Dict[str, str]:
    labels = {
        MANAGED_BY_LABEL: MANAGED_BY,
        "app.kubernetes.io/name": target.workload.name,
        "edgeai.sites/workload": target.workload.name,
        TARGET_LABEL: target.name,
    }
    if target.line:
        labels["edgeai.sites/line"] = target.line
    return labels


def _pod(target: Target) -> Dict[str, Any]:
    pod = {
        # The label, not nodeName: so the scheduler says no where the kubelet would reject pod after pod.
        "nodeSelector": {"kubernetes.io/hostname": target.node},
        "tolerations": _tolerations() + _gpu_tolerations(target.workload),
        "terminationGracePeriodSeconds": STOP_SECONDS,
        # No model asks the API, and EdgeCore does not start a pod with a token while its link is down.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UNPRIVILEGED_ID,
            "runAsGroup": UNPRIVILEGED_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        "containers": [_container(target)],
    }
    # EdgeCore cannot look up a RuntimeClass, and the pod would wait without a word: there containerd's default is it.
    if target.workload.gpu and target.runtime != EDGECORE:
        pod["runtimeClassName"] = "nvidia"
    return pod


def _tolerations() -> List[Dict[str, str]]:
    """Without limit, where Kubernetes sets 300 s: a line must not stop because its server was away for longer."""
    return [
        {"key": "node.kubernetes.io/%s" % key, "operator": "Exists", "effect": "NoExecute"}
        for key in ("not-ready", "unreachable")
    ]


def _gpu_tolerations(workload: Workload) -> List[Dict[str, str]]:
    """The usual taint of nodes that are kept for GPU work."""
    return [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if workload.gpu else []


def _container(target: Target) -> Dict[str, Any]:
    workload = target.workload
    env = dict(workload.env)
    if target.line:
        env["CAMERA"] = target.line
    return {
        "name": CONTAINER,
        "image": target.image.pinned,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": workload.port, "protocol": "TCP"}],
        "env": [{"name": name, "value": env[name]} for name in sorted(env)],
        "resources": _resources(workload),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **_probes(workload),
    }


def _resources(workload: Workload) -> Dict[str, Any]:
    # Memory is request and limit, so that the kernel never picks a neighbour; the CPU has no limit: throttling
    # would only add latency.
    limits = {"memory": workload.memory}
    requests = {"cpu": workload.cpu, "memory": workload.memory}
    if workload.gpu:
        limits["nvidia.com/gpu"] = requests["nvidia.com/gpu"] = str(workload.gpu)
    return {"requests": requests, "limits": limits}


def _probes(workload: Workload) -> Dict[str, Any]:
    """Liveness begins when the start-up probe has passed, so a model that still loads is never killed for it."""
    budget = startup_seconds(workload.load_seconds)
    period = 1 if budget <= 60 else 5
    ready = "/v2/models/%s/ready" % workload.model
    return {
        "startupProbe": _probe(ready, workload.port, period, -(-budget // period), 2),
        "readinessProbe": _probe(ready, workload.port, 2, 3, 2),
        "livenessProbe": _probe("/v2/health/live", workload.port, 10, 3, 5),
    }


def _probe(path: str, port: int, period: int, failures: int, timeout: int) -> Dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
        "successThreshold": 1,
    }
