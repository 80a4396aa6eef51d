"""A small HTTPS client for K3s's own parts and for `k3s kubectl`."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import urllib.parse


class Refused(Exception):
    """The server answered with an error status."""

    def __init__(self, status, text):
        self.status = status
        try:
            self.body = json.loads(text)
            message = self.body.get("message") or text
        except ValueError:
            self.body, message = {}, text
        self.reason = self.body.get("reason", "") if isinstance(self.body, dict) else ""
        super().__init__(message.strip())


class Unreachable(Exception):
    """No answer; the text is what a Go program would say."""


def go_network_error(problem, local=None, remote=None):
    pair = f"read tcp {local}->{remote}: read: " if local else ""
    if isinstance(problem, ConnectionRefusedError):
        return f"dial tcp {remote}: connect: connection refused"
    if isinstance(problem, ConnectionResetError):
        return f"{pair}connection reset by peer"
    if isinstance(problem, socket.timeout):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {problem.verify_message}"
    if isinstance(problem, (ssl.SSLError, http.client.HTTPException, EOFError)):
        return "EOF"
    return (getattr(problem, "strerror", None) or str(problem)).lower()


def client_context(ca=None, certificate=None, key=None):
    """TLS settings; without `ca` the server is not verified (only ever used to fetch the CA itself)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(str(ca))
    if certificate:
        context.load_cert_chain(str(certificate), str(key))
    return context


class Client:
    """Keeps one connection per thread. Methods return decoded JSON, or text where the answer is no JSON."""

    def __init__(self, url, context, headers=None, timeout=15.0):
        split = urllib.parse.urlsplit(url)
        self.host, self.port = split.hostname, split.port or 443
        self.url = url.rstrip("/")
        self._context, self._headers, self._timeout = context, headers or {}, timeout
        self._local = threading.local()

    def _connection(self):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=self._timeout,
                                                     context=self._context)
            self._local.connection = connection
        return connection

    def close(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def raw(self, method, path, body=None, headers=None):
        """-> (status, bytes, headers). Unreachable without an answer; one silent retry on a stale connection."""
        for attempt in (1, 2):
            connection = self._connection()
            fresh, local = connection.sock is None, None
            try:
                if fresh:
                    local = self._connect(connection)
                connection.request(method, path, body, {**self._headers, **(headers or {})})
                answer = connection.getresponse()
                return answer.status, answer.read(), answer.headers
            except (OSError, http.client.HTTPException) as problem:
                local = local or getattr(problem, "local_address", None)
                self.close()
                if fresh or attempt == 2:
                    text = go_network_error(problem, local, f"{self.host}:{self.port}")
                    raise Unreachable(f'{method.title()} "{self.url}{path}": {text}') from None

    def _connect(self, connection):
        """Connects; returns the local end as "address:port". An error of the TLS handshake carries it too."""
        plain = socket.create_connection((self.host, self.port), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        local = "%s:%s" % plain.getsockname()[:2]
        try:
            connection.sock = self._context.wrap_socket(plain, server_hostname=self.host)
        except OSError as problem:
            plain.close()
            problem.local_address = local
            raise
        return local

    def request(self, method, path, body=None, content_type="application/json", query=None, headers=None):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        headers = dict(headers or {})
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        status, raw, answer_headers = self.raw(method, path, payload, headers)
        text = raw.decode(errors="replace")
        if status >= 400:
            raise Refused(status, text)
        if "json" in (answer_headers.get("Content-Type") or ""):
            return json.loads(text)
        return text

    def get(self, path, **query):
        return self.request("GET", path, query=query)

    def watch(self, path, query, stopped):
        """Yields events until the stream ends. Runs on a connection of its own."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=120, context=self._context)
        full = path + "?" + urllib.parse.urlencode({**query, "watch": "true", "allowWatchBookmarks": "true"})
        try:
            connection.request("GET", full, headers=self._headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise Refused(answer.status, answer.read().decode(errors="replace"))
            while not stopped():
                line = answer.readline()
                if not line:
                    return
                yield json.loads(line)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unreachable(go_network_error(problem, None, f"{self.host}:{self.port}")) from None
        finally:
            connection.close()
