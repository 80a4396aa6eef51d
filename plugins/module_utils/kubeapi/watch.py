# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List, then watch, a few kinds of objects at once; one thread each, one picture of them all.

A rollout watches all through (Watcher). A verification looks once, and watches only where that was not enough (Look).
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Dict, Iterable, Set, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Evidence, Probe
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import Eyes
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    ApiError,
    KubeApi,
)
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

# The server ends a watch after this time and it is taken up again, so that a dead link cannot pass for a quiet one.
WATCH_SECONDS = 30
# A server that has not ended it this long after is not there any more.
LATE_SECONDS = 10
# After an error; doubled with each further one in a row, up to the longest, and never shorter than the server asks for.
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 8.0
# What the health of workloads depends on; events only tell why a pod does not start.
LOOK_KINDS = ("deployments", "replicasets", "pods", "nodes", "leases")
REASONS = "events"
HEALTH_KINDS = (*LOOK_KINDS, REASONS)
OURS = "%s=%s" % (MANAGED_BY_LABEL, MANAGED_BY)
GONE = 410


class Expired(Exception):
    """The place where the watch stood is no longer known to the server: list again."""


def watched(namespace: str) -> Dict[str, Tuple[str, Dict[str, str]]]:
    """Return what can be watched: name in Evidence -> (path, query)."""
    apps, core = "/apis/apps/v1/namespaces/" + namespace, "/api/v1/namespaces/" + namespace
    return {
        "deployments": (apps + "/deployments", {"labelSelector": OURS}),
        "replicasets": (apps + "/replicasets", {"labelSelector": OURS}),
        "daemonsets": (apps + "/daemonsets", {"labelSelector": OURS}),
        "pods": (core + "/pods", {"labelSelector": OURS}),
        # What keeps a container from starting is a warning; the others tell of each step of each pod.
        "events": (core + "/events", {"fieldSelector": "type=Warning"}),
        "nodes": ("/api/v1/nodes", {}),
        "leases": ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", {}),
    }


