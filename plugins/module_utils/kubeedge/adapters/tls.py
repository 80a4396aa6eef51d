# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask CloudCore's HTTPS port for its CA, as an edge node does before it trusts anything: without verification."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Tuple

CONNECT_SECONDS = 5
_MAX_BYTES = 65536  # a CA certificate has some hundred


def fetch(address: str, port: int, seconds: float = CONNECT_SECONDS) -> Tuple[bytes, bytes, str]:
    """(body of /ca.crt, the server's certificate in DER, error); without an error both are there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, port, timeout=seconds, context=context)
    try:
        connection.connect()
        certificate = connection.sock.getpeercert(binary_form=True) or b""
        connection.request("GET", "/ca.crt")
        answer = connection.getresponse()
        body = answer.read(_MAX_BYTES)
        if answer.status != 200:
            return b"", b"", "/ca.crt answered %d: it is not CloudCore" % answer.status
        if not body.startswith(b"\x30"):
            return b"", b"", "/ca.crt is no DER certificate: it is not CloudCore, or a proxy answers for it"
        return body, certificate, ""
    except ssl.SSLError as error:
        return b"", b"", "no TLS there: %s" % (error.reason or error)
    except (socket.timeout, TimeoutError):
        return b"", b"", "no answer on TCP port %d within %d s" % (port, seconds)
    except (OSError, http.client.HTTPException) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
        return b"", b"", "TCP port %d: %s" % (port, reason)
    finally:
        connection.close()
