# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake site with a kubelet for proofs: a Job that is posted becomes a pod, which ends as ``answers`` says."""

from __future__ import annotations

import json
import threading
from urllib.parse import urlparse

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_site as g
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import FakeSite


class FakeGpuSite(FakeSite):
    """``answers``: start of a Job's name -> (exit code, what it prints); no answer, no pod."""

    def __init__(self):
        super().__init__()
        self.answers = {"proof": (0, g.PASS), "free": (3, {"device": None})}
        self.jobs, self.posted, self.deleted, self.others = {}, [], [], []
        self.delete_errors = 0
        self.pod_delay = 0.1
        self.last_words = False  # whether a pod leaves in its status what it prints

    def handler(self):
        site = self

        class Handler(super().handler()):
            def do_POST(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.answer(self)

            def do_DELETE(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.answer(self)

        return Handler

    def answer(self, request):
        path = urlparse(request.path).path
        if self.refuse or not ("/jobs" in path or path == "/api/v1/pods" or path.endswith("/log")):
            return super().answer(request)
        self.requests.append(request.command + " " + request.path)
        name = path.rpartition("/")[2]
        if path.endswith("/log"):
            return self.send(request, 200, None, g.log(self.answers[path.split("/")[-2].partition("-")[0]][1]).encode())
        if path == "/api/v1/pods":
            return self.send(request, 200, {"items": self.others})
        if request.command == "GET":
            return self.send(request, 200, {"items": list(self.jobs.values())})
        if request.command == "POST":
            return self.start(request, json.loads(request.body))
        if self.delete_errors:
            self.delete_errors -= 1
            return self.send(request, 500, {"message": "etcd is slow"})
        self.deleted.append(name)
        if self.jobs.pop(name, None) is None:
            return self.send(request, 404, {"message": "not found"})
        if name + "-x" in self.objects["pods"]:
            self.drop("pods", name + "-x")
        return self.send(request, 200, {"kind": "Status", "status": "Success"})

    def start(self, request, job):
        name = job["metadata"]["name"]
        self.jobs[name] = job
        self.posted.append(job)
        if name.partition("-")[0] in self.answers:
            code = self.answers[name.partition("-")[0]][0]
            pod = g.proof_pod(name, code, node=job["spec"]["template"]["spec"]["nodeName"])
            if self.last_words:
                pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = json.dumps(
                    self.answers[name.partition("-")[0]][1])
            timer = threading.Timer(self.pod_delay, lambda: name in self.jobs and self.put("pods", pod))
            timer.daemon = True
            timer.start()
        self.send(request, 201, job)
