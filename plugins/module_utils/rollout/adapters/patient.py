# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of a cluster, read and written in spite of a server's bad moments (I/O).

A write whose answer was lost is done again: its object names the resourceVersion that it replaces, or is new, so that it is done once
at most. A conflict is resolved by reading: the object there is the one that was written, or somebody else's.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import CONFLICT, MAX_BYTES, NOT_FOUND, ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger_objects import Object, content

# For one answer, and for all tries of a request together.
ANSWER_SECONDS = 5
PATIENCE_SECONDS = 20
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0


class Changed(Exception):
    """The object is not the one that was read: somebody else wrote, or it is gone."""


class NoNamespace(RolloutError):
    """There is no such namespace."""


class Clock:
    """The time of this process, in seconds, and a way to let some pass."""

    @staticmethod
    def now() -> float:
        """Return the time by a clock that nobody sets."""
        return time.monotonic()

    @staticmethod
    def wait(seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


class Patient:
    """Requests to one cluster. RolloutError, for people, when the server refuses, or does not answer for too long."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def get(self, path: str) -> Optional[Object]:
        """Return the object at ``path``, or None."""
        try:
            return self._patiently(lambda: self._api.get(path, read_seconds=ANSWER_SECONDS))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise RolloutError(str(error)) from error

    def list(self, path: str, selector: str) -> List[Object]:
        """Return the objects with a label, all as they were at one moment."""
        try:
            return self._patiently(lambda: self._api.get(path, {"labelSelector": selector})).get("items") or []
        except ApiError as error:
            raise RolloutError(str(error)) from error

    def create(self, path: str, document: Object) -> Object:
        """Create an object and return it; Changed when there is one of that name with another content; NoNamespace."""
        try:
            return self._patiently(lambda: self._api.post(path, document, ANSWER_SECONDS, MAX_BYTES))
        except ApiError as error:
            if error.status == CONFLICT:
                return self._mine(f"{path}/{document['metadata']['name']}", document)
            raise (NoNamespace if error.status == NOT_FOUND else RolloutError)(str(error)) from error

    def replace(self, path: str, document: Object) -> Object:
        """Replace the object whose resourceVersion ``document`` names, and return it. Changed when it is another one by now."""
        try:
            return self._patiently(lambda: self._api.put(f"{path}/{document['metadata']['name']}", document, ANSWER_SECONDS))
        except ApiError as error:
            if error.status in (CONFLICT, NOT_FOUND):
                return self._mine(f"{path}/{document['metadata']['name']}", document)
            raise RolloutError(str(error)) from error

    def merge(self, path: str, changes: Dict[str, Any]) -> bool:
        """Merge changes into an object; False when there is none."""
        try:
            self._patiently(lambda: self._api.patch(path, changes, ANSWER_SECONDS))
            return True
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False
            raise RolloutError(str(error)) from error

    def _mine(self, path: str, document: Object) -> Object:
        there = self.get(path)
        if there is None or content(there) != content(document):
            raise Changed(path)
        return there

    def _patiently(self, request: Callable[[], Any]) -> Any:
        end = self._clock.now() + PATIENCE_SECONDS
        pause = FIRST_PAUSE
        while True:
            try:
                return request()
            except ApiError as error:
                if not error.passes:
                    raise
                if self._clock.now() + pause > end:
                    raise RolloutError(f"{error}. It was tried for {PATIENCE_SECONDS} s, and nothing is done without the ledger. Run the same "
                                       "command again when the API answers; nothing is lost") from error
            self._clock.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
