"""The line between EdgeCore and CloudCore: an upgraded HTTP connection over mutual TLS that carries one JSON object a line.

Upstream's WebSocket framing is not imitated: a stand-in talks to a stand-in.
"""

from __future__ import annotations

import json
import select
import ssl
import threading

PROJECT = "e632aba927ea4ac2b575ec1603d56f10"
MAX_LINE = 16 << 20


class Closed(Exception):
    """The other side is gone."""


class Line:
    """Both directions of one connection; `send` may be called from any thread, `receive` from one.

    One thread at a time is inside OpenSSL, and none of them waits there.
    """

    def __init__(self, connection, silence=None):
        """silence: seconds after which a peer that says nothing counts as gone"""
        connection.setblocking(False)
        self._connection, self._silence = connection, silence
        self._buffer = bytearray()
        self._inside, self._sending = threading.Lock(), threading.Lock()

    def expect(self, silence):
        self._silence = silence

    def read_head(self):
        """The lines of an HTTP head, without the empty one."""
        head = []
        while True:
            line = self._read_line().decode(errors="replace").rstrip("\r\n")
            if not line:
                return head
            head.append(line)

    def write_head(self, *lines):
        self._write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, message):
        try:
            self._write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        except (OSError, ValueError) as problem:
            raise Closed(str(problem)) from None

    def receive(self):
        try:
            return json.loads(self._read_line())
        except (OSError, ValueError) as problem:
            raise Closed(str(problem)) from None

    def _write(self, data):
        left = memoryview(data)
        with self._sending:
            while left:
                try:
                    with self._inside:
                        sent = self._connection.send(left)
                    left = left[sent:]
                except (ssl.SSLWantWriteError, BlockingIOError):
                    select.select([], [self._connection], [])

    def _read_line(self):
        start = 0
        while True:
            end = self._buffer.find(b"\n", start)
            if end >= 0:
                line = bytes(self._buffer[:end + 1])
                del self._buffer[:end + 1]
                return line
            if len(self._buffer) > MAX_LINE:
                raise ValueError("a line is too long")
            start = len(self._buffer)
            data = self._receive_some()
            if not data:
                raise ConnectionError("EOF")
            self._buffer += data

    def _receive_some(self):
        while True:
            try:
                with self._inside:
                    return self._connection.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                if not select.select([self._connection], [], [], self._silence)[0]:
                    raise TimeoutError("timed out") from None

    def close(self):
        try:
            self._connection.shutdown(2)
        except OSError:
            pass
        self._connection.close()
