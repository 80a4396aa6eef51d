"""The HTTPS server: one thread per connection, requests handed to a callable, answers of several forms."""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import urllib.parse
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

threading.stack_size(512 * 1024)
MAX_BODY = 8 << 20


@dataclass
class Request:
    method: str
    path: str                 # decoded, without query
    raw_path: str             # as sent, without query
    query: dict               # last value of each parameter
    headers: object
    body: bytes
    certificate: dict         # ssl's getpeercert(), {} without one
    client: tuple             # (address, port)
    raw_query: str = ""
    client_gone: object = None

    @property
    def content_type(self):
        return (self.headers.get("Content-Type") or "").split(";")[0].strip()


@dataclass
class Response:
    status: int = 200
    body: object = b""        # bytes, str (text), anything else is sent as JSON
    content_type: str = ""
    headers: dict = field(default_factory=dict)
    stream: object = None     # iterator of JSON values, one per line, chunked


def _make_handler(answer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 600
        server_version, sys_version = "k3s", ""

        def setup(self):
            self.request.settimeout(10)
            if isinstance(self.request, ssl.SSLSocket):
                self.request.do_handshake()
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().setup()

        def handle_any(self):
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                self.close_connection = True
                return self._send(Response(413, "request too large"))
            split = urllib.parse.urlsplit(self.path)
            query = {k: v[-1] for k, v in urllib.parse.parse_qs(split.query, keep_blank_values=True).items()}
            certificate = self.request.getpeercert() if isinstance(self.request, ssl.SSLSocket) else {}
            request = Request(self.command, urllib.parse.unquote(split.path), split.path, query, self.headers,
                              self.rfile.read(length) if length else b"", certificate or {}, self.client_address,
                              split.query, self._client_gone)
            return self._send(answer(request))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

        def _client_gone(self):
            return bool(select.select([self.connection], [], [], 0)[0])

        def _send(self, response):
            body, content_type = response.body, response.content_type
            if not isinstance(body, (bytes, str)):
                body, content_type = json.dumps(body, separators=(",", ":")) + "\n", content_type or "application/json"
            if isinstance(body, str):
                body, content_type = body.encode(), content_type or "text/plain; charset=utf-8"
            self.send_response(response.status)
            self.send_header("Audit-Id", str(uuid.uuid4()))
            for key, value in response.headers.items():
                for one in value if isinstance(value, list) else [value]:
                    self.send_header(key, one)
            if response.stream is not None:
                return self._send_stream(response.stream)
            if content_type:
                self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _send_stream(self, stream):
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for value in stream:
                    line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            finally:
                stream.close()

        def log_message(self, *_):
            pass

    return Handler


class Server(ThreadingHTTPServer):
    """Answers HTTPS on one address. `context` may be replaced at run time."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address, answer, context):
        host = address[0]
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.context = context
        super().__init__(address, _make_handler(answer))

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "k3s", self.server_address[1]

    def get_request(self):
        connection, address = self.socket.accept()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False,
                                                  suppress_ragged_eofs=True)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # broken connections are the client's affair

    def shutdown_request(self, request):
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.close_request(request)

    def start(self):
        self._serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 3600}, daemon=True,
                                         name=f"https-{self.server_port}")
        self._serving.start()
        return self

    def stop(self):
        """Takes no connections any more; those that are there go on."""
        ending = threading.Thread(target=self.shutdown, daemon=True)
        ending.start()
        while self._serving.is_alive():
            # The loop sleeps until somebody comes.
            socket.create_connection(self.server_address[:2]).close()
            self._serving.join(0.05)
        ending.join()
        self.server_close()


def wildcard_address(port):
    """`*:port`: both families where the host has IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
        return ("::", port)
    except OSError:
        return ("0.0.0.0", port)


def server_context(certificate, key, client_ca=None):
    """TLS settings of a server that asks for client certificates where `client_ca` is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(certificate), str(key))
    if client_ca:
        context.load_verify_locations(str(client_ca))
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
