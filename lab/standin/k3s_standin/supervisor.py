"""K3s's own HTTP interface: /ping, /cacerts and /v1-k3s/…, by which agents get their certificates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import threading

from standin_common import log, pki
from .api.auth import user_of_certificate
from standin_common.http import Response

_AGENT_PATHS = {"config", "readyz", "apiservers", "client-ca.crt", "server-ca.crt", "client-kube-proxy.crt",
                "client-k3s-controller.crt", "serving-kubelet.crt", "client-kubelet.crt", "connect"}
_SERVER_PATHS = {"server-bootstrap", "encrypt/status", "encrypt/config", "cert/cacerts", "token"}


def _status(code, reason, message):
    return Response(code, {"kind": "Status", "metadata": {}, "status": "Failure", "message": message,
                           "reason": reason, "code": code})


class Supervisor:
    """`phase`: "starting" (503 everywhere), "core" (agents are served, the API is not), "ready"."""

    def __init__(self, tls_dir, secrets, config, address, kubernetes_answer):
        """secrets(): {"node": secret, "server": secret, "bootstrap": [tokens]}"""
        self.phase = "starting"
        self.objects = None
        self.local_node = (None, None)     # name and password of the server's own node
        self._tls, self._secrets, self._config, self._address = tls_dir, secrets, config, address
        self._kubernetes = kubernetes_answer
        self._lock = threading.Lock()

    def answer(self, request):
        response = self._route(request)
        refused = request.path.endswith("-kubelet.crt") and response.status == 403
        if refused or self.phase != "ready" and response.status >= 500:
            log.error(f"Sending HTTP/1.1 {response.status} response to "
                      f"{request.client[0].replace('::ffff:', '')}:{request.client[1]}: {response.body['message']}")
        return response

    def _route(self, request):
        path = request.path
        if self.phase == "starting":
            return _status(503, "ServiceUnavailable", "starting")
        if path == "/ping":
            return Response(200, "pong")
        if path == "/cacerts":
            return Response(200, (self._tls / "server-ca.crt").read_bytes(), "text/plain")
        if path.startswith("/static/"):
            return Response(404, "404 page not found\n")
        if path == "/db/info":
            return _status(400, "BadRequest", "etcd datastore disabled")
        name = path[len("/v1-k3s/"):] if path.startswith("/v1-k3s/") else None
        if name in _AGENT_PATHS or name in _SERVER_PATHS:
            return self._supervised(request, name)
        if self.phase != "ready":
            return _status(503, "ServiceUnavailable", "runtime core not ready")
        return self._kubernetes(request)

    # -- who asks ----------------------------------------------------------------------------------
    def _role(self, request):
        """"node", "server", "" (nobody) or None (wrong credentials)."""
        user = user_of_certificate(request.certificate)
        if user and (user.node or user.name in ("system:k3s-controller", "system:kube-proxy")):
            return "node"
        header = request.headers.get("Authorization") or ""
        if not header.startswith("Basic "):
            return ""
        try:
            name, _, secret = base64.b64decode(header[len("Basic "):]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self._secrets()
        if name in ("node", "server") and hmac.compare_digest(secret.encode(), known[name].encode()):
            return name
        if f"{name}.{secret}" in known["bootstrap"]:
            return "node"
        return None

    def _supervised(self, request, name):
        role = self._role(request)
        if role is None:
            return _status(401, "Unauthorized", "not authorized")
        if role == "node" and name in _AGENT_PATHS:
            return self._for_agent(request, name)
        if role == "server" and name in _SERVER_PATHS:
            if name == "encrypt/status":
                return Response(200, b'{"stage":"","activekey":""}', "application/json")
            return _status(400, "BadRequest", "etcd disabled")
        return _status(403, "Forbidden", "forbidden")

    # -- what agents get ---------------------------------------------------------------------------
    def _for_agent(self, request, name):
        if name == "config":
            return Response(200, self._config)
        if name == "readyz":
            return Response(200, "ok")
        if name == "apiservers":
            return Response(200, [self._address])
        if name in ("client-ca.crt", "server-ca.crt"):
            return Response(200, (self._tls / name).read_bytes(), "text/plain")
        if name == "client-kube-proxy.crt":
            return self._issue("client-ca", "system:kube-proxy")
        if name == "client-k3s-controller.crt":
            return self._issue("client-ca", "system:k3s-controller")
        if name == "connect":
            return _status(400, "BadRequest", "websocket: the client is not using the websocket protocol")
        return self._kubelet_certificate(request, name)

    def _issue(self, ca, common_name, organization=None, sans=(), server=False):
        certificate, key = pki.make_leaf(self._tls / f"{ca}.crt", self._tls / f"{ca}.key", common_name, organization,
                                         sans, server)
        signer = pki.describe(self._tls / f"{ca}.crt")[0]["subject"]
        subject = f"CN={common_name}" + (f",O={organization}" if organization else "")
        log.info(f"certificate {subject} signed by CN={signer}")
        return Response(200, certificate + key, "text/plain; charset=utf-8")

    def _kubelet_certificate(self, request, name):
        node = request.headers.get("K3s-Node-Name")
        password = request.headers.get("K3s-Node-Password")
        if not node:
            return _status(400, "BadRequest", "node name not set")
        if not password:
            return _status(400, "BadRequest", "node password not set")
        if node == self.local_node[0] and request.client[0].endswith("127.0.0.1"):
            if password == self.local_node[1]:
                log.info(f"Password verified locally for node {node}")
        if self.objects is None:
            if node != self.local_node[0]:
                return _status(503, "ServiceUnavailable", "runtime core not ready")
        else:
            with self._lock:
                problem = self._verify(node, password)
            if problem:
                return _status(403, "Forbidden", f"unable to verify password for node {node}: {problem}")
        if name == "client-kubelet.crt":
            return self._issue("client-ca", f"system:node:{node}", "system:nodes")
        addresses = (request.headers.get("K3s-Node-IP") or "").split(",")
        return self._issue("server-ca", node, None, [node, "localhost", "127.0.0.1"] + [a for a in addresses if a],
                           server=True)

    def _verify(self, node, password):
        """None if the password belongs to the node; the first one that is seen is remembered."""
        name = f"{node}.node-password.k3s"
        secret = self.objects.find("secrets", "kube-system", name)
        if secret is None:
            self.objects.create(self.objects.registry["secrets"], "kube-system", {
                "metadata": {"name": name}, "type": "k3s.cattle.io/node-password", "immutable": True,
                "data": {"hash": base64.b64encode(_hash(password).encode()).decode()}})
            return None
        stored = base64.b64decode(secret["data"]["hash"]).decode()
        salt = bytes.fromhex(stored.split(":")[1])
        return None if hmac.compare_digest(stored, _hash(password, salt)) else "hash does not match"


def _hash(password, salt=None):
    """`$1:<salt>:15:8:1:<base64>`: scrypt with N=2^15, r=8, p=1."""
    salt = salt or os.urandom(8)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=1 << 15, r=8, p=1, maxmem=64 << 20, dklen=64)
    return f"$1:{salt.hex()}:15:8:1:{base64.b64encode(digest).decode().rstrip('=')}"


def agent_config(settings):
    """Body of /v1-k3s/config."""
    def network(text):
        return {"IP": text.split("/")[0], "Mask": "//8AAA=="}

    return json.loads(json.dumps({
        "ClusterDNSs": ["10.43.0.10"], "ClusterIPRanges": [network("10.42.0.0/16")], "ClusterDNS": "10.43.0.10",
        "ClusterDomain": settings.text("cluster-domain", "cluster.local"), "ClusterIPRange": network("10.42.0.0/16"),
        "DisableCCM": settings.flag("disable-cloud-controller"),
        "DisableHelmController": settings.flag("disable-helm-controller"),
        "DisableNPC": settings.flag("disable-network-policy"), "EncryptSecrets": settings.flag("secrets-encryption"),
        "EncryptProvider": "aescbc", "EmbeddedRegistry": settings.flag("embedded-registry"),
        "FlannelBackend": settings.text("flannel-backend", "vxlan"), "FlannelIPv6Masq": False,
        "FlannelExternalIP": False, "EgressSelectorMode": settings.text("egress-selector-mode", "agent"),
        "ServiceIPRange": network("10.43.0.0/16")}))
