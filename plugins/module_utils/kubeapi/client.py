# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server of a site over HTTP: JSON in and out, bounded in time and size, with the server's own clock.

Together with watch.py, ask.py and jobs.py this is the I/O of the checks on a site; nothing here decides.
"""

from __future__ import annotations

import json
import os
import ssl
import tempfile
import time
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Iterator, Optional
from urllib.parse import urlencode
from urllib.request import getproxies

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.kubeconfig import Access, Pem, plain_access

try:
    import urllib3
    import yaml
except ImportError:  # the module says so in its own words
    urllib3 = yaml = None

CONNECT_SECONDS = 5
READ_SECONDS = 15
# A list of a large site is below 10 MiB; more is not an answer.
MAX_BYTES = 32 * 1024 * 1024
MAX_CONNECTIONS = 16
MAX_RETRY_AFTER = 30.0
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
NOT_FOUND, CONFLICT, TOO_MANY = 404, 409, 429


class ApiError(Exception):
    """The server answered with an error, or not at all (status 0). ``retry_after``: seconds that it asks to be left alone."""

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def passes(self) -> bool:
        """Return whether the same request may succeed a moment later."""
        return self.status in (0, TOO_MANY) or self.status >= 500


class KubeApi:
    """A thread-safe connection to one API server."""

    def __init__(self, host: str, pool: Any, authorization: str) -> None:
        """Talk to ``host``, a URL, through a urllib3 pool. authorization: value of the header, "" for none."""
        self.host = host.rstrip("/")
        self._pool = pool
        self._headers = {"Accept": "application/json", "User-Agent": "edgeai.sites"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._clock_offset: Optional[float] = None

    @classmethod
    def from_kubeconfig(cls, path: str) -> "KubeApi":
        """Read a kubeconfig file. Raises ApiError when it cannot be used."""
        try:
            with open(path, encoding="utf-8") as stream:
                access = plain_access(yaml.safe_load(stream.read(MAX_BYTES)), os.path.dirname(path))
            if access is not None and not getproxies():
                return cls(access.server, _pool(access), "Bearer " + access.token if access.token else "")
        except (OSError, yaml.YAMLError, ValueError) as error:
            raise ApiError(0, "kubeconfig %s cannot be used: %s" % (path, error)) from error
        return cls._from_library(path)

    @classmethod
    def _from_library(cls, path: str) -> "KubeApi":
        """Whatever a kubeconfig may say; the library takes long to import, and few need it."""
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise ApiError(0, "kubeconfig %s says more than a server, its CA and a certificate or token; wanted the Python library kubernetes "
                              "for it: %s" % (path, error)) from error
        configuration = client.Configuration()
        try:
            config.load_kube_config(config_file=path, client_configuration=configuration)
        except (OSError, config.ConfigException, yaml.YAMLError, ValueError, TypeError) as error:
            raise ApiError(0, "kubeconfig %s cannot be used: %s" % (path, error)) from error
        configuration.connection_pool_maxsize = MAX_CONNECTIONS
        # Releases of the library keep a token under different names, and tell it here alike.
        shown = [row["value"] for row in configuration.auth_settings().values() if row["key"].lower() == "authorization"]
        return cls(configuration.host, client.ApiClient(configuration).rest_client.pool_manager, (shown + [""])[0])

    def now(self) -> float:
        """Return the time by the server's clock, or by ours before its first answer."""
        if self._clock_offset is None:
            return time.time()
        return time.monotonic() + self._clock_offset

    def get(self, path: str, query: Optional[Dict[str, str]] = None, read_seconds: float = READ_SECONDS,
            limit: int = MAX_BYTES) -> Any:
        """Return the JSON document at ``path``. Raises ApiError."""
        return _parse(self._read(self._open("GET", path, query, None, read_seconds), limit))

    def post(self, path: str, document: Any, read_seconds: float, limit: int) -> Any:
        """Send a JSON document and return the JSON answer. Raises ApiError."""
        body = json.dumps(document).encode()
        return _parse(self._read(self._open("POST", path, None, body, read_seconds), limit))

    def put(self, path: str, document: Any, read_seconds: float = READ_SECONDS) -> Any:
        """Replace the object at ``path``. Raises ApiError, with status 409 when it is not the one that its resourceVersion names."""
        return _parse(self._read(self._open("PUT", path, None, json.dumps(document).encode(), read_seconds), MAX_BYTES))

    def patch(self, path: str, document: Any, read_seconds: float = READ_SECONDS) -> Any:
        """Merge a JSON document into the object at ``path``. Raises ApiError."""
        body = json.dumps(document).encode()
        return _parse(self._read(self._open("PATCH", path, None, body, read_seconds, MERGE_PATCH), MAX_BYTES))

    def apply(self, path: str, document: Any, manager: str) -> Any:
        """Apply a JSON document on the server as ``manager``, taking fields over from others. Raises ApiError."""
        query, body = {"fieldManager": manager, "force": "true"}, json.dumps(document).encode()
        return _parse(self._read(self._open("PATCH", path, query, body, READ_SECONDS, APPLY_PATCH), MAX_BYTES))

    def delete(self, path: str, options: Dict[str, Any]) -> Any:
        """Delete the object at ``path`` with these DeleteOptions. Raises ApiError, with status 404 when it is gone."""
        body = json.dumps(dict(options, apiVersion="v1", kind="DeleteOptions")).encode()
        return _parse(self._read(self._open("DELETE", path, None, body, READ_SECONDS), MAX_BYTES))

    def text(self, path: str, query: Dict[str, str], limit: int, read_seconds: float = READ_SECONDS) -> str:
        """Return plain text, like a container's log. Raises ApiError."""
        return self._read(self._open("GET", path, query, None, read_seconds), limit).decode("utf-8", "replace")

    def raw(self, path: str, limit: int) -> bytes:
        """Return what is at ``path`` as it is. Raises ApiError."""
        return self._read(self._open("GET", path, None, None, READ_SECONDS), limit)

    def lines(self, path: str, query: Dict[str, str], read_seconds: float) -> Iterator[bytes]:
        """Yield the lines of an answer as they come, until the server ends it. Raises ApiError."""
        response = self._open("GET", path, query, None, read_seconds)
        rest = b""
        try:
            for chunk in response.stream(65536, decode_content=False):
                *complete, rest = (rest + chunk).split(b"\n")
                yield from complete
                if len(rest) > MAX_BYTES:
                    raise ApiError(0, "%s sends a line without end" % self.host)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, _plain(self.host, error)) from error
        finally:
            response.close()

    def _open(self, method: str, path: str, query: Optional[Dict[str, str]], body: Optional[bytes],
              read_seconds: float, content_type: str = "application/json") -> Any:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = content_type
        url = self.host + path + ("?" + urlencode(query) if query else "")
        try:
            response = self._pool.request(
                method, url, headers=headers, body=body, preload_content=False, retries=False, redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, _plain(self.host, error)) from error
        self._take_time(response.headers.get("Date"))
        if not 200 <= response.status < 300:
            raise ApiError(response.status, "%s answered %d: %s"
                           % (path.split("?")[0], response.status, _status_text(self._read(response, 65536))),
                           _seconds(response.headers.get("Retry-After")))
        return response

    def _read(self, response: Any, limit: int) -> bytes:
        try:
            data = response.read(limit + 1)
            if len(data) > limit:
                response.close()
                raise ApiError(0, "the answer is larger than %d bytes" % limit)
            response.release_conn()
            return data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, _plain(self.host, error)) from error

    def _take_time(self, date: Optional[str]) -> None:
        try:
            self._clock_offset = parsedate_to_datetime(date).timestamp() - time.monotonic()
        except (TypeError, ValueError):
            pass  # an answer without a date leaves the clock as it was


