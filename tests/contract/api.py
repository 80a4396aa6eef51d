# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain client of a Kubernetes API: no model classes between the test and the wire."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
import time
import uuid
from pathlib import Path

import requests
import yaml

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Answer:
    """Status, headers and body of an answer; `answer[key]` reads the JSON body."""

    def __init__(self, response):
        self.code, self.headers, self.text = response.status_code, response.headers, response.text
        try:
            self.json = response.json()
        except ValueError:
            self.json = None

    def __getitem__(self, key):
        return self.json[key]

    def __repr__(self):
        return f"<{self.code} {self.text[:300]}>"


class Watch:
    """Events of a watch, collected in the background."""

    def __init__(self, session, url, query):
        self.events, self.code, self.done, self.problem = [], None, False, None
        self._news = threading.Condition()
        threading.Thread(target=self._run, args=(session, url, query), daemon=True).start()

    def _run(self, session, url, query):
        try:
            with session.get(url, params={"watch": "true", "timeoutSeconds": "5", **query}, stream=True,
                             timeout=30) as response:
                self.code = response.status_code
                for line in response.iter_lines(chunk_size=None):
                    with self._news:
                        self.events.append(json.loads(line))
                        self._news.notify_all()
        except requests.RequestException as problem:
            self.problem = problem
        with self._news:
            self.done = True
            self._news.notify_all()

    def wait(self, count=None, seconds=15):
        """Waits for so many events, or for the end; returns [(type, name)]."""
        with self._news:
            self._news.wait_for(lambda: self.done or count is not None and len(self.events) >= count, seconds)
        return [(e["type"], e["object"].get("metadata", {}).get("name")) for e in self.events]


class Cluster:
    """A cluster described by a kubeconfig file, and a namespace of our own in it."""

    def __init__(self, kubeconfig, namespace):
        document = yaml.safe_load(Path(kubeconfig).read_text())
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self._scratch = tempfile.TemporaryDirectory()
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.url = cluster["server"].rstrip("/")
        self.ca_file = self._file("ca.crt", cluster["certificate-authority-data"])
        self.session = requests.Session()
        self.session.trust_env, self.session.verify = False, self.ca_file
        self.session.cert = (self._file("client.crt", user["client-certificate-data"]),
                             self._file("client.key", user["client-key-data"]))

    def _file(self, name, data):
        path = Path(self._scratch.name) / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data))
        return str(path)

    # -- requests ----------------------------------------------------------------------------------
    def call(self, method, path, body=None, content_type="application/json", **query):
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = content_type
        return Answer(self.session.request(method, self.url + path, data=data, params=query, timeout=30,
                                           headers=headers))

    def get(self, path, **query):
        answer = self.call("GET", path, **query)
        assert answer.code == 200, answer
        return answer.json

    def create(self, path, body, **query):
        answer = self.call("POST", path, body, **query)
        assert answer.code == 201, answer
        return answer.json

    def patch(self, path, body, content_type=MERGE, **query):
        return self.call("PATCH", path, body, content_type, **query)

    def apply(self, path, body, manager, **query):
        return self.call("PATCH", path, body, APPLY, fieldManager=manager, **query)

    def delete(self, path, body=None, **query):
        return self.call("DELETE", path, body, **query)

    def watch(self, path, settle=0.4, **query):
        watch = Watch(self.session, self.url + path, query)
        time.sleep(settle)  # the server's answer has no sign of life before its first event
        return watch

    # -- paths and objects -------------------------------------------------------------------------
    def core(self, plural, name=""):
        return f"/api/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def apps(self, plural, name=""):
        return f"/apis/apps/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    @staticmethod
    def name(prefix="x"):
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def revision(self):
        return self.get(self.core("configmaps"))["metadata"]["resourceVersion"]

    # -- pods --------------------------------------------------------------------------------------
    def run_pod(self, prefix, node=None, image=None, **container):
        name = self.name(prefix)
        spec = {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "c", "image": image or workload_image(), "imagePullPolicy": "IfNotPresent", **container}]}
        if node:
            spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        self.create(self.core("pods"), {"metadata": {"name": name}, "spec": spec})
        return name

    def get_pod(self, name):
        return self.get(self.core("pods", name))

    def delete_pod(self, name):
        self.delete(self.core("pods", name), {"gracePeriodSeconds": 0})

    def await_pod(self, name, ready, seconds=40):
        return until(lambda: self._pod_if(name, ready), seconds, lambda: self.call("GET", self.core("pods", name)))

    def _pod_if(self, name, ready):
        pod = self.get_pod(name)
        return pod if (condition(pod, "Ready").get("status") == "True") == ready else None

    def await_event(self, name, reason, seconds=20):
        def find():
            events = self.get(self.core("events"), fieldSelector=f"involvedObject.name={name}")["items"]
            return next((e for e in events if e["reason"] == reason), None)
        return until(find, seconds)


def workload_image():
    return os.environ.get("EDGEAI_CONTRACT_IMAGE", "docker.io/rancher/mirrored-pause:3.10.2")


def condition(obj, kind):
    return next((c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == kind), {})


def until(probe, seconds=20, describe=None):
    """The first true value of probe(); fails with what `describe` shows after so many seconds."""
    end, value = time.monotonic() + seconds, None
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s; last: {describe() if describe else value!r}")


def config_map(name, data=None, **meta):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta},
            "data": {"a": "1", "b": "2"} if data is None else data}


def deployment(name, replicas=0, container=None, **spec):
    """A Deployment whose pods need nothing but the image; paused unless told otherwise, so that nothing runs."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, **spec,
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "c", "image": workload_image(), "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "X", "value": "1"}], **(container or {})}]}}}}
