# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a target, of a wave and of a rollout: each step, and each that is refused."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import judge_wave, stop_reason
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import deadline, to_roll_back, unfinished
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW, OLD
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, WAVES, Rollout

TOLERANT = [{"name": "one", "pick": {"per": "class", "prefer": {"first": "1"}}, "soak": "5m"}, {"name": "rest", "percent": 100, "max_failures": 2}]


def started(**changes):
    rollout = Rollout(**changes)
    rollout.tell("start")
    return rollout


def canary_passed(**changes):
    rollout = started(**changes)
    rollout.until("succeeded", A)
    assert rollout.decide() == ["advance"] and rollout.state.wave == 1
    return rollout


def test_a_good_release():
    rollout = canary_passed()
    rollout.until("succeeded", B, C)
    assert rollout.decide() == ["advance"]
    assert rollout.state.status == "done" and [wave.state for wave in rollout.state.waves] == ["passed", "passed", "waiting"]
    assert rollout[A].changed and rollout[A].switches == 1 and rollout[A].previous == OLD
    assert not rollout.tell("abort") and not rollout.tell("pause") and rollout.acts() == []


def test_deferred_targets_catch_up():
    rollout = canary_passed(budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 50})
    rollout.until("succeeded", B)
    rollout.look(C, online=False)
    assert rollout[C].blocked == "offline" and not rollout[C].available
    assert rollout.decide() == ["defer", "advance"] and rollout.state.status == "done_with_deferred"
    assert rollout[C].state == "deferred" and rollout[C].reason == "its node does not answer"
    assert rollout.tell("catch_up") and rollout.state.status == "running" and rollout.state.wave == 2
    assert rollout[C].attempt == 2 and rollout[C].late
    # Away again: no success, no failure, and the same end as before.
    rollout.look(C, online=False)
    assert rollout.decide() == [], "it may just not be heard of yet"
    assert rollout.later(120).decide() == ["defer", "advance"] and rollout.state.status == "done_with_deferred"
    assert rollout.tell("catch_up")
    rollout.until("succeeded", C)
    assert rollout.decide() == ["advance"] and rollout.state.status == "done"
    assert not rollout.tell("catch_up")


def test_too_many_deferred_are_no_success():
    rollout = canary_passed()
    rollout.until("succeeded", B)
    rollout.look(C, online=False)
    assert rollout.decide() == ["defer", "stop"] and rollout.state.status == "paused"
    assert "1 left out; that is more than 10 % of the wave" in rollout.state.stopped


def test_a_wrong_answer_stops_everything_and_goes_back():
    rollout = started()
    rollout.until("verifying", A)
    rollout.prove(A, "fail", gates=[{"gate": "golden", "verdict": "fail"}], reason="3 of 4 frames")
    assert rollout[A].state == "failed" and rollout[A].gates == ({"gate": "golden", "verdict": "fail"},) and rollout[A].reason == "3 of 4 frames"
    assert rollout.acts("rollback") == [("rollback", A)] and ("pull", B) not in rollout.acts()
    assert rollout.decide() == ["stop"] and rollout.state.status == "paused" and rollout.state.waves[0].state == "failed"
    assert "wave canary: 0 of 1 well (wanted 1), 1 failed (may 0), 0 left out" == rollout.state.stopped
    assert not rollout.tell("rollback_intent", A, to=NEW["amd64"])
    assert rollout.tell("rollback_intent", A, to=OLD) and rollout[A].state == "rolling_back"
    assert not rollout.tell("rolled_back", A, verdict="pass", digest=NEW["amd64"], seen=rollout.now)
    assert not rollout.tell("rolled_back", A, verdict="pass", digest=OLD, seen=rollout.now - 1)
    assert not rollout.tell("rolled_back", A, verdict="inconclusive", digest=OLD, seen=rollout.now)
    assert rollout.tell("rolled_back", A, verdict="pass", digest=OLD, seen=rollout.now) and rollout[A].state == "rolled_back"
    assert not rollout.tell("rollback_intent", A, to=OLD)
    # Resumed without a new attempt, it stops for the same reason.
    assert rollout.tell("resume") and rollout.acts("switch", "look", "pull") == [] and rollout.decide() == ["stop"]
    assert rollout.tell("retry", targets=[A]) and rollout[A].attempt == 2 and rollout[A].previous == OLD and not rollout[A].changed
    assert rollout.state.waves[0].state == "running" and rollout.tell("resume") and rollout.decide() == []


