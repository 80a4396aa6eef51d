# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of CloudCore: what stands in them, and making the pair of the stream server.

Runs on the controller only, where ansible-core brings the library cryptography.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # the module says so in its own words
    x509 = None

DAYS = 365
# A clock that is behind must not refuse what was made a moment ago.
_BACKDATE = datetime.timedelta(hours=1)


class Certificate(NamedTuple):
    """``sha256``: of its DER form. ``names``: SANs, addresses in their shortest form. ``expires``: seconds since 1970."""

    sha256: str
    names: Tuple[str, ...]
    expires: float
    is_ca: bool


def parse(der: bytes) -> Certificate:
    """Read a certificate. ValueError when it is none."""
    certificate = x509.load_der_x509_certificate(der)
    return Certificate(hashlib.sha256(der).hexdigest(), _names(certificate), _end(certificate), _is_ca(certificate))


def parse_pem(pem: bytes) -> Certificate:
    """Read the first certificate of a PEM text. ValueError when there is none."""
    return parse(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER))


def signed_by(der: bytes, ca_der: bytes) -> bool:
    """Whether a certificate carries this CA's signature."""
    try:
        x509.load_der_x509_certificate(der).verify_directly_issued_by(x509.load_der_x509_certificate(ca_der))
    except Exception:
        # whatever the library says of the pair, it is not a certificate of this CA
        return False
    return True


def fits(key_der: bytes, der: bytes) -> bool:
    """Whether this private key (SEC1 or PKCS #8) is that of the certificate."""
    try:
        key = serialization.load_der_private_key(key_der, None)
        return _public(key.public_key()) == _public(x509.load_der_x509_certificate(der).public_key())
    except (ValueError, TypeError):
        return False


def stream_files(names: Iterable[str], now: float) -> Dict[str, str]:
    """A new CA and a certificate of it for the stream server, PEM: ``streamCA.crt``, ``stream.crt``, ``stream.key``.

    The CA's key is not kept: the next renewal makes both anew.
    """
    start = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _build("cloudcore-stream-ca", ca_key.public_key(), start, "cloudcore-stream-ca", ca_key, [])
    certificate = _build("cloudcore-stream", key.public_key(), start, "cloudcore-stream-ca", ca_key, list(names))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                serialization.NoEncryption())
    return {"streamCA.crt": _pem(ca), "stream.crt": _pem(certificate), "stream.key": private.decode("ascii")}


def shortest(name: str) -> str:
    """An address in the form that certificates are compared in; a DNS name in lower case."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _build(subject: str, public_key: Any, start: datetime.datetime, issuer: str, ca_key: Any, names: List[str]) -> Any:
    builder = (
        x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(public_key)
        .serial_number(x509.random_serial_number()).not_valid_before(start - _BACKDATE)
        .not_valid_after(start + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _general_name(name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str) -> Any:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: Any) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _public(key: Any) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _names(certificate: Any) -> Tuple[str, ...]:
    try:
        value = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    found = value.get_values_for_type(x509.DNSName) + [str(one) for one in value.get_values_for_type(x509.IPAddress)]
    return tuple(sorted(shortest(name) for name in found))


def _is_ca(certificate: Any) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _end(certificate: Any) -> float:
    end = getattr(certificate, "not_valid_after_utc", None)  # since cryptography 42
    if end is None:
        end = certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    return end.timestamp()
