# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run Jobs on a site and read what they wrote: the I/O of the GPU proof."""

from __future__ import annotations

from typing import List, Optional
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.proof import PROOF_LABEL, last_words
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.prove import Hands
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Evidence, Object
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import (
    MAX_BYTES,
    NOT_FOUND,
    READ_SECONDS,
    ApiError,
    KubeApi,
)
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import Watcher

KINDS = ("nodes", "pods", "events", "daemonsets")
MAX_LOG_BYTES = 16384
# A delete is tried again: a Job that stays holds a GPU until its own deadline.
DELETE_TRIES = 3
RETRY_SECONDS = 1.0


class JobHands(Hands):
    """Hands on a real API server; ``watcher`` has to look at KINDS."""

    def __init__(self, api: KubeApi, namespace: str, watcher: Watcher) -> None:
        self._api = api
        self._namespace = namespace
        self._watcher = watcher
        self.kept: List[str] = []

    def elapsed(self) -> float:
        return self._watcher.elapsed()

    def evidence(self) -> Evidence:
        return self._watcher.evidence({})

    def wait(self, seconds: float) -> None:
        self._watcher.wait(seconds)

    def all_pods(self) -> List[Object]:
        return self._api.get("/api/v1/pods").get("items") or []

    def start(self, job: Object) -> None:
        self._api.post(self._jobs(), job, READ_SECONDS, MAX_BYTES)

    def log(self, pod: Object) -> Optional[str]:
        said = last_words(pod)
        if said:
            return said
        path = "/api/v1/namespaces/%s/pods/%s/log" % (quote(self._namespace), quote(pod["metadata"]["name"]))
        try:
            return self._api.text(path, {"tailLines": "50"}, MAX_LOG_BYTES)
        except ApiError:
            return None  # asked for again at the next look

    def stop(self, name: str) -> None:
        for turn in range(DELETE_TRIES):
            try:
                self._api.delete("%s/%s" % (self._jobs(), quote(name)), {"propagationPolicy": "Background"})
                return
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return
                if turn + 1 < DELETE_TRIES:
                    self._watcher.wait(RETRY_SECONDS)
        self.kept.append(name)

    def leftovers(self) -> List[str]:
        answer = self._api.get(self._jobs(), {"labelSelector": PROOF_LABEL})
        return [job["metadata"]["name"] for job in answer.get("items") or []]

    def _jobs(self) -> str:
        return "/apis/batch/v1/namespaces/%s/jobs" % quote(self._namespace)
