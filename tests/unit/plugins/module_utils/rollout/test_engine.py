# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole rollout on lines that do what they are told: what the engine does to them, in which order, and after it died."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import engine as turns
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report import summarise
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Killed, Memory, Site, engine, run
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, OLD
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, small_plan

GATES = {"golden": {"set": OLD, "frames": 4, "min": 1, "max_drop": 0.1}, "http": {"path": "/ready", "expression": "right"},
         "latency": {"p95_ms": 500, "samples": 4, "warmup": 1}, "ready": {"timeout": "5m"}}
FRESH = NEW["amd64"]


def planned(**changes):
    return small_plan(**{"gates": GATES, **changes})


def rolled(faults=None, orders=(), watch_wave=None, **changes):
    plan = planned(**changes)
    site, ledger = Site(plan, **(faults or {})), Memory(plan)
    return site, ledger, run(plan, site, ledger, orders=orders, watch_wave=watch_wave)


def states(state):
    return {name: state.targets[name].state for name in (A, B, C)}


def test_a_good_model_reaches_every_line_once_and_the_canary_first():
    site, ledger, state = rolled()
    assert state.status == s.DONE and set(states(state).values()) == {s.SUCCEEDED}
    assert all(line.switches == [FRESH] for line in site.lines.values())
    soaked = ledger.of("verified", A)[-1]["at"]
    assert all(event["at"] >= soaked for name in (B, C) for event in ledger.of("switch_intent", name))


def test_what_runs_on_lines_that_nobody_has_touched_is_known_too():
    plan = planned()
    site, ledger = Site(plan, n1="wrong"), Memory(plan)
    site.lines[C].digest = "sha256:" + "e" * 64
    state = run(plan, site, ledger)
    assert state.status == s.PAUSED and summarise(plan, state, site.now)["runs"] == {"new": 0, "old": 3, "not known": 0}
    assert state.targets[C].found == site.lines[C].digest, "also where it is not what the inventory says"
    assert len(ledger.of("found")) == 1, "once, as long as nothing changes"


def test_an_intent_is_written_before_its_act_and_the_model_before_is_asked_before_it():
    _site, ledger, _state = rolled()
    for name in (A, B, C):
        order = [event["type"] for event in ledger.events if event.get("target") == name]
        assert order.index("before") < order.index("switch_intent") < order.index("switched") < order.index("verified")
        assert {key: ledger.of("before", name)[0][key] for key in ("digest", "right", "asked")} == {"digest": OLD, "right": 4, "asked": 4}


def test_an_intent_outlives_the_power_before_its_act():
    plan = planned()
    ledger, seen = Memory(plan), []

    class Watched(Site):
        def switch(self, name, digest, version, record):
            seen.append([event["type"] for event in ledger.on_disk if event.get("target") == name][-1])
            super().switch(name, digest, version, record)

    run(plan, Watched(plan, n2="wrong"), ledger)
    assert seen[0] == "switch_intent" and set(seen) == {"switch_intent", "rollback_intent"}


def test_an_api_that_does_not_answer_holds_up_no_other():
    plan = planned(budgets={"max_unavailable": {"site": 3, "line": 1}})
    ledger, both = Memory(plan), threading.Barrier(2, timeout=20)

    class Slow(Site):
        def switch(self, name, digest, version, record):
            if name in (B, C):
                both.wait()  # for the other one, which is begun while this one hangs
            super().switch(name, digest, version, record)

    site = Slow(plan)
    with ThreadPoolExecutor(4) as pool:
        state = run(plan, site, ledger, each=pool.map)
    assert state.status == s.DONE and [line.switches for line in site.lines.values()] == [[FRESH]] * 3


def test_each_line_carries_what_became_of_it():
    site, _ledger, _state = rolled()
    assert {line.records[-1]["state"] for line in site.lines.values()} == {s.SUCCEEDED}
    assert {line.records[-1]["previous"] for line in site.lines.values()} == {OLD}


@pytest.mark.parametrize(("fault", "gate"), [("wrong", "golden: 0 of 4 right"), ("slow", "latency: p95 900 ms"), ("crash", "ready: crashed"),
                                             ("silent", "ready: it is starting; not within 300 s")])
