# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as real ones are written."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import certificate


def made(common_name="system:node:edge1", begins=datetime.datetime(2026, 11, 1), ends=datetime.datetime(2027, 11, 1)):
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")]
    names += [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    return (x509.CertificateBuilder().subject_name(x509.Name(names)).issuer_name(x509.Name(names)).public_key(key.public_key())
            .serial_number(2 ** 150).not_valid_before(begins).not_valid_after(ends).sign(key, hashes.SHA256()))


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("ends", [datetime.datetime(2027, 11, 1), datetime.datetime(2126, 7, 3, 1, 2, 3)])  # UTCTime, GeneralizedTime
@pytest.mark.parametrize("name", ["system:node:edge1", "system:node:" + "x" * 52, ""])
def test_read(name, ends):
    utc = datetime.timezone.utc
    found = certificate.read("noise before\n" + pem(made(name, ends=ends)) + pem(made("second")))
    assert found == (name, datetime.datetime(2026, 11, 1, tzinfo=utc).timestamp(), ends.replace(tzinfo=utc).timestamp())


def test_hash_as_a_token_pins_it():
    cert = made()
    assert certificate.sha256(pem(cert)) == hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).hexdigest()
    assert certificate.sha256("nothing") == ""


def cut(text):
    """The file as a power cut leaves it: its first half."""
    lines = text.splitlines()
    return "\n".join(lines[:4] + lines[-1:])


@pytest.mark.parametrize(("text", "words"), [
    ("", "no certificate"), ("-----BEGIN CERTIFICATE-----\nAA=A\n-----END CERTIFICATE-----", "base64 is damaged"),
    ("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----", "no certificate, or a damaged one"), (cut(pem(made())), "damaged"),
])
def test_what_is_no_certificate(text, words):
    with pytest.raises(ValueError, match=words):
        certificate.read(text)
