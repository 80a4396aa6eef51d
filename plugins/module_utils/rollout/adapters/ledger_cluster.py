# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in a Kubernetes cluster (I/O): one writer, each intent in the cluster before anything follows from it.

It outlives the controller's machine. ``ledger_objects`` says what is written; docs/rollouts.md describes it for other readers.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as objects
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.held_lease import HeldLease
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.open_ledger import OpenLedger, check_same
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.patient import (
    ANSWER_SECONDS,
    Changed,
    Clock,
    NoNamespace,
    Patient,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import REBUILD, Fenced, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import check_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event
from ansible_collections.edgeai.sites.plugins.module_utils.workload.manifests import namespace_object

# A holder looks for orders as often as this.
ORDERS_SECONDS = 1.0
# A controller that is just being fenced may write once or twice more before its successor does.
TAKEOVER_TRIES = 5


class LedgerCluster(OpenLedger):
    """The ledger in ConfigMaps, held by a Lease."""

    def __init__(self, api: KubeApi, namespace: str, name: str, plan: Optional[Dict[str, Any]], now: int, run: str = "",
                 say: Callable[[str], None] = lambda _text: None, clock: Optional[Clock] = None):
        """Open the ledger ``name`` in ``namespace``, or begin it when there is none and a plan is given. run: the name of this run, for people.

        Held when another controller holds it; RolloutError when it is damaged or of another plan, or the API does not answer.
        """
        self._api, self._namespace, self._name = api, namespace, name
        self._clock = clock or Clock()
        self._patient = Patient(api, self._clock)
        self._maps = _maps(namespace)
        self._me = f"{run or 'a controller'} ({uuid.uuid4().hex[:8]})"
        self._pending: List[str] = []
        self._writes = 0
        self._failed = False
        self._next_look = 0.0
        self._handed: Set[str] = set()
        self._lease: Optional[HeldLease] = None
        self.plan = self._planned(plan, now)
        self._lease = HeldLease(api, namespace, name, self._me, self._clock, say)
        try:
            self._take_over({"type": "takeover", "at": now, **({"run": run} if run else {})})
        except BaseException:
            self.close()
            raise

    def sync(self) -> None:
        """Wait until the cluster has all events: one write, and one more for each part of the journal that is full."""
        if not self._pending:
            return
        self._may_write()
        # What is not known to be written is never followed by anything.
        self._failed = True
        self._writes += 1
        writer = f"{self._me} {self._writes}"
        head, sealed = objects.extended(self._namespace, self._name, self._head, self._pending, self.token, writer)
        try:
            for segment in sealed:
                self._patient.create(self._maps, segment)
            written = self._patient.replace(self._maps, objects.head_object(self._namespace, self._name, head, self._version))
        except Changed:
            raise Fenced(f"found that somebody else wrote to ConfigMap {self._name} in {self._namespace}, or removed it: another controller has "
                         "taken the rollout over, and nothing more was done here. Look at the rollout's status") from None
        self._head, self._version = head, written["metadata"]["resourceVersion"]
        self._pending, self._failed = [], False
        self._may_write()

    def orders(self) -> List[Dict[str, Any]]:
        """Return what people ordered while this process held the ledger, oldest first, each once.

        Fenced when it may not hold it any more: what was begun is not done once more either, for which nothing would be written.
        """
        self._may_write()
        if self._clock.now() < self._next_look:
            return []
        self._next_look = self._clock.now() + ORDERS_SECONDS
        self._forget_orders()
        try:
            there = self._api.get(f"{self._maps}/{objects.orders_name(self._name)}", read_seconds=ANSWER_SECONDS).get("data") or {}
        except ApiError:
            return []  # nobody ever ordered anything, or it is asked for again
        new = sorted(set(there) - self._handed)
        known = {event.get("order") for event in self.events} if new else set()
        found = []
        for key in new:
            self._handed.add(key)
            try:
                document = json.loads(there[key])
            except ValueError:
                document = None
            # In the journal: taken by a controller that died before it could remove it.
            if isinstance(document, dict) and key not in known:
                found.append({**document, "id": key})
        return found

    def close(self) -> None:
        try:
            if not self._failed:
                self.sync()
                self._forget_orders()
        finally:
            if self._lease is not None:
                self._lease.release()
            self._lease, self._failed = None, True

    def _planned(self, plan: Optional[Dict[str, Any]], now: int) -> Dict[str, Any]:
        where = f"ConfigMap {objects.plan_name(self._name)} in {self._namespace}"
        there = self._patient.get(f"{self._maps}/{objects.plan_name(self._name)}")
        if there is None and plan is None:
            raise RolloutError(f"found no {where}; start a rollout with a plan")
        if there is None:
            there = self._begin(objects.plan_object(self._namespace, self._name, check_plan(plan)))
        known = check_plan(objects.plan_of(there))
        check_same(known, plan, where)
        if plan is not None and self._patient.get(f"{self._maps}/{self._name}") is None:
            self._refuse_parts()
            with contextlib.suppress(Changed):  # another controller began it in this moment
                self._patient.create(self._maps, objects.head_object(self._namespace, self._name, objects.Head(ledger.header(known, now))))
        return known

    def _begin(self, plan: Dict[str, Any]) -> Dict[str, Any]:
        """Write the plan, where nothing is yet: the namespace may be missing too, as in the cluster of a CloudCore."""
        try:
            try:
                return self._patient.create(self._maps, plan)
            except NoNamespace:
                with contextlib.suppress(Changed):  # somebody else made it in this moment
                    self._patient.create("/api/v1/namespaces", namespace_object(self._namespace))
                return self._patient.create(self._maps, plan)
        except Changed:
            return self._patient.get(f"{self._maps}/{plan['metadata']['name']}") or plan

    def _refuse_parts(self) -> None:
        """A head is made only for a rollout that has none of the other parts: else it was lost."""
        if objects.leftovers(self._name, None, self._all()):
            raise RolloutError(f"found parts of a journal in {self._namespace}, and no ConfigMap {self._name} that they belong to. {REBUILD}")

    def _all(self) -> Dict[str, objects.Object]:
        found = self._patient.list(self._maps, f"{objects.LEDGER_LABEL}={objects.label(self._name)}")
        return {each["metadata"]["name"]: each for each in found}

    def _take_over(self, event: Event) -> None:
        for left in reversed(range(TAKEOVER_TRIES)):
            there = self._all()
            self.plan, self._journal, self._head = _read(self._name, self._namespace, there)
            self._version = there[self._name]["metadata"]["resourceVersion"]
            self.state = ledger.restore(self.plan, self._journal)
            self.token = self._journal.token + 1
            self._pending, self._failed = [], False
            self.append(event)
            try:
                self.sync()
                break
            except Fenced:
                self._lease.check()
                if not left:
                    raise
        for segment in objects.leftovers(self._name, self._head, there):
            try:
                self._api.delete(f"{self._maps}/{segment['metadata']['name']}", {"preconditions": {"uid": segment["metadata"]["uid"]}})
            except ApiError:
                pass  # it counts for nothing wherever it is

    def _put(self, line: str) -> None:
        self._pending.append(line)

    def _may_write(self) -> None:
        if self._failed or self._lease is None:
            raise Fenced("the ledger could not be written before, and nothing more is done here. Run the same command again")
        self._lease.check()

    def _forget_orders(self) -> None:
        """Remove orders that were taken, at the next look: what they did is in the cluster by then."""
        if self._handed:
            try:
                self._api.patch(f"{self._maps}/{objects.orders_name(self._name)}", {"data": dict.fromkeys(self._handed)}, ANSWER_SECONDS)
                self._handed = set()
            except ApiError:
                pass  # they are not taken again, and removed later


def leave_order(api: KubeApi, namespace: str, name: str, order: Dict[str, Any], now: float) -> None:
    """Leave an order for the process that holds the ledger; it looks once a second."""
    patient = Patient(api, Clock())
    new = {f"{now:017.6f}-{uuid.uuid4().hex[:8]}": json.dumps(order)}
    path = f"{_maps(namespace)}/{objects.orders_name(name)}"
    if not patient.merge(path, {"data": new}):
        try:
            patient.create(_maps(namespace), objects.orders_object(namespace, name, new))
        except Changed:  # somebody else's was the first in this moment
            if not patient.merge(path, {"data": new}):
                raise RolloutError(f"cannot leave the order in ConfigMap {objects.orders_name(name)} of {namespace}; give it again") from None


def find_ledger(api: KubeApi, namespace: str, name: str) -> Optional[Tuple[Dict[str, Any], ledger.Journal]]:
    """Return the plan and the journal without a Lease or a change, also while another process writes; None when there are none.

    RolloutError when it is damaged.
    """
    found = Patient(api, Clock()).list(_maps(namespace), f"{objects.LEDGER_LABEL}={objects.label(name)}")
    there = {each["metadata"]["name"]: each for each in found}
    if name not in there and not objects.leftovers(name, None, there):
        return None  # at most a plan: nothing was begun
    plan, journal, _head = _read(name, namespace, there)
    return plan, journal


def _read(name: str, namespace: str, there: Dict[str, objects.Object]) -> Tuple[Dict[str, Any], ledger.Journal, objects.Head]:
    for needed in (name, objects.plan_name(name)):
        if needed not in there:
            raise RolloutError(f"found no ConfigMap {needed} in {namespace}, which belongs to the ledger. {REBUILD}")
    plan = check_plan(objects.plan_of(there[objects.plan_name(name)]))
    head = objects.head_of(there[name])
    return plan, ledger.parse(objects.journal(head, there), plan), head


def _maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"
