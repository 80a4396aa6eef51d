"""Certificates, made with the openssl command (the only crypto tool that every host has)."""

from __future__ import annotations

import datetime
import hashlib
import os
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

CA_DAYS, LEAF_DAYS = 3650, 365


def write_file(path, data, mode):
    """Writes a file with this mode from its first byte on, atomically."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    if isinstance(data, str):
        data = data.encode()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    os.replace(temporary, path)


def _openssl(config, *arguments):
    with tempfile.TemporaryDirectory() as scratch:
        files = {name: os.path.join(scratch, name) for name in ("config", "key", "crt")}
        Path(files["config"]).write_text(config)
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-sha256", "-config", files["config"], "-keyout", files["key"], "-out", files["crt"], *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("openssl: " + done.stderr.strip())
        return Path(files["crt"]).read_text(), Path(files["key"]).read_text()


def _config(common_name, organization, extensions):
    names = (f"O={organization}\n" if organization else "") + f"CN={common_name}\n"
    return ("[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nstring_mask=utf8only\n"
            f"[dn]\n{names}[ext]\n" + "\n".join(extensions) + "\n")


def make_ca(name):
    """A self-signed certificate authority `name@<seconds>`. -> (certificate PEM, key PEM)"""
    return _openssl(_config(f"{name}@{int(time.time())}", None, [
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
        "subjectKeyIdentifier=hash"]), "-days", str(CA_DAYS))


def make_leaf(ca_certificate, ca_key, common_name, organization=None, sans=(), server=False):
    """A certificate signed by the CA files. -> (certificate PEM followed by the CA's, key PEM)"""
    extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature,keyEncipherment",
                  f"extendedKeyUsage={'serverAuth' if server else 'clientAuth'}", "subjectKeyIdentifier=hash",
                  "authorityKeyIdentifier=keyid"]
    if sans:
        extensions.append("subjectAltName=" + ",".join(
            ("IP:" if _is_address(s) else "DNS:") + s for s in dict.fromkeys(sans)))
    certificate, key = _openssl(_config(common_name, organization, extensions), "-CA", str(ca_certificate),
                                "-CAkey", str(ca_key), "-days", str(LEAF_DAYS))
    return certificate + Path(ca_certificate).read_text(), key


def _is_address(text):
    return ":" in text or text.replace(".", "").isdigit()


def ca_hash(pem):
    """The hash that a full token carries: of the PEM text itself."""
    return hashlib.sha256(pem.encode() if isinstance(pem, str) else pem).hexdigest()


def describe(path):
    """[{subject, issuer, usages, expiry}] of the certificates in a PEM file (leaf first)."""
    found = []
    text = Path(path).read_text()
    for part in text.split("-----BEGIN CERTIFICATE-----")[1:]:
        pem = "-----BEGIN CERTIFICATE-----" + part.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            raw = ssl._ssl._test_decode_cert(file.name)
        purpose = subprocess.run(["openssl", "x509", "-noout", "-ext", "extendedKeyUsage"], input=pem,
                                 capture_output=True, text=True).stdout
        usages = [short for name, short in (("TLS Web Server", "ServerAuth"), ("TLS Web Client", "ClientAuth"))
                  if name in purpose] or ["CertSign"]
        expiry = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(raw["notAfter"]), datetime.timezone.utc)
        found.append({"subject": _common_name(raw["subject"]), "issuer": _common_name(raw["issuer"]),
                      "usages": usages, "expiry": expiry})
    return found


def _common_name(name):
    return next((v for part in name for k, v in part if k == "commonName"), "")
