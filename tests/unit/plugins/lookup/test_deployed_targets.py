"""The lookup against an API over HTTP: whose Deployments it lists, and what it says when nobody answers."""
from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.edgeai.sites.plugins.lookup.deployed_targets import names
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import FakeSite


def kubeconfig(tmp_path, url):
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "site",
        "clusters": [{"name": "site", "cluster": {"server": url}}], "users": [{"name": "site", "user": {}}],
        "contexts": [{"name": "site", "context": {"cluster": "site", "user": "site"}}],
    }))
    return str(path)


def test_the_names_of_our_deployments(tmp_path):
    with FakeSite().fill() as site:
        assert names(kubeconfig(tmp_path, site.url), "edgeai") == [c.deployment()["metadata"]["name"]]
        assert any("managed-by" in str(request) for request in site.requests), site.requests


def test_a_site_that_does_not_answer_is_an_error_and_no_empty_list(tmp_path):
    with pytest.raises(AnsibleLookupError, match="does not answer: connection refused"):
        names(kubeconfig(tmp_path, "http://127.0.0.1:9"), "edgeai")
