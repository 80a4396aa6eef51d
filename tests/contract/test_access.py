# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: service accounts and kubelets."""

from __future__ import annotations

import base64
import json
import time

import pytest
import requests


@pytest.fixture(scope="module")
def account(cluster):
    """GET as the service account `default` of our namespace, which has no rights at first."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = cluster.create(cluster.core("serviceaccounts", "default/token"), body)["status"]["token"]

    def get(path):
        return requests.get(cluster.url + path, verify=cluster.ca_file, timeout=10,
                            headers={"Authorization": f"Bearer {token}"})
    return get


def test_account_without_rights(cluster, account):
    answer = account("/api/v1/nodes")
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        f'nodes is forbidden: User "system:serviceaccount:{cluster.namespace}:default" cannot list resource "nodes" in API '
        'group "" at the cluster scope')
    assert account("/version").status_code == 200


def test_account_with_a_role(cluster, account):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.namespace}"
    cluster.create(f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]})
    cluster.create(f"{rbac}/rolebindings", {
        "metadata": {"name": "reader"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                                                    "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace}]})
    from api import until
    until(lambda: account(cluster.core("configmaps")).status_code == 200, 10)
    assert account(cluster.core("secrets")).status_code == 403


@pytest.mark.parametrize(("asked", "lives"), [(3607, 365 * 86400), (7200, 7200)])
def test_a_token_of_the_usual_length_of_pods_lives_a_year(cluster, asked, lives):
    """Most clients read it once; with an hour of life, whatever has no kubelet that writes it anew would be locked out."""
    name = f"token-{asked}"
    pod = cluster.create(cluster.core("pods"), {"metadata": {"name": name}, "spec": {
        "nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "none"}]}})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "expirationSeconds": asked, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod["metadata"]["uid"]}}}
    token = cluster.create(cluster.core("serviceaccounts", "default/token"), body)["status"]["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert abs(claims["exp"] - time.time() - lives) < 60


@pytest.mark.hosts
def test_kubelet_sees_its_own_node_only(contract_hosts, cluster):
    """The agent's certificate is enough to check the node from its own host."""
    agent = contract_hosts["agent"]
    agent.await_state("active", 90)
    name, folder = agent.out("hostname"), "/var/lib/rancher/k3s/agent"

    def code(path):
        return agent.out(f"curl -s -o /dev/null -w '%{{http_code}}' --cacert {folder}/server-ca.crt --cert "
                         f"{folder}/client-kubelet.crt --key {folder}/client-kubelet.key https://127.0.0.1:6444{path}")
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    server = contract_hosts["server"].out("hostname")
    assert [code(f"/api/v1/nodes/{name}"), code(f"{leases}/{name}")] == ["200", "200"]
    assert [code(f"/api/v1/nodes/{server}"), code(f"{leases}/{server}"), code("/api/v1/secrets")] == ["403", "403", "403"]
