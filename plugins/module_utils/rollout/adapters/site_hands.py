# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands on one site through its API server (I/O): one watch, changes by server-side apply, models asked in the background."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any, Callable, Dict, Mapping, Optional, Set, Tuple
from urllib.parse import quote

from ansible_collections.edgeai.sites.plugins.module_utils.health.interview import MAX_ANSWER_BYTES
from ansible_collections.edgeai.sites.plugins.module_utils.health.judge import judge_target
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Evidence, ExpectedTarget, Object, Probe
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import Watcher
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import MAX_BYTES
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.device import image_of, judge_device
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers, examine
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device, Hands, Question, Refused, Sight
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.objects import RECORD, image_change, record_change, repository

FIELD_MANAGER = "edgeai.sites-rollout"
AT_ONCE = 6
# After an answer that did not come the model is left alone for a moment.
AGAIN_SECONDS = 2
# Asks a model and returns its answers, or raises: whatever is raised is no answer.
Way = Callable[[Question, ExpectedTarget, Object], Answers]


class SiteHands(Hands):
    """Use it with ``with``: its watch ends with it.

    targets: name as in the plan -> what the inventory expects there, with ``arch`` and ``gpu`` of its node in ``nodes``.
    images: digest -> the reference by which nodes know the image. ways: node -> how to ask its models, where the API cannot.
    """

    def __init__(self, api: KubeApi, namespace: str, targets: Mapping[str, ExpectedTarget], nodes: Mapping[str, Dict[str, Any]],
                 images: Mapping[str, str], seconds: float, wake: Callable[[], None], ways: Mapping[str, Way]):
        self._api = api
        self._namespace = namespace
        self._targets = targets
        self._nodes = nodes
        self._images = images
        # All through: each turn judges what is now, and a switch is a row of changes.
        self._watcher = Watcher(api, namespace)
        self._seen = self._watcher.evidence({})
        self._examiner = Examiner(ByProxy(api, namespace, seconds), ways, wake)
        self._wake = wake
        self._stopped = threading.Event()

    def __enter__(self) -> "SiteHands":
        self._watcher.__enter__()
        self.refresh()
        threading.Thread(target=self._forward, daemon=True).start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stopped.set()
        self._watcher.__exit__(*error)

    def refresh(self) -> None:
        # Once for each turn, and not for each question: a picture of a site is copied as a whole.
        self._seen = self._watcher.evidence({})

    def asked_for(self, name: str) -> Optional[str]:
        evidence = self._seen
        if evidence.blind:
            return None
        deployment = evidence.deployments.get(self._targets[name].name)
        return "" if deployment is None else image_of(deployment)[1]

    def device(self, name: str, digest: str) -> Device:
        expected = self._targets[name]
        return judge_device(expected, self._nodes[expected.node], self._seen, digest)

    def see(self, question: Question) -> Sight:
        expected = replace(self._targets[question.name], digest=question.digest, golden_expect=question.expect)
        evidence = self._seen
        unasked = judge_target(expected, evidence)
        pod = unasked.pod
        if not unasked.probe_wanted or pod is None:
            return Sight(unasked)
        answers = self._examiner.answers(question, expected, pod)
        if answers is None:
            return Sight(unasked)
        probe = Probe(pod["metadata"]["name"], answers.container, answers.at, error=answers.error, health=answers.health,
                      answer=answers.answers[0] if answers.answers else None, answers=answers.answers[:1])
        return Sight(judge_target(expected, _with(evidence, expected.name, probe)), None if answers.error else answers)

    def switch(self, name: str, digest: str, version: str, record: Dict[str, Any]) -> None:
        expected = self._targets[name]
        deployment = self._seen.deployments.get(expected.name)
        now = image_of(deployment)[0] if deployment else ""
        reference = self._images.get(digest) or (repository(now) + "@" + digest if now else "")
        if not reference:
            raise Refused(f"there is no Deployment {expected.name} to take image {digest}: run the inference playbook for the site", False)
        self._apply(expected.name, image_change(expected.name, self._namespace, reference, version, record))

    def remember(self, name: str, record: Dict[str, Any]) -> None:
        path = self._path(self._targets[name].name)
        try:
            self._api.patch(path, record_change(record))
        except ApiError:
            pass  # it is written again with the next state, and the ledger has it

    def records(self) -> Dict[str, Any]:
        deployments = self._seen.deployments
        found = {}
        for name, expected in self._targets.items():
            text = (deployments.get(expected.name, {}).get("metadata", {}).get("annotations") or {}).get(RECORD, "")
            try:
                found[name] = json.loads(text)
            except ValueError:
                continue
        return found

    def _apply(self, name: str, document: Object) -> None:
        try:
            self._api.apply(self._path(name), document, FIELD_MANAGER)
        except ApiError as error:
            # 429 and 5xx come from a server that has not, or not surely, done it; other answers are a refusal.
            refused = 400 <= error.status < 500 and not error.passes
            raise Refused(str(error), False if refused else None) from error

    def _path(self, name: str) -> str:
        return "/apis/apps/v1/namespaces/%s/deployments/%s" % (quote(self._namespace), quote(name))

    def _forward(self) -> None:
        while not self._stopped.is_set():
            self._watcher.wait(1.0)
            self._wake()