def test_a_rollback_that_fails_halts_everything():
    rollout = canary_passed(on_failure={"stop": "rollback_all"})
    rollout.until("verifying", B)
    rollout.prove(B, "fail")
    assert rollout.decide() == ["stop"] and rollout.state.status == "rolling_back" and rollout[C].state == "canceled"
    assert to_roll_back(rollout.plan, rollout.state) == {A: 0, B: 1}
    rollout.tell("rollback_intent", B, to=OLD)
    assert rollout.tell("rolled_back", B, verdict="fail", seen=rollout.now) and rollout[B].state == "rollback_failed"
    # What still serves is left alone, and a person is told.
    assert to_roll_back(rollout.plan, rollout.state) == {} and not unfinished(rollout.plan, rollout.state)
    assert rollout.decide() == ["finish"] and rollout.state.status == "aborted_dirty"
    assert stop_reason(rollout.plan, rollout.state) == f"{B} could not be rolled back (1 in all): see to it by hand"


def test_a_rollback_of_all_takes_back_the_newest_first():
    rollout = canary_passed()
    rollout.until("succeeded", B)
    assert rollout.tell("rollback", scope="all", reason="customer asked")
    assert rollout.acts("rollback") == [("rollback", B), ("rollback", A)]
    for name in (A, B):
        rollout.tell("rollback_intent", name, to=OLD)
        assert unfinished(rollout.plan, rollout.state) and rollout.decide() == []
        rollout.tell("rolled_back", name, verdict="pass", digest=OLD, seen=rollout.now)
    assert rollout.decide() == ["finish"] and rollout.state.status == "aborted" and rollout.state.reason == "customer asked"
    wave_only = canary_passed()
    wave_only.until("succeeded", B)
    wave_only.tell("rollback", scope="wave")
    assert to_roll_back(wave_only.plan, wave_only.state) == {B: 1}


def test_aborts():
    rollout = Rollout()
    assert rollout.tell("abort") and rollout.state.status == "aborting" and rollout.decide() == ["finish"] and rollout.state.status == "aborted"
    rollout = started()
    rollout.until("switching", A)
    assert rollout.tell("abort", reason="enough") and rollout[B].state == "canceled" and rollout[A].state == "switching"
    assert not rollout.tell("abort") and rollout.decide() == []
    rollout.tell("switched", A)
    rollout.prove(A)
    rollout.later(600)
    assert rollout.prove(A) and rollout.decide() == ["finish"] and rollout.state.status == "aborted" and rollout.state.reason == "enough"
    back = started()
    back.until("succeeded", A)
    assert back.tell("abort", mode="rollback") and back.state.status == "rolling_back" and to_roll_back(back.plan, back.state) == {A: 0}


def test_approvals_are_for_one_wave_of_one_plan_for_a_time():
    waves = [{"name": "canary", "pick": {"per": "class"}, "soak": "5m", "approval": True}, {"name": "rest", "percent": 100, "approval": True}]
    rollout = started(waves=waves)
    good = {"wave": 0, "plan": rollout.plan["hash"], "by": "eva", "until": NOW + 100}
    assert rollout.state.waves[0].state == "approval"
    for change in ({"plan": "sha256:other"}, {"wave": 7}, {"wave": -1}, {"wave": True}, {"wave": None}, {"by": ""}, {"by": None},
                   {"until": NOW}, {"until": None}):
        assert not rollout.tell("approve", **{**good, **change}), change
    assert rollout.tell("approve", **good) and rollout.state.waves[0].state == "running" and rollout.state.waves[0].approved_by == "eva"
    assert not rollout.tell("approve", **good)
    # Ahead of time, and outlived before the wave is reached.
    assert rollout.tell("approve", **{**good, "wave": 1}) and rollout.state.waves[1].state == "waiting"
    rollout.until("succeeded", next(name for name in (A, B, C) if rollout.plan["targets"][name]["wave"] == 0))
    assert rollout.decide() == ["advance"] and rollout.state.waves[1].state == "approval"
    assert rollout.later(7 * 86400).decide() == ["pause"] and "nobody approved wave rest" in rollout.state.reason
    early = started(waves=waves)
    early.tell("approve", **{**good, "until": NOW + 10**6})
    early.tell("approve", **{**good, "wave": 1, "until": NOW + 10**6})
    early.until("succeeded", next(name for name in (A, B, C) if early.plan["targets"][name]["wave"] == 0))
    assert early.decide() == ["advance"] and early.state.waves[1].state == "running"


