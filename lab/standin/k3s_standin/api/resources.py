"""The resources that the API serves, and the discovery documents made from them."""

from __future__ import annotations

from . import schema

ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

# apiVersion plural Kind scope shortNames subresources
_BUILTIN = """
v1 configmaps ConfigMap namespaced cm -
v1 endpoints Endpoints namespaced ep -
v1 events Event namespaced ev -
v1 limitranges LimitRange namespaced limits -
v1 namespaces Namespace cluster ns finalize,status
v1 nodes Node cluster no status
v1 persistentvolumeclaims PersistentVolumeClaim namespaced pvc status
v1 persistentvolumes PersistentVolume cluster pv status
v1 pods Pod namespaced po binding,eviction,log,proxy,status
v1 resourcequotas ResourceQuota namespaced quota status
v1 secrets Secret namespaced - -
v1 serviceaccounts ServiceAccount namespaced sa token
v1 services Service namespaced svc status
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition cluster crd,crds status
apps/v1 controllerrevisions ControllerRevision namespaced - -
apps/v1 daemonsets DaemonSet namespaced ds status
apps/v1 deployments Deployment namespaced deploy scale,status
apps/v1 replicasets ReplicaSet namespaced rs scale,status
apps/v1 statefulsets StatefulSet namespaced sts scale,status
batch/v1 cronjobs CronJob namespaced cj status
batch/v1 jobs Job namespaced - status
coordination.k8s.io/v1 leases Lease namespaced - -
discovery.k8s.io/v1 endpointslices EndpointSlice namespaced - -
networking.k8s.io/v1 ingresses Ingress namespaced ing status
networking.k8s.io/v1 networkpolicies NetworkPolicy namespaced netpol -
node.k8s.io/v1 runtimeclasses RuntimeClass cluster - -
policy/v1 poddisruptionbudgets PodDisruptionBudget namespaced pdb status
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding cluster - -
rbac.authorization.k8s.io/v1 clusterroles ClusterRole cluster - -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding namespaced - -
rbac.authorization.k8s.io/v1 roles Role namespaced - -
scheduling.k8s.io/v1 priorityclasses PriorityClass cluster pc -
storage.k8s.io/v1 storageclasses StorageClass cluster sc -
"""
_IN_ALL = {"pods", "services", "deployments", "replicasets", "daemonsets", "statefulsets", "jobs", "cronjobs"}
_SUBRESOURCES = {
    "binding": {"kind": "Binding", "verbs": ["create"]},
    "eviction": {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]},
    "finalize": {"verbs": ["update"]},
    "log": {"verbs": ["get"]},
    "proxy": {"kind": "PodProxyOptions", "verbs": ["create", "delete", "get", "patch", "update"]},
    "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]},
    "status": {"verbs": ["get", "patch", "update"]},
    "token": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"]},
}


class Resource:
    """One resource in one version; `custom` names the CRD that defines it."""

    def __init__(self, api_version, plural, kind, namespaced, short_names=(), subresources=(), type_=None,
                 custom=None, singular=None, list_kind=None):
        self.group, _, self.version = api_version.rpartition("/")
        self.api_version, self.plural, self.kind, self.namespaced = api_version, plural, kind, namespaced
        self.short_names, self.subresources = list(short_names), list(subresources)
        self.type = type_ or schema.builtin_root(api_version, kind)
        self.custom, self.singular = custom, singular or kind.lower()
        self.list_kind = list_kind or kind + "List"
        self.key = (self.group, plural)

    @property
    def qualified(self):
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self):
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self):
        return "status" in self.subresources

    def discovery(self):
        entry = {"name": self.plural, "singularName": self.singular, "namespaced": self.namespaced,
                 "kind": self.kind, "verbs": [v for v in ALL_VERBS if self.plural != "namespaces"
                                              or v != "deletecollection"]}
        if self.short_names:
            entry["shortNames"] = self.short_names
        if self.plural in _IN_ALL and not self.custom:
            entry["categories"] = ["all"]
        yield entry
        for sub in sorted(self.subresources):
            yield {"name": f"{self.plural}/{sub}", "singularName": "", "namespaced": self.namespaced,
                   "kind": self.kind, **_SUBRESOURCES[sub]}


class Registry:
    """All served resources by (group, version, plural)."""

    def __init__(self):
        self._all = {}
        for line in _BUILTIN.split("\n"):
            if line.strip():
                api_version, plural, kind, scope, short, subs = line.split()
                names = [] if short == "-" else short.split(",")
                self._add(Resource(api_version, plural, kind, scope == "namespaced", names,
                                   [] if subs == "-" else subs.split(",")))

    def _add(self, resource):
        self._all[resource.group, resource.version, resource.plural] = resource

    def find(self, group, version, plural):
        return self._all.get((group, version, plural))

    def __getitem__(self, plural):
        """A built-in resource by its plural name."""
        return next(r for r in self._all.values() if r.plural == plural and not r.custom)

    def __iter__(self):
        return iter(list({r.key: r for r in self._all.values()}.values()))

    def by_kind(self, api_version, kind):
        return next((r for r in self._all.values() if (r.api_version, r.kind) == (api_version, kind)), None)

    def group_versions(self):
        """group -> list of versions, in order of first appearance; the core group is left out"""
        groups = {}
        for resource in self._all.values():
            if resource.group and resource.version not in groups.setdefault(resource.group, []):
                groups[resource.group].append(resource.version)
        for group, version in (("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1")):
            groups.setdefault(group, [version])
        return groups

    def define(self, crd):
        """Serves what a CustomResourceDefinition describes."""
        self.undefine(crd["metadata"]["name"])
        spec, names = crd["spec"], crd["spec"]["names"]
        for version in spec["versions"]:
            if version.get("served", True):
                openapi = (version.get("schema") or {}).get("openAPIV3Schema")
                self._add(Resource(
                    f"{spec['group']}/{version['name']}", names["plural"], names["kind"],
                    spec["scope"] == "Namespaced", names.get("shortNames") or [],
                    list(version.get("subresources") or {}), schema.from_openapi(openapi), crd["metadata"]["name"],
                    names.get("singular"), names.get("listKind")))

    def undefine(self, crd_name):
        self._all = {k: r for k, r in self._all.items() if r.custom != crd_name}

    def of_crd(self, crd_name):
        return [r for r in self._all.values() if r.custom == crd_name]

    def api_group(self, group, versions):
        entries = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
        return {"name": group, "versions": entries, "preferredVersion": entries[0]}

    def group_list(self):
        groups = [self.api_group(g, v) for g, v in self.group_versions().items()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def resource_list(self, group, version):
        """The APIResourceList document, or None where the group version is unknown."""
        if version not in self.group_versions().get(group, []) and (group, version) != ("", "v1"):
            return None
        found = [d for r in self._all.values() if (r.group, r.version) == (group, version) for d in r.discovery()]
        if group == "authorization.k8s.io":
            found = [{"name": n, "singularName": "", "namespaced": n.startswith("local"), "kind": k,
                      "verbs": ["create"]}
                     for n, k in (("localsubjectaccessreviews", "LocalSubjectAccessReview"),
                                  ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
                                  ("subjectaccessreviews", "SubjectAccessReview"))]
        return {"kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version,
                "resources": sorted(found, key=lambda d: d["name"])}
