"""The kubelet's port 10250: logs for the API server, health; for clients of the cluster's client CA only."""

from __future__ import annotations

from pathlib import Path

from standin_common import http as api_http
from standin_common.http import Response
from .pods import LOGS


def start(kubelet, agent_dir):
    context = api_http.server_context(agent_dir / "serving-kubelet.crt", agent_dir / "serving-kubelet.key",
                                      agent_dir / "client-ca.crt")
    return api_http.Server(api_http.wildcard_address(10250), lambda request: _answer(kubelet, request),
                           context).start()


def _answer(kubelet, request):
    if not request.certificate:
        return Response(401, "Unauthorized")
    parts = [p for p in request.path.split("/") if p]
    if parts[:1] == ["healthz"]:
        return Response(200, "ok")
    if parts[:1] == ["pods"]:
        return Response(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": kubelet.pods()})
    if parts[:1] == ["containerLogs"] and len(parts) == 4:
        return _logs(kubelet, parts[1], parts[2], parts[3], request.query)
    return Response(404, "404 page not found\n")


def _logs(kubelet, namespace, name, container, query):
    worker = kubelet.worker(f"{namespace}/{name}")
    if worker is None:
        return Response(404, f'pods "{name}" not found')
    directory = LOGS / f"{namespace}_{name}_{worker.uid}" / container
    attempts = sorted((int(p.stem) for p in Path(directory).glob("*.log")), reverse=True) if directory.is_dir() else []
    wanted = 1 if query.get("previous") in ("true", "1") else 0
    if wanted >= len(attempts):
        if wanted:
            return Response(400, f'previous terminated container "{container}" in pod "{name}" not found')
        reason = next((c.state["waiting"]["reason"] for c in worker.containers
                       if c.name == container and "waiting" in c.state), "ContainerCreating")
        return Response(400, f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    text = (directory / f"{attempts[wanted]}.log").read_bytes()
    lines = text.decode(errors="replace").splitlines(keepends=True)
    if query.get("tailLines", "").isdigit():
        count = int(query["tailLines"])
        lines = lines[-count:] if count else []
    text = "".join(lines).encode()
    if query.get("limitBytes", "").isdigit():
        text = text[:int(query["limitBytes"])]
    return Response(200, text, "text/plain")
