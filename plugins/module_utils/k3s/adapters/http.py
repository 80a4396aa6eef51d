# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS to a K3s server: as this node's kubelet, or as a node that wants to join."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import paths, token
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files

BODY_LIMIT = 8 * 1024 * 1024  # bytes
ERRORS = (OSError, http.client.HTTPException, ValueError)  # ssl.SSLError is an OSError


class KubeletApi:
    """The Kubernetes API with the kubelet's own certificate.

    It may read and change its own Node and read its own Lease, nothing else: no administrator credentials are
    needed on agents. The address is the kubelet's, on agents K3s's local load balancer.
    """

    def __init__(self, node_name: str, timeout: float = 5.0) -> None:
        self.node = "/api/v1/nodes/%s" % node_name
        self.lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/%s" % node_name
        server = re.search(r"^\s*server:\s*[\"']?(https://[^\s\"']+)", files.read(paths.AGENT + "/kubelet.kubeconfig"),
                           re.MULTILINE)
        if not server:
            raise FileNotFoundError("K3s has not written the kubelet's credentials yet")
        context = ssl.create_default_context(cafile=paths.AGENT + "/server-ca.crt")
        context.load_cert_chain(paths.AGENT + "/client-kubelet.crt", paths.AGENT + "/client-kubelet.key")
        address = urlsplit(server.group(1))
        self._connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout,
                                                       context=context)

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or None when it does not exist; OSError with the API's message otherwise."""
        return self._request("GET", path, None)

    def patch(self, path: str, patch: dict[str, Any]) -> dict[str, Any] | None:
        """Merge-patch an object."""
        return self._request("PATCH", path, json.dumps(patch))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, path: str, body: str | None) -> dict[str, Any] | None:
        headers = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        text = response.read(BODY_LIMIT)
        if response.status == 404:
            return None
        if response.status != 200:
            raise OSError("%s %s: HTTP %d %s" % (method, path, response.status, _message(text)))
        document = json.loads(text.decode("utf-8"))
        if not isinstance(document, dict):
            raise OSError("%s %s: the answer is not an object" % (method, path))
        return document


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text.decode("utf-8")).get("message") or "")[:300]
    except (ValueError, AttributeError):
        return text[:100].decode("utf-8", "replace")


def try_join(server_url: str, join_token: str, timeout: float = 5.0) -> tuple[int, str]:
    """Offer a full token to a server: (HTTP status, "") or (0, why there was none).

    The CA comes over an unverified connection and counts only if the token pins it; the secret is sent over a
    connection verified with that CA. 200 = accepted, 401 = wrong secret, 503 = starting, 495 = other CA.
    """
    wanted = token.parse(join_token)
    address = urlsplit(server_url)
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        status, pem = _fetch(address, unverified, "/cacerts", {}, timeout)
        if status != 200:
            return status, ""
        ca = token.ca_for(pem, wanted.ca_hash)
        if ca is None:
            return 495, ""
        if wanted.bootstrap:  # its secret is checked by K3s alone, and only once
            return 200, ""
        verified = ssl.create_default_context(cadata=ca.decode("ascii"))
        basic = base64.b64encode(("node:%s" % wanted.secret).encode("utf-8")).decode("ascii")
        return _fetch(address, verified, "/v1-k3s/readyz", {"Authorization": "Basic " + basic}, timeout)[0], ""
    except ERRORS as error:
        return 0, str(error) or type(error).__name__


def _fetch(address: Any, context: ssl.SSLContext, path: str, headers: dict[str, str],
           timeout: float) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(address.hostname, address.port or 6443, timeout=timeout, context=context)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(BODY_LIMIT)
    finally:
        connection.close()