def test_an_approval_is_waited_for_until_its_time_is_over():
    waves = [{"name": "canary", "pick": {"per": "class"}, "approval": True}, {"name": "rest", "percent": 100}]
    rollout = started(waves=waves)
    assert rollout.later(7 * 86400 - 1).decide() == [] and rollout.later(1).decide() == ["pause"]


LOOKS = [
    ({"online": False}, "planned", "offline"), ({"online": None}, "planned", "offline"), ({"lock": True}, "planned",
                                                                                          "lock"), ({"lock": None}, "planned", "lock"),
    ({"healthy": False}, "skipped", ""), ({"digest": NEW["amd64"]}, "already_current", ""), ({"digest": NEW["amd64"], "healthy": None}, "planned", ""),
    ({"reject": "CUDA 11.4; wanted 12.2"}, "rejected", ""), ({}, "planned", ""), ({"present": False}, "planned", ""),
    ({"digest": NEW["amd64"], "healthy": False}, "skipped", ""),
]


@pytest.mark.parametrize(("seen", "state", "blocked"), LOOKS, ids=[str(case[0]) for case in LOOKS])
def test_looks(seen, state, blocked):
    rollout = started()
    rollout.look(A, **seen)
    assert (rollout[A].state, rollout[A].blocked) == (state, blocked)
    assert rollout[A].looked == NOW and rollout[A].available is (seen.get("online", True) is True and seen.get("healthy", True) is not False)


def test_looks_go_on():
    rollout = started(targets={"expect": 3, "repair": True})
    rollout.look(A, healthy=False)
    assert rollout[A].state == "planned" and not rollout[A].available
    rollout.look(A, lock=True)
    rollout.later(60).look(A, lock=True)
    assert rollout[A].blocked_since == NOW
    rollout.later(60).look(A, online=False)
    assert rollout[A].blocked == "offline" and rollout[A].blocked_since == NOW + 120
    assert not rollout.look(A, at=NOW)
    rollout.look(A)
    assert rollout[A].blocked == "" and rollout[A].blocked_since == 0
    rollout.tell("pull_intent", A)
    rollout.tell("pulled", A)
    rollout.look(A, digest="sha256:else")
    assert rollout[A].previous == OLD
    rollout.look(A, present=False)
    assert rollout[A].state == "planned" and "fetched again" in rollout[A].reason


def test_pulls_are_tried_again_and_not_for_ever():
    rollout = started(retries={"prepull": 2, "backoff": "10m"})
    rollout.look(A, lock=True)
    waits = []
    for _number in range(2):
        assert rollout.tell("pull_intent", A) and rollout[A].state == "prepulling" and rollout[A].blocked == "lock"
        assert rollout.tell("pull_failed", A, reason="no route") and rollout[A].state == "planned"
        waits.append(rollout[A].not_before - rollout.now)
        assert not rollout.tell("pull_intent", A)
        rollout.later(waits[-1])
    assert waits == [2, 4]
    rollout.tell("pull_intent", A)
    rollout.tell("pull_failed", A, reason="no space")
    assert rollout[A].state == "failed" and not rollout[A].changed and rollout.acts("rollback") == []
    offline = started()
    offline.look(A, online=False)
    assert not offline.tell("pull_intent", A)


def test_backoff_has_an_end():
    rollout = started(retries={"prepull": 30, "backoff": "1m"})
    for _number in range(8):
        rollout.tell("pull_intent", A)
        rollout.tell("pull_failed", A)
        rollout.later(61)
    assert rollout[A].not_before == rollout.now - 61 + 60


def test_a_switch_that_was_refused_is_tried_again():
    rollout = started()
    rollout.until("switching", A)
    assert rollout.tell("switch_failed", A, changed=False, reason="409") and rollout[A].state == "prepulled" and rollout[A].not_before == NOW + 2
    assert rollout.tell("switch_intent", A, to=NEW["amd64"]) and rollout[A].switches == 2
    assert rollout.tell("switch_failed", A, changed=False) and rollout[A].state == "failed" and not rollout[A].changed
    other = started()
    other.until("switching", A)
    other.tell("switch_failed", A, reason="half")
    assert other[A].state == "failed" and other[A].changed


