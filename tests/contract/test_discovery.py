# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients learn about the API before they use it."""

from __future__ import annotations

import re

import pytest
import requests


def test_version_has_the_form_of_a_release(cluster):
    version = cluster.get("/version")
    assert re.match(r"v1\.\d+\.\d+\+k3s", version["gitVersion"])
    assert (version["major"], version["minor"]) == tuple(version["gitVersion"][1:].split(".")[:2])


def test_groups(cluster):
    assert cluster.get("/api")["versions"] == ["v1"]
    groups = {g["name"]: g["preferredVersion"]["groupVersion"] for g in cluster.get("/apis")["groups"]}
    assert {"apps": "apps/v1", "coordination.k8s.io": "coordination.k8s.io/v1", "batch": "batch/v1",
            "rbac.authorization.k8s.io": "rbac.authorization.k8s.io/v1"}.items() <= groups.items()


@pytest.mark.parametrize("path, name, expected", [
    ("/api/v1", "pods", {"kind": "Pod", "namespaced": True, "singularName": "pod", "shortNames": ["po"]}),
    ("/api/v1", "nodes", {"kind": "Node", "namespaced": False}),
    ("/api/v1", "pods/log", {"kind": "Pod", "verbs": ["get"]}),
    ("/api/v1", "pods/proxy", {"kind": "PodProxyOptions"}),
    ("/api/v1", "pods/eviction", {"kind": "Eviction", "group": "policy", "version": "v1"}),
    ("/apis/apps/v1", "deployments/scale", {"kind": "Scale", "group": "autoscaling", "version": "v1"}),
    ("/apis/apps/v1", "deployments", {"shortNames": ["deploy"], "categories": ["all"]}),
    ("/apis/coordination.k8s.io/v1", "leases", {"kind": "Lease", "namespaced": True}),
])
def test_resources(cluster, path, name, expected):
    found = {r["name"]: r for r in cluster.get(path)["resources"]}[name]
    assert {k: found.get(k) for k in expected} == expected


@pytest.mark.parametrize("path, code, kind", [
    ("/readyz", 200, "text/plain"), ("/livez", 200, "text/plain"), ("/openapi/v2", 200, "application/json"),
    ("/openapi/v3", 200, "text/plain"), ("/apis/no.such.group/v1/things", 404, "text/plain"),
])
def test_paths(cluster, path, code, kind):
    answer = cluster.call("GET", path)
    assert answer.code == code
    assert answer.headers["Content-Type"].startswith(kind)


def test_unknown_resource_is_a_status(cluster):
    answer = cluster.call("GET", cluster.apps("nothings"))
    assert (answer.code, answer["reason"]) == (404, "NotFound")
    assert answer["message"] == "the server could not find the requested resource"


def test_verbose_readiness_lists_checks(cluster):
    text = cluster.call("GET", "/readyz?verbose").text
    assert "[+]etcd ok" in text and text.rstrip().endswith("readyz check passed")


# -- without credentials: K3s's own paths answer, the API does not ---------------------------------

@pytest.mark.parametrize("path, code", [
    ("/ping", 200), ("/cacerts", 200), ("/version", 401), ("/readyz", 401), ("/api", 401), ("/no-such", 401),
    ("/v1-k3s/config", 403), ("/v1-k3s/serving-kubelet.crt", 403), ("/v1-k3s/server-bootstrap", 403),
    ("/v1-k3s/no-such", 401),
])
def test_without_credentials(cluster, path, code):
    answer = requests.get(cluster.url + path, verify=cluster.ca_file, timeout=10)
    assert answer.status_code == code
    if code >= 400:
        assert answer.json()["status"] == "Failure"


def test_wrong_credentials(cluster):
    answer = requests.get(cluster.url + "/api/v1/nodes", verify=cluster.ca_file, timeout=10,
                          headers={"Authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Unauthorized")
    answer = requests.get(cluster.url + "/v1-k3s/config", verify=cluster.ca_file, timeout=10, auth=("node", "wrong"))
    assert (answer.status_code, answer.json()["message"]) == (401, "not authorized")


def test_cacerts_is_the_ca_of_the_kubeconfig(cluster):
    answer = requests.get(cluster.url + "/cacerts", verify=cluster.ca_file, timeout=10)
    assert answer.content == open(cluster.ca_file, "rb").read()
