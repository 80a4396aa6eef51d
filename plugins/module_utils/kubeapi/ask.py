# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the models of a site for their health and for inferences, through the API server's proxy to their pods."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, List, Set
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.health.interview import MAX_ANSWER_BYTES, interview
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import ExpectedTarget, Object, Probe
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import Voice
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi

AT_ONCE = 6
MAX_LOG_BYTES = 8192


class Asker(Voice):
    """Voice over a real API server; ``wake`` is called when nobody is being asked any more."""

    def __init__(self, api: KubeApi, namespace: str, seconds: float, wake: Callable[[], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._seconds = seconds
        self._wake = wake
        # Threads of our own, not a pool: a pool would keep the process alive until the slowest model has answered.
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._asking: Set[str] = set()
        self._answers: Dict[str, Probe] = {}
        self._told: Dict[str, Probe] = {}

    def ask(self, target: ExpectedTarget, pod: Object, elapsed: float) -> None:
        # An answer that came since the last look at the answers is news, and asking again would not make it newer.
        if target.name not in self._asking and self._answers.get(target.name) is self._told.get(target.name):
            self._asking.add(target.name)
            threading.Thread(target=self._ask, args=(target, pod, elapsed), daemon=True).start()

    def answers(self) -> Dict[str, Probe]:
        self._told = dict(self._answers)
        return self._told

    def log(self, target: ExpectedTarget, pod: Object, lines: int) -> List[str]:
        path = "%s/pods/%s/log" % (self._base(), quote(pod["metadata"]["name"]))
        for previous in ("true", "false"):
            try:
                text = self._api.text(path, {"tailLines": str(lines), "previous": previous}, MAX_LOG_BYTES)
            except ApiError:
                continue  # the log only illustrates; the verdict stands without it
            if text.strip():
                return text.strip().splitlines()[-lines:]
        return []

    def _ask(self, target: ExpectedTarget, pod: Object, elapsed: float) -> None:
        try:
            with self._turns:
                probe = self._probe(target, pod, elapsed)
        except Exception as error:
            # Whatever it was, it was not an answer.
            probe = Probe(pod["metadata"]["name"], container_id(pod), elapsed, error=str(error) or repr(error))
        self._answers[target.name] = probe
        self._asking.discard(target.name)
        # A site is judged as a whole: once for all that were asked together, not once for each of them.
        if not self._asking:
            self._wake()

    def _probe(self, target: ExpectedTarget, pod: Object, elapsed: float) -> Probe:
        name = pod["metadata"]["name"]
        proxy = "%s/pods/http:%s:%d/proxy" % (self._base(), quote(name), target.port)
        said = interview(
            lambda: self._api.get(proxy + target.health_path, read_seconds=self._seconds, limit=MAX_ANSWER_BYTES),
            lambda: self._api.post("%s/v2/models/%s/infer" % (proxy, quote(target.model)), target.golden_request,
                                   self._seconds, MAX_ANSWER_BYTES),
            time.perf_counter)
        return Probe(name, container_id(pod), elapsed, health=said.health, answer=said.inferences[-1],
                     answers=said.inferences, latency_ms=said.latency_ms)

    def _base(self) -> str:
        return "/api/v1/namespaces/" + self._namespace
