# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers at CloudCore's address, with real TLS on the loopback: a proxy in between, a wrong clock, a wrong name."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reach
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import probe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


class Authority:
    """A CA, and what it signs."""

    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key.public_key(), NOW - DAY, NOW + 900 * DAY, x509.BasicConstraints(True, None))
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)

    def _sign(self, subject, public_key, begin, end, *extensions):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                   .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def server(self, begin=NOW - DAY, end=NOW + DAY, address="127.0.0.1"):
        """(certificate, key) in PEM for an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = self._sign(x509.Name([]), key.public_key(), begin, end, names)
        return (certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


CLOUD, PROXY = Authority("KubeEdge"), Authority("Inspecting Proxy")


@pytest.fixture(name="serve")
def _serve(tmp_path):
    """Serve CloudCore's CA behind some certificate; returns the port."""
    servers = []

    def serve(pair, body=CLOUD.der, status=200):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        for name, data in zip(("certificate", "key"), pair):
            (tmp_path / name).write_bytes(data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(tmp_path / "certificate"), str(tmp_path / "key"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # whoever refuses the certificate ends the connection
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def verdict(port, ca=CLOUD):
    ports = {"https": port, "websocket": port}
    found = reach.seen(probe.look("127.0.0.1", ports, "websocket", 5.0))
    return found, reach.judge(found, "127.0.0.1", ports, "websocket", hashlib.sha256(ca.der).hexdigest())[0]


def test_cloudcore_itself(serve):
    found, row = verdict(serve(CLOUD.server()))
    assert (row["verdict"], found.trust, reach.unreachable(found)) == ("pass", "", False)


@pytest.mark.parametrize(("pair", "remedy"), [
    (PROXY.server(), "ends TLS and begins it anew"),
    (CLOUD.server(begin=NOW + DAY, end=NOW + 2 * DAY), "Set the clocks"),
    (CLOUD.server(begin=NOW - 2 * DAY, end=NOW - DAY), "Set the clocks"),
    (CLOUD.server(address="192.0.2.7"), "Give CloudCore the name or address 127.0.0.1"),
], ids=["a proxy ends TLS", "a clock is behind", "a clock is ahead", "another name"])
def test_what_stands_between_is_told_apart_and_never_taken_for_a_cloud_that_is_away(serve, pair, remedy):
    found, row = verdict(serve(pair))
    assert row["verdict"] == "fail" and remedy in row["remedy"], row
    assert reach.unreachable(found) is False


def test_another_cloudcore(serve):
    _found, row = verdict(serve(CLOUD.server()), ca=PROXY)
    assert row["verdict"] == "fail" and "Another CloudCore answers there" in row["remedy"]


@pytest.mark.parametrize(("body", "status"), [(b"<html>Sign in</html>", 200), (CLOUD.der, 403)])
def test_a_proxy_that_answers_by_itself(serve, body, status):
    _found, row = verdict(serve(PROXY.server(), body, status))
    assert row["verdict"] == "fail" and "Pass TCP" in row["remedy"]