def test_a_model_that_is_not_good_goes_back_alone_and_nobody_else_gets_it(fault, gate):
    site, _ledger, state = rolled({"n1": fault})
    assert state.status == s.PAUSED
    assert state.targets[A].state == s.ROLLED_BACK and gate in state.targets[A].reason
    assert site.lines[A].switches == [FRESH, OLD]
    assert [site.lines[name].switches for name in (B, C)] == [[], []]


def test_it_fails_at_once_when_waiting_tells_nothing_new():
    _site, ledger, _state = rolled({"n1": "wrong"})
    assert ledger.of("verified", A)[0]["at"] - ledger.of("switched", A)[0]["at"] < 30


def test_a_line_of_a_later_wave_goes_back_and_those_that_are_well_stay():
    site, _ledger, state = rolled({"n3": "wrong"})
    assert states(state)[A] == s.SUCCEEDED and states(state)[C] == s.ROLLED_BACK and site.lines[C].digest == OLD
    assert site.lines[A].digest == FRESH and state.status == s.PAUSED


def test_a_refused_change_is_tried_again_and_then_a_failure_that_changed_nothing():
    site, ledger, state = rolled({"n1": "refuse"})
    assert state.status == s.PAUSED and state.targets[A].state == s.FAILED and not state.targets[A].changed
    assert len(ledger.of("switch_failed", A)) > 1 and site.lines[A].switches == []


def test_a_change_whose_answer_was_lost_is_recognised_and_not_repeated():
    site, ledger, state = rolled({"n1": "unsure"})
    assert state.status == s.DONE and site.lines[A].switches == [FRESH]
    assert not ledger.of("switch_failed")


def test_an_image_that_is_not_there_stops_it_before_anything_is_switched():
    plan = planned()
    site, ledger = Site(plan), Memory(plan)
    site.lines[A].present = False
    state = run(plan, site, ledger)
    assert state.status == s.PAUSED and state.targets[A].state == s.FAILED and not state.targets[A].changed
    assert state.targets[A].reason == "vision:2 could not be brought to node n1: the link broke" and site.lines[A].switches == []


@pytest.mark.parametrize(("seconds", "tries"), [(50, 0), (70, 1)])
def test_a_node_has_a_moment_to_tell_of_a_new_image(seconds, tries):
    plan = planned()
    site, ledger = Site(plan), Memory(plan)
    site.lines[A].present, site.lines[A].missing = False, ""
    while not ledger.of("pull_intent", A):
        run(plan, site, ledger, seconds=1)
    begun = ledger.of("pull_intent", A)[0]["at"]
    site.refresh = lambda: setattr(site.lines[A], "present", site.now >= begun + seconds)
    assert run(plan, site, ledger).status == s.DONE
    assert len(ledger.of("pull_failed", A)) == tries
    assert all("bring it there with the artifacts playbook" in event["reason"] for event in ledger.of("pull_failed"))


def test_a_device_that_contradicts_is_rejected_untouched():
    site, _ledger, state = rolled({"n1": "full"})
    assert state.targets[A].state == s.REJECTED and "disk" in state.targets[A].reason
    assert site.lines[A].switches == [] and state.status == s.PAUSED


def test_a_line_that_was_sick_before_is_left_alone():
    site, _ledger, state = rolled({"n3": "sick"}, budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 100})
    assert states(state) == {A: s.SUCCEEDED, B: s.SUCCEEDED, C: s.SKIPPED} and site.lines[C].switches == []


