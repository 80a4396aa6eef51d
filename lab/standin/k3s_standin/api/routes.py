"""From a request to an answer: the Kubernetes API's URLs."""

from __future__ import annotations

import json
import re
import sys
import traceback

import yaml

from .. import build_info
from . import auth, errors, proxy, watch
from standin_common.http import Response
from .objects import Write

_PATCH_TYPES = {"application/merge-patch+json", "application/json-patch+json",
                "application/strategic-merge-patch+json", "application/apply-patch+yaml",
                "application/apply-patch+cbor"}
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "HEAD": "get"}
READYZ_CHECKS = ["ping", "log", "etcd", "etcd-readiness", "informer-sync",
                 "poststarthook/start-apiextensions-controllers", "poststarthook/crd-informer-synced",
                 "poststarthook/rbac/bootstrap-roles", "autoregister-completion", "shutdown"]


def truth(text):
    return (text or "").lower() in ("1", "true", "t")


class KubernetesApi:
    """Answers everything below /api, /apis, /version and the health paths."""

    def __init__(self, objects, tokens, kubelet_context=None, faults=None, to_pod=proxy.to_pod):
        self.objects = objects
        self.tokens = tokens
        self.authorizer = auth.Authorizer(objects)
        self.kubelet_context = kubelet_context  # callable: TLS context for calls to kubelets
        self.faults = faults
        self._to_pod = to_pod                   # passes a request on to a pod, like proxy.to_pod
        self.ready = True

    # -- entry -------------------------------------------------------------------------------------
    def answer(self, request):
        warnings = []
        try:
            if self.faults:
                self.faults.before_request(request)
            response = self._route(request, self._authenticate(request), warnings)
        except errors.ApiError as refusal:
            headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
            response = Response(refusal.code, refusal.body, headers=headers)
        except Exception as problem:  # a defect of the stand-in: say so loudly, keep serving
            traceback.print_exc(file=sys.stderr)
            response = Response(500, errors.ApiError(500, "InternalError", f"stand-in defect: {problem!r}").body)
        if warnings:
            response.headers["Warning"] = ["299 - " + json.dumps(w) for w in warnings]
        return response

    def _authenticate(self, request):
        user = auth.user_of_certificate(request.certificate)
        header = request.headers.get("Authorization") or ""
        if user is None and header.startswith("Bearer "):
            user = self.tokens.user(header[len("Bearer "):].strip())
        if user is None:
            raise errors.unauthorized()
        return user

    # -- discovery and health ----------------------------------------------------------------------
    def _route(self, request, user, warnings):
        parts = [p for p in request.path.split("/") if p]
        registry = self.objects.registry
        if not parts:
            return Response(200, {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics",
                                            "/openapi/v2", "/openapi/v3", "/readyz", "/version"]})
        if parts[0] in ("healthz", "livez", "readyz"):
            return self._health(parts[0], request)
        if parts == ["version"]:
            return Response(200, build_info.api_version_document())
        if parts[0] == "metrics":
            return Response(200, f"apiserver_storage_objects {self.objects.store.revision}\n")
        if parts[0] == "openapi":
            return self._openapi(parts)
        if parts == ["api"]:
            return Response(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [
                {"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("Host", "")}]})
        if parts == ["apis"]:
            return Response(200, registry.group_list())
        if parts[0] == "apis" and len(parts) == 2:
            versions = registry.group_versions().get(parts[1])
            if versions:
                return Response(200, {"kind": "APIGroup", "apiVersion": "v1",
                                      **registry.api_group(parts[1], versions)})
            return _no_page()
        if parts[0] == "api" and len(parts) >= 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) >= 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return _no_page()
        if not rest:
            document = registry.resource_list(group, version)
            return Response(200, document) if document else _no_page()
        if registry.resource_list(group, version) is None:
            return _no_page()
        return self._objects_route(request, user, group, version, rest, warnings)

    def _health(self, name, request):
        if not self.ready:
            raise errors.ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        if "verbose" not in request.query:
            return Response(200, "ok")
        lines = [f"[+]{check} ok" for check in READYZ_CHECKS]
        return Response(200, "\n".join(lines) + f"\n{name} check passed\n")

    def _openapi(self, parts):
        if "v3" in parts:
            return Response(200, json.dumps({"paths": {}}))
        return Response(200, {"swagger": "2.0", "info": {"title": "Kubernetes", "version": build_info.version()},
                              "paths": {}, "definitions": {}})

    # -- objects -----------------------------------------------------------------------------------
    def _objects_route(self, request, user, group, version, rest, warnings):
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2 and not (
                group == "" and len(rest) == 3 and rest[2] in ("status", "finalize")):
            namespace, rest = rest[1], rest[2:]
        if group == "authorization.k8s.io":
            return self._review(request, user, rest)
        resource = self.objects.registry.find(group, version, rest[0])
        name = rest[1] if len(rest) > 1 else None
        subresource = rest[2] if len(rest) > 2 else None
        if resource is None or resource.namespaced and name and namespace is None or \
                subresource and subresource not in resource.subresources:
            raise errors.no_such_resource()
        if not resource.namespaced and namespace is not None:
            raise errors.no_such_resource()
        verb = self._verb(request, name)
        if subresource == "proxy":
            target = proxy.parse_target(name)[1]
            self.authorizer.check(user, verb, resource, namespace, target, subresource)
            return self._proxy(request, resource, namespace, name)
        self.authorizer.check(user, verb, resource, namespace,
                              name or _name_in_field_selector(request.query), subresource)
        if name is None:
            return self._collection(request, resource, namespace, verb, user, warnings)
        return self._item(request, resource, namespace, name, subresource, user, warnings)

    @staticmethod
    def _verb(request, name):
        verb = _VERBS.get(request.method, "get")
        if name is None and verb == "get":
            return "watch" if truth(request.query.get("watch")) else "list"
        if name is None and verb == "delete":
            return "deletecollection"
        return verb

    def _write(self, request, user, warnings):
        query = request.query
        manager = query.get("fieldManager") or (request.headers.get("User-Agent") or "unknown").split("/")[0]
        return Write(manager=manager, dry_run=query.get("dryRun") == "All",
                     field_validation=query.get("fieldValidation", ""), force=truth(query.get("force")),
                     warnings=warnings)

    def _collection(self, request, resource, namespace, verb, user, warnings):
        if verb == "list":
            return Response(200, self.objects.list(resource, namespace, request.query))
        if verb == "watch":
            return Response(200, stream=watch.events(self.objects, resource, namespace, request.query,
                                                     request.client_gone))
        if verb == "create":
            if resource.namespaced and namespace is None:
                raise errors.method_not_allowed()
            body = _decode(request, resource)
            return Response(201, self.objects.create(resource, namespace, body, self._write(request, user, warnings)))
        if verb == "deletecollection":
            return self._delete_collection(request, resource, namespace)
        raise errors.method_not_allowed()

    def _delete_collection(self, request, resource, namespace):
        listed = self.objects.list(resource, namespace, {k: v for k, v in request.query.items()
                                                         if k in ("labelSelector", "fieldSelector")})
        options = self._delete_options(request)
        for item in listed["items"]:
            obj = self.objects.store.get(resource, item["metadata"].get("namespace"), item["metadata"]["name"])
            if obj:
                self.objects.delete(resource, obj, options, request.query.get("dryRun") == "All")
        return Response(200, listed)

    def _delete_options(self, request):
        options = _json(request) if request.body else {}
        for key in ("propagationPolicy", "gracePeriodSeconds", "orphanDependents"):
            if key in request.query:
                options.setdefault(key, request.query[key])
        return options or {}

    def _item(self, request, resource, namespace, name, subresource, user, warnings):
        objects = self.objects
        if request.method == "PATCH" and request.content_type not in _PATCH_TYPES:
            raise errors.unsupported_media_type()
        if request.content_type == "application/apply-patch+yaml" and request.method == "PATCH" \
                and subresource != "scale":
            write = self._write(request, user, warnings)
            write.manager = request.query.get("fieldManager")
            stored, status = objects.apply(resource, namespace, name, _decode(request, resource, as_yaml=True),
                                           subresource, write)
            return Response(status, stored)
        old = objects.get(resource, namespace, name)
        if subresource in ("log", "binding", "eviction", "token"):
            return getattr(self, "_" + subresource)(request, resource, old)
        if request.method in ("GET", "HEAD"):
            return Response(200, scale_of(old) if subresource == "scale" else old)
        if request.method == "DELETE":
            return self._delete(request, resource, old)
        write = self._write(request, user, warnings)
        with objects.store.lock:
            old = objects.get(resource, namespace, name)
            shown = scale_of(old) if subresource == "scale" else old
            if request.method == "PUT":
                new = _decode(request, resource)
            elif request.method == "PATCH":
                new = objects.patch(resource, shown, request.content_type, _json(request), subresource, write)
            else:
                raise errors.method_not_allowed()
            if not isinstance(new, dict):
                raise errors.bad_request("the object provided is unrecognized")
            if subresource == "scale":
                new = _scaled(old, new)
            stored = objects.replace(resource, old, new, subresource, write)
        return Response(200, scale_of(stored) if subresource == "scale" else stored)

    def _delete(self, request, resource, old):
        obj, gone = self.objects.delete(resource, old, self._delete_options(request),
                                        request.query.get("dryRun") == "All")
        if not gone or resource.kind == "Pod":
            return Response(200, obj)
        meta = obj["metadata"]
        details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
        return Response(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                              "details": {k: v for k, v in details.items() if v}})

    # -- subresources ------------------------------------------------------------------------------
    def _log(self, request, resource, pod):
        spec, wanted = pod["spec"], request.query.get("container")
        names = [c["name"] for c in spec["containers"]]
        if wanted and wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {pod['metadata']['name']}")
        if not wanted and len(names) > 1:
            raise errors.bad_request(f"a container name must be specified for pod {pod['metadata']['name']}, choose "
                                     f"one of: [{' '.join(names)}]")
        node = self.objects.find("nodes", None, spec.get("nodeName") or "")
        if node is None or self.kubelet_context is None:
            return Response(200, "")
        meta = pod["metadata"]
        path = f"/containerLogs/{meta['namespace']}/{meta['name']}/{wanted or names[0]}"
        return Response(200, proxy.from_kubelet(node, path, request.raw_query, self.kubelet_context()), "text/plain")

    def _proxy(self, request, resource, namespace, target):
        scheme, name, port = proxy.parse_target(target)
        pod = self.objects.get(resource, namespace, name)
        found = re.match(r"^/api/v1/namespaces/[^/]+/pods/[^/]+/proxy(/.*)?$", request.raw_path)
        return self._to_pod(pod, scheme, port, found[1] or "/", request)

    def _binding(self, request, resource, pod):
        node = _json(request)["target"]["name"]
        self.objects.edit(resource, pod, lambda p: p["spec"].update(nodeName=node))
        return Response(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

    def _eviction(self, request, resource, pod):
        self.objects.delete(resource, pod, (_json(request) or {}).get("deleteOptions"))
        return Response(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

    def _token(self, request, resource, account):
        body = _json(request) or {}
        seconds, meta = auth.token_lifetime(body.get("spec") or {}), account["metadata"]
        return Response(201, {**body, "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                              "status": {"token": self.tokens.issue(meta["namespace"], meta["name"], seconds)}})

    def _review(self, request, user, rest):
        body = _json(request) or {}
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = next((r for r in self.objects.registry if (r.group, r.plural) == (
            asked.get("group", ""), asked.get("resource"))), None)
        allowed = resource is not None and self.authorizer.allowed(
            user, asked.get("verb"), resource, asked.get("namespace"), asked.get("name"), asked.get("subresource"))
        return Response(201, {**body, "status": {"allowed": allowed or "system:masters" in user.groups}})


def _name_in_field_selector(query):
    """The Node authorizer takes `metadata.name=X` of a list or watch as a request for X."""
    found = re.search(r"(?:^|,)metadata\.name=([^,]+)", query.get("fieldSelector", ""))
    return found[1] if found else None


def _no_page():
    return Response(404, "404 page not found\n")


def _json(request):
    try:
        return json.loads(request.body)
    except ValueError as problem:
        raise errors.bad_request(f"error decoding the request: {problem}") from None


def _decode(request, resource, as_yaml=False):
    text = request.body.decode(errors="replace")
    try:
        if as_yaml or "yaml" in request.content_type:
            obj = yaml.safe_load(text)
        else:
            obj = json.loads(text)
    except (ValueError, yaml.YAMLError):
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; json "
            f"parse error: invalid character looking for beginning of value ({text[:60]})") from None
    return obj


def scale_of(obj):
    """The autoscaling/v1 Scale of a Deployment, ReplicaSet or StatefulSet."""
    meta, spec = obj["metadata"], obj["spec"]
    replicas = spec.get("replicas") or 0
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
            "spec": {"replicas": replicas} if replicas else {},
            "status": {"replicas": (obj.get("status") or {}).get("replicas", 0),
                       "selector": ",".join(f"{k}={v}" for k, v in labels.items())}}


def _scaled(obj, scale):
    meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    version = (scale.get("metadata") or {}).get("resourceVersion")
    if version:
        meta["resourceVersion"] = version
    return {**obj, "metadata": meta, "spec": {**obj["spec"], "replicas": (scale.get("spec") or {}).get("replicas", 0)}}
