"""Certificates and tokens of KubeEdge: DER on the wire and in secrets, made with the openssl command."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import ssl
import subprocess
import tempfile
from contextlib import contextmanager

_LONG = "36400"                     # days: CA and server certificate live 99.7 years
ORGANIZATION = "system:nodes"


class CertificateProblem(Exception):
    """openssl refused what it was given."""


@contextmanager
def files(**contents):
    """Temporary files with these contents, private; -> {name: path}"""
    with tempfile.TemporaryDirectory(prefix="kubeedge-") as folder:
        paths = {}
        for name, content in contents.items():
            paths[name] = os.path.join(folder, name)
            descriptor = os.open(paths[name], os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        paths["folder"] = folder
        yield paths


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)
    if done.returncode:
        raise CertificateProblem(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return done.stdout


def new_key():
    """A P-256 key as DER (SEC1), as the secrets hold it."""
    return openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "DER")


def key_pem(key):
    return ("-----BEGIN EC PRIVATE KEY-----\n" + _lines(key) + "-----END EC PRIVATE KEY-----\n").encode()


def certificate_pem(certificate):
    return ("-----BEGIN CERTIFICATE-----\n" + _lines(certificate) + "-----END CERTIFICATE-----\n").encode()


def _lines(data):
    text = base64.b64encode(data).decode()
    return "".join(text[i:i + 64] + "\n" for i in range(0, len(text), 64))


def der(pem):
    """The DER of the first certificate or key in a PEM text. Raises ValueError where there is none."""
    text = pem.decode(errors="replace") if isinstance(pem, bytes) else pem
    found = re.search(r"-----BEGIN [A-Z ]+-----\s*([A-Za-z0-9+/=\s]+?)-----END", text)
    if not found:
        raise ValueError("failed to find any PEM data in certificate input")
    return base64.b64decode(found[1])


def new_ca():
    """-> (certificate DER, key DER): CN=KubeEdge"""
    key = new_key()
    config = ("[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=KubeEdge\n[ext]\n"
              "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\n"
              "subjectKeyIdentifier=hash\n")
    with files(key=key_pem(key), config=config) as path:
        return openssl("req", "-x509", "-new", "-sha256", "-key", path["key"], "-config", path["config"], "-days", _LONG,
                       "-outform", "DER"), key


def new_server(ca, ca_key, addresses, names):
    """-> (certificate DER, key DER) for these addresses and DNS names"""
    key = new_key()
    sans = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    request = openssl_request(key, "/O=KubeEdge/CN=KubeEdge")
    extensions = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                  "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
                  + (f"subjectAltName={','.join(sans)}\n" if sans else ""))
    return _sign(ca, ca_key, request, extensions, _LONG), key


def openssl_request(key, subject):
    """A certificate request, DER."""
    # Its own configuration: a container from scratch has no openssl.cnf.
    with files(key=key_pem(key), config="[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n") as path:
        return openssl("req", "-new", "-sha256", "-key", path["key"], "-config", path["config"], "-subj", subject,
                       "-outform", "DER")


def sign_edge(ca, ca_key, request, days):
    """The certificate of an edge node for its request (DER); days may be a fraction."""
    extensions = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                  "extendedKeyUsage=clientAuth\nauthorityKeyIdentifier=keyid\n")
    return _sign(ca, ca_key, request, extensions, days)


def _sign(ca, ca_key, request, extensions, days):
    with files(ca=certificate_pem(ca), key=key_pem(ca_key), request=request, extensions=extensions) as path:
        return openssl("x509", "-req", "-sha256", "-inform", "DER", "-in", path["request"], "-CA", path["ca"], "-CAkey",
                       path["key"], "-set_serial", "0x" + os.urandom(16).hex(), "-extfile", path["extensions"],
                       "-outform", "DER", "-days", max(1, int(float(days))))


def describe(certificate):
    """What Python's ssl says of a certificate (DER): subject, issuer, notBefore, notAfter, subjectAltName."""
    with files(certificate=certificate_pem(certificate)) as path:
        return ssl._ssl._test_decode_cert(path["certificate"])


def common_name(described):
    return next((value for part in described.get("subject", ()) for key, value in part if key == "commonName"), "")


def lifetime(described):
    """-> (not before, not after), seconds since the epoch"""
    return ssl.cert_time_to_seconds(described["notBefore"]), ssl.cert_time_to_seconds(described["notAfter"])


def is_signed_by(certificate, ca):
    """Was this certificate (DER) signed by this authority? Its life does not matter."""
    with files(certificate=certificate_pem(certificate), ca=certificate_pem(ca)) as path:
        try:
            openssl("verify", "-no_check_time", "-CAfile", path["ca"], path["certificate"])
        except CertificateProblem:
            return False
    return True


def load_chain(context, certificate, key):
    """Give a TLS context a certificate and a key (DER)."""
    with files(certificate=certificate_pem(certificate), key=key_pem(key)) as path:
        context.load_cert_chain(path["certificate"], path["key"])


def host_problem(described, host):
    """None, or why this certificate is not for this host, in Go's words."""
    names = described.get("subjectAltName", ())
    addresses = [value for kind, value in names if kind == "IP Address"]
    dns = [value for kind, value in names if kind == "DNS"]
    if re.fullmatch(r"[\d.]+", host):
        if host in addresses:
            return None
        if not addresses:
            return f"x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"
        return f"x509: certificate is valid for {', '.join(addresses)}, not {host}"
    if host in dns:
        return None
    if not dns:
        return "x509: certificate is not valid for any names, but wanted to match " + host
    return f"x509: certificate is valid for {', '.join(dns)}, not {host}"


# -- tokens ----------------------------------------------------------------------------------------
def _segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def new_token(ca, ca_key, expires):
    """<sha256 of the CA>.<JWT>; expires: seconds since the epoch"""
    body = b".".join((_segment(b'{"alg":"HS256","typ":"JWT"}'), _segment(json.dumps({"exp": int(expires)}).replace(" ", "").encode())))
    signature = _segment(hmac.new(ca_key, body, hashlib.sha256).digest())
    return hashlib.sha256(ca).hexdigest() + "." + (body + b"." + signature).decode()


def token_problem(token, ca_key, now):
    """None, or what is wrong with a JWT (without the CA's hash), in the words of the library that checks it."""
    if not token:
        return "token is empty"
    parts = token.split(".")
    if len(parts) != 3:
        return "err: token is malformed: token contains an invalid number of segments"
    body = ".".join(parts[:2]).encode()
    if _segment(hmac.new(ca_key, body, hashlib.sha256).digest()).decode() != parts[2]:
        return "err: token signature is invalid: signature is invalid"
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return "err: token is malformed: could not base64 decode claim"
    if float(claims.get("exp", 0)) <= now:
        return "err: token has invalid claims: token is expired"
    return None
