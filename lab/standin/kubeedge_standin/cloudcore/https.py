"""Port 10002: the CA, certificates for tokens or older certificates, and whether a node is known."""

from __future__ import annotations

import re
import ssl
import time

from standin_common.http import Response, Server

from .. import certificates
from .api import find

_NO_TIME_CHECK = 0x200000          # X509_V_FLAG_NO_CHECK_TIME: an expired certificate gets an answer, not an alert
_NOT_FOUND, _NOT_ALLOWED = "404: Page Not Found", "405: Method Not Allowed"


def context(identity, client_certificates):
    """TLS settings of both ports. client_certificates: ssl.CERT_OPTIONAL or ssl.CERT_REQUIRED"""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.load_chain(settings, identity.certificate, identity.key)
    settings.load_verify_locations(cadata=certificates.certificate_pem(identity.ca).decode())
    settings.verify_mode = client_certificates
    return settings


class Https:
    def __init__(self, client, identity, settings):
        self._client, self._identity, self._settings = client, identity, settings

    def start(self, address):
        settings = context(self._identity, ssl.CERT_OPTIONAL)
        settings.verify_flags |= _NO_TIME_CHECK
        return Server(address, self.answer, settings).start()

    def answer(self, request):
        path, method = request.path, request.method
        if path == "/ca.crt":
            return _binary(self._identity.ca) if method == "GET" else _refuse("GET")
        if path == "/edge.crt":
            return self._certificate(request) if method == "GET" else _refuse("GET")
        found = re.fullmatch(r"/node/([^/]+)", path)
        if found:
            return self._node(found[1]) if method == "GET" else _refuse("GET")
        if path == "/nodeupgrade":
            return _text(400, "failed to marshal task info: unexpected end of JSON input") if method == "POST" else _refuse("POST")
        return _text(404, _NOT_FOUND)

    def _node(self, name):
        return _text(200, "Node founded") if find(self._client, f"/api/v1/nodes/{name}") else _text(404, "Node not found")

    def _certificate(self, request):
        name = request.headers.get("NodeName") or ""
        if request.certificate:
            problem = self._certificate_problem(request.certificate)
            if problem:
                return _text(401, f"failed to verify the certificate for edgenode: {name}, err: failed to verify edge certificate: "
                             + problem)
        else:
            token = (request.headers.get("Authorization") or "").partition("Bearer ")[2]
            problem = certificates.token_problem(token, self._identity.ca_key, time.time())
            if problem:
                return _text(401, f"token validation failure, {problem}")
        try:
            certificate = certificates.sign_edge(self._identity.ca, self._identity.ca_key, request.body,
                                                 self._settings["edgeCertSigningDuration"])
        except certificates.CertificateProblem as problem:
            reason = f"asn1: structure error: {problem}" if request.body else "asn1: syntax error: sequence truncated"
            return _text(500, f"failed to sign certs for edgenode {name}, err: fail to signCerts, err: failed to parse csr, err: "
                         + reason)
        return _binary(certificate)

    @staticmethod
    def _certificate_problem(certificate):
        before, after = certificates.lifetime(certificate)
        if before <= time.time() < after:
            return None
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        return ("x509: certificate has expired or is not yet valid: current time "
                f"{time.strftime(stamp, time.gmtime())} is after {time.strftime(stamp, time.gmtime(after))}")


def _text(status, text):
    return Response(status, text, "text/plain; charset=utf-8")


def _binary(data):
    return Response(200, data, "application/octet-stream")


def _refuse(allowed):
    return Response(405, _NOT_ALLOWED, "text/plain; charset=utf-8", {"Allow": allowed})
