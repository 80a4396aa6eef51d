"""From a pod to what the container runtime wants. Pure."""

from __future__ import annotations

from standin_common import quantity

from ..cri import NODE, POD

LOGS = "/var/log/pods"
POD_NAME, POD_NAMESPACE, POD_UID, CONTAINER = (
    "io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.pod.uid", "io.kubernetes.container.name")


def quality(spec):
    """guaranteed, burstable or besteffort"""
    guaranteed, asked = True, False
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        requests = {**limits, **(resources.get("requests") or {})}
        amounts = {k: v for k, v in {**requests, **limits}.items() if k in ("cpu", "memory")}
        asked = asked or bool(amounts)
        guaranteed = guaranteed and set(limits) >= {"cpu", "memory"} and all(
            quantity.parse(limits[k]) == quantity.parse(requests[k]) for k in ("cpu", "memory"))
    return "besteffort" if not asked else "guaranteed" if guaranteed else "burstable"


def cgroup_parent(kubelet, spec, uid):
    """Where the pod's containers belong, in the form of the cgroup driver that EdgeCore is set to."""
    quality_class = quality(spec)
    if kubelet["cgroupDriver"] == "systemd":
        middle = "" if quality_class == "guaranteed" else f"{quality_class}-"
        return f"kubepods-{middle}pod{uid.replace('-', '_')}.slice"
    middle = "" if quality_class == "guaranteed" else f"/{quality_class}"
    return f"{(kubelet.get('cgroupRoot') or '/').rstrip('/')}/kubepods{middle}/pod{uid}"


def _namespaces(spec):
    return {"network": NODE if spec.get("hostNetwork") else POD, "pid": NODE if spec.get("hostPID") else 1,
            "ipc": NODE if spec.get("hostIPC") else POD}


def sandbox(pod, kubelet, attempt, resolver):
    """The PodSandboxConfig. resolver: {servers, searches, options}"""
    meta, spec = pod["metadata"], pod["spec"]
    ports = [] if spec.get("hostNetwork") else [
        {"protocol": {"UDP": 1, "SCTP": 2}.get(port.get("protocol"), 0), "container_port": port["containerPort"],
         "host_port": port.get("hostPort", 0), "host_ip": port.get("hostIP", "")}
        for container in spec["containers"] for port in container.get("ports") or [] if port.get("hostPort")]
    return {
        "metadata": {"name": meta["name"], "uid": meta["uid"], "namespace": meta["namespace"], "attempt": attempt},
        "hostname": "" if spec.get("hostNetwork") else spec.get("hostname") or meta["name"][:63],
        "log_directory": f"{LOGS}/{meta['namespace']}_{meta['name']}_{meta['uid']}", "dns_config": resolver, "port_mappings": ports,
        "labels": {**(meta.get("labels") or {}), **_labels(pod)},
        "annotations": {**(meta.get("annotations") or {}), "kubernetes.io/config.source": "api"},
        "linux": {"cgroup_parent": cgroup_parent(kubelet, spec, meta["uid"]), "security_context": {
            "namespace_options": _namespaces(spec),
            "privileged": any((c.get("securityContext") or {}).get("privileged") for c in spec["containers"])}}}


def _labels(pod):
    meta = pod["metadata"]
    return {POD_NAME: meta["name"], POD_NAMESPACE: meta["namespace"], POD_UID: meta["uid"]}


def container(pod, spec, attempt, image_id, environment, mounts, expand, given=()):
    """The ContainerConfig. expand(text): with $(NAME) of the environment filled in; given: what device plugins answered"""
    resources = (spec.get("resources") or {})
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu = quantity.parse((requests or limits).get("cpu", limits.get("cpu", 0)))
    linux = {"oom_score_adj": {"guaranteed": -997, "besteffort": 1000}.get(quality(pod["spec"]), 999),
             "cpu_shares": max(2, int(cpu * 1024))}
    if "memory" in limits:
        linux["memory_limit_in_bytes"] = int(quantity.parse(limits["memory"]))
    if "cpu" in limits:
        linux.update(cpu_period=100000, cpu_quota=int(quantity.parse(limits["cpu"]) * 100000))
    return {
        "metadata": {"name": spec["name"], "attempt": attempt}, "image": {"image": image_id},
        "command": [expand(word) for word in spec.get("command") or []], "args": [expand(word) for word in spec.get("args") or []],
        "working_dir": spec.get("workingDir", ""), "envs": _envs(environment, given),
        "mounts": _mounts(mounts, given), "devices": [device for answer in given for device in answer["devices"]],
        "cdi_devices": [device for answer in given for device in answer["cdi_devices"]],
        "labels": {**_labels(pod), CONTAINER: spec["name"]},
        "annotations": {**_annotations(given), "io.kubernetes.container.restartCount": str(attempt)}, "log_path": f"{spec['name']}/{attempt}.log",
        "linux": {"resources": linux, "security_context": _security(pod["spec"], spec)}}


def _envs(environment, given):
    """What the pod says comes last and wins, as with the kubelet."""
    plugins = {key: value for answer in given for key, value in answer["envs"].items()}
    return [{"key": key, "value": value} for part in (plugins, environment) for key, value in part.items()]


def _mounts(mounts, given):
    own = [{"container_path": m["target"], "host_path": m["source"], "readonly": bool(m.get("read_only"))} for m in mounts]
    return own + [{"container_path": m["container_path"], "host_path": m["host_path"], "readonly": m["read_only"]}
                  for answer in given for m in answer["mounts"]]


def _annotations(given):
    return {key: value for answer in given for key, value in answer["annotations"].items()}


def _security(pod_spec, spec):
    of_pod, own = pod_spec.get("securityContext") or {}, spec.get("securityContext") or {}
    both = {**of_pod, **own}
    capabilities = own.get("capabilities") or {}
    found = {"privileged": bool(own.get("privileged")), "namespace_options": _namespaces(pod_spec),
             "readonly_rootfs": bool(own.get("readOnlyRootFilesystem")),
             "no_new_privs": own.get("allowPrivilegeEscalation") is False,
             "capabilities": {"add_capabilities": capabilities.get("add") or [], "drop_capabilities": capabilities.get("drop") or []}}
    for key, name in (("runAsUser", "run_as_user"), ("runAsGroup", "run_as_group")):
        if both.get(key) is not None:
            found[name] = {"value": both[key]}
    return found
