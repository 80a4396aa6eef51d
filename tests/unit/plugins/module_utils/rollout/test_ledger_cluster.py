# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in a cluster: what is there when, who may write, and what bad moments of the API and dead controllers leave."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import ledger_cluster
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.patient import PATIENCE_SECONDS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, Held, RolloutError
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import HEAD, LEASE, MAPS, NAME, NS, Clock, Fate, cluster
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Site, engine, run
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, small_plan

PLAN = small_plan()
START, PAUSE = {"type": "start", "at": NOW}, {"type": "pause", "at": NOW}
INTENT = {"type": "switch_intent", "at": NOW, "target": A, "to": NEW}


@pytest.fixture(name="there")
def _there():
    with cluster() as made:
        yield made


def look(number):
    """An event that changes nothing, and hardly compresses."""
    return {"type": "look", "at": NOW, "target": A, "attempt": 99, "reason": f"{hash((number, 'x')):x}" * 10}


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
        book.append(INTENT)
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


class TestTwoControllers:
    def test_one_that_lives_keeps_the_other_out(self, there):
        first = there.open(PLAN, run="machine-1")
        clock, said = Clock(lambda _seconds: first._lease.beat()), []
        with pytest.raises(Held, match=r"found that machine-1 \(.*\) holds .*leases/rollout-r until \d\d:\d\d:\d\d UTC.*its work is not lost"):
            there.open(run="machine-2", clock=clock, say=said.append)
        assert len(said) == 1 and "machine-1" in said[0] and "30 s at most" in said[0] and clock.time < 1005
        first.append(INTENT)
        assert there.kinds() == ["takeover", "switch_intent"]

    def test_one_that_is_gone_is_followed_and_can_do_nothing_if_it_was_not(self, there):
        first = there.open(PLAN, run="machine-1")
        first.append(START)
        clock, said = Clock(), []
        second = there.open(run="machine-2", clock=clock, say=said.append)
        assert 1030 <= clock.time <= 1032 and len(said) == 1
        assert second.token == 2 and there.lease()["spec"]["leaseTransitions"] == 2
        with pytest.raises(Fenced, match="somebody else wrote to ConfigMap rollout-r in edgeai"):
            first.append(INTENT)
        with pytest.raises(Fenced):
            first.append(INTENT)
        first.close()
        assert there.kinds() == ["takeover", "takeover"], "what it had not written is not there, and was followed by nothing"
        assert there.lease()["spec"]["holderIdentity"].startswith("machine-2"), "what is another's is not let go of"
        second.append(INTENT)
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
            first.append(INTENT)

    def test_a_lease_that_cannot_be_renewed_is_the_end_of_acting(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        there.server.meddle = Fate(rest=500, fits=lambda request: request.path == LEASE)
        clock.time += 19
        assert book._lease.beat() is False
        book.append(INTENT)
        clock.time += 1
        with pytest.raises(Fenced, match="could not be renewed for 20 s: another controller may have taken the rollout over"):
            book.append(INTENT)
        assert there.kinds() == ["takeover", "switch_intent"]

    def test_a_write_that_took_too_long_is_followed_by_nothing(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)

        def meddle(request):
            clock.time += 20 * (request.path == HEAD)

        there.server.meddle = meddle
        with pytest.raises(Fenced, match="could not be renewed for 20 s"):
            book.append(INTENT)
        assert there.kinds() == ["takeover", "switch_intent"] and book.state.seq == 1

    def test_who_writes_the_same_is_somebody_else_all_the_same(self, there):
        book = there.open(PLAN)
        twin = copy.copy(book)
        twin._me, twin._pending = "a twin", []
        book.append(INTENT)
        with pytest.raises(Fenced, match="somebody else wrote"):
            twin.append(INTENT)

    def test_a_lease_that_is_renewed_holds(self, there):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        for _turn in range(10):
            clock.time += 15
            assert book._lease.beat() is True
            book.append(INTENT)
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
        book.append(INTENT)

    def test_a_lease_that_is_gone_or_taken_is_the_end_too(self, there):
        book = there.open(PLAN)
        there.server.objects.edit("leases", there.lease(), lambda lease: lease["spec"].update(holderIdentity="x"))
        book._lease.beat()
        with pytest.raises(Fenced, match="found that x took the Lease"):
            book.append(INTENT)
        book.close()
        assert there.lease()["spec"]["holderIdentity"] == "x"
        there.server.objects.delete(there.server.objects.registry["leases"], there.lease())
        book = there.open()
        there.server.objects.delete(there.server.objects.registry["leases"], there.lease())
        book._lease.beat()
        with pytest.raises(Fenced, match="found the Lease of the ledger gone"):
            book.append(INTENT)


BAD = [429, 500, 503, 504, "lost", ("done", 500), ("done", 504), "done, lost"]


class TestBadMoments:
    @pytest.mark.parametrize("fate", BAD, ids=str)
    @pytest.mark.parametrize("request_", range(1, 9))
    def test_any_one_request_may_go_wrong(self, there, fate, request_):
        """From the first to the last of a short life: namespace, plan, head, Lease, takeover, intent, and letting go."""
        there.server.meddle = Fate({request_: fate})
        with there.open(PLAN) as book:
            book.append(START)
            book.append(INTENT)
        there.server.meddle = lambda _request: None
        assert there.kinds() == ["takeover", "start", "switch_intent"]
        there.open().close()

    @pytest.mark.parametrize("fate", BAD, ids=str)
    def test_a_read_may_go_wrong(self, there, fate):
        there.open(PLAN).close()
        there.server.meddle = Fate({1: fate, 3: fate, 4: fate}, fits=lambda request: request.method == "GET")
        with there.open() as book:
            book.append(INTENT)
        assert len(there.kinds()) == 3

    @pytest.mark.parametrize("fate", [429, 500, "lost", "done, lost"], ids=str)
    def test_without_an_answer_nothing_follows(self, there, fate):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        clock.meanwhile = lambda _seconds: book._lease.beat()
        began = clock.time
        there.server.meddle = Fate(rest=fate, fits=lambda request: request.path == HEAD)
        with pytest.raises(RolloutError, match="nothing is done without the ledger. Run the same command again when the API answers; nothing is lost"):
            book.append(INTENT)
        assert PATIENCE_SECONDS - 5 < clock.time - began <= PATIENCE_SECONDS and there.server.meddle.count < 12, "it backs off"
        assert book.state.seq == 1
        there.server.meddle = lambda _request: None
        with pytest.raises(Fenced, match="could not be written before"):
            book.append(INTENT)
        book.close()
        with there.open() as again:
            assert [event["type"] for event in again.events] == ["takeover", *(["switch_intent"] if fate == "done, lost" else []), "takeover"]

    @pytest.mark.parametrize("status", [400, 401, 403, 422])
    def test_a_refusal_is_told_at_once(self, there, status):
        clock = Clock()
        book = there.open(PLAN, clock=clock)
        there.server.meddle = Fate(rest=status)
        with pytest.raises(RolloutError, match=f"answered {status}: the server has a bad moment"):
            book.append(INTENT)
        assert clock.time == 1000

    def test_the_api_is_away(self, there):
        there.server.meddle = Fate(rest="lost", fits=lambda _request: True)
        with pytest.raises(RolloutError, match="does not answer.*tried for 20 s"):
            there.open(PLAN)


class TestDeadControllers:
    """Killed at each request that changes something, before it was done or after: whoever comes next has all that was synced."""

    @staticmethod
    def live(there, book, synced):
        """Some events, and a part that is sealed. synced: what is known to be in the cluster."""
        for number in range(6):
            book.append(look(number))
            book.append({**INTENT, "attempt": number})
            synced[:] = book.events
        for number in range(60):
            book.append(look(number))
        book.sync()
        synced[:] = book.events

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("number", range(1, 13))
    def test_killed(self, there, monkeypatch, number, after):
        monkeypatch.setattr(o, "TAIL_BYTES", 4000)
        there.open(PLAN).close()
        synced = []
        there.server.meddle = Fate(dict.fromkeys(range(number + after, 1000), "lost"))
        book = None
        try:
            book = there.open()
            self.live(there, book, synced)
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
        self.live(there, again, [])
        assert there.read()[1].events == again.events
        names = {segment.name for segment in o.head_of(there.maps()[NAME]).segments}
        assert {name for name in there.maps() if name.startswith(NAME + "-0")} == names, "what the dead one left is cleared away"

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_each_line_is_switched_once_whenever_its_controller_dies(self, after):
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

    def test_a_lost_head_is_no_new_rollout(self, there, monkeypatch):
        monkeypatch.setattr(o, "TAIL_BYTES", 1000)
        book = there.open(PLAN)
        self.live(there, book, [])
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
            book.append(INTENT)


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