class ByProxy:
    """Asks a model through the API server's proxy to its pod."""

    def __init__(self, api: KubeApi, namespace: str, seconds: float):
        self._api = api
        self._namespace = namespace
        self._seconds = seconds

    def __call__(self, question: Question, expected: ExpectedTarget, pod: Object) -> Answers:
        proxy = self._proxy(pod, expected.port)
        infer = "%s/v2/models/%s/infer" % (proxy, quote(expected.model))
        return examine(
            question.exam, lambda path: self._document(proxy + path), lambda request: self._api.post(infer, request, self._seconds, MAX_ANSWER_BYTES),
            lambda counter: self._api.text(self._proxy(pod, counter.port or expected.port) + counter.path, {}, MAX_BYTES, self._seconds),
            time.perf_counter, container_id(pod), int(time.time()))

    def _proxy(self, pod: Object, port: int) -> str:
        return "/api/v1/namespaces/%s/pods/http:%s:%d/proxy" % (quote(self._namespace), quote(pod["metadata"]["name"]), port)

    def _document(self, path: str) -> Any:
        """JSON, or true for an answer without a body: the Open Inference Protocol answers ``ready`` with a status alone."""
        text = self._api.text(path, {}, MAX_ANSWER_BYTES, self._seconds)
        return json.loads(text) if text.strip() else True


class Examiner:
    """Asks the models of a site, a few at a time, each container once for each purpose."""

    def __init__(self, usual: Way, ways: Mapping[str, Way], wake: Callable[[], None]):
        self._usual = usual
        self._ways = ways
        self._wake = wake
        # Threads of our own, not a pool: a pool would keep the process alive until the slowest model has answered.
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._asking: Set[Tuple[str, str]] = set()
        self._found: Dict[Tuple[str, str], Tuple[Any, Answers]] = {}

    def answers(self, question: Question, expected: ExpectedTarget, pod: Object) -> Optional[Answers]:
        """Return what the container that runs now answered to this exam, late enough; None while it is being asked."""
        key = (question.name, container_id(pod))
        exam, found = self._found.get(key, (None, None))
        if found is not None and exam == question.exam and found.at >= question.after:
            if not found.error or time.time() - found.at < AGAIN_SECONDS:
                return found
        if key not in self._asking:
            self._asking.add(key)
            threading.Thread(target=self._ask, args=(key, question, expected, pod), daemon=True).start()
        return found if found is not None and found.error and exam == question.exam else None

    def _ask(self, key: Tuple[str, str], question: Question, expected: ExpectedTarget, pod: Object) -> None:
        with self._turns:
            try:
                found = self._ways.get(expected.node, self._usual)(question, expected, pod)
            except Exception as error:
                # Whatever it was, it was not an answer.
                found = Answers(key[1], int(time.time()), error=str(error) or repr(error))
        self._found[key] = (question.exam, found)
        self._asking.discard(key)
        self._wake()


def _with(evidence: Evidence, name: str, probe: Probe) -> Evidence:
    return replace(evidence, probes={name: probe})