class TestWaiting:
    def test_a_line_that_is_busy_waits_and_goes_on_when_it_is_free(self):
        plan = planned()
        site, ledger = Site(plan), Memory(plan)
        site.lines[A].lock = "locked: cleaning"
        run(plan, site, ledger, seconds=300)
        assert ledger.state.targets[A].blocked == "lock" and "cleaning" in ledger.state.targets[A].reason
        site.lines[A].lock = ""
        assert run(plan, site, ledger).status == s.DONE

    @pytest.mark.parametrize(("seconds", "told"), [(20, 1), (40, 2)])
    def test_what_a_device_tells_in_a_moment_is_waited_for_without_a_word(self, seconds, told):
        plan = planned()
        site, ledger = Site(plan), Memory(plan)
        site.lines[A].clock_known = site.now + seconds
        state = run(plan, site, ledger)
        assert state.status == s.DONE and ledger.of("switch_intent", A)[0]["at"] >= site.lines[A].clock_known
        locked = [event for event in ledger.of("look", A) if event["lock"]]
        assert len(locked) == told - 1 and all("not known: clock" in event["reason"] for event in locked)

    def test_a_line_that_goes_away_after_its_update_takes_a_place_until_it_is_back(self):
        plan = planned(budgets={"max_unavailable": {"site": 1}})
        site, ledger = Site(plan), Memory(plan)
        while ledger.state.wave == 0:
            run(plan, site, ledger, seconds=1)
        site.lines[A].online = False
        run(plan, site, ledger, seconds=300)
        assert [event["available"] for event in ledger.of("availability", A)] == [False]
        assert not site.lines[B].switches and not site.lines[C].switches, "one may be down, and one is"
        site.lines[A].online = True
        assert run(plan, site, ledger).status == s.DONE
        assert [event["available"] for event in ledger.of("availability", A)] == [False, True]

    def test_a_node_that_is_away_is_deferred_and_catches_up(self):
        plan = planned(budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 100}, timeouts={"lock": "5m"})
        site, ledger = Site(plan), Memory(plan)
        site.lines[B].online = False
        state = run(plan, site, ledger)
        assert state.status == s.DONE_WITH_DEFERRED and states(state) == {A: s.SUCCEEDED, B: s.DEFERRED, C: s.SUCCEEDED}
        assert len(ledger.of("look", B)) <= 2, "that it is still away is no news"
        site.lines[B].online = True
        # Its time begins anew: what was waited for it is nobody's fault.
        site.now += plan["timeouts"]["total"]
        state = run(plan, site, ledger, orders={0: {"type": "catch_up", "by": "eva"}})
        assert state.status == s.DONE and site.lines[B].switches == [FRESH]

    @pytest.mark.parametrize(("away", "state"), [(90, s.SUCCEEDED), (600, s.DEFERRED)])
    def test_a_node_that_catches_up_has_a_moment_to_be_heard_of(self, away, state):
        plan = planned(budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 100})
        site, ledger = Site(plan), Memory(plan)
        site.lines[B].online = False
        run(plan, site, ledger)
        began = site.now
        ledger.append({"type": "catch_up", "at": began, "by": "eva"})
        run(plan, site, ledger, seconds=away)
        waited = site.now - began
        site.lines[B].online = True
        assert run(plan, site, ledger).targets[B].state == state
        assert state != s.DEFERRED or 120 <= waited < 130, "and others do not wait for it for long"

    @pytest.mark.parametrize(("seconds", "state"), [(50, s.SUCCEEDED), (300, s.DEFERRED)])
    def test_a_site_that_does_not_tell_for_a_moment_is_not_away(self, seconds, state):
        plan = planned(budgets={"max_unavailable": {"site": 1}, "max_deferred_percent": 100})
        site, ledger = Site(plan), Memory(plan)
        while ledger.state.wave == 0:
            run(plan, site, ledger, seconds=1)
        began = site.now
        for line in site.lines.values():
            line.told = False
        # Each new run starts to count anew: this one has to live through it.
        due = [began + seconds]
        site.refresh = lambda: site.now >= due[0] and [setattr(line, "told", True) for line in site.lines.values()]
        run(plan, site, ledger)
        assert {ledger.state.targets[name].state for name in (B, C)} == {state}
        quiet = [event for event in ledger.events if event["type"] in ("look", "availability", "defer") and began <= event["at"] < began + 60]
        assert seconds > 60 or not [event for event in quiet if event.get("online") is False or event.get("available") is False]
        assert all(len(site.lines[name].switches) == (state == s.SUCCEEDED) for name in (B, C))

    def test_one_that_is_back_takes_no_place_in_the_budgets_though_its_turn_is_not_near(self):
        plan = planned(budgets={"max_unavailable": {"site": 1}})
        site, ledger = Site(plan), Memory(plan)
        site.lines[C].online = False
        ledger.append({"type": "start", "at": site.now})
        ledger.append({"type": "look", "at": site.now, "target": C, "online": False, "reason": "its node is away"})
        run(plan, site, ledger, seconds=60)
        assert not ledger.state.targets[C].available and not ledger.of("switch_intent", A)
        site.lines[C].online = True
        back = site.now
        while not ledger.of("switch_intent", A):
            run(plan, site, ledger, seconds=1)
        assert ledger.state.targets[C].available and site.now - back < 20

    def test_a_node_that_goes_away_in_the_middle_is_not_taken_for_well(self):
        plan = planned(timeouts={"verify": "5m", "rollback": "5m"})
        site, ledger = Site(plan), Memory(plan)
        while not ledger.of("switched", A):
            run(plan, site, ledger, seconds=1)
        site.lines[A].online = False
        state = run(plan, site, ledger, seconds=3600)
        assert state.targets[A].state in (s.FAILED, s.ROLLING_BACK, s.ROLLBACK_FAILED) and state.status == s.PAUSED
        assert not site.lines[B].switches and not site.lines[C].switches


