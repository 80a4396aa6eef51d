"""Scripted models: what a container answers, by the digest of its image. No arithmetic beyond a remainder."""

from __future__ import annotations

import json
from typing import Any

# What a model may be like. "stuck": it never becomes ready; "sick": it says itself that it is not well.
RIGHT, WRONG, SICK, STUCK = "right", "wrong", "sick", "stuck"
KINDS = (RIGHT, WRONG, SICK, STUCK)
CLASSES = 4


def answer(kind: str, loaded: bool, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Return (status, document) as a server of the Open Inference Protocol gives them; None for an answer without a body.

    The right class of a frame is its number (the first input's first value) modulo CLASSES.
    """
    if path == "/v2/health/live":
        return 200, None
    if not loaded:
        return 503, {"status": "loading", "model": {"loaded": False}}
    if path == "/health":
        return 200, {"status": "degraded" if kind == SICK else "ok", "model": {"loaded": True}}
    if path == "/v2/health/ready" or path.startswith("/v2/models/") and path.endswith("/ready"):
        return 200, None
    if method == "POST" and path.startswith("/v2/models/") and path.endswith("/infer"):
        return _infer(kind, path.split("/")[3], body)
    return 404, {"error": f"no {method} {path} here"}


def _infer(kind: str, model: str, body: bytes) -> tuple[int, Any]:
    try:
        number = int(json.loads(body)["inputs"][0]["data"][0])
    except (ValueError, LookupError, TypeError):
        return 400, {"error": "wanted inputs[0].data[0], the number of a frame"}
    found = (number + (kind == WRONG)) % CLASSES
    return 200, {"model_name": model, "outputs": [{"name": "class", "shape": [1], "datatype": "INT64", "data": [found]}]}
