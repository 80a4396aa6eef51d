# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What edgemesh_cluster does with a cluster: look, decide once, act, and nothing in check mode."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import mesh
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.mesh_cluster import MeshCluster
from ansible_collections.edgeai.sites.plugins.modules import edgemesh_cluster

CORE = "/api/v1/namespaces/kubeedge"
SECRET = CORE + "/secrets/" + mesh.PSK_SECRET
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SETS = "/apis/apps/v1/namespaces/kubeedge/daemonsets"
PARAMS = {"relays": [{"node": "cloud-1", "addresses": ["192.0.2.41"]}], "skip_services": ["default/kubernetes"], "deadline": 0}
OURS = {"app.kubernetes.io/managed-by": "edgeai.sites"}


def crd(name, labels):
    return {"metadata": {"name": name, "labels": labels}, "spec": {
        "group": "networking.istio.io", "names": {"plural": name.split(".")[0]}, "versions": [{"name": "v1alpha3", "storage": True}]}}


class Api:
    """Documents by path; what is written is noted."""

    def __init__(self):
        self.writes = []
        self.documents = {
            "/api/v1/nodes": {"items": [{"metadata": {"name": "cloud-1"}}]}, "/apis/apps/v1/daemonsets": {"items": []}, SETS: {"items": []},
            "/api/v1/services": {"items": [{"metadata": {"namespace": "default", "name": "kubernetes"}}]},
            CORE + "/pods": {"items": []}, CRDS: {"items": []}, CORE: {"metadata": {"name": "kubeedge"}},
            CORE + "/secrets/casecret": {"data": {}}}

    def get(self, path, *_more):
        if path not in self.documents:
            raise ApiError(404, "not found")
        return self.documents[path]

    def post(self, path, document, *_more):
        self.writes.append(("POST", path))
        self.documents["%s/%s" % (path, document["metadata"]["name"])] = document

    def put(self, path, document):
        self.writes.append(("PUT", path))
        self.documents[path] = document

    def patch(self, path, document):
        self.writes.append(("PATCH", path, document))

    def delete(self, path, _options):
        self.get(path)
        self.writes.append(("DELETE", path))
        del self.documents[path]


@pytest.fixture(name="api")
def _api():
    return Api()


def prepare(api, check_mode=False, **changes):
    return edgemesh_cluster.prepare(dict(PARAMS, **changes), MeshCluster(api), check_mode)


def psk(api):
    return base64.b64decode(api.documents[SECRET]["data"]["psk"]).decode()


def test_a_key_is_made_once_and_never_returned(api):
    first = prepare(api)
    key = psk(api)
    assert first["changed"] and len(base64.b64decode(key)) == 32
    assert key not in repr(first)
    second = prepare(api)
    assert psk(api) == key and second["psk_mark"] == first["psk_mark"]


@pytest.mark.parametrize("bad", ["", "short", mesh.PUBLIC_PSK])
def test_a_key_that_is_none_is_replaced(api, bad):
    api.documents[SECRET] = {"data": {"psk": base64.b64encode(bad.encode()).decode()}}
    assert prepare(api)["changed"] and mesh.psk_problem(psk(api)) == ""


def test_check_mode_writes_nothing_and_predicts(api):
    assert prepare(api, check_mode=True)["changed"] and api.writes == [] and SECRET not in api.documents


def test_services_are_marked(api):
    assert prepare(api)["services"] == ["default/kubernetes"]
    (patch,) = [write for write in api.writes if write[0] == "PATCH"]
    assert patch[1] == "/api/v1/namespaces/default/services/kubernetes"


@pytest.mark.parametrize(("changes", "words"), [
    ({"relays": []}, "has 0 entries"), ({"relays": [{"node": "x", "addresses": ["192.0.2.1"]}]}, "the relay x is no Node"),
    ({"skip_services": ["default/none"]}, "no Service default/none"), ({"skip_services": ["../x"]}, "wanted namespace/name"),
])
def test_refusals_come_before_any_write(api, changes, words):
    with pytest.raises(edgemesh_cluster.Refused, match=words):
        prepare(api, **changes)
    assert api.writes == []


def test_without_cloudcore_nothing_is_made(api):
    del api.documents[CORE + "/secrets/casecret"]
    with pytest.raises(edgemesh_cluster.Refused, match="run the cloudcore step first"):
        prepare(api)


def test_kube_proxy_on_edge_nodes_is_refused(api):
    api.documents["/apis/apps/v1/daemonsets"]["items"] = [
        {"metadata": {"namespace": "kube-system", "name": "kube-proxy"}, "spec": {"template": {"spec": {}}}}]
    with pytest.raises(edgemesh_cluster.Refused, match="two would take the same traffic"):
        prepare(api)


def test_istios_own_definitions_are_named(api):
    api.documents[CRDS]["items"] = [crd(mesh.CRDS[0], {"app": "istio"}), crd(mesh.CRDS[1], OURS)]
    assert prepare(api)["foreign_crds"] == [mesh.CRDS[0]]


def filled(api):
    api.documents[CRDS]["items"] = [crd(mesh.CRDS[0], {"app": "istio"}), crd(mesh.CRDS[1], OURS), crd(mesh.CRDS[2], OURS)]
    api.documents["/apis/networking.istio.io/v1alpha3/virtualservices"] = {"items": [{"metadata": {"name": "route"}}]}
    api.documents[SETS]["items"] = [{"metadata": {"name": "edgemesh-agent-edge-amd64"}}]
    for path in [SETS + "/edgemesh-agent-edge-amd64", SECRET, CORE + "/configmaps/edgemesh-agent-config"] + [
            CRDS + "/" + name for name in mesh.CRDS]:
        api.documents[path] = {}
    return api


def test_removal_takes_the_agents_first_and_leaves_what_is_of_others_or_in_use(api):
    result, left = edgemesh_cluster.remove(PARAMS, MeshCluster(filled(api)), False)
    assert [write[1] for write in api.writes] == [
        SETS + "/edgemesh-agent-edge-amd64", CORE + "/configmaps/edgemesh-agent-config", SECRET, CRDS + "/" + mesh.CRDS[1]]
    assert result["removed"][-1] == "customresourcedefinitions/" + mesh.CRDS[1]
    assert len(left) == 1 and "virtualservices/route" in left[0]


def test_removal_in_check_mode_writes_nothing(api):
    result, _left = edgemesh_cluster.remove(PARAMS, MeshCluster(filled(api)), True)
    assert len(result["removed"]) == 4 and api.writes == []


def test_agents_that_do_not_end_are_told_with_their_nodes_and_their_key_stays(api):
    filled(api).documents[CORE + "/pods"]["items"] = [{"metadata": {"name": "a"}, "spec": {"nodeName": "line-a"}}]
    with pytest.raises(ApiError, match="agents on line-a have not ended"):
        edgemesh_cluster.remove(PARAMS, MeshCluster(api), False)
    assert SECRET in api.documents


def test_a_second_removal_finds_nothing(api):
    result, left = edgemesh_cluster.remove(PARAMS, MeshCluster(api), False)
    assert (result["changed"], left, api.writes) == (False, [], [])