@pytest.mark.parametrize("moment", ["switched", "verified"])
def test_an_image_that_nobody_planned_stops_it_and_is_left_alone(moment):
    plan = planned()
    site, ledger = Site(plan), Memory(plan)
    while not ledger.of(moment, A):
        run(plan, site, ledger, seconds=1)
    site.lines[A].digest = "sha256:" + "e" * 64
    state = run(plan, site, ledger)
    assert state.status == s.PAUSED and state.targets[A].state == s.FAILED and state.targets[A].drift
    assert site.lines[A].digest == "sha256:" + "e" * 64 and site.lines[A].switches == [FRESH]


def test_one_that_somebody_takes_back_while_it_soaks_is_drift_too():
    plan = planned()
    site, ledger = Site(plan), Memory(plan)
    while not ledger.of("verified", A):
        run(plan, site, ledger, seconds=1)
    site.lines[A].digest = OLD
    state = run(plan, site, ledger)
    assert state.targets[A].drift and state.status == s.PAUSED


class TestWhoDies:
    """After any line of the journal: whoever comes next ends where one would have that lived."""

    LINES = len(rolled()[1].events)

    @pytest.mark.parametrize("left", ["events", "on_disk"])
    @pytest.mark.parametrize("kill_at", range(1, LINES))
    def test_each_line_is_switched_once_all_the_same(self, kill_at, left):
        plan = planned()
        site, ledger = Site(plan), Memory(plan, kill_at=kill_at)
        with pytest.raises(Killed):
            run(plan, site, ledger)
        state = run(plan, site, Memory(plan, getattr(ledger, left)))
        assert state.status == s.DONE and set(states(state).values()) == {s.SUCCEEDED}
        assert [line.switches for line in site.lines.values()] == [[FRESH]] * 3

    @pytest.mark.parametrize("left", ["events", "on_disk"])
    @pytest.mark.parametrize("kill_at", range(1, len(rolled({"n1": "wrong"})[1].events)))
    def test_the_way_back_is_gone_to_its_end_all_the_same(self, kill_at, left):
        plan = planned()
        site, ledger = Site(plan, n1="wrong"), Memory(plan, kill_at=kill_at)
        with pytest.raises(Killed):
            run(plan, site, ledger)
        state = run(plan, site, Memory(plan, getattr(ledger, left)))
        assert state.targets[A].state == s.ROLLED_BACK and site.lines[A].switches == [FRESH, OLD]
        assert state.status == s.PAUSED and not site.lines[B].switches


class TestOrders:
    def test_a_pause_lets_what_is_under_way_end_and_nothing_begin(self):
        site, _ledger, state = rolled(orders={20: {"type": "pause", "by": "eva", "reason": "cleaning"}})
        assert state.status == s.PAUSED and states(state)[A] == s.SUCCEEDED and not site.lines[B].switches

    def test_all_goes_back_when_that_is_ordered(self):
        site, _ledger, state = rolled(orders={20: {"type": "rollback", "by": "eva", "scope": "all"}})
        assert site.lines[A].switches == [FRESH, OLD] and state.targets[A].state == s.ROLLED_BACK
        assert state.status == s.ABORTED

    def test_a_wave_that_waited_long_for_a_person_is_looked_at_anew(self):
        waves = [{"name": "canary", "pick": {"per": "class", "prefer": {"first": "1"}}, "soak": "5m"},
                 {"name": "rest", "percent": 100, "soak": "5m", "approval": True}]
        plan = planned(waves=waves)
        site, ledger = Site(plan), Memory(plan)
        run(plan, site, ledger, seconds=7200)
        assert ledger.state.waves[1].state == s.APPROVAL and not site.lines[B].switches
        approval = {"type": "approve", "by": "eva", "wave": 1, "plan": plan["hash"], "until": site.now + 3600}
        state = run(plan, site, ledger, orders={0: approval})
        assert state.status == s.DONE, states(state)

    def test_what_failed_is_tried_again(self):
        plan = planned()
        site, ledger = Site(plan, n1="wrong"), Memory(plan)
        run(plan, site, ledger)
        site.lines[A].fault = ""
        state = run(plan, site, ledger, orders={0: {"type": "retry", "by": "eva"}, 1: {"type": "resume", "by": "eva"}})
        assert state.status == s.DONE and site.lines[A].switches == [FRESH, OLD, FRESH]


