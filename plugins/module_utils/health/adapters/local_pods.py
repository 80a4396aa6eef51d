# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An edge node asks its own pods: EdgeCore's read-only API for who they are, HTTP for what they say, files for logs."""

from __future__ import annotations

import glob
import http.client
import json
import os
import time
from typing import Any, Dict, List, Optional
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.health.interview import (
    MAX_ANSWER_BYTES,
    Answers,
    interview,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Object

EDGED_PORT = 10350
MAX_LIST_BYTES = 32 * 1024 * 1024
MAX_LOG_BYTES = 8192


class LocalError(Exception):
    """There is no usable answer; the text says why."""


def pods() -> List[Object]:
    """Return the pods that EdgeCore runs here. Raises LocalError."""
    document = _request("127.0.0.1", EDGED_PORT, "GET", "/pods", None, 10, MAX_LIST_BYTES)
    items = document.get("items") if isinstance(document, dict) else None
    return [item for item in items or [] if isinstance(item, dict) and isinstance(item.get("metadata"), dict)]


def ask(address: str, target: Dict[str, Any], seconds: float) -> Answers:
    """Ask the model of ``target`` {port, model, health_path, request} at the pod's address. Raises LocalError."""
    return interview(
        lambda: fetch(address, target["port"], target["health_path"], seconds),
        lambda: infer(address, target["port"], target["model"], target["request"], seconds),
        time.monotonic)


def fetch(address: str, port: int, path: str, seconds: float) -> Any:
    """Return the document at a path of a pod; true for an answer without a body. Raises LocalError."""
    return _request(address, port, "GET", path, None, seconds, MAX_ANSWER_BYTES)


def text(address: str, port: int, path: str, limit: int, seconds: float) -> str:
    """Return the text at a path of a pod, as a server shows its metrics. Raises LocalError."""
    return _read(address, port, "GET", path, None, seconds, limit).decode("utf-8", "replace")


def infer(address: str, port: int, model: str, request: Any, seconds: float) -> Any:
    """Return what a model of the Open Inference Protocol answers to one request. Raises LocalError."""
    return _request(address, port, "POST", "/v2/models/%s/infer" % quote(model), request, seconds, MAX_ANSWER_BYTES)


def log(pod: Object, lines: int) -> List[str]:
    """Return the last lines of the newest log of a pod's containers, without the runtime's prefix; empty if none."""
    meta = pod["metadata"]
    folder = "/var/log/pods/%s_%s_%s" % (meta.get("namespace"), meta.get("name"), meta.get("uid"))
    files = sorted(glob.glob(os.path.join(glob.escape(folder), "*", "*.log")), key=_modified)
    try:
        with open(files[-1], "rb") as source:
            source.seek(max(0, os.path.getsize(files[-1]) - MAX_LOG_BYTES))
            text = source.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    except (IndexError, OSError):
        return []  # the log only illustrates; the verdict stands without it
    # <time> <stream> <F or P> <text>
    return [line.split(" ", 3)[-1] for line in text.strip().splitlines()[-lines:]]


def _modified(path: str) -> float:
    try:
        return os.path.getmtime(path)
    except OSError:
        return 0.0


def _request(host: str, port: int, method: str, path: str, document: Optional[Any], seconds: float, limit: int) -> Any:
    data = _read(host, port, method, path, document, seconds, limit)
    try:
        # The Open Inference Protocol tells ``ready`` with a status alone.
        return json.loads(data.decode("utf-8")) if data.strip() else True
    except ValueError as error:
        raise LocalError("%s:%d%s: the answer is not JSON" % (host, port, path)) from error


def _read(host: str, port: int, method: str, path: str, document: Optional[Any], seconds: float, limit: int) -> bytes:
    # http.client and not urllib: no proxy of the environment may stand between a node and its own pods.
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        data = answer.read(limit + 1)
    except (OSError, http.client.HTTPException) as error:
        raise LocalError("%s:%d%s: %s" % (host, port, path, error or type(error).__name__)) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise LocalError("%s:%d%s answered %d: %s" % (host, port, path, answer.status, data[:200].decode("utf-8", "replace")))
    if len(data) > limit:
        raise LocalError("%s:%d%s: the answer is larger than %d bytes" % (host, port, path, limit))
    return data
