# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster on the loopback for ledgers, controllers with clocks of their own, and what may become of their requests."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_cluster import LedgerCluster, find_ledger
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A
from ansible_collections.edgeai.sites.tests.unit.standin.in_process import ApiServer

NS, NAME = "edgeai", "rollout-r"
MAPS = f"/api/v1/namespaces/{NS}/configmaps"
HEAD = f"{MAPS}/{NAME}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/{NAME}"


START, PAUSE = {"type": "start", "at": NOW}, {"type": "pause", "at": NOW}
INTENT = {"type": "switch_intent", "at": NOW, "target": A, "to": NEW}


def look(number):
    """An event that changes nothing, and hardly compresses."""
    return {"type": "look", "at": NOW, "target": A, "attempt": 99, "reason": f"{hash((number, 'x')):x}" * 10}


def intend(book):
    """Write an intent as the engine does: its act may follow when this returns."""
    book.append(INTENT)
    book.sync()


def fill(book, synced=None):
    """Write some events, and then so many that a part is sealed. synced: becomes what is known to be in the cluster."""
    synced = [] if synced is None else synced
    for number in range(6):
        book.append(look(number))
        book.append({**INTENT, "attempt": number})
        book.sync()
        synced[:] = book.events
    for number in range(60):
        book.append(look(number))
    book.sync()
    synced[:] = book.events


class Clock:
    """Time that passes only when somebody waits. meanwhile: what happens then, called with the seconds; pace: how fast it goes."""

    def __init__(self, meanwhile=lambda _seconds: None, pace=1):
        self.time, self.meanwhile, self.pace = 1000.0, meanwhile, pace

    def now(self):
        return self.time

    def wait(self, seconds):
        self.time += seconds * self.pace
        self.meanwhile(seconds)


class Killed(BaseException):
    """The controller is gone: not even what should be done at its end is done."""


class Cluster:
    """``server``: the ApiServer. Every ledger that was opened here is let go of at the end."""

    def __init__(self, server, directory):
        self.server, self.kubeconfig = server, server.kubeconfig(directory)
        self._open = []

    def api(self):
        return KubeApi.from_kubeconfig(self.kubeconfig)

    def open(self, plan=None, run="", clock=None, say=lambda _text: None):
        ledger = LedgerCluster(self.api(), NS, NAME, plan, NOW, run, say, clock or Clock())
        self._open.append(ledger)
        return ledger

    def read(self):
        return find_ledger(self.api(), NS, NAME)

    def kinds(self):
        return [event["type"] for event in self.read()[1].events]

    def maps(self):
        return {each["metadata"]["name"]: each for each in self.server.objects.all("configmaps", NS)}

    def lease(self):
        return self.server.objects.find("leases", NS, NAME)

    def kill(self, ledger):
        """As when its process ends: nothing is written, nothing is let go of."""
        ledger._lease._stop.set()
        ledger._lease._thread.join(10)
        ledger._lease, ledger._failed = None, True

    def end(self):
        self.server.meddle = lambda _request: None
        for ledger in self._open:
            if ledger._lease is not None:
                self.kill(ledger)


@contextlib.contextmanager
def cluster():
    with tempfile.TemporaryDirectory() as directory, ApiServer(Path(directory)) as server:
        made = Cluster(server, Path(directory))
        try:
            yield made
        finally:
            made.end()


class Fate:
    """What becomes of requests that change something, or of those that fit. each: {number of the request from 1: fate}; rest: of all others."""

    def __init__(self, each=(), rest=None, fits=lambda request: request.method != "GET"):
        self.each, self.rest, self.fits, self.count = dict(each), rest, fits, 0

    def __call__(self, request):
        if not self.fits(request):
            return None
        self.count += 1
        return self.each.get(self.count, self.rest)
