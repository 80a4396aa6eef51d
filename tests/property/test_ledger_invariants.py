# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Invariants of a ledger in a cluster: several controllers that open, write, die and wake up, while the API has bad moments."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import Clock, Fate, cluster
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, small_plan

PLAN = small_plan()
ACTS = st.sampled_from(["open", "note", "note", "many", "intent", "intent", "sync", "renew", "die", "close", "later"])
FATES = st.sampled_from([None, None, None, 429, 500, 503, "lost", ("done", 500), "done, lost"])


class Controllers:
    """Three of them, of which each may have the ledger open. synced: who wrote what, of which is known that it is in the cluster."""

    def __init__(self, there):
        self.there, self.books, self.clocks, self.synced, self.number = there, {}, {}, [], 0

    def act(self, who, act):
        book = self.books.get(who)
        try:
            if act == "open" and book is None:
                # Each has been waiting for its own time: nobody knows the others' clocks.
                self.clocks[who] = Clock()
                self.books[who] = book = self.there.open(PLAN, run=f"controller {who}", clock=self.clocks[who])
                self.note(book, book.events[-1:])
            elif act == "later" and book is not None:
                self.clocks[who].time += 7
            elif book is None or act == "open":
                return
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
                    event = {"type": "switch_intent" if act == "intent" else "look", "at": NOW, "target": A, "to": NEW, "attempt": 90, "number": self.number}
                    if act == "intent":
                        self.sync(book, lambda event=event: book.append(event))
                    else:
                        book.append(event)
        except RolloutError:
            pass

    def sync(self, book, write):
        write()
        self.note(book, book.events)

    def note(self, book, events):
        known = {event["seq"] for event in self.synced}
        for event in events:
            if event["seq"] not in known:
                self.synced.append(event)


@given(st.lists(st.tuples(st.integers(0, 2), ACTS, st.lists(FATES, max_size=4)), min_size=5, max_size=25))
@settings(max_examples=30)
def test_what_is_known_to_be_written_stays_and_nobody_writes_over_anybody(steps):
    limit, o.TAIL_BYTES = o.TAIL_BYTES, 3000
    try:
        with cluster() as there:
            group = Controllers(there)
            for who, act, fates in steps:
                there.server.meddle = Fate(dict(enumerate(fates, 1)))
                group.act(who, act)
            there.server.meddle = lambda _request: None
            for who in list(group.books):
                there.kill(group.books.pop(who))
            last = there.open(PLAN)
            events = last.events
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            assert all(later["token"] >= event["token"] for event, later in zip(events, events[1:]))
            # Each token is one controller's: it begins with its takeover, and there is no other.
            for event, later in zip(events, events[1:]):
                assert (later["token"] != event["token"]) == (later["type"] == "takeover")
            for event in group.synced:
                assert events[event["seq"] - 1] == event
    finally:
        o.TAIL_BYTES = limit