def _pool(access: Access) -> Any:
    """Connections that trust this CA alone, and the system's where none is named. Raises OSError and ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.authority is None:
        if access.server.startswith("https:"):  # reading hundreds of certificates takes a while
            context.load_default_certs()
    elif access.authority.path:
        context.load_verify_locations(cafile=access.authority.path)
    else:
        context.load_verify_locations(cadata=access.authority.data.decode("ascii"))
    if access.certificate is not None and access.key is not None:
        # The ssl module reads these from files only; mode 0600, and gone at once.
        with tempfile.TemporaryDirectory(prefix="edgeai-") as directory:
            context.load_cert_chain(_file(access.certificate, directory, "certificate"), _file(access.key, directory, "key"),
                                    password=_no_password)
    names = {"assert_hostname": access.server_name, "server_hostname": access.server_name} if access.server_name else {}
    return urllib3.PoolManager(maxsize=MAX_CONNECTIONS, ssl_context=context, **names)


def _file(pem: Pem, directory: str, name: str) -> str:
    if pem.path:
        return pem.path
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(pem.data)
    return path


def _no_password() -> str:
    """Instead of asking at the terminal, for ever."""
    raise ValueError("its key is encrypted; wanted one without a password")


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ApiError(0, "the answer is not JSON: %r" % data[:80]) from error


def _seconds(text: Optional[str]) -> float:
    """Return the seconds of a Retry-After, at most MAX_RETRY_AFTER; API servers send no dates there."""
    return min(float(text), MAX_RETRY_AFTER) if text and text.isdigit() else 0.0


def _status_text(data: bytes) -> str:
    """Return the message of a Kubernetes Status, or the start of whatever came."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode("utf-8", "replace").strip() or "no text"


def _plain(host: str, error: Exception) -> str:
    """Return why there was no answer without the library's object names."""
    text = str(error)
    for known, plain in (("refused", "connection refused"), ("timed out", "no answer in time"),
                         ("CERTIFICATE_VERIFY_FAILED", "its certificate is not signed by the kubeconfig's CA"),
                         ("No route to host", "no route to host"), ("Name or service", "its name is not known"),
                         ("onnection aborted", "the connection broke off"), ("onnection broken", "the connection broke off"),
                         ("reset by peer", "the connection broke off"), ("UNEXPECTED_EOF", "the connection broke off")):
        if known in text:
            return "the API at %s does not answer: %s" % (host, plain)
    return "the API at %s does not answer: %s" % (host, text.rpartition(": ")[2])
