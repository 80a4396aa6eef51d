"""Startup, readiness and liveness probes of one container."""

from __future__ import annotations

import http.client
import socket
import ssl
import time

USER_AGENT = "kube-probe/1.36"


def _port(container, value):
    if isinstance(value, int) or str(value).isdigit():
        return int(value)
    return next((p["containerPort"] for p in container.get("ports") or [] if p.get("name") == value), 0)


def _network_text(problem, target):
    if isinstance(problem, ConnectionRefusedError):
        return f"dial tcp {target}: connect: connection refused"
    if isinstance(problem, (socket.timeout, TimeoutError)):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(problem, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(problem, http.client.HTTPException):
        return "EOF"
    return f"dial tcp {target}: connect: {(getattr(problem, 'strerror', None) or str(problem)).lower()}"


def run(probe, container, address, execute):
    """(ok, message). execute(command, timeout) runs a command in the container."""
    timeout = probe.get("timeoutSeconds", 1)
    if "httpGet" in probe:
        return _http(probe["httpGet"], container, address, timeout)
    if "tcpSocket" in probe:
        host, port = probe["tcpSocket"].get("host") or address, _port(container, probe["tcpSocket"]["port"])
        try:
            socket.create_connection((host, port), timeout).close()
            return True, ""
        except OSError as problem:
            return False, _network_text(problem, f"{host}:{port}")
    if "exec" in probe:
        code, output = execute(probe["exec"].get("command") or [], timeout)
        if code is None:
            return False, f"command timed out after {timeout}s"
        return code == 0, output.strip()[:1024]
    return True, ""


def _http(action, container, address, timeout):
    host, port = action.get("host") or address, _port(container, action["port"])
    path = action.get("path") or "/"
    target = f"{host}:{port}"
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close",
               **{h["name"]: h["value"] for h in action.get("httpHeaders") or []}}
    if action.get("scheme") == "HTTPS":      # a kubelet does not verify
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read(10 << 10)
    except (OSError, http.client.HTTPException) as problem:
        return False, f'Get "http://{target}{path}": {_network_text(problem, target)}'
    finally:
        connection.close()
    if 200 <= answer.status < 400:
        return True, ""
    return False, f"HTTP probe failed with statuscode: {answer.status}"


class Prober:
    """One probe of one running container: when it is due, and what its results add up to."""

    def __init__(self, kind, probe, started):
        self.kind, self.probe = kind, probe
        self.due = started + probe.get("initialDelaySeconds", 0)
        self._successes = self._failures = 0
        self.result = None      # True or False once a threshold was reached

    def note(self, ok):
        """Takes one result; True where the outcome changed."""
        self.due = time.monotonic() + self.probe.get("periodSeconds", 10)
        before = self.result
        if ok:
            self._successes, self._failures = self._successes + 1, 0
            if self._successes >= self.probe.get("successThreshold", 1):
                self.result = True
        else:
            self._successes, self._failures = 0, self._failures + 1
            if self._failures >= self.probe.get("failureThreshold", 3):
                self.result = False
        return self.result != before
