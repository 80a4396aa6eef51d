"""The release mirror's HTTPS server: static files, with ranges, so that an interrupted download goes on."""

import argparse
import os
import re
import socket
import ssl
import sys
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

_IP_FREEBIND = 15  # listen on the network's gateway address before the first host brings the bridge up
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for; None when there is nothing to cut.

    Raises ValueError when the range lies outside the file. Several ranges, like other units, are ignored as RFC 9110
    allows: the whole file is sent.
    """
    match = _RANGE.fullmatch(header.strip())
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and first and int(last) < int(first):
        return None
    if start > end:
        raise ValueError(f"bytes {header} of {size}")
    return start, end


class Handler(SimpleHTTPRequestHandler):
    """GET and HEAD of files below the server's directory."""

    protocol_version = "HTTP/1.1"
    server_version = "edgelab-mirror"
    timeout = 60

    def do_GET(self):
        """Send a file, or the part of it that was asked for."""
        self._answer(send_body=True)

    def do_HEAD(self):
        """Send the headers only."""
        self._answer(send_body=False)

    def _answer(self, send_body: bool) -> None:
        path = self.translate_path(self.path)
        try:
            handle = open(path, "rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with handle:
            status = os.fstat(handle.fileno())
            etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            wanted = self.headers.get("Range", "") if self.headers.get("If-Range", etag) == etag else ""
            try:
                part = byte_range(wanted, status.st_size)
            except ValueError:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{status.st_size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, end = part or (0, status.st_size - 1)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            if part:
                self.send_header("Content-Range", f"bytes {start}-{end}/{status.st_size}")
            self.send_header("Content-Length", str(end - start + 1))
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", etag)
            self.end_headers()
            if send_body:
                handle.seek(start)
                self._send(handle, end - start + 1)

    def _send(self, handle, length: int) -> None:
        while length:
            block = handle.read(min(length, 1 << 18))
            if not block:
                self.close_connection = True  # the file shrank: the client must notice
                return
            self.wfile.write(block)
            length -= len(block)


class Server(ThreadingHTTPServer):
    """One thread per connection; the TLS handshake happens there and never holds up other clients."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        """Bind, even if the address comes up later."""
        self.socket.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        """One line instead of a traceback: clients that break off are normal here."""
        print(f"{client_address[0]}: {sys.exc_info()[1]!r}", file=sys.stderr, flush=True)


def serve(directory: str, address: str, port: int, certificate: str, key: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server((address, port), lambda *given: Handler(*given, directory=directory))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--network", "--directory", "--address", "--certificate", "--key"):
        parser.add_argument(option, required=True)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    serve(chosen.directory, chosen.address, chosen.port, chosen.certificate, chosen.key)
