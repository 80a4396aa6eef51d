# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kubeconfig says plainly, what is left to the library, and that certificates are checked both ways."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import ssl
import threading

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.kubeconfig import Access, Pem, plain_access
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

URL = "https://192.0.2.1:6443"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def document(cluster=None, user=None, **more):
    return {"apiVersion": "v1", "kind": "Config", "current-context": "now",
            "contexts": [{"name": "other", "context": {"cluster": "a", "user": "b"}}, {"name": "now", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "a", "cluster": {"server": "https://other"}}, {"name": "c", "cluster": {"server": URL + "/", **(cluster or {})}}],
            "users": [{"name": "b", "user": {"token": "other"}}, {"name": "u", "user": {"token": "t"} if user is None else user}], **more}


@pytest.mark.parametrize("cluster, user, expected", [
    ({}, {"token": "t"}, Access(URL, token="t")),
    ({}, {}, Access(URL)),
    ({"tls-server-name": "k3s"}, {}, Access(URL, server_name="k3s")),
    ({"certificate-authority-data": b64("ca"), "certificate-authority": "ignored"}, {}, Access(URL, Pem(b"ca"))),
    ({"certificate-authority": "ca.pem"}, {}, Access(URL, Pem(path="/here/ca.pem"))),
    ({"certificate-authority": "/etc/ca.pem"}, {}, Access(URL, Pem(path="/etc/ca.pem"))),
    ({}, {"client-certificate-data": b64("crt"), "client-key-data": b64("key")}, Access(URL, None, Pem(b"crt"), Pem(b"key"))),
    ({}, {"client-certificate": "crt", "client-key": "/k"}, Access(URL, None, Pem(path="/here/crt"), Pem(path="/k"))),
])
def test_plain(cluster, user, expected):
    assert plain_access(document(cluster, user), "/here") == expected


@pytest.mark.parametrize("odd", [
    document({"insecure-skip-tls-verify": True}), document({"proxy-url": "http://proxy"}), document({"server": "unix:///x"}),
    document({"server": 5}), document({"certificate-authority-data": "not base64!"}), document({"certificate-authority": ""}),
    document(user={"exec": {}}), document(user={"username": "u", "password": "p"}), document(user={"tokenFile": "/t"}),
    document(user={"client-certificate-data": b64("crt")}), document(user={"token": None}), document(user={"token": ["t"]}),
    document(**{"current-context": "missing"}), document(**{"current-context": ["now"]}), document(clusters=5), document(users=[]),
    document(contexts=[{"name": "now", "context": None}]), document(users=[{"name": "u", "user": {}}] * 2), [], None, "text", {},
])
def test_everything_else_is_for_the_library(odd):
    assert plain_access(odd, "/here") is None


class Authority:
    """A certificate authority of an hour, and what it signed, as PEM files in ``directory``."""

    def __init__(self, directory, name):
        self.directory, self.name, self.key = directory, name, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key.public_key(), None)

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def leaf(self, host):
        """Paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        files = self.directory / f"{self.name}-{host}.crt", self.directory / f"{self.name}-{host}.key"
        files[0].write_bytes(self._sign(host, key.public_key(), host).public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return [str(file) for file in files]

    def _sign(self, name, key, host):
        def named(text):
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(self.name)).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                   .not_valid_after(now + datetime.timedelta(hours=1))
                   .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


class Versions(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"peer": dict(part[0] for part in self.connection.getpeercert()["subject"])["commonName"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_unused):
        pass


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "site")


@pytest.fixture
def server(authority):
    """The URL of a server named k3s.site that wants a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.leaf("k3s.site"))
    context.load_verify_locations(cadata=authority.pem())
    context.verify_mode = ssl.CERT_REQUIRED
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Versions)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def asked(tmp_path, server, trusted, signer, name="k3s.site", inline=False):
    certificate, key = signer.leaf("operator")
    user = {"client-certificate": certificate, "client-key": key}
    if inline:
        user = {f"{kind}-data": b64(open(file, encoding="ascii").read()) for kind, file in user.items()}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document({"server": server, "certificate-authority-data": b64(trusted.pem()), "tls-server-name": name}, user)))
    return KubeApi.from_kubeconfig(str(path)).get("/version")


@pytest.mark.parametrize("inline", [True, False])
def test_both_sides_show_their_certificates(tmp_path, server, authority, inline):
    assert asked(tmp_path, server, authority, authority, inline=inline) == {"peer": "operator"}


def test_a_server_of_another_authority(tmp_path, server, authority):
    with pytest.raises(ApiError, match="not signed by the kubeconfig's CA"):
        asked(tmp_path, server, Authority(tmp_path, "stranger"), authority)


def test_a_server_of_another_name(tmp_path, server, authority):
    with pytest.raises(ApiError, match="does not answer"):
        asked(tmp_path, server, authority, authority, name="other.site")


def test_a_client_of_another_authority(tmp_path, server, authority):
    with pytest.raises(ApiError, match="does not answer"):
        asked(tmp_path, server, authority, Authority(tmp_path, "stranger"))


@pytest.mark.parametrize("broken", [{"certificate-authority-data": b64("no certificate")}, {"certificate-authority": "missing.pem"}])
def test_certificates_that_are_none(tmp_path, broken):
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document(broken)))
    with pytest.raises(ApiError, match="kubeconfig .* cannot be used"):
        KubeApi.from_kubeconfig(str(path))
