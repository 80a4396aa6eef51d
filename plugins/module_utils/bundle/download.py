# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring files from a source to the controller (I/O adapter): verified TLS, bounded size, resumed, with a deadline."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import is_url

ATTEMPTS = 4
MAX_REDIRECTS = 5
CHUNK = 256 * 1024
_TRANSIENT = (429, 500, 502, 503, 504)


class _Transient(Exception):
    """Something that another attempt may cure."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects (releases live behind them), but never out of https."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).scheme != "https":
            raise BundleError(
                "redirect refused", found="%s leads to %s" % (req.full_url, newurl), wanted="https all the way",
                remedy="correct the mirror",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def build_opener(ca_file=None):
    """Return an opener that speaks https only and verifies certificates, with ``ca_file`` if given."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BundleError("ca_file cannot be used", found="%s: %s" % (ca_file, error), wanted="PEM certificates")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(context=context), _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class Downloader:
    """Read files from https addresses and from directories.

    ``timeout``: seconds without a byte before an attempt ends; ``deadline``: seconds for everything together.
    """

    def __init__(self, opener, timeout, deadline, clock=time.monotonic, sleep=time.sleep):
        self.opener = opener
        self.timeout = timeout
        self.ends = clock() + deadline
        self.clock = clock
        self.sleep = sleep

    def read(self, location, limit):
        """Return the bytes of a small file, or None if the source does not have it."""
        def attempt():
            with self._open(location, 0)[0] as stream:
                data = self._receive(stream.read, limit + 1, location)
            if len(data) > limit:
                raise _too_large(location, limit)
            return data
        return self._retry(location, attempt)

    def fetch(self, location, target, limit):
        """Complete the file ``target`` from ``location`` and return the bytes that came, or None if it is not there.

        What ``target`` already holds is continued if the source can do that. The caller verifies the content.
        """
        received = [0]

        def attempt():
            start = os.path.getsize(target) if os.path.exists(target) else 0
            stream, start, total = self._open(location, start)
            with stream, open(target, "r+b" if start else "wb") as file:
                file.truncate(start)
                file.seek(start)
                self._copy(stream, file, location, limit, received)
                file.flush()
                os.fsync(file.fileno())
                if total is not None and file.tell() < total:
                    raise _Transient("connection ended after %d of %d bytes" % (file.tell(), total))
            return received
        return None if self._retry(location, attempt) is None else received[0]

    def _copy(self, stream, file, location, limit, received):
        while True:
            chunk = self._receive(stream.read, CHUNK, location)
            if not chunk:
                return
            received[0] += len(chunk)
            if file.tell() + len(chunk) > limit:
                raise _too_large(location, limit)
            file.write(chunk)

    def _receive(self, read, size, location):
        self._check_deadline(location)
        try:
            return read(size)
        except (http.client.HTTPException, OSError) as error:
            raise _Transient("%s: %s" % (type(error).__name__, error))

    def _check_deadline(self, location):
        if self.clock() > self.ends:
            raise BundleError(
                "the deadline has passed while reading %s" % location,
                remedy="run again: what arrived is kept and continued; raise deadline on a slow link",
            )

    def _retry(self, location, attempt):
        problems = []
        for number in range(ATTEMPTS):
            self._check_deadline(location)
            try:
                return attempt()
            except _Absent:
                return None
            except _Transient as error:
                problems.append(str(error))
                if number + 1 < ATTEMPTS:
                    self.sleep(2 ** number)
        raise BundleError(
            "cannot read %s" % location, found="%d attempts: %s" % (ATTEMPTS, "; ".join(dict.fromkeys(problems))),
            remedy="check the source and the network, then run again: what arrived is kept",
        )

    def _open(self, location, start):
        """Return ``(stream, where it starts, total size or None)``."""
        if is_url(location):
            return self._open_url(location, start)
        try:
            stream = open(location, "rb")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise _Absent()
            raise BundleError("cannot read %s" % location, found=str(error))
        return stream, 0, os.fstat(stream.fileno()).st_size

    def _open_url(self, location, start):
        request = urllib.request.Request(location, headers={"Accept-Encoding": "identity", "User-Agent": "edgeai.sites"})
        if start:
            request.add_header("Range", "bytes=%d-" % start)
        try:
            answer = self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            return self._open_after_error(location, start, error.code)
        except urllib.error.URLError as error:
            raise self._network_error(location, error.reason)
        except (http.client.HTTPException, OSError) as error:
            raise self._network_error(location, error)
        begins, total = _span(answer, start)
        if begins not in (0, start):
            answer.close()
            raise _Transient("asked for byte %d and got byte %d" % (start, begins))
        return answer, begins, total

    def _open_after_error(self, location, start, code):
        if code == 416 and start:
            return self._open_url(location, 0)
        if code in (404, 410):
            raise _Absent()
        if code in _TRANSIENT:
            raise _Transient("HTTP status %d" % code)
        raise BundleError("cannot read %s" % location, found="HTTP status %d" % code, remedy="check the source")

    @staticmethod
    def _network_error(location, reason):
        if isinstance(reason, ssl.SSLCertVerificationError):
            return BundleError(
                "the certificate of %s is not trusted" % urlsplit(location).netloc, found=reason.verify_message,
                wanted="a certificate of a known authority", remedy="name the authority of your mirror with ca_file",
            )
        if isinstance(reason, (ssl.SSLError, socket.gaierror, OSError, http.client.HTTPException)):
            return _Transient("%s: %s" % (type(reason).__name__, reason))
        return BundleError("cannot read %s" % location, found=str(reason), wanted="an https address")


class _Absent(Exception):
    """The source does not have the file."""


def _span(answer, start):
    """Return ``(first byte, total size or None)`` of an answer."""
    if answer.status == 206:
        unit, unused, rest = (answer.headers.get("Content-Range") or "").partition(" ")
        first = rest.partition("-")[0]
        total = rest.rpartition("/")[2]
        if unit == "bytes" and first.isdigit():
            return int(first), int(total) if total.isdigit() else None
        return -1, None
    length = answer.headers.get("Content-Length") or ""
    return 0, int(length) if length.isdigit() else None


def _too_large(location, limit):
    return BundleError("%s is too large" % location, wanted="at most %d bytes" % limit, remedy="check what the source serves")
