# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose EdgeCore and model are a small HTTP server."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


class Node:
    """EdgeCore's /pods and the model on one port of loopback."""

    def __init__(self):
        self.pods, self.asked = [], []
        self.model = {"/health": (200, c.WELL), "/v2/models/vision/infer": (200, c.RIGHT)}
        node = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                node.asked.append((self.command, self.path, json.loads(self.rfile.read(length) or b"null")))
                status, document = (200, {"items": node.pods}) if self.path == "/pods" else node.model[self.path]
                body = json.dumps(document).encode() if not isinstance(document, bytes) else document
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *unused):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def runs(self, **more):
        """Let EdgeCore know one pod that started a minute ago."""
        pod = c.pod(**more)
        pod["status"]["podIP"] = "127.0.0.1"
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
        for status in pod["status"]["containerStatuses"]:
            if "running" in status["state"]:
                status["state"]["running"]["startedAt"] = started
        self.pods = [pod]
        return pod
