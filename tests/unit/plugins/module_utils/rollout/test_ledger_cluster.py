# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in a cluster: what is there when, what bad moments of the API do to it, and orders."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import ledger_cluster
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.patient import PATIENCE_SECONDS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import (
    HEAD,
    LEASE,
    MAPS,
    NAME,
    NS,
    PAUSE,
    START,
    Clock,
    Fate,
    intend,
    look,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Site, engine
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan

PLAN = small_plan()


class TestOneController:
    def test_a_ledger_outlives_its_controller(self, there):
        with there.open(PLAN, run="a") as first:
            first.append(START)
            assert first.state.status == "running" and first.token == 1
        with there.open(run="b") as second:
            assert second.state.status == "running" and second.token == 2 and second.state.seq == 3 and second.plan == PLAN
            second.append(PAUSE)
        assert there.kinds() == ["takeover", "start", "takeover", "pause"] and there.read()[0] == PLAN
        assert [event.get("run") for event in there.read()[1].events] == ["a", None, "b", None]
        assert there.lease()["spec"]["holderIdentity"] == "" and there.lease()["spec"]["leaseTransitions"] == 2

    def test_the_namespace_is_made_where_there_is_none(self, there):
        there.open(PLAN)
        labels = there.server.objects.find("namespaces", None, NS)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted" and labels["app.kubernetes.io/managed-by"] == "edgeai.sites"

    def test_an_intent_is_there_before_its_act_and_everything_at_the_end_of_a_turn(self, there):
        book = there.open(PLAN)
        there.server.requests.clear()
        book.append(START)
        book.append(look(1))
        assert not there.server.requests and there.kinds() == ["takeover"]
        intend(book)
        assert there.server.sent("PUT") == [HEAD] and there.kinds() == ["takeover", "start", "look", "switch_intent"], "with all before it"
        book.append(look(2))
        book.sync()
        book.sync()
        assert there.server.sent("PUT") == [HEAD] * 2, "nothing new, nothing to write"
        book.append(PAUSE)
        book.close()
        assert there.server.sent("PUT") == [HEAD] * 3 + [LEASE] and there.kinds()[-1] == "pause"

    def test_a_turn_ends_with_everything_in_the_cluster(self, there):
        with there.open(PLAN) as book:
            book.append(START)
            engine(PLAN, Site(PLAN), book).turn(NOW)
            assert book.state.seq > 2 and there.read()[1].events == book.events

    def test_more_than_three_thousand_events(self, there):
        book = there.open(PLAN)
        for number in range(3200):
            book.append(look(number))
            if number % 40 == 0:
                book.sync()
        book.sync()
        maps = there.maps()
        sealed = [each for name, each in maps.items() if name.startswith(NAME + "-0")]
        assert len(sealed) >= 2 and all(each["immutable"] for each in sealed)
        assert max(size for _method, _path, size in there.server.requests) < 512 << 10
        assert there.read()[1].events == book.events and len(book.events) == 3201
        there.kill(book)
        with there.open() as again:
            assert again.events[:-1] == book.events and again.token == 2
            assert again.append(START).seq == 3203

    def test_one_batch_larger_than_a_part(self, there):
        with there.open(PLAN) as book:
            for number in range(4000):
                book.append(look(number))
        assert len([name for name in there.maps() if name.startswith(NAME + "-0")]) >= 2
        assert len(there.read()[1].events) == 4001

    def test_nothing_is_found_where_nothing_is(self, there):
        assert there.read() is None
        with pytest.raises(RolloutError, match="found no ConfigMap rollout-r-plan in edgeai; start a rollout with a plan"):
            there.open()
        assert there.lease() is None and not there.maps()

    def test_a_ledger_belongs_to_one_plan(self, there):
        there.open(PLAN).close()
        with pytest.raises(RolloutError, match="found a rollout of vision-2 with plan sha256.*Finish or abort that one"):
            there.open(small_plan(budgets={"max_unavailable": {"site": 1}}))
        there.open(PLAN).close()

    def test_a_plan_that_is_too_large_begins_nothing(self, there, monkeypatch):
        monkeypatch.setattr(o, "OBJECT_BYTES", 100)
        with pytest.raises(RolloutError, match="Keep this rollout's ledger in a directory"):
            there.open(PLAN)
        assert there.read() is None


BAD = [429, 500, 503, 504, "lost", ("done", 500), ("done", 504), "done, lost"]


class TestBadMoments:
    @pytest.mark.parametrize("fate", BAD, ids=str)
    @pytest.mark.parametrize("request_", range(1, 9))
    def test_any_one_request_may_go_wrong(self, there, fate, request_):
        """From the first to the last of a short life: namespace, plan, head, Lease, takeover, intent, and letting go."""
        there.server.meddle = Fate({request_: fate})
        with there.open(PLAN) as book:
            book.append(START)
            intend(book)
        there.server.meddle = lambda _request: None
        assert there.kinds() == ["takeover", "start", "switch_intent"]
        there.open().close()

    @pytest.mark.parametrize("fate", BAD, ids=str)
    def test_a_read_may_go_wrong(self, there, fate):
        there.open(PLAN).close()
        there.server.meddle = Fate({1: fate, 3: fate, 4: fate}, fits=lambda request: request.method == "GET")
        with there.open() as book:
            intend(book)
        assert len(there.kinds()) == 3

    @pytest.mark.parametrize("fate", [429, 500, "lost", "done, lost"], ids=str)
    def test_without_an_answer_nothing_follows(self, there, fate):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        clock.meanwhile = lambda _seconds: book._lease.beat()
        began = clock.time
        there.server.meddle = Fate(rest=fate, fits=lambda request: request.path == HEAD)
        with pytest.raises(RolloutError, match="nothing is done without the ledger. Run the same command again when the API answers; nothing is lost"):
            intend(book)
        assert PATIENCE_SECONDS - 5 < clock.time - began <= PATIENCE_SECONDS and there.server.meddle.count < 12, "it backs off"
        there.server.meddle = lambda _request: None
        with pytest.raises(Fenced, match="could not be written before"):
            intend(book)
        book.close()
        with there.open() as again:
            assert [event["type"] for event in again.events] == ["takeover", *(["switch_intent"] if fate == "done, lost" else []), "takeover"]

    @pytest.mark.parametrize("status", [400, 401, 403, 422])
    def test_a_refusal_is_told_at_once(self, there, status):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        there.server.meddle = Fate(rest=status)
        with pytest.raises(RolloutError, match=f"answered {status}: the server has a bad moment"):
            intend(book)
        assert clock.time == 1000

    def test_the_api_is_away(self, there):
        there.server.meddle = Fate(rest="lost", fits=lambda _request: True)
        with pytest.raises(RolloutError, match="does not answer.*tried for 20 s"):
            there.open(PLAN)


class TestOrders:
    @staticmethod
    def leave(there, kind, at):
        ledger_cluster.leave_order(there.api(), NS, NAME, {"order": kind, "by": "eva"}, at)

    def test_each_is_taken_once_and_in_order(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        assert book.orders() == []
        self.leave(there, "resume", NOW + 2)
        self.leave(there, "pause", NOW + 1)
        clock.time += 1
        taken = book.orders()
        assert [(order["order"], order["by"]) for order in taken] == [("pause", "eva"), ("resume", "eva")]
        clock.time += 1
        assert book.orders() == [] and not there.maps()[NAME + "-orders"].get("data")
        self.leave(there, "abort", NOW + 3)
        clock.time += 1
        assert [order["order"] for order in book.orders()] == ["abort"]
        book.close()
        assert not there.maps()[NAME + "-orders"].get("data")

    def test_it_is_asked_for_once_a_second(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        self.leave(there, "pause", NOW)
        there.server.requests.clear()
        for _turn in range(100):
            book.orders()
            clock.time += 0.1
        assert len(there.server.sent("GET")) == 10 and len(there.server.sent("PATCH")) == 1

    def test_one_that_a_dead_controller_has_followed_is_not_followed_again(self, there):
        first = there.open(PLAN)
        self.leave(there, "pause", NOW)
        self.leave(there, "abort", NOW + 1)
        (pause, _abort) = first.orders()
        first.append({"type": "pause", "at": NOW, "by": "eva", "order": pause["id"]})
        first.sync()
        there.kill(first)
        second = there.open()
        assert [order["order"] for order in second.orders()] == ["abort"], "and one that it had not is not lost"

    def test_bad_moments_and_nonsense(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        ledger_cluster.Patient(there.api(), clock).create(MAPS, o.orders_object(NS, NAME, {"1": "{", "2": "[]", "3": '{"order": "pause"}'}))
        there.server.meddle = Fate(rest=500, fits=lambda request: request.path.endswith("-orders"))
        assert book.orders() == []
        there.server.meddle = Fate(rest=500, fits=lambda request: request.method == "PATCH")
        clock.time += 1
        assert [order["order"] for order in book.orders()] == ["pause"]
        clock.time += 1
        assert book.orders() == [], "it could not be removed, and is not taken twice"
        there.server.meddle = lambda _request: None
        book.close()
        assert not there.maps()[NAME + "-orders"].get("data")

    def test_two_people_at_once(self, there):
        there.open(PLAN)
        left = []

        def meddle(request):
            if request.method == "POST" and not left:
                left.append(True)
                self.leave(there, "pause", NOW)

        there.server.meddle = meddle
        self.leave(there, "abort", NOW + 1)
        assert len(there.maps()[NAME + "-orders"]["data"]) == 2
