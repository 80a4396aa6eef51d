"""Resource definitions of KubeEdge for a release that came without them: names, groups and versions of upstream, no schema."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Kind:
    """One kind; `status` tells whether it has a status subresource."""

    file: str
    group: str
    version: str
    kind: str
    plural: str
    scope: str = "Namespaced"
    status: bool = False


# Files, groups, versions and scopes as in build/crds of KubeEdge 1.23.
KINDS = (
    Kind("apps/apps_v1alpha1_edgeapplication", "apps.kubeedge.io", "v1alpha1", "EdgeApplication", "edgeapplications", status=True),
    Kind("apps/apps_v1alpha1_nodegroup", "apps.kubeedge.io", "v1alpha1", "NodeGroup", "nodegroups", "Cluster", True),
    Kind("devices/devices_v1beta1_device", "devices.kubeedge.io", "v1beta1", "Device", "devices", status=True),
    Kind("devices/devices_v1beta1_devicemodel", "devices.kubeedge.io", "v1beta1", "DeviceModel", "devicemodels"),
    Kind("devices/devices_v1beta1_devicestatus", "devices.kubeedge.io", "v1beta1", "DeviceStatus", "devicestatuses", status=True),
    Kind("operations/operations_v1alpha2_configupdatejob", "operations.kubeedge.io", "v1alpha2", "ConfigUpdateJob",
         "configupdatejobs", "Cluster", True),
    Kind("operations/operations_v1alpha2_imageprepulljob", "operations.kubeedge.io", "v1alpha2", "ImagePrePullJob",
         "imageprepulljobs", "Cluster", True),
    Kind("operations/operations_v1alpha2_nodeupgradejob", "operations.kubeedge.io", "v1alpha2", "NodeUpgradeJob",
         "nodeupgradejobs", "Cluster", True),
    Kind("policy/policy_v1alpha1_serviceaccountaccess", "policy.kubeedge.io", "v1alpha1", "ServiceAccountAccess",
         "serviceaccountaccesses", status=True),
    Kind("reliablesyncs/cluster_objectsync_v1alpha1", "reliablesyncs.kubeedge.io", "v1alpha1", "ClusterObjectSync",
         "clusterobjectsyncs", "Cluster", True),
    Kind("reliablesyncs/objectsync_v1alpha1", "reliablesyncs.kubeedge.io", "v1alpha1", "ObjectSync", "objectsyncs", status=True),
    Kind("router/router_v1_rule", "rules.kubeedge.io", "v1", "Rule", "rules", status=True),
    Kind("router/router_v1_ruleEndpoint", "rules.kubeedge.io", "v1", "RuleEndpoint", "ruleendpoints"),
)


def document(kind: Kind) -> dict:
    """The CustomResourceDefinition of one kind."""
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        **({"subresources": {"status": {}}} if kind.status else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.kind, "listKind": f"{kind.kind}List", "plural": kind.plural, "singular": kind.kind.lower()},
            "scope": kind.scope,
            "versions": [version],
        },
    }


def write(folder: Path) -> None:
    """Write one file per kind below `folder`, in upstream's folders."""
    for kind in KINDS:
        path = folder / f"{kind.file}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document(kind), sort_keys=False), encoding="utf-8")