class Watcher(Eyes):
    """Eyes on a real API server that watch from the start. Use it with ``with``; its threads end with the process at the latest.

    ``kinds``: which of the kinds in Evidence to look at. Each costs a list and a watch, which is taken up anew every WATCH_SECONDS.
    ``patience``: seconds that the first answers are waited for.
    """

    def __init__(self, api: KubeApi, namespace: str, kinds: Iterable[str] = HEALTH_KINDS,
                 patience: float = CONNECT_SECONDS + READ_SECONDS) -> None:
        self._api = api
        self._known = watched(namespace)
        self._kinds = list(kinds)
        self._start = time.monotonic()
        self._changed = threading.Condition()
        self._dirty = False
        self._stopped = threading.Event()
        self._following = threading.Event()
        self._following.set()
        self._objects: Dict[str, Dict[str, Any]] = {kind: {} for kind in self._kinds}
        self._patience = patience
        self._errors: Dict[str, str] = {kind: "the API at %s has not answered yet" % api.host for kind in self._kinds}
        self._unheard: Set[str] = set(self._kinds)
        self._renewed: Dict[str, float] = {}

    def __enter__(self) -> "Watcher":
        for kind in self._kinds:
            self._begin(kind)
        # The first look is at a whole picture, or at the reason why there is none.
        with self._changed:
            self._changed.wait_for(lambda: not self._unheard, self._patience)
        return self

    def __exit__(self, *unused: Any) -> None:
        self._stopped.set()
        self._following.set()

    def follow(self) -> None:
        self._following.set()

    def explain(self) -> None:
        if REASONS not in self._kinds:
            self._kinds.append(REASONS)
            with self._changed:
                self._objects[REASONS] = {}
            self._begin(REASONS)

    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def wait(self, seconds: float) -> None:
        with self._changed:
            if not self._dirty:
                self._changed.wait(seconds)
            self._dirty = False

    def wake(self) -> None:
        """Make ``wait`` return; for news from elsewhere."""
        with self._changed:
            self._dirty = True
            self._changed.notify_all()

    def evidence(self, probes: Dict[str, Probe]) -> Evidence:
        with self._changed:
            moment = time.monotonic()
            return Evidence(
                now=self._api.now(),
                lease_ages={node: moment - at for node, at in self._renewed.items()},
                probes=probes,
                blind=next(iter(self._errors.values()), ""),
                **{kind: dict(objects) for kind, objects in self._objects.items()},
            )

    def _begin(self, kind: str) -> None:
        threading.Thread(target=self._follow, args=(kind,), daemon=True).start()

    def _follow(self, kind: str) -> None:
        version, pause = "", 0.0
        while not self._stopped.is_set():
            asked = 0.0
            try:
                version = self._watch(kind, version) if version else self._list(kind)
                pause = 0.0
            except Expired:
                version = ""
            except Exception as error:
                # A thread that dies in silence would leave a picture that only looks alive.
                known = isinstance(error, ApiError)
                self._note(kind, str(error) if known else "watching %s failed: %r" % (kind, error))
                # A list is the whole truth at once; a watch taken up again would tell of it with its next change.
                version, asked = "", error.retry_after if known else 0.0
                pause = min(max(RETRY_SECONDS, 2 * pause), LONGEST_RETRY_SECONDS)
            self._following.wait()
            self._stopped.wait(max(pause, asked))

    def _list(self, kind: str) -> str:
        path, query = self._known[kind]
        answer = self._api.get(path, query)
        found = {item["metadata"]["name"]: _lean(item) for item in answer.get("items") or []}
        with self._changed:
            if kind == "leases":
                for name, lease in found.items():
                    self._note_renewal(name, lease)
            self._objects[kind] = found
        self._note(kind, "")
        return answer["metadata"]["resourceVersion"]

    def _watch(self, kind: str, version: str) -> str:
        path, query = self._known[kind]
        query = dict(query, watch="1", resourceVersion=version, allowWatchBookmarks="true",
                     timeoutSeconds=str(WATCH_SECONDS))
        for line in self._api.lines(path, query, WATCH_SECONDS + LATE_SECONDS):
            if self._stopped.is_set():
                break
            if line.strip():
                version = self._take(kind, json.loads(line))
        self._note(kind, "")
        return version

    def _take(self, kind: str, event: Dict[str, Any]) -> str:
        thing = event["object"]
        if event["type"] == "ERROR":
            if thing.get("code") == GONE:
                raise Expired()
            raise ApiError(thing.get("code") or 500, "watching %s ended: %s" % (kind, thing.get("message")))
        meta = thing["metadata"]
        if event["type"] != "BOOKMARK":
            with self._changed:
                if event["type"] == "DELETED":
                    self._objects[kind].pop(meta["name"], None)
                else:
                    if kind == "leases":
                        self._note_renewal(meta["name"], thing)
                    self._objects[kind][meta["name"]] = _lean(thing)
        self._note(kind, "")
        return meta["resourceVersion"]

    def _note_renewal(self, name: str, lease: Dict[str, Any]) -> None:
        """Remember when a lease was seen to move: proof of life by our own clock."""
        before = self._objects["leases"].get(name)
        if before is not None and before["spec"].get("renewTime") != lease["spec"].get("renewTime"):
            self._renewed[name] = time.monotonic()

    def _note(self, kind: str, error: str) -> None:
        with self._changed:
            if error:
                self._errors[kind] = error
            else:
                self._errors.pop(kind, None)
            self._unheard.discard(kind)
        self.wake()


def _lean(thing: Dict[str, Any]) -> Dict[str, Any]:
    """Drop who manages which field: it is half of an object, and nothing here is decided by it."""
    thing["metadata"].pop("managedFields", None)
    return thing


class Look(Watcher):
    """Eyes that list each kind once, and watch from ``follow`` on: what a site that is well costs its API.

    ``deadline``: seconds after which nobody waits for the lists any more.
    """

    def __init__(self, api: KubeApi, namespace: str, deadline: float) -> None:
        super().__init__(api, namespace, LOOK_KINDS, patience=min(deadline, CONNECT_SECONDS + READ_SECONDS))
        self._following.clear()
