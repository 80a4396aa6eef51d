# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in K3s in the process of a test: its API, which is held against a real K3s' elsewhere, on the loopback."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

STANDIN = Path(__file__).resolve().parents[3] / "lab" / "standin"
sys.path.insert(0, str(STANDIN))

import in_place

in_place.prepare()

from k3s_standin.api.auth import ServiceAccountTokens, User
from k3s_standin.api.errors import ApiError
from k3s_standin.api.objects import Objects
from k3s_standin.api.routes import KubernetesApi
from k3s_standin.api.store import open_store
from standin_common.http import Response, Server


def empty_cluster(directory):
    return Objects(open_store(directory))


class ApiServer:
    """Use with ``with``. ``meddle``: called with each request, and returns None or what becomes of it:

    a status (refused with it), ("done", status) (done, and answered with it all the same), or "lost"/"done, lost": the connection ends.
    """

    def __init__(self, directory):
        self.objects = empty_cluster(directory / "db")
        self.api = KubernetesApi(self.objects, ServiceAccountTokens(b"key"))
        self.api._authenticate = lambda _request: User("admin", ("system:masters",))
        self.requests, self.meddle = [], lambda _request: None
        self.server = Server(("127.0.0.1", 0), self._answer, None)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_unused):
        self.server.shutdown()
        self.server.server_close()
        self.objects.store.close()

    def kubeconfig(self, directory):
        path = directory / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {"token": "secret-token"}}],
            "clusters": [{"name": "x", "cluster": {"server": self.url}}], "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}))
        return str(path)

    def sent(self, method, part=""):
        """Paths of the requests with a method, and with something in their path."""
        return [path for verb, path, _size in self.requests if verb == method and part in path]

    def _answer(self, request):
        self.requests.append((request.method, request.path, len(request.body)))
        fate = self.meddle(request)
        if fate == "lost":
            raise ConnectionAbortedError
        if isinstance(fate, int):
            return Response(fate, ApiError(fate, "Meddled", "the server has a bad moment").body)
        done = self.api.answer(request)
        if fate == "done, lost":
            raise ConnectionAbortedError
        return Response(fate[1], ApiError(fate[1], "Meddled", "the server has a bad moment").body) if fate else done
