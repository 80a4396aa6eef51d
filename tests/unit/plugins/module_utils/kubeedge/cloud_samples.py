"""A CloudCore as its secrets show it: a CA, a certificate of it, a token, as CloudCore itself makes them."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import ipaddress
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = 1_790_000_000.0
DAY = 86400


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_der(key):
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL,
                             serialization.NoEncryption())


def certificate(key, issuer_key, issuer, names=(), is_ca=False, days=36000):
    start = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder().subject_name(name("KubeEdge" if is_ca else "server")).issuer_name(name(issuer))
        .public_key(key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() or ":" in one else x509.DNSName(one) for one in names]),
            critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def part(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Cloud:
    """One CloudCore. Attributes are DER bytes; `secrets` is what the cluster would hold."""

    def __init__(self, names=("192.0.2.41", "cloud1")):
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca = certificate(self.ca_key, self.ca_key, "KubeEdge", is_ca=True)
        self.cakey = key_der(self.ca_key)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = certificate(self.key, self.ca_key, "KubeEdge", names)

    @property
    def sha256(self):
        return hashlib.sha256(self.ca).hexdigest()

    def token(self, expires=NOW + DAY, key=None, sha256=None, claims=None, header=None):
        body = part(header or {"alg": "HS256", "typ": "JWT"}) + "." + part(claims if claims is not None else {"exp": int(expires)})
        signature = hmac.new(key or self.cakey, body.encode(), hashlib.sha256).digest()
        return "%s.%s.%s" % (sha256 or self.sha256, body, part(signature))

    @property
    def secrets(self):
        return {
            "casecret": {"cadata": self.ca, "cakeydata": self.cakey},
            "cloudcoresecret": {"cloudcoredata": self.certificate, "cloudcorekeydata": key_der(self.key)},
            "tokensecret": {"tokendata": self.token().encode()},
        }