class TestGatesOfAWave:
    @pytest.mark.parametrize(("verdict", "status"), [("pass", s.DONE), ("fail", s.PAUSED), ("error", s.PAUSED)])
    def test_they_decide_whether_it_passes(self, verdict, status):
        gates = {**GATES, "command": [{"name": "shift", "argv": ["/bin/true"]}]}
        _site, ledger, state = rolled(watch_wave=lambda plan, state: [Reading("command shift", verdict, "what it said", "exit code 0")], gates=gates)
        assert state.status == status
        # An error holds it, as a gate that cannot be told does, until its time is over.
        assert ledger.of("gate")[0]["verdict"] == verdict


class TestDrift:
    """Every golden answer of these models is right, and every line is well."""

    GATES = {**GATES, "drift": {"output": "class", "max": 0.2, "samples": 200}}

    def carried_out(self, faults=None, **changes):
        return rolled(faults, gates=self.GATES, **changes)

    def test_a_model_that_sees_what_the_one_before_saw_passes_with_its_numbers(self):
        _site, ledger, state = self.carried_out()
        assert state.status == s.DONE
        (row,) = ledger.of("gate")[0]["gates"]
        assert row["gate"] == "drift vision" and row["verdict"] == "pass" and "of 10000 and " in row["found"] and "scratch 10.0 % -> " in row["found"]
        assert ledger.of("before", A)[0]["outputs"] == {"bins": {"good": 9000, "scratch": 1000}, "problem": ""}
        assert not ledger.of("counted"), "enough was counted at once"

    @pytest.mark.parametrize(("stop", "end", "runs"), [("hold", s.PAUSED, [FRESH]), ("rollback_wave", s.ABORTED, [FRESH, OLD])])
    def test_one_that_sees_other_things_is_stopped_and_what_follows_is_the_releases_choice(self, stop, end, runs):
        site, ledger, state = self.carried_out({"n1": "drifted"}, on_failure={"stop": stop})
        assert state.status == end and site.lines[A].switches == runs
        assert [site.lines[name].switches for name in (B, C)] == [[], []], "nobody else gets it"
        assert {row["verdict"] for event in ledger.of("verified", A) for row in event["gates"]} == {"pass"}
        assert "scratch 10.0 % -> 49.8 %" in state.waves[0].gates[0]["found"]
        assert "failed" in state.stopped

    def test_what_is_counted_too_rarely_is_counted_again_until_it_is_enough(self):
        _site, ledger, state = self.carried_out({"n1": "rare"}, timeouts={"hold": "2h"})
        counted = ledger.of("counted", A)
        assert state.status == s.DONE and 50 < len(counted) < 80, "once a minute"
        verdicts = [event["verdict"] for event in ledger.of("gate") if event["wave"] == 0]
        assert set(verdicts[:-1]) == {"inconclusive"} and verdicts[-1] == "pass"

    def test_too_few_at_the_deadline_fail_and_the_last_count_says_why(self):
        _site, ledger, state = self.carried_out({"n1": "rare"}, timeouts={"hold": "10m"})
        assert state.status == s.PAUSED and state.waves[0].gate == "fail"
        assert "10000 and 43 samples" in state.waves[0].gates[0]["found"], "15 were counted in its soak, and more each minute"

    @pytest.mark.parametrize(("frames", "fault", "words"), [(150, "", "150 and 313 samples"), (10000, "uncounted", "/metrics answered 404")])
    def test_a_model_that_was_not_counted_never_passes(self, frames, fault, words):
        plan = planned(gates=self.GATES, timeouts={"hold": "5m"})
        site, ledger = Site(plan, n1=fault), Memory(plan)
        site.lines[A].old_frames = frames
        state = run(plan, site, ledger)
        assert state.status == s.PAUSED and not site.lines[B].switches
        assert words in [event["gates"][0]["found"] for event in ledger.of("gate")][0]

    @pytest.mark.parametrize("fault", ["", "drifted"])
    def test_whoever_comes_after_one_that_died_comes_to_the_same_verdict(self, fault):
        plan = planned(gates=self.GATES)
        first = Memory(plan)
        found = run(plan, Site(plan, n1=fault), first)
        for kill_at in range(1, len(first.events), 3):
            site, ledger = Site(plan, n1=fault), Memory(plan, kill_at=kill_at)
            with pytest.raises(Killed):
                run(plan, site, ledger)
            state = run(plan, site, Memory(plan, ledger.events))
            assert (state.status, state.waves[0].gate) == (found.status, found.waves[0].gate), kill_at

    def test_a_ledger_that_was_lost_finds_the_count_of_the_model_before_on_the_line_and_counts_the_new_one_again(self):
        plan = planned(gates=self.GATES)
        site, ledger = Site(plan, n1="drifted"), Memory(plan)
        while not ledger.state.waves[0].gate and ledger.state.targets[A].state != s.SUCCEEDED:
            run(plan, site, ledger, seconds=1)
        found = Memory(plan)
        engine(plan, site, found).adopt(site.now)
        found.append({"type": "resume", "at": site.now, "by": "eva"})
        state = run(plan, site, found)
        assert state.status == s.PAUSED and state.waves[0].gate == "fail" and not site.lines[B].switches

    def test_what_an_attempt_before_was_counted_for_is_void(self):
        plan = planned(gates=self.GATES)
        site, ledger = Site(plan), Memory(plan)
        run(plan, site, ledger, seconds=400)
        passed = ledger.of("verified", A)[-1]
        again = {**passed, "attempt": 2}
        del again["outputs"]
        drift = turns.Drift(plan, [passed, again])
        assert drift.read(ledger.state, lambda _name: Counted({"good": 900}))[0].verdict == "inconclusive"


