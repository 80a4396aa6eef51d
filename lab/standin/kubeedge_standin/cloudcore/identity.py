"""What CloudCore is by: certificate authority, server certificate and token, from files or from secrets."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from pathlib import Path

from standin_common import log

from .. import certificates
from .api import find

SECRETS = "/api/v1/namespaces/kubeedge/secrets"


class Identity:
    def __init__(self, client, settings):
        """settings: modules.cloudHub of the configuration"""
        self._client, self._settings = client, settings
        self.ca = self.ca_key = self.certificate = self.key = self.token = None

    def prepare(self, fail):
        """Read or make everything; fail(source, text) ends the program."""
        self.ca, self.ca_key = self._authority(fail)
        self.certificate, self.key = self._server()
        self._write_token()
        log.kubernetes("I", "pre_server.go:189", "token created successfully")
        threading.Thread(target=self._refresh, daemon=True, name="token").start()

    def _authority(self, fail):
        files = [Path(self._settings[key] or "/nonexistent") for key in ("tlsCAFile", "tlsCAKeyFile")]
        present = [path.exists() for path in files]
        if all(present):
            pair = tuple(certificates.der(path.read_text()) for path in files)
            self._save("casecret", {"cadata": pair[0], "cakeydata": pair[1]})
            return pair
        if any(present):
            fail("pre_server.go:58", "Both of ca and caKey should be specified!")
        log.kubernetes("I", "pre_server.go:62", "Ca and CaKey don't exist in local directory, and will read from the secret")
        secret = self._secret("casecret", "cadata", "cakeydata")
        if secret:
            return secret
        log.kubernetes("I", "pre_server.go:71", "Ca and CaKey don't exist in the secret, and will be created by CloudCore")
        pair = certificates.new_ca()
        self._save("casecret", {"cadata": pair[0], "cakeydata": pair[1]})
        return pair

    def _server(self):
        files = [Path(self._settings[key] or "/nonexistent") for key in ("tlsCertFile", "tlsPrivateKeyFile")]
        if all(path.exists() for path in files):
            return tuple(certificates.der(path.read_text()) for path in files)
        log.kubernetes("I", "pre_server.go:109",
                       "CloudCoreCert and key don't exist in local directory, and will read from the secret")
        secret = self._secret("cloudcoresecret", "cloudcoredata", "cloudcorekeydata")
        if secret:
            return secret   # also where advertiseAddress or dnsNames changed since
        log.kubernetes("I", "pre_server.go:118", "CloudCoreCert and key don't exist in the secret, and will be signed by CA")
        pair = certificates.new_server(self.ca, self.ca_key, self._settings["advertiseAddress"], self._settings["dnsNames"])
        self._save("cloudcoresecret", {"cloudcoredata": pair[0], "cloudcorekeydata": pair[1]})
        return pair

    def _write_token(self):
        hours = float(self._settings["tokenRefreshDuration"])
        self.token = certificates.new_token(self.ca, self.ca_key, time.time() + 2 * hours * 3600)
        self._save("tokensecret", {"tokendata": self.token.encode()})

    def _refresh(self):
        while True:
            time.sleep(float(self._settings["tokenRefreshDuration"]) * 3600)
            try:
                self._write_token()
            except Exception as problem:
                log.kubernetes("E", "token.go:61", f"failed to refresh the token: {problem}")

    def _secret(self, name, *keys):
        found = find(self._client, f"{SECRETS}/{name}")
        data = (found or {}).get("data") or {}
        return tuple(base64.b64decode(data[key]) for key in keys) if all(data.get(key) for key in keys) else None

    def _save(self, name, data):
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kubeedge"}, "type": "Opaque",
                    "data": {key: base64.b64encode(value).decode() for key, value in data.items()}}
        present = find(self._client, f"{SECRETS}/{name}")
        if present is None:
            self._client.request("POST", SECRETS, document)
        elif present.get("data") != document["data"]:
            self._client.request("PATCH", f"{SECRETS}/{name}", {"data": document["data"]}, "application/merge-patch+json")

    @property
    def ca_sha256(self):
        return hashlib.sha256(self.ca).hexdigest()
