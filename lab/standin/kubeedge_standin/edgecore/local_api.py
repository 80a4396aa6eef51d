"""The two APIs on the loopback address: the kubelet's read-only port and the metaServer. Plain HTTP, no credentials."""

from __future__ import annotations

from standin_common import http, log
from standin_common.http import Response

from .link import NoAnswer, NotConnected, Rejected

CLOUD_SECONDS = 10.0
_KINDS = {"pods": ("pod", "PodList"), "configmaps": ("configmap", "ConfigMapList"), "secrets": ("secret", "SecretList"),
          "nodes": ("node", "NodeList"), "services": ("service", "ServiceList")}


def start_kubelet(edged, port):
    """Raises OSError where the port is taken."""
    def answer(request):
        path = request.path.rstrip("/")
        if path in ("/healthz", "/healthz/syncloop", "/healthz/ping"):
            return Response(200, "ok", "text/plain; charset=utf-8")
        if path == "/pods":
            items = edged.pods()
            return Response(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items or None})
        if path == "/configz":
            return Response(200, {"kubeletconfig": edged.settings.kubelet})
        if path == "/stats/summary":
            return Response(200, {"node": {"nodeName": edged.name}, "pods": []})
        if path == "/metrics":
            return Response(200, f"# TYPE kubelet_running_pods gauge\nkubelet_running_pods {len(edged.workers)}\n")
        return Response(404, "404 page not found\n")

    http.Server(("127.0.0.1", port), answer, None).start()
    log.kubernetes("I", "server.go:209", f'"Starting to listen read-only" address="127.0.0.1" port={port}')


def start_meta_server(settings, database, link):
    """Lists pass through to the cloud; without an answer the database answers."""
    address, _, port = settings.meta_server["server"].rpartition(":")

    def answer(request):
        if request.method not in ("GET", "HEAD"):
            return Response(503, "connection lost between EdgeCore and CloudCore\n") if not link.connected else Response(405, "")
        if request.path in ("/healthz", "/readyz", "/livez"):
            try:
                link.request("get", {"path": request.path}, CLOUD_SECONDS)
            except (NotConnected, NoAnswer, Rejected):
                pass                          # ok all the same: only the time that it took tells
            return Response(200, "ok", "text/plain; charset=utf-8")
        try:
            full = request.raw_path + (f"?{request.raw_query}" if request.raw_query else "")
            return Response(200, link.request("get", {"path": full}, CLOUD_SECONDS))
        except Rejected as refusal:
            return Response(refusal.status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": str(refusal),
                                             "reason": refusal.reason, "code": refusal.status})
        except (NotConnected, NoAnswer):
            log.kubernetes("E", "storage.go:147", "[metaserver/passThrough] failed to generate application: connection lost between "
                           "EdgeCore and CloudCore")
            return _from_database(request.path, database)

    http.Server((address, int(port)), answer, None).start()
    log.kubernetes("I", "server.go:148", f"[metaserver]start to listen and server at http://{address}:{port}")


def _from_database(path, database):
    parts = [part for part in path.split("/") if part]
    plural = next((part for part in reversed(parts) if part in _KINDS), None)
    if plural is None:
        return Response(404, "404 page not found\n")
    kind, list_kind = _KINDS[plural]
    items = database.of_kind(kind)
    if "namespaces" in parts and parts.index("namespaces") + 1 < len(parts):
        namespace = parts[parts.index("namespaces") + 1]
        items = [item for item in items if item["metadata"].get("namespace") == namespace]
    if parts[-1] != plural:
        found = [item for item in items if item["metadata"]["name"] == parts[-1]]
        return Response(200, found[0]) if found else Response(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                                                                   "reason": "NotFound", "message": f"{plural} {parts[-1]} not found"})
    return Response(200, {"kind": list_kind, "apiVersion": "v1", "metadata": {"resourceVersion": "0"}, "items": items})
