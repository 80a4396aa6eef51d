"""Port 10000: one session per edge node."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import traceback

from standin_common import log
from standin_common.apiclient import Refused, Unreachable

from .. import hub
from .https import context
from .upstream import Upstream


class Hub:
    def __init__(self, client, identity, settings, controller):
        self._client, self._identity, self._settings, self._controller = client, identity, settings, controller
        self.sessions, self._lock = {}, threading.Lock()

    def start(self, address):
        listener = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        settings = context(self._identity, ssl.CERT_REQUIRED)
        threading.Thread(target=self._accept, args=(listener, settings), daemon=True, name="hub").start()

    def _accept(self, listener, settings):
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self._serve, args=(connection, peer, settings), daemon=True, name=f"hub-{peer[0]}").start()

    def _serve(self, connection, peer, settings):
        try:
            connection.settimeout(30)
            connection = settings.wrap_socket(connection, server_side=True)
            line = hub.Line(connection, 30)
            head = line.read_head()
        except OSError as problem:
            log.kubernetes("W", "server.go:3215", f"http: TLS handshake error from {peer[0]}:{peer[1]}: {problem}")
            connection.close()
            return
        found = re.match(rf"GET /{hub.PROJECT}/([a-z0-9][a-z0-9.-]*)/events ", head[0] if head else "")
        if not found:
            line.write_head("HTTP/1.1 404 Not Found", "Content-Length: 0")
            line.close()
            return
        line.write_head("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        self._run(Session(found[1], line, self._client, self._settings, self._controller))

    def _run(self, session):
        log.kubernetes("I", "message_handler.go:143", f"edge node {session.node} for project {hub.PROJECT} connected")
        with self._lock:
            other = self.sessions.get(session.node)
            self.sessions[session.node] = session
        if other:
            log.kubernetes("I", "session_manager.go:55", f"session exists for {session.node}, close old session")
            other.line.close()
        log.kubernetes("I", "node_session.go:137", f"Start session for edge node {session.node}")
        try:
            self._controller.connected(session)
            session.run()
        except hub.Closed as problem:
            log.kubernetes("E", "node_session.go:201", f"session of node {session.node} ended: {problem}")
        except Exception:
            traceback.print_exc()
        finally:
            session.line.close()
            with self._lock:
                if self.sessions.get(session.node) is session:
                    del self.sessions[session.node]
            log.kubernetes("I", "message_handler.go:160", f"edge node {session.node} for project {hub.PROJECT} disConnected")

    def session(self, node):
        return self.sessions.get(node)

    def forget(self, node):
        """The Node is gone: its session ends."""
        session = self.sessions.get(node)
        if session:
            log.kubernetes("W", "node_session.go:285", f"node {node} is deleted, message for node will be cleaned up")
            session.line.close()


class Session:
    def __init__(self, node, line, client, settings, controller):
        self.node, self.line, self._controller = node, line, controller
        self._upstream = Upstream(client, node, settings["advertiseAddress"][0])
        line.expect(float(settings["keepaliveInterval"]))

    def run(self):
        """Answers the node's requests until it is silent for too long or gone."""
        while True:
            try:
                message = self.line.receive()
            except hub.Closed as problem:
                if "timed out" in str(problem):
                    log.kubernetes("E", "node_session.go:220", f"timeout to receive keepalive for node {self.node}")
                raise
            if message.get("type") == "request":
                self.line.send({"type": "response", "id": message["id"], **self._answer(message)})

    def _answer(self, message):
        try:
            return {"status": 200, "body": self._upstream.handle(message["verb"], message.get("body") or {})}
        except Refused as refusal:
            return {"status": refusal.status, "reason": refusal.reason, "message": str(refusal)}
        except Unreachable as problem:
            return {"status": 503, "reason": "ServiceUnavailable", "message": str(problem)}

    def push(self, plural, action, obj):
        """Tell the node that an object is there, has changed (update), or is gone (delete)."""
        self.line.send({"type": "object", "plural": plural, "action": action, "object": obj})
