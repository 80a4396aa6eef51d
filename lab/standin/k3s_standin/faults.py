"""Faults on request: a flat JSON object in a file that a test writes and removes while everything runs.

| key | value | effect |
|---|---|---|
| api-status | 429, 500, 503, … | the API answers this instead of working |
| api-rate | 0 to 1, default 1 | share of requests that api-status hits |
| api-delay | seconds | every request of the API waits |
| heartbeat | "stop" | the kubelet stops renewing lease and status (its pods run on) |
| import-delay | seconds | importing an image archive takes this much longer |
| start-delay | seconds | `k3s server|agent` starts this much later |
"""

from __future__ import annotations

import json
import os
import random
import time

from .api.errors import ApiError

PATH = "/etc/edgeai-lab/faults.json"
_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


class Faults:
    def __init__(self, path=None):
        self._path = path or os.environ.get("K3S_STANDIN_FAULTS", PATH)
        self._stamp, self._values = None, {}

    def value(self, key, default=None):
        """The present value of a fault; the file is read again when it changed."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                with open(self._path) as file:
                    self._values = json.load(file)
                self._stamp = stamp
        except (OSError, ValueError):
            self._stamp, self._values = None, {}
        return self._values.get(key, default)

    def number(self, key, default=0.0):
        try:
            return float(self.value(key, default))
        except (TypeError, ValueError):
            return default

    def before_request(self, request):
        if self.number("api-delay"):
            time.sleep(self.number("api-delay"))
        status = int(self.number("api-status"))
        if status and random.random() < self.number("api-rate", 1.0):
            raise ApiError(status, _REASONS.get(status), "fault injected by the laboratory",
                           retry_after=1 if status in (429, 503) else None)
