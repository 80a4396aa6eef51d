"""Who asks (authentication) and may they (authorization)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

from . import errors, selectors

READ = {"get", "list", "watch"}
# Kubernetes takes a pod's token of this length for one of a client that never reads it again, and lets it live a year; its holder is
# told the length that was asked for (kube-apiserver, --service-account-extend-token-expiration, on by default).
ASKED_FOR_PODS, LIVES_IN_PODS = 3607, 365 * 24 * 3600


@dataclass(frozen=True)
class User:
    name: str
    groups: tuple = ()

    @property
    def node(self):
        """Name of the node whose kubelet this is, or None."""
        if "system:nodes" in self.groups and self.name.startswith("system:node:"):
            return self.name[len("system:node:"):]
        return None


def user_of_certificate(certificate):
    """The user that a verified client certificate (ssl's getpeercert) names, or None."""
    name, groups = None, []
    for part in (certificate or {}).get("subject", ()):
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    return User(name, tuple(groups)) if name else None


def token_lifetime(spec):
    """Seconds that the token of a TokenRequest lives; spec: that of the request."""
    asked = int(spec.get("expirationSeconds") or 3600)
    for_pod = (spec.get("boundObjectRef") or {}).get("kind") == "Pod"
    return LIVES_IN_PODS if for_pod and asked == ASKED_FOR_PODS else asked


class ServiceAccountTokens:
    """Signed tokens of service accounts, in the three-part form that clients expect."""

    def __init__(self, key: bytes):
        self._key = key

    def issue(self, namespace, name, seconds):
        claims = {"sub": f"system:serviceaccount:{namespace}:{name}", "exp": int(time.time()) + seconds,
                  "iss": "https://kubernetes.default.svc.cluster.local"}
        head = _b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        payload = f"{head}.{_b64(json.dumps(claims).encode())}"
        return f"{payload}.{self._sign(payload)}"

    def user(self, token):
        payload, _, signature = token.rpartition(".")
        if not payload or not hmac.compare_digest(signature, self._sign(payload)):
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload.split(".")[1] + "=="))
        except ValueError:
            return None
        if claims["exp"] < time.time():
            return None
        namespace = claims["sub"].split(":")[2]
        return User(claims["sub"], ("system:serviceaccounts", f"system:serviceaccounts:{namespace}",
                                    "system:authenticated"))

    def _sign(self, payload):
        return _b64(hmac.new(self._key, payload.encode(), hashlib.sha256).digest())


def _b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Authorizer:
    """Cluster admins may do everything, kubelets what the Node authorizer allows, others what RBAC objects say."""

    def __init__(self, objects):
        self._objects = objects

    def check(self, user, verb, resource, namespace, name=None, subresource=None):
        if not self.allowed(user, verb, resource, namespace, name, subresource):
            raise errors.forbidden(resource, verb, user.name, namespace, name)

    def allowed(self, user, verb, resource, namespace, name=None, subresource=None):
        if "system:masters" in user.groups:
            return True
        if user.node:
            return self._node_allowed(user.node, verb, resource, namespace, name, subresource)
        if user.name in ("system:k3s-controller", "system:kube-proxy"):
            return resource.plural in ("nodes", "namespaces", "services", "endpointslices") and verb in READ \
                or user.name == "system:k3s-controller" and resource.plural == "nodes" and verb == "patch"
        return self._rbac_allowed(user, verb, resource, namespace, name, subresource)

    def _node_allowed(self, node, verb, resource, namespace, name, subresource):
        plural = resource.plural
        if plural == "nodes":
            return verb == "create" or verb in READ | {"update", "patch"} and name == node
        if plural == "leases":
            return namespace == "kube-node-lease" and (verb == "create" or name == node)
        if plural == "pods":
            return verb in READ or verb == "delete" or subresource == "status"
        if plural == "events":
            return verb in ("create", "patch", "update")
        if plural in ("configmaps", "secrets"):
            return verb == "get"
        if plural == "serviceaccounts":
            return verb == "create" and subresource == "token"
        return plural in ("services", "runtimeclasses") and verb in READ

    def _rbac_allowed(self, user, verb, resource, namespace, name, subresource):
        bindings = self._objects.all("clusterrolebindings")
        if namespace:
            bindings = bindings + self._objects.all("rolebindings", namespace)
        for binding in bindings:
            if any(self._is_subject(user, s) for s in binding.get("subjects") or []):
                for rule in self._rules(binding):
                    if _rule_allows(rule, verb, resource, name, subresource):
                        return True
        return False

    @staticmethod
    def _is_subject(user, subject):
        if subject.get("kind") == "ServiceAccount":
            return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}"
        return subject.get("name") in ((user.name,) if subject.get("kind") == "User" else user.groups)

    def _rules(self, binding):
        role = binding["roleRef"]
        if role["kind"] == "ClusterRole":
            found = self._objects.find("clusterroles", None, role["name"])
        else:
            found = self._objects.find("roles", binding["metadata"].get("namespace"), role["name"])
        found = found or {}
        rules = list(found.get("rules") or [])
        for selector in (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or []:
            for other in self._objects.all("clusterroles"):
                if selectors.matches(selector, other["metadata"].get("labels") or {}):
                    rules += other.get("rules") or []
        return rules


def _rule_allows(rule, verb, resource, name, subresource):
    wanted = f"{resource.plural}/{subresource}" if subresource else resource.plural

    def has(key, value):
        return "*" in (rule.get(key) or []) or value in (rule.get(key) or [])

    return (has("apiGroups", resource.group) and has("resources", wanted) and has("verbs", verb)
            and (not rule.get("resourceNames") or name in rule["resourceNames"]))
