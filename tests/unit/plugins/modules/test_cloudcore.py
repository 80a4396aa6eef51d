"""What the modules of CloudCore do with a cluster: look, decide once, act, and nothing in check mode."""

from __future__ import annotations

import base64
import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_health, cloud_removal
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import tls
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.token import TokenError
from ansible_collections.edgeai.sites.plugins.modules import (
    cloudcore_health,
    cloudcore_prepare,
    cloudcore_remove,
    cloudcore_token,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeedge.cloud_samples import NOW, Cloud

CLOUD = Cloud()
CORE = "/api/v1/namespaces/kubeedge"
PARAMS = {"version": "v1.23.1", "addresses": ["192.0.2.41"], "names": ["cloud1"], "stream": True, "edge_labels": [],
          "unsupported_kubernetes": False, "keep_off_edge": False}
DEFINITION = {"metadata": {"name": "devices.devices.kubeedge.io"}, "spec": {
    "group": "devices.kubeedge.io", "names": {"plural": "devices"}, "versions": [{"name": "v1beta1", "storage": True}]}}
STRAY = {"metadata": {"namespace": "kube-system", "name": "proxy"}, "spec": {"template": {"spec": {}}}}


class FakeApi(ThreadingHTTPServer):
    """Documents by path. What is written is noted in ``writes``."""

    def __init__(self):
        self.documents, self.writes = {"/version": {"gitVersion": "v1.31.2+k3s1"}}, []
        for path in ("/apis/apps/v1/daemonsets", "/api/v1/nodes", CORE + "/pods", CORE + "/events",
                     "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
            self.documents[path] = {"items": []}
        super().__init__(("127.0.0.1", 0), Handler)

    def put_secrets(self, secrets):
        for name, data in secrets.items():
            self.documents["%s/secrets/%s" % (CORE, name)] = {
                "data": {key: base64.b64encode(value).decode() for key, value in data.items()}}

    def secret(self, name):
        return self.documents.get("%s/secrets/%s" % (CORE, name))


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *unused):
        pass

    def answer(self):
        path = self.path.partition("?")[0]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        documents = self.server.documents
        if self.command != "GET":
            self.server.writes.append((self.command, path))
        if self.command == "POST":
            documents[path + "/" + body["metadata"]["name"]] = body
        elif path not in documents:
            return self.send(404, {"message": "not found"})
        elif self.command == "PUT":
            documents[path] = body
        elif self.command == "DELETE":
            documents.pop(path)
        return self.send(200, body if body is not None else documents[path])

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def send(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api():
    with FakeApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def cluster(api, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:%d" % api.server_port}}]}), encoding="utf-8")
    return Cluster(KubeApi.from_kubeconfig(str(path)))


def prepare(cluster, check_mode=False, **more):
    return cloudcore_prepare.prepare(dict(PARAMS, **more), cluster, check_mode, NOW)


def test_a_bare_cluster_gets_a_namespace_and_the_stream_certificate(api, cluster):
    result = prepare(cluster)
    assert (result["changed"], result["first_start"], result["renewed"]) == (True, True, False)
    assert api.writes == [("POST", "/api/v1/namespaces"), ("POST", CORE + "/secrets")]
    assert set(api.secret("cloudcore-stream")["data"]) == {"streamCA.crt", "stream.crt", "stream.key"}
    api.put_secrets(CLOUD.secrets)
    again = prepare(cluster)
    assert again["changed"] is False and again["stream_sha256"] == result["stream_sha256"]


def test_other_names_cost_one_secret(api, cluster):
    api.put_secrets(CLOUD.secrets)
    result = prepare(cluster, names=["other"], stream=False)
    assert result["renewed"] and result["changed"] and result["mark"]
    assert api.writes == [("DELETE", CORE + "/secrets/cloudcoresecret")]


@pytest.mark.parametrize("more", [{}, {"names": ["other"]}, {"keep_off_edge": True}])
def test_check_mode_predicts_and_writes_nothing(api, cluster, more):
    api.put_secrets(CLOUD.secrets)
    api.documents["/apis/apps/v1/daemonsets"]["items"] = [copy.deepcopy(STRAY)]
    assert prepare(cluster, check_mode=True, **more)["changed"] is True
    assert api.writes == []


@pytest.mark.parametrize(
    ("version", "kubernetes", "words"),
    [("v1.23.0", "v1.31.2", "security fixes"), ("v1.23.1", "v1.36.3+k3s1", "outside KubeEdge's matrix")],
)
def test_refusals_come_before_any_change(api, cluster, version, kubernetes, words):
    api.documents["/version"] = {"gitVersion": kubernetes}
    with pytest.raises(cloudcore_prepare.Refused, match=words):
        prepare(cluster, version=version)
    assert api.writes == []


def test_daemon_sets_are_told_and_patched_on_request(api, cluster):
    api.put_secrets(CLOUD.secrets)
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets/proxy"
    api.documents["/apis/apps/v1/daemonsets"]["items"] = [api.documents.setdefault(path, copy.deepcopy(STRAY))]
    told = prepare(cluster, stream=False)
    assert told["changed"] is False and [stray["name"] for stray in told["strays"]] == ["proxy"]
    assert prepare(cluster, stream=False, keep_off_edge=True)["strays"][0]["patched"]
    assert api.writes == [("PATCH", path)]


def test_a_token_is_read_by_the_clusters_clock(api, cluster, monkeypatch):
    monkeypatch.setattr(cluster.api, "now", lambda: NOW)
    api.put_secrets(CLOUD.secrets)
    assert cloudcore_token.read(cluster) == {"token": CLOUD.token(), "ca_sha256": CLOUD.sha256, "expires": NOW + 86400}
    monkeypatch.setattr(cluster.api, "now", lambda: NOW + 86400)
    with pytest.raises(TokenError, match="expired"):
        cloudcore_token.read(cluster)


def test_without_cloudcore_there_is_no_token(cluster):
    with pytest.raises(TokenError, match="run the playbook cloudcore first"):
        cloudcore_token.read(cluster)


def deployment(ready, generation=2):
    return {"metadata": {"generation": generation}, "spec": {"replicas": 1, "template": {"metadata": {}}},
            "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": ready, "readyReplicas": ready}}


@pytest.mark.parametrize(("ready", "generation", "good"), [(1, 2, True), (0, 2, False), (1, 3, False)])
def test_a_deployment_runs_when_its_last_change_does(api, cluster, ready, generation, good):
    api.documents["/apis/apps/v1/namespaces/kubeedge/deployments/cloudcore"] = deployment(ready, generation)
    assert cluster.running(True).ready is good


def test_what_pods_say_is_told(api, cluster):
    api.documents["/apis/apps/v1/namespaces/kubeedge/deployments/cloudcore"] = deployment(0)
    api.documents[CORE + "/pods"]["items"] = [{"metadata": {"name": "cloudcore-x"}, "status": {"containerStatuses": [
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}}]
    running = cluster.running(True)
    assert "ImagePullBackOff no such image" in running.text and running.lines == ("ImagePullBackOff: no such image",)


def health(cluster, monkeypatch, answer, **more):
    monkeypatch.setattr(cluster.api, "now", lambda: NOW)
    monkeypatch.setattr(cloudcore_health, "PAUSE", 0.01)
    monkeypatch.setattr(tls, "fetch", lambda address, port: answer)
    params = dict({"place": "cloud", "shape": "host", "addresses": ["192.0.2.41"], "names": ["cloud1"], "https_port": 10002,
                   "deadline": 0}, **more)
    return cloudcore_health.wait(params, cluster, once=False)


def test_health_is_what_is_served(api, cluster, monkeypatch):
    api.put_secrets(CLOUD.secrets)
    result, _message = health(cluster, monkeypatch, (CLOUD.ca, CLOUD.certificate, ""))
    assert result["healthy"] and result["ca_sha256"] == CLOUD.sha256
    result, message = health(cluster, monkeypatch, (Cloud().ca, CLOUD.certificate, ""))
    assert not result["healthy"] and "something else answers there" in message
    result, message = health(cluster, monkeypatch, (b"", b"", "no answer on TCP port 10002 within 5 s"))
    assert not result["healthy"] and "no answer on TCP port 10002" in message


def test_an_api_that_is_away_is_waited_for_and_then_an_error(api, cluster, monkeypatch):
    def away():
        raise ApiError(0, "away")

    api.documents.pop("/api/v1/nodes")
    monkeypatch.setattr(cluster, "secrets", away)
    with pytest.raises(ApiError, match="away"):
        health(cluster, monkeypatch, (b"", b"", ""), deadline=0.05)


def test_removal_is_refused_under_edge_nodes_and_peoples_objects(api, cluster):
    api.documents["/api/v1/nodes"]["items"] = [{"metadata": {"name": "edge-1"}}]
    api.documents["/apis/apiextensions.k8s.io/v1/customresourcedefinitions"]["items"] = [DEFINITION]
    api.documents["/apis/devices.kubeedge.io/v1beta1/devices"] = {"items": [{"metadata": {"name": "lamp"}}]}
    with pytest.raises(cloud_removal.Refused, match=r"edge-1.*devices/lamp"):
        cloudcore_remove.remove(cluster, False, 0)
    assert api.writes == []


def test_removal_goes_in_order_and_finds_nothing_the_second_time(api, cluster):
    for path in [path for step in cloud_removal.steps("kubeedge", []) for path in step]:
        api.documents[path] = {}
    predicted = cloudcore_remove.remove(cluster, True, 1e12)
    assert api.writes == []
    assert cloudcore_remove.remove(cluster, False, 1e12) == predicted
    assert predicted[0] == "deployments/cloudcore" and predicted[-1] == "clusterroles/cloudcore"
    assert cloudcore_remove.remove(cluster, False, 1e12) == []


def test_what_does_not_go_is_named_at_the_deadline(api, cluster, monkeypatch):
    api.documents["/api/v1/namespaces/kubeedge"] = {}
    monkeypatch.setattr(cluster, "delete", lambda path: True)
    with pytest.raises(ApiError, match="finalizers: kubectl get --raw /api/v1/namespaces/kubeedge"):
        cloudcore_remove.remove(cluster, False, 0)


def test_a_port_without_tls_is_no_cloudcore(api):
    assert "no TLS there" in tls.fetch("127.0.0.1", api.server_port)[2]
    assert "refused" in tls.fetch("127.0.0.1", 1)[2]
    assert cloud_health.Served("a", error="x").ca_sha256 == ""
