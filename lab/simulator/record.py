"""Every request that a simulated API got: what claims about requests are counted from."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

_COLLECTION = re.compile(r"^/(?:api|apis/[^/]+)/v\w+(?:/namespaces/[^/]+)?/([a-z]+)$")
_ITEM = re.compile(r"^/(?:api|apis/[^/]+)/v\w+(?:/namespaces/[^/]+)?/([a-z]+)/[^/]+(?:/(\w+))?(/.*)?$")
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "HEAD": "get"}
QUESTION = "question"


@dataclass(frozen=True)
class Seen:
    """One request. at: seconds since the epoch; status: 0 where the connection broke or the link was cut; kind: see ``kind_of``."""

    at: float
    site: str
    method: str
    kind: str
    watch: bool
    status: int
    agent: str


def kind_of(method: str, path: str, watch: bool) -> str:
    """Return what a request is: ``list pods``, ``watch pods``, ``patch deployments``, ``get pods/log``, ``question infer``.

    A question is a request that is passed on to a model; its second word is the last part of its path.
    """
    found = _COLLECTION.match(path)
    if found:
        verb = _VERBS.get(method, method.lower())
        return f"{'watch' if watch else 'list' if verb == 'get' else verb} {found[1]}"
    found = _ITEM.match(path)
    if found is None:
        return f"{_VERBS.get(method, method.lower())} {path}"
    plural, part, rest = found.groups()
    if part == "proxy":
        return f"{QUESTION} {(rest or '/').rpartition('/')[2]}"
    return f"{_VERBS.get(method, method.lower())} {plural}{'/' + part if part else ''}"


class Record:
    """The requests of all sites, in the order of their answers; with a path also as JSON, one request a line."""

    def __init__(self, path: Path | None = None):
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None

    def note(self, site: str, request, status: int) -> None:
        """Add a request of a site, answered with ``status``."""
        watch = (request.query.get("watch") or "").lower() in ("1", "true", "t")
        seen = Seen(time.time(), site, request.method, kind_of(request.method, request.path, watch), watch, status,
                    request.headers.get("User-Agent") or "")
        with self._lock:
            self._seen.append(seen)
            if self._file:
                self._file.write(json.dumps(asdict(seen)) + "\n")

    def all(self, site: str = "") -> list[Seen]:
        """Return the requests of a site, or of all."""
        with self._lock:
            return [seen for seen in self._seen if site in ("", seen.site)]

    def clear(self) -> None:
        """Forget what came so far; a file keeps it."""
        with self._lock:
            self._seen.clear()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def read(path: Path) -> list[Seen]:
    """Return the requests in a file that a Record wrote."""
    with open(path, encoding="utf-8") as lines:
        return [Seen(**json.loads(line)) for line in lines]


def counts(seen: list[Seen]) -> Counter:
    """Return how many requests there were of each kind."""
    return Counter(one.kind for one in seen)


def of_the_api(seen: list[Seen]) -> list[Seen]:
    """Return the requests that the API itself answers: all but the questions to models."""
    return [one for one in seen if not one.kind.startswith(QUESTION + " ")]