@pytest.mark.parametrize("change", [{"to": OLD}, {"to": None}, {"attempt": 2}, {"target": B}, {"target": "nobody"}, {"target": None}])
def test_switches_that_nobody_planned_are_refused(change):
    rollout = started()
    rollout.until("prepulled", A)
    event = {"to": NEW["amd64"], **change}
    assert not rollout.tell("switch_intent", **{"target": A, **event})
    assert rollout.tell("switch_intent", A, to=NEW["amd64"], attempt=1)


def test_no_switch_while_it_is_paused_blocked_or_not_its_waves_turn():
    rollout = started()
    rollout.until("prepulled", A, B)
    assert not rollout.tell("switch_intent", B, to=NEW["amd64"])
    rollout.tell("pause", reason="lunch")
    assert rollout.state.reason == "lunch" and not rollout.tell("switch_intent", A, to=NEW["amd64"]) and not rollout.tell("pull_intent", C)
    rollout.tell("resume")
    rollout.look(A, lock=True)
    assert not rollout.tell("switch_intent", A, to=NEW["amd64"])


def test_evidence_must_be_newer_than_the_switch_and_of_the_planned_image():
    rollout = started()
    rollout.until("verifying", A)
    for change in ({"seen": NOW - 1}, {"seen": NOW + 1}, {"seen": None}, {"seen": True}, {"digest": OLD}, {"digest": None}, {"verdict": "error"},
                   {"verdict": "inconclusive"}, {"verdict": None}, {"attempt": 9}):
        assert not rollout.prove(A, **change), change
    assert not rollout.tell("switched", A)
    assert rollout.prove(A) and rollout[A].state == "soaking"
    rollout.later(299)
    assert not rollout.prove(A)
    rollout.later(1)
    assert rollout.prove(A) and rollout[A].state == "succeeded"
    assert not rollout.prove(A, "fail")


def test_a_crash_in_the_soak_is_a_failure():
    rollout = started()
    rollout.until("soaking", A)
    assert rollout.prove(A, "fail") and rollout[A].state == "failed" and rollout[A].changed


DEADLINES = [("prepulling", 7200, "planned"), ("switching", 600, "failed"), ("verifying", 900, "failed"), ("soaking", 300 + 3600, "failed")]


@pytest.mark.parametrize(("state", "limit", "then"), DEADLINES)
def test_nothing_is_waited_for_without_end(state, limit, then):
    rollout = started()
    rollout.until(state, A)
    assert deadline(rollout.plan, rollout.state, A) == NOW + limit
    rollout.later(limit - 1)
    assert rollout.decide() == [] and not rollout.tell("expire", A)
    rollout.later(1)
    assert rollout.decide()[0] == "expire" and rollout[A].state == then
    assert rollout[A].reason == f"not done {limit} s after {state} began"
    assert rollout[A].changed is (then == "failed")


def test_a_rollback_has_a_deadline_too_and_the_last_gate_is_named():
    rollout = started()
    rollout.until("verifying", A)
    rollout.prove(A, "fail", gates=[{"gate": "ready", "verdict": "pass"}, {"gate": "golden", "verdict": "fail", "found": "0 of 4 right"}])
    rollout.tell("rollback_intent", A, to=OLD)
    rollout.later(1200)
    assert rollout.decide()[0] == "expire" and rollout[A].state == "rollback_failed"
    assert rollout[A].reason == "not done 1200 s after rolling_back began; golden: 0 of 4 right"


def test_drift_is_for_people():
    rollout = started(on_failure={"stop": "rollback_all"})
    rollout.until("switching", A)
    assert rollout.tell("drift", A, reason="somebody else's image") and rollout[A].drift
    assert rollout.acts("rollback") == [] and rollout.decide() == ["stop"] and rollout.state.status == "paused"
    assert "runs what nobody planned" in rollout.state.stopped and not rollout.tell("retry")
    assert not started().tell("drift", A)


def test_canaries_are_not_left_out():
    rollout = started()
    rollout.look(A, online=False)
    assert not rollout.tell("defer", A) and rollout.decide() == []
    assert rollout.later(7199).decide() == []
    assert rollout.later(1).decide() == ["pause"] and f"{A} is a canary, and its node does not answer" in rollout.state.reason
    rollout = started()
    rollout.tell("skip", A)
    assert rollout[A].state == "skipped" and rollout.decide() == ["stop"]


