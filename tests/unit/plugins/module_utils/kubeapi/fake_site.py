# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An API server that only knows lists, watches, pod proxies and logs, and misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import watch
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

KINDS = ("deployments", "replicasets", "daemonsets", "pods", "events", "nodes", "leases")


@contextmanager
def hasty(monkeypatch, site, *modules):
    """Run a fake site for a test, while what is tried again is tried again at once. modules: those beside watch with RETRY_SECONDS."""
    for module in (watch, *modules):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    with site as running:
        yield running


class FakeSite:
    """Use with ``with``. ``put`` and ``drop`` change objects, and watches see it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.objects = {kind: {} for kind in KINDS}
        self.history = []           # (version, kind, type, object)
        self.version = 1
        self.forgotten = 0          # watches from before this version get 410
        self.requests = []
        self.authorizations = []    # that header of each request
        self.refuse = None          # a status that everything is answered with
        self.retry_after = None     # what it says of itself then
        self.closing = False
        self.health = lambda: (200, c.WELL)
        self.infer = lambda: (200, c.RIGHT)
        self.raw = None             # bytes that /health is answered with
        self.log = "model loaded\ncamera gone\n"
        self.started = time.monotonic()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.end_watches()
        self.server.shutdown()
        self.server.server_close()

    def fill(self, deployments=None, replicasets=None, pods=None, nodes=None, leases=None, events=()):
        """Put a healthy site there, but for what is given."""
        everything = dict(deployments=[c.deployment()] if deployments is None else deployments,
                          replicasets=[c.replicaset()] if replicasets is None else replicasets,
                          pods=[c.pod()] if pods is None else pods, nodes=[c.node()] if nodes is None else nodes,
                          leases=[c.lease()] if leases is None else leases, events=list(events))
        for kind, things in everything.items():
            for thing in things:
                self.put(kind, thing)
        return self

    def put(self, kind, thing):
        with self.changed:
            self.version += 1
            thing = json.loads(json.dumps(thing))
            thing["metadata"]["resourceVersion"] = str(self.version)
            word = "MODIFIED" if thing["metadata"]["name"] in self.objects[kind] else "ADDED"
            self.objects[kind][thing["metadata"]["name"]] = thing
            self.history.append((self.version, kind, word, thing))
            self.changed.notify_all()

    def drop(self, kind, name):
        with self.changed:
            self.version += 1
            thing = dict(self.objects[kind].pop(name))
            thing["metadata"] = dict(thing["metadata"], resourceVersion=str(self.version))
            self.history.append((self.version, kind, "DELETED", thing))
            self.changed.notify_all()

    def forget(self):
        """Compact: running watches end, and none can be taken up from before now."""
        with self.changed:
            self.version += 1
            self.forgotten = self.version
        self.end_watches()

    def end_watches(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    def paths(self, word):
        return [path for path in self.requests if word in path]

    def kubeconfig(self, directory, token="secret-token"):
        path = directory / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": self.url}}],
            "users": [{"name": "x", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}))
        return str(path)

    def handler(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def date_time_string(self, timestamp=None):
                return formatdate(c.NOW + time.monotonic() - site.started, usegmt=True)

            def do_GET(self):
                site.answer(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.answer(self)

        return Handler

    def answer(self, request):
        url = urlparse(request.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.requests.append(request.command + " " + request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        kind = url.path.rpartition("/")[2]
        if self.refuse:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            self.send(request, self.refuse, {"kind": "Status", "message": "Unauthorized", "code": self.refuse}, headers=headers)
        elif "/proxy/" in url.path:
            status, body = self.infer() if request.command == "POST" else self.health()
            self.send(request, status, body, self.raw if request.command == "GET" else None)
        elif url.path.endswith("/log"):
            self.send(request, 200, None, self.log.encode())
        elif kind not in KINDS:
            self.send(request, 404, {"message": "not found"})
        elif query.get("watch"):
            self.watch(request, kind, int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        else:
            with self.changed:
                items = [dict(thing) for thing in self.objects[kind].values()]
                self.closing = False
                version = self.version
            self.send(request, 200, {"metadata": {"resourceVersion": str(version)}, "items": items})

    @staticmethod
    def send(request, status, body, raw=None, headers=None):
        data = json.dumps(body).encode() if raw is None else raw
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def watch(self, request, kind, version, seconds):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        end = time.monotonic() + seconds
        try:
            if version < self.forgotten:
                self.chunk(request, {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
                                                                 "message": "too old resource version"}})
            while version >= self.forgotten and not self.closing and time.monotonic() < end:
                with self.changed:
                    news = [entry for entry in self.history if entry[0] > version and entry[1] == kind]
                    if not news:
                        self.changed.wait(min(0.2, max(0.0, end - time.monotonic())))
                for number, _kind, word, thing in news:
                    self.chunk(request, {"type": word, "object": thing})
                    version = number
            request.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client has gone

    @staticmethod
    def chunk(request, event):
        data = json.dumps(event).encode() + b"\n"
        request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        request.wfile.flush()
