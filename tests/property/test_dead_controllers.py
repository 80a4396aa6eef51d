# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers of a ledger in a cluster, killed at each request that changes something, before it was done or after."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import NAME, Clock, Fate, cluster, fill
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Site, run
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan

PLAN = small_plan()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 13))
def test_whoever_comes_next_has_all_that_was_synced(monkeypatch, number, after):
    monkeypatch.setattr(o, "TAIL_BYTES", 4000)
    with cluster() as there:
        there.open(PLAN).close()
        synced = []
        there.server.meddle = Fate(dict.fromkeys(range(number + after, 1000), "lost"))
        book = None
        try:
            book = there.open()
            fill(book, synced)
        except RolloutError:
            pass  # nobody answers it any more: it is as good as dead
        else:
            raise AssertionError("it outlived all requests")
        if book is not None and book._lease is not None:
            there.kill(book)
        there.server.meddle = lambda _request: None
        again = there.open(clock=Clock())
        events = again.events
        assert list(events[:len(synced)]) == synced, "nothing that was synced is lost"
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1)) and again.token > (synced[-1]["token"] if synced else 0)
        fill(again)
        assert there.read()[1].events == again.events
        names = {segment.name for segment in o.head_of(there.maps()[NAME]).segments}
        assert {name for name in there.maps() if name.startswith(NAME + "-0")} == names, "what the dead one left is cleared away"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_each_line_is_switched_once_whenever_its_controller_dies(after):
    """The engine itself, killed at each of the requests of a whole rollout."""
    for number in range(1, 1000):
        with cluster() as there:
            there.open(PLAN).close()
            site = Site(PLAN)
            there.server.meddle = Fate(dict.fromkeys(range(number + after, 1000), "lost"))
            try:
                book = there.open()
                run(PLAN, site, book)
                ended = there.server.meddle.count < number + after
                there.kill(book)
            except RolloutError:
                ended = False
            there.server.meddle = lambda _request: None
            state = run(PLAN, site, there.open())
            assert state.status == s.DONE and [len(line.switches) for line in site.lines.values()] == [1, 1, 1], number
        if ended:
            assert number > 10
            return