def test_locks_are_waited_for_and_then_deferred():
    rollout = canary_passed(budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 50})
    rollout.until("prepulled", B)
    rollout.look(B, lock=True)
    assert rollout.later(7199).decide() == [] and rollout.later(1).decide() == ["defer"]
    assert rollout[B].reason == "its line has been busy for 7200 s"


def test_one_dead_device_does_not_hold_its_site_for_ever():
    rollout = canary_passed(budgets={"max_unavailable": {"site": 1}, "max_deferred_percent": 100})
    rollout.until("prepulled", B, C)
    rollout.tell("availability", A, available=False)
    rollout.look(B)
    assert rollout.acts("switch") == [] and rollout.decide() == []
    rollout.later(7200)
    assert rollout.decide() == ["defer", "defer", "stop"]
    assert rollout[B].reason == f"no target of site north may be down beside {A}"
    # A target that is down itself makes nothing worse.
    other = canary_passed(budgets={"max_unavailable": {"site": 1}}, targets={"expect": 3, "repair": True})
    other.until("prepulled", B)
    other.look(B, healthy=False)
    assert other.acts("switch") == [("switch", B)] and other.later(7200).decide() == []


def test_looking_again_at_a_dead_device_does_not_hold_its_site_either():
    """An offline device of a later wave is asked every ten minutes; it is down since the first time."""
    waves = [WAVES[0], {"name": "two", "percent": 66}, {"name": "rest", "percent": 100}]
    rollout = canary_passed(waves=waves, budgets={"max_unavailable": {"site": 1}, "max_deferred_percent": 100})
    two, dead = (B, C) if rollout.plan["targets"][B]["wave"] == 1 else (C, B)
    rollout.until("prepulled", two)
    for _turn in range(12):
        assert rollout.look(dead, online=False) and not rollout[dead].available
        rollout.look(two)
        assert rollout.acts("switch") == [] and rollout.decide() == []
        rollout.later(600)
    assert "defer" in rollout.decide() and rollout[two].reason == f"no target of site north may be down beside {dead}"
    # A word about it that is older than the last look is not news.
    rollout.look(dead, online=False)
    assert not rollout.later(-1).tell("availability", dead, available=True) and rollout.later(1).tell("availability", dead, available=True)


def test_rules_of_the_whole_rollout():
    rollout = canary_passed(budgets={"max_unavailable": {"site": 3}, "failures": {"max": 0, "percent": 100, "min_sample": 1}},
                            waves=TOLERANT)
    rollout.until("verifying", B)
    rollout.prove(B, "fail")
    assert stop_reason(rollout.plan, rollout.state) == "1 targets failed; the rollout may have 0"
    ratio = canary_passed(budgets={"max_unavailable": {"site": 3}, "failures": {"max": 9, "percent": 49, "min_sample": 2}},
                          waves=TOLERANT)
    ratio.until("verifying", B)
    ratio.prove(B, "fail")
    assert stop_reason(ratio.plan, ratio.state) == "1 of 2 tried targets failed; that is more than 49 %"
    ratio.plan["budgets"]["failures"].update(min_sample=3)
    assert stop_reason(ratio.plan, ratio.state) == ""
    ratio.plan["budgets"]["failures"].update(min_sample=2, percent=50)
    assert stop_reason(ratio.plan, ratio.state) == ""


def test_success_out_of_reach_stops_before_the_end():
    rollout = canary_passed(waves=[{"name": "one", "pick": {"per": "class", "prefer": {"first": "1"}}, "soak": "5m"},
                                   {"name": "rest", "percent": 100, "max_failures": 1}],
                            budgets={"max_unavailable": {"site": 3}, "max_deferred_percent": 100})
    rollout.tell("defer", B)
    rollout.until("verifying", C)
    rollout.prove(C, "fail")
    # One may fail, but of two one is put off and one failed: nobody is left who could succeed.
    assert judge_wave(rollout.plan, rollout.state, 1).text.endswith("success is out of reach")
    assert rollout.decide() == ["stop"]


