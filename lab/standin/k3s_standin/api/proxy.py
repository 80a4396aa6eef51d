"""Requests that the API server passes on: to a pod's port, and to a kubelet for logs."""

from __future__ import annotations

import http.client
import socket

from . import errors
from standin_common.http import Response

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length", "authorization",
               "te", "trailer", "proxy-authorization", "accept-encoding"}
TIMEOUT = 30.0


def parse_target(text):
    """`[scheme:]name[:port]` -> (scheme, name, port text)"""
    parts = text.split(":")
    if len(parts) == 1:
        return "http", parts[0], ""
    if len(parts) == 2:
        return "http", parts[0], parts[1]
    return parts[0] or "http", parts[1], parts[2]


def _port_number(pod, text):
    ports = [p for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    if not text:
        return ports[0]["containerPort"] if ports else 80
    if text.isdigit():
        return int(text)
    named = next((p["containerPort"] for p in ports if p.get("name") == text), None)
    if named is None:
        raise errors.ApiError(503, "ServiceUnavailable", f'no such port "{text}" in the pod')
    return named


def to_pod(pod, scheme, port_text, path, request):
    """Passes the request to the pod's IP and returns its answer, whatever the status."""
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise errors.bad_request("address not allowed")
    port = _port_number(pod, port_text)
    target = f"{address}:{port}"
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
    headers.update({"Host": target, "X-Forwarded-Uri": request.raw_path, "X-Forwarded-For": request.client[0]})
    connection_type = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = connection_type(address, port, timeout=TIMEOUT)
    try:
        connection.request(request.method, path + ("?" + request.raw_query if request.raw_query else ""),
                           request.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise errors.ApiError(503, "ServiceUnavailable",
                              "error trying to reach service: " + _go_text(problem, target)) from None
    finally:
        connection.close()
    kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP | {"content-type", "server", "date"}}
    return Response(answer.status, body, answer.getheader("Content-Type") or "", kept)


def _go_text(problem, target):
    if isinstance(problem, ConnectionRefusedError):
        return f"dial tcp {target}: connect: connection refused"
    if isinstance(problem, socket.timeout):
        return f"dial tcp {target}: i/o timeout"
    if isinstance(problem, ConnectionResetError):
        return f"read tcp {target}: read: connection reset by peer"
    if isinstance(problem, http.client.HTTPException):
        return "EOF"
    text = (getattr(problem, "strerror", None) or str(problem)).lower()
    return f"dial tcp {target}: connect: {text}"


def from_kubelet(node, path, query, context):
    """GET on a node's kubelet; the body as bytes."""
    address = next((a["address"] for a in (node.get("status") or {}).get("addresses", [])
                    if a["type"] == "InternalIP"), None)
    # EdgeCore's has another one, on its loopback address only.
    port = (((node.get("status") or {}).get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or 10250
    connection = http.client.HTTPSConnection(address, port, timeout=10, context=context)
    try:
        connection.request("GET", path + ("?" + query if query else ""))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        said = _go_text(problem, f"{address}:{port}")
        if port != 10250 and isinstance(problem, ConnectionRefusedError):
            # The tunnel between K3s' server and its agents tries for nodes that are none, and gives up.
            said = f"proxy error from 127.0.0.1:6443 while dialing {address}:{port}, code 502: 502 Bad Gateway"
        raise errors.ApiError(500, None, f'Get "https://{address}:{port}{path}": {said}') from None
    finally:
        connection.close()
    if answer.status != 200:
        raise errors.ApiError(answer.status, "BadRequest", body.decode(errors="replace"))
    return body