def test_a_record_that_is_there_is_not_written_again():
    plan = planned()
    site, ledger = Site(plan), Memory(plan)
    run(plan, site, ledger)
    before = {name: len(line.records) for name, line in site.lines.items()}
    assert min(before.values()) >= 2
    engine(plan, site, Memory(plan, ledger.events)).turn(site.now)
    assert {name: len(line.records) for name, line in site.lines.items()} == before


class TestALedgerThatIsLost:
    def test_it_is_rebuilt_paused_and_goes_on_without_a_second_switch(self):
        plan = planned()
        site, ledger = Site(plan), Memory(plan)
        while not ledger.of("verified", A):
            run(plan, site, ledger, seconds=1)
        found = Memory(plan)
        assert engine(plan, site, found).adopt(site.now) == 1, "the others were not touched"
        assert (found.state.status, found.state.targets[A].state) == (s.PAUSED, s.VERIFYING)
        run(plan, site, found)
        assert found.state.status == s.PAUSED and not site.lines[B].switches, "a person says whether to go on"
        found.append({"type": "resume", "at": site.now, "by": "eva"})
        assert run(plan, site, found).status == s.DONE
        assert all(line.switches == [FRESH] for line in site.lines.values())

    def test_one_that_nobody_has_a_record_of_is_paused_before_its_beginning(self):
        plan = planned()
        site, found = Site(plan), Memory(plan)
        assert engine(plan, site, found).adopt(site.now) == 0
        assert found.state.status == s.PAUSED and set(states(found.state).values()) == {s.PLANNED}

    def test_a_rollout_that_goes_on_takes_no_records(self):
        plan = planned()
        site, ledger = Site(plan), Memory(plan)
        run(plan, site, ledger, seconds=30)
        before = ledger.state.targets
        engine(plan, site, ledger).adopt(site.now)
        assert ledger.state.status == s.RUNNING and ledger.state.targets == before

    def test_records_come_in_parts(self, monkeypatch):
        plan = planned()
        site, ledger = Site(plan), Memory(plan)
        run(plan, site, ledger)
        found = Memory(plan)
        monkeypatch.setattr(turns, "AT_ONCE", 1)
        assert engine(plan, site, found).adopt(site.now) == 3
        assert len(found.of("adopt")) == 3 and set(states(found.state).values()) == {s.SUCCEEDED}
