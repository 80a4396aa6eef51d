# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edge node finds at its CloudCore, before it joins and after (I/O). Nothing is sent that only a member may send."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reach
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import tls

SECONDS = 5.0


def look(server: str, ports: dict[str, int], transport: str, seconds: float = SECONDS) -> dict[str, Any]:
    """What reach.judge needs, as data."""
    found = {"ca_sha256": "", "trust": "", "hub": "", "client": None, "quic": ""}  # type: dict[str, Any]
    found["https"] = _connect(server, ports["https"], seconds)
    if not found["https"]:
        _authority(found, server, ports["https"], seconds)
    if transport == "quic":
        found["quic"] = _quic(server, ports["quic"], seconds)
    else:
        found["hub"] = _connect(server, ports["websocket"], seconds)
        if not found["hub"] and os.path.exists(paths.CERTIFICATE):
            found["client"] = _as_member(server, ports["websocket"], seconds)
    return found


def _connect(server: str, port: int, seconds: float) -> str:
    try:
        socket.create_connection((server, port), timeout=seconds).close()
        return ""
    except (socket.timeout, TimeoutError):
        return "no answer within %d s" % seconds
    except OSError as error:
        return str(error.strerror or error).lower()


def _authority(found: dict[str, Any], server: str, port: int, seconds: float) -> None:
    body, _certificate, error = tls.fetch(server, port, seconds)
    if error:
        found["trust"] = error
        return
    found["ca_sha256"] = hashlib.sha256(body).hexdigest()
    try:
        context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(body))
        with socket.create_connection((server, port), timeout=seconds) as plain:
            context.wrap_socket(plain, server_hostname=server).close()
    except ssl.SSLCertVerificationError as refused:
        found["trust"] = str(refused.verify_message or refused)
    except (OSError, ssl.SSLError, ValueError) as trouble:
        found["trust"] = str(trouble)


def _as_member(server: str, port: int, seconds: float) -> str:
    """What the hub says to this node's certificate. The answer to it comes with the first byte after the handshake (TLS 1.3)."""
    try:
        context = ssl.create_default_context(cafile=paths.CA)
        context.load_cert_chain(paths.CERTIFICATE, paths.KEY)
        with socket.create_connection((server, port), timeout=seconds) as plain:
            with context.wrap_socket(plain, server_hostname=server) as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: cloudcore\r\nConnection: close\r\n\r\n")
                return "" if secure.recv(16) else "it closes the connection"
    except (OSError, ssl.SSLError, ValueError) as error:
        return str(getattr(error, "reason", "") or error)


def _quic(server: str, port: int, seconds: float) -> str:
    """``answer``, ``refused`` or ``silent``. Datagrams get lost, so it is asked three times."""
    try:
        (family, kind, protocol, _name, address), *_others = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)
    except OSError:
        return "silent"
    with socket.socket(family, kind, protocol) as link:
        link.settimeout(seconds / 3)
        link.connect(address)
        for _turn in range(3):
            try:
                link.send(reach.quic_packet(os.urandom(8)))
                if reach.is_quic(link.recv(2048)):
                    return "answer"
            except ConnectionRefusedError:
                return "refused"
            except OSError:
                continue
    return "silent"
