# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Lease that this process holds: taken, renewed by a thread, and let go of (I/O). ``lease`` decides."""

from __future__ import annotations

import threading
from typing import Callable, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import CONFLICT, CONNECT_SECONDS, NOT_FOUND, ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import lease as rules
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.patient import (
    ANSWER_SECONDS,
    Changed,
    Clock,
    Patient,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, Held

# How often somebody else's Lease is looked at, and how soon a renewal that failed is tried again.
LOOK_SECONDS = 1.0


class HeldLease:
    """Taken when this returns; Held when another process holds it. say: told what is waited for, and for how long."""

    def __init__(self, api: KubeApi, namespace: str, name: str, me: str, clock: Clock, say: Callable[[str], None]) -> None:
        self._api, self._clock, self._me = api, clock, me
        self._patient = Patient(api, clock)
        self._leases = f"/apis/{rules.API}/namespaces/{namespace}/leases"
        self._path = f"{self._leases}/{name}"
        self._lost = ""
        self._stop = threading.Event()
        self._lease, self._good = self._take(namespace, name, say)
        # A daemon: it must not keep a process alive that has nothing else to do.
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Fenced when this process may not be the holder any more."""
        quiet = self._clock.now() - self._good
        if self._lost or quiet >= rules.GIVE_UP_SECONDS:
            raise Fenced(f"{self._lost or f'the Lease of the ledger could not be renewed for {quiet:.0f} s'}: another controller may have taken the "
                         "rollout over, and nothing more was done here. Look at the rollout's status")

    def release(self) -> None:
        """Let go of it, so that the next one need not wait. What fails here ends by itself when the Lease does."""
        self._stop.set()
        self._thread.join(CONNECT_SECONDS + ANSWER_SECONDS + 1)
        if not self._thread.is_alive():
            try:
                # Of another holder's it would be another version.
                self._api.put(self._path, rules.released(self._lease, self._api.now()), ANSWER_SECONDS)
            except ApiError:
                pass

    def _take(self, namespace: str, name: str, say: Callable[[str], None]):
        seen: Optional[rules.Seen] = None
        said = False
        while True:
            begun = self._clock.now()
            seen = rules.observe(seen, self._patient.get(self._path), begun)
            verdict = rules.judge(seen, begun)
            who, ends = rules.holder(seen.lease), rules.until(seen.lease)
            if verdict == rules.HELD:
                raise Held(f"found that {who} holds {self._path} until {ends}, and renews it: this rollout is being run already. Wait for it, or "
                           "end it; its work is not lost")
            if verdict == rules.FREE:
                mine = rules.taken(seen.lease, namespace, name, self._me, self._api.now())
                try:
                    write = self._patient.replace if seen.lease else self._patient.create
                    return write(self._leases, mine), begun
                except Changed:
                    pass  # somebody was faster
            elif not said:
                said = True
                say(f"{who} holds the ledger, or has died: it is waited for {rules.duration(seen.lease)} s at most")
            self._clock.wait(LOOK_SECONDS)

    def beat(self) -> bool:
        """Renew it once, and return whether that was done."""
        sent = self._clock.now()
        try:
            self._lease = self._api.put(self._path, rules.renewed(self._lease, self._api.now()), ANSWER_SECONDS)
            self._good = sent
            return True
        except ApiError as error:
            if error.status == NOT_FOUND:
                self._lost = "found the Lease of the ledger gone"
            elif error.status == CONFLICT:
                self._look_again()
            return False

    def _renew(self) -> None:
        pause: float = rules.RENEW_SECONDS
        while not self._lost and not self._stop.wait(pause):
            pause = rules.RENEW_SECONDS if self.beat() else LOOK_SECONDS

    def _look_again(self) -> None:
        """After a conflict: an earlier renewal whose answer was lost was done after all, or somebody else has taken the Lease."""
        try:
            there = self._api.get(self._path, read_seconds=ANSWER_SECONDS)
        except ApiError:
            return
        if rules.holder(there) == self._me:
            self._lease = there
        else:
            self._lost = f"found that {rules.holder(there) or 'somebody else'} took the Lease of the ledger"
