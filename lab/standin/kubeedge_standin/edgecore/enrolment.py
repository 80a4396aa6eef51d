"""How the node gets and keeps its certificate."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import threading
import time
import urllib.parse
from pathlib import Path

from standin_common import log, pki
from standin_common.apiclient import go_network_error

from .. import certificates
from . import config

REQUEST_SECONDS = 60.0
_RETRIES = (0, 2, 4, 9, 17)      # seconds between attempts at a rotation, then every 32
# Rotation begins between 70 and 90 % of the certificate's life.
ROTATION = 0.71


class EnrolmentProblem(Exception):
    """No certificate; the text ends the program, or is logged during a rotation."""


class Enrolment:
    def __init__(self, settings):
        self._hub, self._name = settings.hub, settings.name
        self.ca_file, self.certificate_file = Path(self._hub["tlsCaFile"]), Path(self._hub["tlsCertFile"])
        self.key_file = Path(self._hub["tlsPrivateKeyFile"])

    # -- at the start ------------------------------------------------------------------------------
    def ensure(self):
        """Keep a pair that belongs to this name, whatever its age; else get one for the token. Raises EnrolmentProblem."""
        problem = self._pair_problem()
        if problem is None:
            return
        log.kubernetes("W", "certmanager.go:79", f"unable to get the current edge certs, reason: {problem}")
        log.kubernetes("I", "certmanager.go:80", "Reuse the token to obtain the certificate")
        token = self._hub["token"] or config.bootstrap_token()
        parts = token.split(".")
        if len(parts) != 4:
            raise EnrolmentProblem(f"token {token} credentials are in the wrong format")
        log.kubernetes("I", "http.go:42", "tlsConfig InsecureSkipVerify true")
        ca = self._fetch_ca()
        found = hashlib.sha256(ca).hexdigest()
        if parts[0] != found:
            raise EnrolmentProblem(f"failed to validate CA certificate. tokenCAhash: {parts[0]}, CAhash: {found}")
        _write(self.ca_file, certificates.certificate_pem(ca))
        self._enrol(ca, {"Authorization": "Bearer " + ".".join(parts[1:])})

    def _pair_problem(self):
        try:
            certificate = certificates.der(self.certificate_file.read_bytes())
            certificates.der(self.key_file.read_bytes())
            name = certificates.common_name(certificates.describe(certificate))
        except OSError as problem:
            return f"unable to load cert/key pair: open {problem.filename}: no such file or directory"
        except (ValueError, ssl.SSLError):
            return "unable to load cert/key pair: tls: failed to find any PEM data in certificate input"
        if name != f"system:node:{self._name}":
            return f"the certificate is for {name}, not for system:node:{self._name}"
        return None

    def _fetch_ca(self):
        status, body = self._request("/ca.crt", None, {}, None, "failed to get CA certificate, err: ")
        if status != 200:
            raise EnrolmentProblem(f"failed to get CA certificate, err: failed to call http, code: {status}")
        return body

    def _enrol(self, ca, headers, own=None):
        key = certificates.new_key()
        request = certificates.openssl_request(key, f"/O={certificates.ORGANIZATION}/CN=system:node:{self._name}")
        prefix = "failed to get edge certificate from the cloudcore, error: "
        status, body = self._request("/edge.crt", request, {"NodeName": self._name, **headers}, ca,
                                     prefix + "failed to request the cloudcore server, err: ", own)
        if status != 200:
            raise EnrolmentProblem(f"{prefix}failed to call http, code: {status}, message: {body.decode(errors='replace')}")
        _write(self.key_file, certificates.key_pem(key))
        _write(self.certificate_file, certificates.certificate_pem(body))

    def _request(self, path, body, headers, ca, prefix, own=None):
        """-> (status, bytes). ca: verify the server against it; own: (certificate file, key file) to show."""
        split = urllib.parse.urlsplit(self._hub["httpServer"])
        host, port = split.hostname, split.port or 443
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if ca is None:
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=certificates.certificate_pem(ca).decode())
        if own:
            context.load_cert_chain(*map(str, own))
        connection = http.client.HTTPSConnection(host, port, timeout=REQUEST_SECONDS, context=context)
        where = f'Get "{self._hub["httpServer"]}{path}": '
        try:
            connection.connect()
            problem = ca and certificates.host_problem(connection.sock.getpeercert(), host)
            if problem:
                raise EnrolmentProblem(f"{prefix}{where}tls: failed to verify certificate: {problem}")
            connection.request("GET", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as problem:
            raise EnrolmentProblem(prefix + where + network_text(problem, f"{host}:{port}")) from None
        finally:
            connection.close()

    # -- while it runs -----------------------------------------------------------------------------
    def start_rotation(self):
        log.kubernetes("I", "certmanager.go:145", "Certificate rotation is enabled.")
        threading.Thread(target=self._rotate, daemon=True, name="rotation").start()

    def _rotate(self):
        attempt = 0
        while True:
            before, after = certificates.lifetime(certificates.describe(certificates.der(self.certificate_file.read_bytes())))
            due = before + ROTATION * (after - before) - time.time()
            if due > 0:
                time.sleep(min(due, 3600))
                continue
            time.sleep(_RETRIES[attempt] if attempt < len(_RETRIES) else 32)
            log.kubernetes("I", "certmanager.go:192", "Rotating certificates")
            try:
                self._enrol(certificates.der(self.ca_file.read_bytes()), {}, (self.certificate_file, self.key_file))
                log.kubernetes("I", "certmanager.go:213", "succeeded to rotate certificate")
                attempt = 0
            except (EnrolmentProblem, OSError, ValueError) as problem:
                text = str(problem).replace("failed to get edge certificate from the cloudcore, error: ", "")
                log.kubernetes("E", "certmanager.go:206", f"failed to get edge certificate from CloudCore:{text}")
                attempt += 1


def network_text(problem, remote):
    """What Go says of a connection that failed."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        if "signature failure" in problem.verify_message or "self" in problem.verify_message or "local issuer" in problem.verify_message:
            return ("tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of \"x509: "
                    "ECDSA verification failure\" while trying to verify candidate authority certificate \"KubeEdge\")")
        return f"tls: failed to verify certificate: x509: {problem.verify_message}"
    if isinstance(problem, ssl.SSLError) and "CERTIFICATE_EXPIRED" in (problem.reason or ""):
        return "remote error: tls: expired certificate"
    if isinstance(problem, ssl.SSLError) and "UNKNOWN_CA" in (problem.reason or ""):
        return "remote error: tls: unknown certificate authority"
    if isinstance(problem, TimeoutError):
        return f"dial tcp {remote}: i/o timeout"
    return go_network_error(problem, None, remote)


def _write(path, data):
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(path.parent, 0o700)
    pki.write_file(path, data, 0o600)
