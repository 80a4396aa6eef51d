# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers of a ledger in a cluster: who may write, who follows whom, and what one that died leaves."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, Held, RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import (
    HEAD,
    LEASE,
    NAME,
    NS,
    PAUSE,
    START,
    Clock,
    Fate,
    fill,
    intend,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan

PLAN = small_plan()


class TestTwoControllers:
    def test_one_that_lives_keeps_the_other_out(self, there):
        first = there.open(PLAN, run="machine-1")
        clock, said = Clock(lambda _seconds: first._lease.beat()), []
        with pytest.raises(Held, match=r"found that machine-1 \(.*\) holds .*leases/rollout-r until \d\d:\d\d:\d\d UTC.*its work is not lost"):
            there.open(run="machine-2", clock=clock, say=said.append)
        assert len(said) == 1 and "machine-1" in said[0] and "30 s at most" in said[0] and clock.time < 1005
        intend(first)
        assert there.kinds() == ["takeover", "switch_intent"]

    def test_one_that_is_gone_is_followed_and_can_do_nothing_if_it_was_not(self, there):
        first = there.open(PLAN, run="machine-1")
        first.append(START)
        clock, said = Clock(), []
        second = there.open(run="machine-2", clock=clock, say=said.append)
        assert 1030 <= clock.time <= 1032 and len(said) == 1
        assert second.token == 2 and there.lease()["spec"]["leaseTransitions"] == 2
        with pytest.raises(Fenced, match="somebody else wrote to ConfigMap rollout-r in edgeai"):
            intend(first)
        with pytest.raises(Fenced):
            intend(first)
        first.close()
        assert there.kinds() == ["takeover", "takeover"], "what it had not written is not there, and was followed by nothing"
        assert there.lease()["spec"]["holderIdentity"].startswith("machine-2"), "what is another's is not let go of"
        intend(second)
        assert there.kinds() == ["takeover", "takeover", "switch_intent"]

    def test_one_that_lets_go_is_followed_at_once(self, there):
        there.open(PLAN).close()
        clock = Clock()
        there.open(clock=clock)
        assert clock.time == 1000

    def test_one_that_wakes_up_in_the_middle_of_it_is_fenced_all_the_same(self, there):
        first = there.open(PLAN)
        first.append(PAUSE)
        wrote = []

        def meddle(request):
            # The other has the Lease and has read the journal; now the first one writes.
            if request.method == "PUT" and request.path == HEAD and not wrote:
                wrote.append(True)
                first.sync()

        there.server.meddle = meddle
        second = there.open()
        assert second.token == 2 and there.kinds() == ["takeover", "pause", "takeover"] and second.state.seq == 3
        with pytest.raises(Fenced):
            intend(first)

    def test_a_lease_that_cannot_be_renewed_is_the_end_of_acting(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        there.server.meddle = Fate(rest=500, fits=lambda request: request.path == LEASE)
        clock.time += 19
        assert book._lease.beat() is False
        intend(book)
        clock.time += 1
        for act in (lambda: intend(book), book.orders):
            with pytest.raises(Fenced, match="could not be renewed for 20 s: another controller may have taken the rollout over"):
                act()
        assert there.kinds() == ["takeover", "switch_intent"]

    def test_a_write_that_took_too_long_is_followed_by_nothing(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)

        def meddle(request):
            clock.time += 20 * (request.path == HEAD)

        there.server.meddle = meddle
        with pytest.raises(Fenced, match="could not be renewed for 20 s"):
            intend(book)
        assert there.kinds() == ["takeover", "switch_intent"]

    def test_who_writes_the_same_is_somebody_else_all_the_same(self, there):
        book = there.open(PLAN)
        twin = copy.copy(book)
        twin._me, twin._pending = "a twin", []
        intend(book)
        with pytest.raises(Fenced, match="somebody else wrote"):
            intend(twin)

    def test_a_lease_that_is_renewed_holds(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        for _turn in range(10):
            clock.time += 15
            assert book._lease.beat() is True
            intend(book)
        assert len(there.kinds()) == 11

    def test_it_is_renewed_by_itself(self, there, monkeypatch):
        monkeypatch.setattr("ansible_collections.edgeai.sites.plugins.module_utils.rollout.lease.RENEW_SECONDS", 0.01)
        there.open(PLAN)
        with there.server.objects.store.changed:
            first = there.lease()["metadata"]["resourceVersion"]
            assert there.server.objects.store.changed.wait_for(lambda: there.lease()["metadata"]["resourceVersion"] != first, 10)

    def test_a_renewal_whose_answer_was_lost_is_known_again(self, there):
        book = there.open(PLAN)
        there.server.meddle = Fate({1: "done, lost"})
        assert [book._lease.beat(), book._lease.beat(), book._lease.beat()] == [False, False, True]
        intend(book)

    def test_a_lease_that_is_gone_or_taken_is_the_end_too(self, there):
        book = there.open(PLAN)
        there.server.objects.edit("leases", there.lease(), lambda lease: lease["spec"].update(holderIdentity="x"))
        book._lease.beat()
        with pytest.raises(Fenced, match="found that x took the Lease"):
            intend(book)
        book.close()
        assert there.lease()["spec"]["holderIdentity"] == "x"
        there.server.objects.delete(there.server.objects.registry["leases"], there.lease())
        book = there.open()
        there.server.objects.delete(there.server.objects.registry["leases"], there.lease())
        book._lease.beat()
        with pytest.raises(Fenced, match="found the Lease of the ledger gone"):
            intend(book)


class TestWhatIsLost:
    def test_a_lost_head_is_no_new_rollout(self, there, monkeypatch):
        monkeypatch.setattr(o, "TAIL_BYTES", 1000)
        book = there.open(PLAN)
        fill(book)
        book.close()
        registry = there.server.objects.registry["configmaps"]
        there.server.objects.delete(registry, there.maps()[NAME])
        for attempt in (lambda: there.open(PLAN), there.open, there.read):
            with pytest.raises(RolloutError, match="no ConfigMap rollout-r.*rollout_adopt=true"):
                attempt()

    def test_a_plan_without_a_head_is_one_that_was_not_begun(self, there):
        there.server.meddle = Fate({4: 403})
        with pytest.raises(RolloutError):
            there.open(PLAN)
        assert list(there.maps()) == [NAME + "-plan"] and there.read() is None
        there.server.meddle = lambda _request: None
        there.open(PLAN).close()
        assert there.kinds() == ["takeover"]

    def test_a_lost_plan_and_a_damaged_journal(self, there):
        there.open(PLAN).close()
        objects = there.server.objects
        head = there.maps()[NAME]
        damaged = o.head_object(NS, NAME, o.Head(o.head_of(head).header, (), ('{"seq":2}\n',)))
        objects.edit("configmaps", head, lambda found: found.update(binaryData=damaged["binaryData"]))
        for attempt in (there.open, there.read):
            with pytest.raises(RolloutError, match="journal line 2: found number 2, wanted 1.*rollout_adopt=true"):
                attempt()
        assert there.lease()["spec"]["holderIdentity"] == "", "who cannot go on keeps nobody out"
        objects.delete(objects.registry["configmaps"], there.maps()[NAME + "-plan"])
        with pytest.raises(RolloutError, match="found no ConfigMap rollout-r-plan in edgeai"):
            there.read()

    def test_a_head_that_is_gone_is_the_end_of_writing(self, there):
        book = there.open(PLAN)
        there.server.objects.delete(there.server.objects.registry["configmaps"], there.maps()[NAME])
        with pytest.raises(Fenced, match="or removed it"):
            intend(book)
