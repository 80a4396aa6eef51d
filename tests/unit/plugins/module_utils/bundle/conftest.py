# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tiny release mirror: K3s files, an image archive, and an https server with an authority of its own."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import io
import ipaddress
import json
import ssl
import tarfile
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VERSION = "v1.36.5+k3s1"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class ArchiveMaker:
    """Write OCI archives; every member can be replaced or left out to break them."""

    def __init__(self, arch="amd64", reference="lab.example/vision:1"):
        self.members = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        layer = self.blob(b"layer " + arch.encode())
        config = self.blob(json.dumps({"architecture": arch, "os": "linux"}).encode())
        self.manifest = self.blob(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer],
        }).encode())
        self.index({"manifests": [self.entry(self.manifest, reference)]})

    def blob(self, data):
        self.members["blobs/sha256/" + sha256(data)] = data
        return {"digest": "sha256:" + sha256(data), "size": len(data)}

    @staticmethod
    def entry(descriptor, reference):
        return dict(
            descriptor, mediaType="application/vnd.oci.image.manifest.v1+json",
            annotations={"org.opencontainers.image.ref.name": reference},
        )

    def index(self, document):
        self.members["index.json"] = json.dumps(dict(document, schemaVersion=2)).encode()

    def bytes(self, extra=()):
        """Return the tar; ``extra`` holds more TarInfo objects without content."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for name, data in self.members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            for member in extra:
                archive.addfile(member)
        return target.getvalue()


@pytest.fixture
def archive():
    """Return the class that makes image archives."""
    return ArchiveMaker


class Mirror:
    """A directory laid out like the release mirror."""

    def __init__(self, root):
        self.root = root
        self.files = {
            "k3s": b"#!/bin/sh\necho k3s\n" * 2000,
            "k3s-armhf": b"#!/bin/sh\necho armhf\n",
            "k3s-airgap-images-amd64.tar.zst": b"\x28\xb5\x2f\xfd images amd64",
            "k3s-airgap-images-arm.tar.zst": b"\x28\xb5\x2f\xfd images arm",
        }
        for name, data in self.files.items():
            self.write("k3s/%s/%s" % (VERSION, name), data)
        for arch, names in (("amd64", ("k3s", "k3s-airgap-images-amd64.tar.zst")),
                            ("arm", ("k3s-armhf", "k3s-airgap-images-arm.tar.zst"))):
            self.write_sums("k3s/%s/sha256sum-%s.txt" % (VERSION, arch), {name: self.files[name] for name in names})
        self.image("vision", "1", "amd64")

    def image(self, name, version, arch):
        data = ArchiveMaker(arch, "lab.example/%s:%s" % (name, version)).bytes()
        file_name = "%s-%s-%s.tar" % (name, version, arch)
        self.write("images/" + file_name, data)
        self.write_sums("images/sha256sum-%s.txt" % arch, {file_name: data})

    def write(self, name, data):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def write_sums(self, name, files):
        self.write(name, "".join("%s  %s\n" % (sha256(data), file) for file, data in files.items()).encode())


@pytest.fixture
def mirror(tmp_path):
    """Return a Mirror in a directory."""
    return Mirror(tmp_path / "mirror")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Return ``(path of the CA, path of certificate and key of 127.0.0.1)``."""
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, issuer, public, signer, extensions):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for unused in range(2))
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    ca = certificate(name("test ca"), name("test ca"), ca_key.public_key(), ca_key, [
        (x509.BasicConstraints(ca=True, path_length=0), True), (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False),
    ])
    leaf = certificate(name("mirror"), name("test ca"), key.public_key(), ca_key, [
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
    ])
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(ca.public_bytes(pem))
    (folder / "mirror.pem").write_bytes(leaf.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "ca.crt", folder / "mirror.pem"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Keep test output quiet."""

    def do_GET(self):
        server = self.server.owner
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        server.requests.append((self.path, start))
        if server.answer and server.answer(self):
            return
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError:
            self.send_error(404)
            return
        self.reply(data, start if server.ranges else 0)

    def reply(self, data, start=0, cut=None):
        """Answer with ``data`` from ``start``; after ``cut`` bytes the line goes dead."""
        if start >= len(data) > 0:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:] if cut is None else data[start:start + cut])
        self.close_connection = cut is not None

    def redirect(self, target):
        """Send the client elsewhere."""
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()


class HttpsMirror:
    """Serve a Mirror; ``answer`` may take over a request, ``requests`` lists ``(path, first byte)``."""

    def __init__(self, mirror, pem):
        self.requests = []
        self.ranges = True
        self.answer = None

        def handler(*args):
            return _Handler(*args, directory=str(mirror.root))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.owner = self
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(pem))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "https://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def served(mirror, authority, monkeypatch):
    """Serve ``mirror`` over https on loopback."""
    monkeypatch.setenv("no_proxy", "*")
    server = HttpsMirror(mirror, authority[1])
    yield server
    server.close()
