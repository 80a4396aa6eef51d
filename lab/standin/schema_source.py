"""Derives the API types that the stand-in understands from the installed `kubernetes` Python package.

The package's model modules carry two literal tables per type (JSON names, JSON types). They are read as text,
because importing them costs seconds. What the models do not carry (list keys, atomic maps, quantities) is in the
tables below.

Notation of a field in the result: `s` string, `i` integer, `n` number, `b` boolean, `o` anything, `x` integer or
string, `q` quantity, `T:Name` a type, `D:<elem>` map of, `A:<elem>` map of, atomic, `L:<elem>` atomic list,
`S:<elem>` set, `M:<key>,<key>:<elem>` list keyed by these fields. A trailing `!` marks a required field.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOTS = {
    "v1/Namespace": "V1Namespace", "v1/Node": "V1Node", "v1/Pod": "V1Pod", "v1/ConfigMap": "V1ConfigMap",
    "v1/Secret": "V1Secret", "v1/Service": "V1Service", "v1/ServiceAccount": "V1ServiceAccount",
    "v1/Event": "CoreV1Event", "v1/Endpoints": "V1Endpoints", "v1/PersistentVolume": "V1PersistentVolume",
    "v1/PersistentVolumeClaim": "V1PersistentVolumeClaim", "v1/ResourceQuota": "V1ResourceQuota",
    "v1/LimitRange": "V1LimitRange", "apps/v1/Deployment": "V1Deployment", "apps/v1/ReplicaSet": "V1ReplicaSet",
    "apps/v1/DaemonSet": "V1DaemonSet", "apps/v1/StatefulSet": "V1StatefulSet",
    "apps/v1/ControllerRevision": "V1ControllerRevision", "batch/v1/Job": "V1Job", "batch/v1/CronJob": "V1CronJob",
    "coordination.k8s.io/v1/Lease": "V1Lease", "node.k8s.io/v1/RuntimeClass": "V1RuntimeClass",
    "scheduling.k8s.io/v1/PriorityClass": "V1PriorityClass", "rbac.authorization.k8s.io/v1/Role": "V1Role",
    "rbac.authorization.k8s.io/v1/RoleBinding": "V1RoleBinding",
    "rbac.authorization.k8s.io/v1/ClusterRole": "V1ClusterRole",
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": "V1ClusterRoleBinding",
    "networking.k8s.io/v1/NetworkPolicy": "V1NetworkPolicy", "networking.k8s.io/v1/Ingress": "V1Ingress",
    "policy/v1/PodDisruptionBudget": "V1PodDisruptionBudget", "storage.k8s.io/v1/StorageClass": "V1StorageClass",
    "discovery.k8s.io/v1/EndpointSlice": "V1EndpointSlice",
    "apiextensions.k8s.io/v1/CustomResourceDefinition": "V1CustomResourceDefinition",
}

KEYED_LISTS = {
    "V1PodSpec": {"containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name",
                  "imagePullSecrets": "name", "hostAliases": "ip", "schedulingGates": "name",
                  "resourceClaims": "name", "topologySpreadConstraints": "topologyKey,whenUnsatisfiable"},
    "V1Container": {"env": "name", "ports": "containerPort,protocol", "volumeMounts": "mountPath",
                    "volumeDevices": "devicePath"},
    "V1EphemeralContainer": {"env": "name", "ports": "containerPort,protocol", "volumeMounts": "mountPath",
                             "volumeDevices": "devicePath"},
    "V1ResourceRequirements": {"claims": "name"},
    "V1ServiceSpec": {"ports": "port,protocol"},
    "V1ObjectMeta": {"ownerReferences": "uid"},
    "V1PodStatus": {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"},
    "V1NodeStatus": {"conditions": "type", "addresses": "type"},
    "V1ServiceAccount": {"secrets": "name"},
    "V1DeploymentStatus": {"conditions": "type"}, "V1ReplicaSetStatus": {"conditions": "type"},
    "V1DaemonSetStatus": {"conditions": "type"}, "V1StatefulSetStatus": {"conditions": "type"},
    "V1NamespaceStatus": {"conditions": "type"}, "V1ServiceStatus": {"conditions": "type"},
    "V1PodDisruptionBudgetStatus": {"conditions": "type"},
    "V1CustomResourceDefinitionStatus": {"conditions": "type"},
}
SETS = {"V1ObjectMeta": ["finalizers"], "V1NodeSpec": ["podCIDRs"]}
ATOMIC_TYPES = ["V1LabelSelector", "V1ObjectReference", "V1LocalObjectReference", "V1SecretKeySelector",
                "V1ConfigMapKeySelector", "V1ObjectFieldSelector", "V1ResourceFieldSelector", "V1OwnerReference",
                "V1NodeSelector", "V1NodeSelectorTerm", "V1RoleRef", "V1TypedLocalObjectReference"]
ATOMIC_MAPS = {"V1PodSpec": ["nodeSelector"], "V1ServiceSpec": ["selector"]}
QUANTITIES = {"V1ResourceRequirements": ["limits", "requests"], "V1NodeStatus": ["capacity", "allocatable"],
              "V1ContainerStatus": ["allocatedResources"], "V1PodSpec": ["overhead"],
              "V1EmptyDirVolumeSource": ["sizeLimit"], "V1PodStatus": ["allocatedResources"],
              "V1PersistentVolumeSpec": ["capacity"], "V1PersistentVolumeClaimStatus": ["capacity"],
              "V1ResourceQuotaSpec": ["hard"], "V1VolumeResourceRequirements": ["limits", "requests"]}

_SCALARS = {"str": "s", "int": "i", "float": "n", "bool": "b", "datetime": "s", "bytes": "s", "object": "o",
            "bytearray": "s"}
_TABLE = re.compile(r"    (openapi_types|attribute_map): ClassVar\[Dict\[str, str\]\] = (\{.*?\n    \})", re.S)
_FIELD = re.compile(r"^    ([a-z_0-9]+): (.*)$", re.M)


def _module_names(models: Path) -> dict:
    """class name -> module file"""
    init = (models / "__init__.py").read_text()
    return dict((c, models / f"{m}.py")
                for m, c in re.findall(r"from kubernetes\.client\.models\.(\w+) import (\w+)", init))


def _notation(json_type: str, referenced: list) -> str:
    json_type = json_type.strip()
    if json_type in _SCALARS:
        return _SCALARS[json_type]
    inner = re.fullmatch(r"List\[(.*)\]", json_type) or re.fullmatch(r"list\[(.*)\]", json_type)
    if inner:
        return "L:" + _notation(inner[1], referenced)
    inner = re.fullmatch(r"Dict\[str, (.*)\]", json_type) or re.fullmatch(r"dict\(str, (.*)\)", json_type)
    if inner:
        return "D:" + _notation(inner[1], referenced)
    if re.fullmatch(r"\w*V\d\w*", json_type):
        referenced.append(json_type)
        return "T:" + json_type
    return "o"


def _type(name: str, source: str, referenced: list) -> dict:
    tables = {k: ast.literal_eval(v) for k, v in _TABLE.findall(source)}
    annotations = dict(_FIELD.findall(source))
    fields = {}
    for attribute, json_type in tables.get("openapi_types", {}).items():
        field = tables["attribute_map"][attribute]
        annotation = annotations.get(attribute, "Optional")
        note = _notation(json_type, referenced)
        if re.search(r"StrictInt *\| *StrictStr|Union\[StrictInt, StrictStr\]", annotation):
            note = "x"
        if note.startswith("L:") and field in KEYED_LISTS.get(name, {}):
            note = f"M:{KEYED_LISTS[name][field]}:{note[2:]}"
        elif note.startswith("L:") and field in SETS.get(name, []):
            note = "S:" + note[2:]
        if field in QUANTITIES.get(name, []):
            note = "D:q" if note.startswith("D:") else "q"
        if field in ATOMIC_MAPS.get(name, []):
            note = "A:" + note[2:]
        fields[field] = note + ("" if annotation.startswith("Optional") else "!")
    return fields


def derive(site_packages: Path) -> dict:
    """-> {"roots": {"<apiVersion>/<Kind>": type}, "types": {type: {field: notation}}, "atomic": [type]}"""
    files = _module_names(site_packages / "kubernetes" / "client" / "models")
    types, pending = {}, list(ROOTS.values())
    while pending:
        name = pending.pop()
        if name not in types and name in files:
            types[name] = _type(name, files[name].read_text(), pending)
    for name in ("V1JSONSchemaProps",):  # recursive and free-form; a CRD's schema is kept as written
        types.pop(name, None)
    return {"roots": ROOTS, "types": dict(sorted(types.items())),
            "atomic": [t for t in ATOMIC_TYPES if t in types]}
