"""The agent's local way to the server: 127.0.0.1:6444 passes every connection on."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading

from standin_common import log, pki

NAME = "k3s-agent-load-balancer"
DIAL_SECONDS = 6.0


class LoadBalancer:
    def __init__(self, server, port, state_file):
        """server: "host:port" """
        self._server, self._port, self._state_file = server, port, state_file
        self._healthy = None
        self.addresses = self._saved()

    def _saved(self):
        try:
            saved = json.loads(self._state_file.read_text())
            return saved["ServerAddresses"] if self._server in saved["ServerAddresses"] else []
        except (OSError, ValueError, KeyError):
            return []

    def start(self):
        log.info(f"Updated load balancer {NAME} default server: {self._server}")
        if self.addresses:
            log.info(f"Server {self._server}@STANDBY*->UNCHECKED from add to load balancer {NAME}")
        log.info(f"Running load balancer {NAME} 127.0.0.1:{self._port} -> [{' '.join(self.addresses)}] "
                 f"[default: {self._server}]")
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                listener = socket.socket(family, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, self._port))
                listener.listen(128)
            except OSError as problem:
                if family != socket.AF_INET:
                    continue  # a host without IPv6
                reason = f"listen tcp {address}:{self._port}: bind: {problem.strerror.lower()}"
                log.error(f"Error starting load balancer: {reason}")
                log.fatal(f"Error: {reason}")
            threading.Thread(target=self._accept, args=(listener,), daemon=True, name="load-balancer").start()
        return self

    def save(self, url, addresses):
        """Remembers the API servers, for a start while they are away."""
        if not self.addresses:
            log.info(f"Got apiserver addresses from supervisor: [{' '.join(addresses)}]")
            log.info(f"Server {self._server}@STANDBY*->UNCHECKED from add to load balancer {NAME}")
        self.addresses = addresses
        log.info(f"Updated load balancer {NAME} server addresses -> [{' '.join(addresses)}] "
                 f"[default: {self._server}]")
        document = {"ServerURL": url, "ServerAddresses": addresses}
        pki.write_file(self._state_file, json.dumps(document, indent=2), 0o644)

    def _accept(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True, name="lb-connection").start()

    def _serve(self, near):
        host, _, port = self._server.rpartition(":")
        try:
            far = socket.create_connection((host.strip("[]"), int(port)), timeout=DIAL_SECONDS)
        except OSError:
            self._note(False)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            return
        self._note(True)
        far.settimeout(None)
        _keep_alive(far)
        with near, far:
            _pump(near, far)

    def _note(self, healthy):
        if healthy != self._healthy and self._healthy is not None:
            change = "FAILED*->RECOVERING from successful dial" if healthy else "ACTIVE*->FAILED from failed dial"
            log.info(f"Server {self._server}@{change}")
        self._healthy = healthy


def _keep_alive(connection):
    """Notices within half a minute that the other end is gone, although nothing is sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30000)


def _pump(near, far):
    """Copies both ways until one side ends."""
    while True:
        readable, _, _ = select.select([near, far], [], [])
        for source in readable:
            target = far if source is near else near
            try:
                data = source.recv(65536)
                if not data:
                    return
                target.sendall(data)
            except OSError:
                return