def test_gates_of_a_wave():
    rollout = started(gates={"drift": {"output": "x", "max": 0.2}})
    assert not rollout.tell("gate", wave=0, verdict="maybe")
    rollout.until("succeeded", A)
    assert rollout.acts("gate") == [("gate", 0)] and not rollout.tell("advance", wave=0)
    assert not rollout.tell("gate", wave=1, verdict="pass")
    assert rollout.tell("gate", wave=0, verdict="inconclusive", gates=[{"gate": "drift"}, "odd"]) and rollout.state.waves[0].gates == ({"gate": "drift"},)
    assert rollout.later(3599).decide() == []
    assert rollout.tell("gate", wave=0, verdict="pass") and not rollout.tell("gate", wave=0, verdict="fail")
    assert rollout.decide() == ["advance"] and rollout.state.wave == 1
    bad = started(gates={"drift": {"output": "x", "max": 0.2}})
    bad.until("succeeded", A)
    bad.tell("gate", wave=0, verdict="inconclusive")
    assert bad.later(3600).decide() == ["gate", "stop"] and "the gates of the wave failed" in bad.state.stopped


def test_the_whole_rollout_has_a_deadline():
    rollout = started(timeouts={"total": "1d"})
    assert rollout.later(86399).decide() == [] and rollout.later(1).decide() == ["pause"]
    assert "its time is over" in rollout.state.reason


def test_retries_are_for_what_failed():
    rollout = canary_passed(budgets={"max_unavailable": {"site": 3}}, on_failure={"target": "hold"})
    rollout.until("verifying", B)
    rollout.prove(B, "fail")
    rollout.decide()
    assert rollout.acts("rollback") == []
    assert not rollout.tell("retry", targets=[A]) and not rollout.tell("retry", targets=["nobody", 3]) and not rollout.tell("retry", targets="all")
    assert rollout.tell("retry") and rollout[B].attempt == 2 and rollout[B].changed and rollout[B].state == "planned"
    # It was left changed: whoever gives up now has to take it back.
    assert rollout.tell("abort") and rollout[B].state == "failed" and rollout[C].state == "canceled"
    assert not rollout.tell("retry"), "what was given up is not taken up again"


def test_superseding():
    rollout = started()
    rollout.until("prepulled", B)
    rollout.until("switching", A)
    assert rollout.tell("cancel", targets=[A, B], reason="r-3 is newer")
    assert (rollout[A].state, rollout[B].state, rollout[C].state) == ("switching", "canceled", "planned")
    assert not rollout.tell("cancel", targets=[A])


def test_controllers():
    rollout = started()
    assert rollout.tell("takeover", token=3) and rollout.state.token == 3 and not rollout.tell("takeover", token=3) and not rollout.tell("takeover", token=2)
    assert not rollout.tell("takeover", token=True) and not rollout.tell("takeover")


def test_availability_is_by_its_own_time():
    rollout = started()
    assert rollout.tell("availability", A, available=False) and not rollout[A].available
    assert not rollout.tell("availability", A, available=None) and not rollout.tell("availability", A, available=True, at=NOW - 1)
    assert rollout.later(1).tell("availability", A, available=True)


@pytest.mark.parametrize("event", [{}, {"at": NOW}, {"type": "start", "at": -1}, {"type": "start", "at": True}, {"type": "start",
                                                                                                                 "at": "1"}, {"type": ["start"], "at": NOW},
                                   {"type": "look", "at": NOW, "target": []}, {"type": "none", "at": NOW, "target": A}])
def test_what_is_no_event_changes_nothing(event):
    rollout = Rollout()
    from_here = rollout.state
    assert not rollout.tell(**{"kind": event.get("type"), **{key: value for key, value in event.items() if key != "type"}}) and rollout.state == from_here


def test_numbers_of_the_journal():
    rollout = Rollout()
    rollout.tell("nothing", seq=5)
    assert rollout.state.seq == 5
    rollout.tell("start", seq=4)
    assert rollout.state.seq == 5 and rollout.state.status == "running" and rollout.state.started == NOW
    assert not rollout.tell("start")


def test_a_plan_with_nothing_to_do_is_done_when_all_is_as_wanted():
    rollout = Rollout()
    names = sorted(rollout.plan["targets"])
    for kind, status in (("already_current", "done"), ("skipped", "ready")):
        rollout = Rollout()
        rollout.plan.update(waves=[], targets={})
        rollout.state = rollout.state.__class__(plan="x", waves=rollout.state.waves[:1],
                                                targets={name: rollout[name].__class__(state=kind) for name in names})
        rollout.tell("start")
        assert rollout.state.status == status


def test_reasons_are_cut():
    rollout = started()
    rollout.tell("skip", A, reason="x" * 9999)
    assert len(rollout[A].reason) == 500
