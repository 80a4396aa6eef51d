"""What an edge node may ask for: a few writes about itself and its pods, and reading."""

from __future__ import annotations

from standin_common import log
from standin_common.apiclient import Refused

from .api import find

MERGE = "application/merge-patch+json"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Upstream:
    def __init__(self, client, node, address):
        self._client, self._node, self._address = client, node, address

    def handle(self, verb, body):
        """Answers one request; raises Refused like the API."""
        return getattr(self, "_" + verb.replace("-", "_"))(body)

    def _register(self, node):
        node["metadata"].setdefault("annotations", {})["cloudcore"] = self._address
        try:
            return self._client.request("POST", "/api/v1/nodes", node)
        except Refused as refusal:
            log.kubernetes("E", "upstream.go:989", f"create node {self._node} error: {refusal} , register node failed")
            raise

    def _node_status(self, status):
        return self._client.request("PATCH", f"/api/v1/nodes/{self._node}/status", {"status": status}, MERGE)

    def _lease(self, lease):
        present = find(self._client, f"{LEASES}/{self._node}")
        if present is None:
            log.kubernetes("W", "upstream.go:1355", f"Query lease {self._node} not found")
            return self._client.request("POST", LEASES, lease)
        return self._client.request("PUT", f"{LEASES}/{self._node}", {**present, "spec": lease["spec"]})

    def _pod_status(self, body):
        return self._client.request("PATCH", f"{_pod(body)}/status", {"metadata": {"uid": body["uid"]}, "status": body["status"]},
                                    MERGE)

    def _pod_deleted(self, body):
        return self._client.request("DELETE", _pod(body), {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                                                           "preconditions": {"uid": body["uid"]}})

    def _token(self, body):
        return self._client.request(
            "POST", f"/api/v1/namespaces/{body['namespace']}/serviceaccounts/{body['account']}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": body["spec"]})

    def _get(self, body):
        """Read anything that CloudCore itself may read."""
        return self._client.get(body["path"])


def _pod(body):
    return f"/api/v1/namespaces/{body['namespace']}/pods/{body['name']}"
