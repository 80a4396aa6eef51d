"""EdgeCore's end of the line to CloudCore: it dials, answers nobody, asks, and hears what changed."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time

from standin_common import log

from .. import certificates, hub
from .enrolment import network_text

TRIES, TRY_SECONDS = 5, 5.0
ANSWER_SECONDS = 60.0


class NotConnected(Exception):
    def __str__(self):
        return "not connected"


class NoAnswer(Exception):
    """The line seems to be there and nothing comes back."""


class Rejected(Exception):
    """The API refused what was asked."""

    def __init__(self, answer):
        self.status, self.reason = answer["status"], answer.get("reason", "")
        super().__init__(answer.get("message", ""))


class Link:
    def __init__(self, settings, enrolment, listener):
        """listener(message): called for what CloudCore sends by itself; listener(None) after every new connection."""
        self._settings, self._enrolment, self._listener = settings, enrolment, listener
        self._line = None
        self._numbers, self._waiting = itertools.count(1), {}
        self._lock = threading.Lock()

    @property
    def connected(self):
        return self._line is not None

    def start(self):
        log.kubernetes("I", "websocket.go:51", "Websocket start to connect Access")
        threading.Thread(target=self._run, daemon=True, name="link").start()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def request(self, verb, body=None, timeout=ANSWER_SECONDS):
        """The answer of CloudCore. Raises NotConnected, NoAnswer or Rejected."""
        line, number, done = self._line, next(self._numbers), threading.Event()
        if line is None:
            raise NotConnected()
        answer = {}
        self._waiting[number] = (line, answer, done)
        try:
            line.send({"type": "request", "id": number, "verb": verb, "body": body})
            if not done.wait(timeout):
                raise NoAnswer(f"timeout to get response for message {number}")
        except hub.Closed:
            raise NotConnected() from None
        finally:
            self._waiting.pop(number, None)
        if not answer:
            raise NotConnected()
        if answer["status"] >= 400:
            raise Rejected(answer)
        return answer["body"]

    # -- the loop ----------------------------------------------------------------------------------
    def _run(self):
        wait = 2 * float(self._settings.hub["heartbeat"])
        while True:
            for _ in range(TRIES):
                line = self._dial()
                if line:
                    break
                time.sleep(TRY_SECONDS)
            else:
                log.kubernetes("E", "edgehub.go:121", f"connection failed: max retry count reached when connecting to cloud, will "
                               f"reconnect after {wait:.0f}s")
                time.sleep(wait)
                continue
            self._line = line
            try:
                self._listen(line)
            finally:
                self._line = None
                line.close()
                self._give_up(line)
            log.kubernetes("W", "edgehub.go:138", f"connection is broken, will reconnect after {wait:.0f}s")
            time.sleep(wait)

    def _listen(self, line):
        threading.Thread(target=self._listener, args=(None,), daemon=True, name="connected").start()
        while True:
            try:
                message = line.receive()
            except hub.Closed:
                return
            if message["type"] == "response":
                _, answer, done = self._waiting.get(message["id"], (None, None, None))
                if done:
                    answer.update(message)
                    done.set()
            else:
                self._listener(message)

    def _give_up(self, line):
        for waiting, _, done in list(self._waiting.values()):
            if waiting is line:
                done.set()

    def _dial(self):
        """A line, or None after a log line."""
        server = self._settings.transport["server"]
        host, _, port = server.rpartition(":")
        address = f"/{hub.PROJECT}/{self._settings.name}/events"
        try:
            plain = socket.create_connection((host, int(port)), float(self._settings.transport["handshakeTimeout"]))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._context().wrap_socket(plain, server_hostname=host)
            problem = certificates.host_problem(connection.getpeercert(), host)
            if problem:
                connection.close()
                return self._failed(f"tls: failed to verify certificate: {problem}")
            line = hub.Line(connection, float(self._settings.transport["handshakeTimeout"]))
            line.write_head(f"GET {address} HTTP/1.1", f"Host: {server}", "Upgrade: websocket", "Connection: Upgrade")
            head = line.read_head()
            if not head or " 101 " not in head[0]:
                line.close()
                return self._failed(f"websocket: bad handshake ({head[0] if head else 'EOF'})")
        except (OSError, ValueError) as problem:
            return self._failed(network_text(problem, server))
        line.expect(None)       # a line that falls silent is noticed by the kernel's retransmissions alone
        log.kubernetes("I", "ws.go:47", f"dial wss://{server}{address} successfully")
        log.kubernetes("I", "websocket.go:93", "Websocket connect to cloud access successful")
        return line

    @staticmethod
    def _failed(text):
        log.kubernetes("E", "ws.go:84", f"dial websocket error({text}), response message: ")
        log.kubernetes("E", "websocket.go:90", f"Init websocket connection failed {text}")

    def _context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(str(self._enrolment.ca_file))
        context.load_cert_chain(str(self._enrolment.certificate_file), str(self._enrolment.key_file))
        return context

    def _beat(self):
        while True:
            time.sleep(float(self._settings.hub["heartbeat"]))
            line = self._line
            if line:
                try:
                    line.send({"type": "keepalive"})
                except hub.Closed:
                    pass
