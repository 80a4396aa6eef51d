"""What may be wrong with one site's API and the link to it. Everything takes effect at once."""

from __future__ import annotations

import random
import threading
import time

from k3s_standin.api.errors import ApiError

REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
# name: what it means when nothing is said
DEFAULTS = {
    "latency": 0.0,      # seconds that each request waits
    "status": 0,         # 429, 500 or 503 instead of an answer
    "retry-after": 1,    # seconds, sent with 429 and 503
    "rate": 1.0,         # share of requests that get the status
    "reset": 0.0,        # share of requests, and of a watch's events, at which the connection breaks before anything is done
    "lost": 0.0,         # share of requests that are carried out, and whose connection breaks before the answer
    "cut": False,        # nothing comes through in either direction, until it is mended
}


class Reset(Exception):
    """The connection ends without an answer."""


class Faults:
    """The faults of one site. ``seed``: chance is the same each time."""

    def __init__(self, seed: str):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._linked = threading.Event()
        self._values = dict(DEFAULTS)
        self._linked.set()

    def set(self, **values) -> None:
        """Replace all faults by these; without any, all is well. ValueError names what is not known."""
        values = {name.replace("_", "-"): value for name, value in values.items()}
        unknown = sorted(set(values) - set(DEFAULTS))
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}; known: {', '.join(DEFAULTS)}")
        with self._lock:
            self._values = {**DEFAULTS, **values}
        (self._linked.clear if self._values["cut"] else self._linked.set)()

    def hold(self) -> None:
        """Wait while the link is cut."""
        self._linked.wait()

    @property
    def cut(self) -> bool:
        """Whether the link is cut now."""
        return not self._linked.is_set()

    def strikes(self, name: str) -> bool:
        """Return whether the fault ``reset`` or ``lost`` strikes this time."""
        with self._lock:
            return self._random.random() < self._values[name]

    def before_request(self, _request) -> None:
        """Wait, or refuse with ApiError: what the stand-in's API asks its faults."""
        time.sleep(self._values["latency"])
        status = int(self._values["status"])
        if status and self.strikes("rate"):
            raise ApiError(status, REASONS.get(status, "InternalError"), "fault injected by the simulator",
                           retry_after=self._values["retry-after"] if status in (429, 503) else None)
