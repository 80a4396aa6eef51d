# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Invariants of a ledger in a cluster: several controllers that open, write, die and wake up, while the API has bad moments."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import Clock, Fate, cluster
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, small_plan

PLAN = small_plan()
ACTS = ["note", "note", "many", "many", "intent", "intent", "intent", "sync", "renew", "die", "close", "later"]
PASSING = [None, None, None, None, 429, 500, 503, "lost", ("done", 500), "done, lost"]
STEPS = 30


class Controllers:
    """Three of them, of which each may have the ledger open. synced: who wrote what, of which is known that it is in the cluster."""

    def __init__(self, there):
        self.there, self.books, self.clocks, self.synced, self.number = there, {}, {}, [], 0

    def act(self, who, act):
        book = self.books.get(who)
        try:
            if book is None:
                # Each has been waiting for its own time: nobody knows the others' clocks.
                self.clocks[who] = Clock(pace=8)
                self.books[who] = book = self.there.open(PLAN, run=f"controller {who}", clock=self.clocks[who])
                self.note(book, book.events[-1:])
            elif act == "later":
                self.clocks[who].time += 7
            elif act == "renew":
                book._lease.beat()
            elif act == "die":
                self.there.kill(self.books.pop(who))
            elif act == "close":
                del self.books[who]
                book.close()
            elif act == "sync":
                self.sync(book, book.sync)
            else:
                for _turn in range(30 if act == "many" else 1):
                    self.number += 1
                    kind = "switch_intent" if act == "intent" else "look"
                    event = {"type": kind, "at": NOW, "target": A, "to": NEW, "attempt": 90, "number": self.number}
                    book.append(event)
                if act in ("intent", "many"):
                    self.sync(book, book.sync)
        except RolloutError:
            # Its process ends; or it is a stubborn one, and tries again.
            if book is not None and who and who in self.books:
                self.there.kill(self.books.pop(who))

    def sync(self, book, write):
        write()
        self.note(book, book.events)

    def note(self, book, events):
        known = {event["seq"] for event in self.synced}
        for event in events:
            if event["seq"] not in known:
                self.synced.append(event)


def fate(random):
    """Bad moments that pass; now and then the last that is heard of the API for a while, before or after a request was done."""
    each = {number: random.choice(PASSING) for number in range(1, 5)}
    if random.randrange(6):
        return Fate(each)
    last = random.randint(1, 5)
    return Fate({number: what for number, what in each.items() if number < last} | {last: random.choice(["lost", "done, lost"])}, rest="lost")


@given(st.integers(0, 2 ** 32))
@settings(max_examples=20)
def test_what_is_known_to_be_written_stays_and_nobody_writes_over_anybody(seed):
    random, limit, o.TAIL_BYTES = Random(seed), o.TAIL_BYTES, 3000
    try:
        with cluster() as there:
            group = Controllers(there)
            for _step in range(STEPS):
                there.server.meddle = fate(random)
                group.act(random.randrange(3), random.choice(ACTS))
            there.server.meddle = lambda _request: None
            for who in list(group.books):
                there.kill(group.books.pop(who))
            last = there.open(PLAN)
            events = last.events
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            # Each token is one controller's: it begins with its takeover, and never comes again.
            for event, later in zip(events, events[1:]):
                assert (later["token"] - event["token"]) == (later["type"] == "takeover")
            for event in group.synced:
                assert events[event["seq"] - 1] == event
    finally:
        o.TAIL_BYTES = limit
