"""What the server fills in where the client said nothing."""

from __future__ import annotations

import base64
import random

from standin_common import quantity

_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
TOLERATION_SECONDS = {_NOT_READY: 300, _UNREACHABLE: 300}
_ACCOUNT_FILES = "/var/run/secrets/kubernetes.io/serviceaccount"


def apply_defaults(resource, obj):
    """Fills obj in place."""
    filler = _FILLERS.get(resource.kind) if not resource.custom else None
    if filler:
        filler(obj)


def _set(target, **values):
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _tag(image):
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]


def _probe(probe):
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        _set(probe["httpGet"], path="/", scheme="HTTP")


def _container(container):
    image = container.get("image") or ""
    always = _tag(image) in ("", "latest") and "@" not in image
    _set(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File",
         imagePullPolicy="Always" if always else "IfNotPresent")
    for port in container.get("ports") or []:
        _set(port, protocol="TCP")
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(container[name])
    resources = container["resources"]
    if isinstance(resources, dict) and resources.get("limits"):
        extended = {k: v for k, v in resources["limits"].items() if quantity.is_extended(k)}
        missing = {k: v for k, v in extended.items() if k not in (resources.get("requests") or {})}
        if missing:
            resources["requests"] = {**(resources.get("requests") or {}), **missing}


def _pod_spec(spec):
    _set(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst",
         securityContext={}, schedulerName="default-scheduler")
    if spec.get("serviceAccountName"):
        _set(spec, serviceAccount=spec["serviceAccountName"])
    for container in (spec.get("initContainers") or []) + (spec.get("containers") or []):
        if isinstance(container, dict):
            _container(container)
    for volume in spec.get("volumes") or []:
        for source in ("secret", "configMap", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                _set(volume[source], defaultMode=420)
        if isinstance(volume.get("hostPath"), dict):
            _set(volume["hostPath"], type="")
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or []:
            for port in container.get("ports") or []:
                _set(port, hostPort=port.get("containerPort"))


def _pod(pod):
    spec = pod.setdefault("spec", {})
    _pod_spec(spec)
    for container in spec.get("containers") or []:
        resources = container.get("resources") or {}
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    _set(spec, enableServiceLinks=True)
    status = pod.setdefault("status", {})
    _set(status, phase="Pending", qosClass=_qos(spec))


def admit_pod(pod, account, seconds, volume):
    """What the admission plugins add to a new pod: service account and its token, priority, tolerations.

    account: the ServiceAccount, or None; seconds: {taint: how long it is tolerated}; volume: name of the token's volume
    """
    spec = pod["spec"]
    _set(spec, serviceAccountName="default")
    _set(spec, serviceAccount=spec["serviceAccountName"], priority=0, preemptionPolicy="PreemptLowerPriority")
    wanted = spec.get("automountServiceAccountToken", (account or {}).get("automountServiceAccountToken", True))
    if account and wanted:
        _mount_token(spec, volume)
    tolerations = spec.setdefault("tolerations", [])
    for key in (_NOT_READY, _UNREACHABLE):
        if not any(t.get("key") in (key, None, "") and t.get("effect") in ("NoExecute", None, "")
                   for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute",
                                "tolerationSeconds": seconds[key]})


def _mount_token(spec, volume):
    for container in (spec.get("initContainers") or []) + spec["containers"]:
        mounts = container.get("volumeMounts") or []
        if not any(m.get("mountPath") == _ACCOUNT_FILES for m in mounts):
            container["volumeMounts"] = [*mounts, {"name": volume, "mountPath": _ACCOUNT_FILES, "readOnly": True}]
    spec["volumes"] = [*(spec.get("volumes") or []), {"name": volume, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}]


def _qos(spec):
    guaranteed, burstable = bool(spec.get("containers")), False
    for container in spec.get("containers") or []:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            burstable = burstable or name in limits or name in requests
            guaranteed = guaranteed and name in limits and str(requests.get(name, limits[name])) == str(limits[name])
    return "Guaranteed" if guaranteed else "Burstable" if burstable else "BestEffort"


def _template(spec):
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        _pod_spec(template.setdefault("spec", {}))


def _deployment(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy, rollingUpdate={})
        _set(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    _template(spec)
    obj.setdefault("status", {})


def _replica_set(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, replicas=1)
    _template(spec)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def _daemon_set(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, revisionHistoryLimit=10, updateStrategy={})
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={})
        _set(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)
    _template(spec)
    status = obj.setdefault("status", {})
    for name in ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"):
        status.setdefault(name, 0)


def _stateful_set(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
    _template(spec)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def _job(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, parallelism=1, completions=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)
    _template(spec)
    obj.setdefault("status", {})


def _namespace(obj):
    _set(obj.setdefault("spec", {}), finalizers=["kubernetes"])
    _set(obj.setdefault("status", {}), phase="Active")
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _secret(obj):
    for key, value in (obj.pop("stringData", None) or {}).items():
        if isinstance(value, str):
            obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    _set(obj, type="Opaque")


def _node(obj):
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


def _service(obj):
    spec = obj.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    if spec["type"] != "ExternalName":
        _set(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack",
             clusterIP=f"10.43.{random.randint(1, 250)}.{random.randint(2, 250)}")
        _set(spec, clusterIPs=[spec["clusterIP"]])
    for port in spec.get("ports") or []:
        _set(port, protocol="TCP")
        _set(port, targetPort=port.get("port"))
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _custom_resource_definition(obj):
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    if names.get("kind"):
        _set(names, singular=names["kind"].lower(), listKind=names["kind"] + "List")
    _set(spec, conversion={"strategy": "None"})


_FILLERS = {"Pod": _pod, "Deployment": _deployment, "ReplicaSet": _replica_set, "DaemonSet": _daemon_set,
            "StatefulSet": _stateful_set, "Job": _job, "Namespace": _namespace, "Secret": _secret,
            "Service": _service, "Node": _node, "CustomResourceDefinition": _custom_resource_definition}
