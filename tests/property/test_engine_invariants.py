# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Invariants of a rollout on its way, on generated fleets with generated faults, event orders, crashes and controllers."""

from __future__ import annotations

import json
import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import JOURNAL, LedgerFile
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adopt import adopt
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import admit, is_down
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.budgets import ceiling, groups_of, sizes
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.decide import decide
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import forecast
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import count
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger import parse, restore, snapshot
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Target, dump, initial, load, wave_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.recover import record
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report import summarise
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.windows import fits, open_spans
from ansible_collections.edgeai.sites.tests.property.fleets import NEW, OLD, START, plans
from ansible_collections.edgeai.sites.tests.property.world import FAULTS, Engine, Killed, World

KINDS = ("start", "pause", "resume", "approve", "abort", "rollback", "retry", "catch_up", "cancel", "takeover", "stop", "gate", "advance", "finish",
         "found", "adopt", "look", "pull_intent", "pulled", "pull_failed", "switch_intent", "switched", "switch_failed", "verified", "expire",
         "rollback_intent", "rolled_back", "defer", "skip", "drift", "availability", "before", "counted", "unheard-of")
ODD = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just("x"), st.just([]), st.just({}))


@st.composite
def faulty(draw, windows=False, faults=FAULTS):
    """A plan and a fault, or none, for each of its targets."""
    plan = draw(plans(windows=windows, seen=draw(st.booleans())))
    return plan, {name: draw(st.sampled_from(faults)) for name in sorted(plan["targets"])}


@st.composite
def events(draw, plan, at):
    """An event that might be in a journal, with all that it should have, or with something odd in its place."""
    name = draw(st.sampled_from(sorted(plan["targets"]) or ["nobody"]))
    digest = st.sampled_from([*NEW.values(), OLD, "", plan["targets"].get(name, {}).get("digest", "")])
    event = {
        "type": draw(st.sampled_from(KINDS)), "at": at, "target": name, "wave": draw(st.integers(0, 3)), "plan": plan["hash"], "by": "eva",
        "until": at + 1000, "verdict": draw(st.sampled_from(["pass", "pass", "inconclusive", "error", "fail"])), "digest": draw(digest),
        "seen": at - draw(st.sampled_from([0, 0, 0, 100000])), "online": draw(st.booleans()), "lock": draw(st.booleans()),
        "healthy": draw(st.sampled_from([True, True, False, None])), "present": draw(st.booleans()), "changed": draw(st.booleans()),
        "from": OLD, "to": draw(digest), "mode": draw(st.sampled_from(["hold", "rollback", "rollback_wave", "rollback_all"])),
        "scope": draw(st.sampled_from(["wave", "all"])), "available": draw(st.booleans()), "token": draw(st.integers(0, 5)), "reason": "why",
        "running": {name: draw(digest)}, "records": {name: {"plan": plan["hash"], "state": draw(st.sampled_from(["succeeded", "soaking", "failed"]))}},
    }
    if draw(st.integers(0, 3)) == 0:
        event[draw(st.sampled_from(sorted(event)))] = draw(ODD)
    if draw(st.integers(0, 9)) == 0:
        event["attempt"] = draw(st.integers(0, 2))
    return event


@st.composite
def histories(draw, length=60):
    """A plan and a sequence of events. At first it goes as it should, so that late states are reached too."""
    plan = draw(plans(seen=draw(st.booleans())))
    world = World(plan, {name: draw(st.sampled_from(FAULTS)) for name in sorted(plan["targets"])})
    engine = Engine(world, kill_at=draw(st.integers(0, 80)))
    try:
        engine.run(3 * 86400)
    except Killed:
        pass
    at = world.now
    sequence = list(engine.journal)
    for _number in range(draw(st.integers(0, length))):
        at += draw(st.sampled_from([0, 1, 60, 400, 9000]))
        sequence.append(draw(events(plan, at)))
    return plan, sequence


def valid(plan, state):
    """What is true of every state that there can be."""
    assert set(state.targets) == {*plan["targets"], *plan["left_out"]}
    assert all(target.state in s.TARGET_STATES for target in state.targets.values())
    assert state.status in (s.READY, s.RUNNING, s.PAUSED, s.ABORTING, s.ROLLING_BACK_ALL, *s.FINISHED)
    assert 0 <= state.wave < len(state.waves) == len(plan["waves"]) + 1
    assert load(json.loads(json.dumps(dump(state))), plan) == state
    for wave in range(state.wave):
        assert state.waves[wave].state == s.PASSED
    for name in plan["targets"]:
        target = state.targets[name]
        assert target.state != s.PREPULLED or not target.drift


@given(faulty(windows=True), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.booleans()), max_size=6))
def test_invariant_04_no_switch_is_begun_beyond_a_budget(case, failures):
    plan, faults = case
    members, lost = sizes(plan)

    def watch(engine, before, event, after):
        if event["type"] != "switch_intent" or after.targets == before.targets:
            return
        if is_down(before, event["target"]):
            return
        down = dict(lost)
        for name in plan["targets"]:
            for group in groups_of(plan["targets"][name]) if is_down(after, name) else ():
                down[group] = down.get(group, 0) + 1
        for group in groups_of(plan["targets"][event["target"]]):
            assert down[group] <= ceiling(plan, group, members[group]), group
        busy = [plan["targets"][name]["site"] for name in plan["targets"] if after.targets[name].state in s.IN_FLIGHT]
        assert len(busy) <= plan["budgets"]["concurrent_targets"] and len(set(busy)) <= plan["budgets"]["concurrent_sites"]

    names = sorted(plan["targets"])
    commands = [{"type": "availability", "target": names[number % len(names)], "available": serves, "at": START + 400 * hour}
                for hour, number, serves in failures if names]
    Engine(World(plan, faults), watch=watch, commands=commands).run(4 * 86400)


@given(faulty())
def test_invariant_05_a_sites_link_carries_no_more_than_its_share(case):
    plan, faults = case
    begun = {}

    def watch(engine, before, event, after):
        if event["type"] == "pull_intent" and after.targets != before.targets:
            begun.setdefault(plan["targets"][event["target"]]["site"], []).append((event["at"], event["target"]))

    Engine(World(plan, faults, quick=0.1), watch=watch).run(4 * 86400)
    for site, pulls in begun.items():
        bps = plan["sites"][site]["wan_bps"]
        sent = 0
        for at, name in pulls:
            # All before the newest one had the time that they need at the site's share of its link.
            assert not bps or 8 * sent <= bps * (at - pulls[0][0])
            sent += plan["targets"][name]["wan_bytes"]


@given(faulty(windows=True))
def test_invariant_06_no_wave_is_switched_before_the_one_before_has_passed(case):
    plan, faults = case

    def watch(engine, before, event, after):
        for name in plan["targets"]:
            if after.targets[name].state == s.SWITCHING and before.targets[name].state != s.SWITCHING:
                number = wave_of(plan, after, name)
                assert all(after.waves[earlier].state == s.PASSED for earlier in range(number))
                assert after.waves[number].state == s.WAVE_RUNNING
                assert not plan["waves"][number]["approval"] or after.waves[number].approved_by

    Engine(World(plan, faults), watch=watch).run(4 * 86400)


@given(faulty(faults=("", "wrong", "crash", "silent", "refuse", "stuck")), st.integers(0, 200))
def test_invariant_07_after_a_stop_nothing_new_is_switched(case, minute):
    plan, faults = case
    stopped = []

    def watch(engine, before, event, after):
        if after.stopped and after.status != s.RUNNING:
            stopped.append(event)
        if stopped and event["type"] != "resume":
            assert not any(after.targets[name].state == s.SWITCHING and before.targets[name].state != s.SWITCHING for name in plan["targets"])
        if stopped:
            assert not any(act["act"] in ("switch", "pull") for act in admit(plan, after, event["at"]))

    commands = [{"type": "abort", "at": START + 60 * minute, "mode": "hold", "reason": "enough"}] if minute % 3 == 0 else []
    state = Engine(World(plan, faults), watch=watch, commands=commands).run(4 * 86400)
    if state.status in (s.ABORTED, s.ABORTED_DIRTY):
        assert stopped and not any(state.targets[name].state in s.IN_FLIGHT for name in plan["targets"])


@given(faulty(faults=("", "refuse", "wrong", "pull", "stuck")))
def test_invariant_08_a_target_is_switched_no_more_often_than_its_retries_allow(case):
    plan, faults = case
    switches = {}

    def watch(engine, before, event, after):
        if event["type"] == "switch_intent" and after.targets != before.targets:
            key = (event["target"], after.targets[event["target"]].attempt)
            switches[key] = switches.get(key, 0) + 1

    world = World(plan, faults)
    Engine(world, watch=watch, commands=[{"type": "retry", "at": START + 7200}, {"type": "resume", "at": START + 7200}]).run(2 * 86400)
    assert all(number <= 1 + plan["retries"]["switch"] for number in switches.values())
    assert all(device.pulls <= 2 * (1 + plan["retries"]["prepull"]) for device in world.devices.values())


@given(histories(), st.randoms(use_true_random=False))
def test_invariant_09_any_event_in_any_state_gives_a_valid_state(case, shuffle):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        state = reduce(plan, state, event)
        valid(plan, state)
        # Told twice is told once.
        assert reduce(plan, state, event) == state, event
    shuffle.shuffle(sequence)
    state = initial(plan)
    for event in sequence:
        state = reduce(plan, state, {key: value for key, value in event.items() if key != "seq"})
        valid(plan, state)
        assert admit(plan, state, START) is not None and decide(plan, state, START) is not None


@given(faulty(faults=("", "", "", "wrong", "crash", "pull", "locked")), st.data())
@settings(max_examples=25)
def test_invariant_10_killed_at_any_line_of_the_journal_it_comes_to_the_same_end(case, data):
    plan, faults = case
    whole = Engine(World(plan, faults))
    end = whole.run(10 * 86400)
    lines = data.draw(st.sets(st.integers(0, max(0, len(whole.journal) - 1)), max_size=12)) | {0, 1, 2}
    for line in sorted(lines):
        world = World(plan, faults)
        engine = Engine(world, kill_at=line)
        try:
            engine.run(10 * 86400)
        except Killed:
            pass
        # What was begun before may be done, half done or not done at all when the next one comes.
        for _at, _order, _id, act in engine.pending:
            if act["act"] == "switch" and data.draw(st.booleans()):
                world.devices[act["target"]].digest = act["from"] or OLD
        world.now += data.draw(st.sampled_from([1, 70]))
        again = Engine(world, journal=engine.journal).run(10 * 86400)
        assert again.status == end.status, f"killed at line {line}"
        if end.status in (s.DONE, s.DONE_WITH_DEFERRED):
            assert {name: target.state for name, target in again.targets.items()} == {name: target.state for name, target in end.targets.items()}
        assert [wave.state == s.PASSED for wave in again.waves] == [wave.state == s.PASSED for wave in end.waves]


@given(histories())
def test_invariant_11_an_end_is_an_end_until_somebody_begins_anew(case):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        following = reduce(plan, state, event)
        for name, target in state.targets.items():
            if target.state in s.TERMINAL and following.targets[name].state != target.state:
                assert event["type"] in ("retry", "catch_up", "rollback_intent"), event
        if state.status in s.FINISHED and state.status != s.DONE_WITH_DEFERRED:
            assert following.status == state.status
        state = following


@given(histories())
def test_invariant_12_well_means_that_the_planned_image_was_seen_after_the_switch(case):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        following = reduce(plan, state, event)
        for name in plan["targets"]:
            before, after = state.targets[name], following.targets[name]
            if after.state in (s.SOAKING, s.SUCCEEDED) and after.state != before.state:
                assert event["verdict"] == "pass" and event["digest"] == plan["targets"][name]["digest"]
                assert event["at"] >= event["seen"] >= before.since
            if after.state == s.SUCCEEDED and before.state != s.SUCCEEDED:
                assert event["seen"] - before.since >= plan["waves"][plan["targets"][name]["wave"]]["soak"]
        state = following


@given(histories())
def test_invariant_16_the_way_back_leads_to_what_was_recorded(case):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        following = reduce(plan, state, event)
        for name in plan["targets"]:
            before, after = state.targets[name], following.targets[name]
            if before.previous:
                assert after.previous == before.previous, "the record of what ran before was written over"
            if after.state == s.ROLLING_BACK and before.state != s.ROLLING_BACK:
                assert event["to"] == before.previous != ""
                assert before.state not in (s.ROLLED_BACK, s.ROLLBACK_FAILED), "a rollback was rolled back"
                assert before.changed
            if after.state == s.ROLLED_BACK and before.state != s.ROLLED_BACK:
                assert event["digest"] == before.previous and event["verdict"] == "pass"
        state = following


@given(faulty(windows=True))
def test_invariant_17_no_switch_is_begun_that_cannot_end_in_its_window(case):
    plan, faults = case

    def watch(engine, before, event, after):
        if event["type"] == "switch_intent" and after.targets != before.targets:
            site, row = plan["sites"][plan["targets"][event["target"]]["site"]], plan["targets"][event["target"]]
            spans = open_spans(site["timezone"], site["switch"], site["deny"], event["at"] - 86400, event["at"] + 86400)
            assert fits(spans, event["at"], row["seconds"])

    Engine(World(plan, faults), watch=watch).run(4 * 86400)


@given(plans(seen=False), st.lists(st.integers(0, 1), min_size=1, max_size=12))
@settings(max_examples=30)
def test_invariant_18_of_two_controllers_the_older_one_never_writes(plan, turns):
    with tempfile.TemporaryDirectory() as directory:
        first = LedgerFile(directory, plan, START)
        with pytest.raises(RolloutError, match="is being run already"):
            LedgerFile(directory, plan, START)
        # The lock is gone, and the first controller does not know: as on a network file system whose server was away.
        os.unlink(os.path.join(directory, "lock"))
        second = LedgerFile(directory, plan, START + 1)
        assert second.token > first.token
        seq = second.state.seq
        for turn in turns:
            if turn:
                second.append({"type": "pause", "at": START + 2})
                seq += 1
            else:
                with pytest.raises(Fenced):
                    first.append({"type": "start", "at": START + 2})
        first.close()
        second.close()
        with open(os.path.join(directory, JOURNAL), "rb") as stream:
            journal = parse(stream.read(), plan)
        assert journal.seq == seq and {event["token"] for event in journal.events} <= {1, 2}
        assert all(later["token"] >= event["token"] for event, later in zip(journal.events, journal.events[1:]))


@given(histories(), st.booleans())
def test_invariant_19_a_later_rollout_takes_over_only_what_was_not_switched(case, everything):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        state = reduce(plan, state, event)
    names = sorted(plan["targets"]) if everything else sorted(plan["targets"])[:1]
    following = reduce(plan, state, {"type": "cancel", "at": START + 10**7, "targets": names, "reason": "superseded"})
    for name in plan["targets"]:
        if following.targets[name] != state.targets[name]:
            assert name in names and state.targets[name].state in s.BEFORE_SWITCH
        if following.targets[name].state == s.CANCELED:
            assert not following.targets[name].changed


@given(faulty(faults=("", "locked", "locked", "offline")), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 300)), max_size=4))
def test_invariant_20_a_line_that_is_busy_is_never_switched(case, released):
    plan, faults = case
    world = World(plan, faults)
    due = sorted((START + 60 * minute, number) for number, minute in released)

    def watch(engine, before, event, after):
        if event["type"] == "switch_intent" and after.targets != before.targets:
            assert world.devices[event["target"]].fault == ""
            assert not before.targets[event["target"]].blocked
        while due and due[0][0] <= world.now and world.devices:
            name = sorted(world.devices)[due.pop(0)[1] % len(world.devices)]
            # Only ever released: what happens between a look and its act is the device's own lock's to decide.
            world.devices[name].fault = ""

    Engine(world, watch=watch).run(2 * 86400)


@given(plans(windows=True, seen=False), st.sampled_from([1.0, 0.7, 0.3, 0.0]), st.integers(0, 86400))
@settings(max_examples=15)
def test_invariant_21_without_faults_it_takes_no_longer_than_forecast(plan, quick, offset):
    world = World(plan, quick=quick)
    world.now += offset
    outlook = forecast(plan, world.now)
    if not outlook["feasible"] or not plan["waves"]:
        return
    engine = Engine(world)
    state = engine.run(40 * 86400)
    assert state.status == s.DONE
    # The loop of this test looks again after ten minutes when nothing is under way: that is its own delay, not the plan's.
    rounds = sum(event["type"] in ("switch_intent", "look", "advance") for event in engine.journal) + 3
    assert world.now <= outlook["end"] + 600 * rounds
    if quick == 1.0:
        assert world.now - state.started >= sum(wave["at_least"] for wave in outlook["waves"])


@given(histories())
def test_invariant_23_the_counts_of_a_report_add_up_to_what_was_expected(case):
    plan, sequence = case
    state = initial(plan)
    for event in sequence:
        state = reduce(plan, state, event)
    summary = summarise(plan, state, START)
    assert sum(summary["counts"].values()) == plan["expect"] == len(summary["targets"])
    assert sorted(row["target"] for row in summary["targets"]) == sorted(state.targets)
    for row in summary["targets"]:
        if row["state"] in (s.SUCCEEDED, s.SOAKING):
            assert row["runs"] == row["to"] != ""
        if row["state"] == s.ROLLED_BACK:
            assert row["runs"] == row["from"] != ""


@given(faulty(faults=("", "offline", "offline", "locked")))
def test_invariant_24_deferred_counts_neither_for_nor_against(case):
    plan, faults = case
    engine = Engine(World(plan, faults))
    state = engine.run(5 * 86400)
    for number, wave in enumerate(plan["waves"]):
        seen = count(state, wave["targets"])
        deferred = [name for name in wave["targets"] if state.targets[name].state == s.DEFERRED]
        assert seen["outside"] >= len(deferred)
        assert seen["ok"] + seen["bad"] + seen["running"] + seen["outside"] == wave["size"]
        if wave["canary"]:
            assert not deferred
        if state.waves[number].state == s.PASSED:
            assert seen["ok"] >= max(1, wave["size"] - seen["outside"] - wave["max_failures"])
            assert len(deferred) * 100 <= plan["budgets"]["max_deferred_percent"] * wave["size"]
    if state.status == s.DONE_WITH_DEFERRED:
        for device in engine.world.devices.values():
            device.fault = ""
        again = Engine(engine.world, journal=engine.journal, commands=[{"type": "catch_up", "at": engine.world.now}])
        again.write({"type": "catch_up", "at": engine.world.now})
        end = again.run(20 * 86400)
        late = [name for name in plan["targets"] if end.targets[name].late]
        assert late or all(name not in plan["targets"] for name, target in state.targets.items() if target.state == s.DEFERRED)
        assert all(end.targets[name].state == s.SUCCEEDED for name in late)


@given(histories())
def test_a_snapshot_and_the_rest_of_the_journal_are_the_journal(case):
    plan, sequence = case
    state = initial(plan)
    sequence = [{**event, "seq": number, "token": 1} for number, event in enumerate(sequence, 1)]
    for event in sequence:
        state = reduce(plan, state, event)
        if event["seq"] == 1 + len(sequence) // 2:
            kept = snapshot(state)
    lines = [json.dumps({"format": "edgeai.sites/rollout-ledger", "version": 1, "plan": plan["hash"]})]
    lines += [json.dumps(event) for event in sequence]
    journal = parse(("\n".join(lines) + "\n").encode("ascii"), plan)
    if len(sequence) > 1:
        assert restore(plan, journal, kept) == restore(plan, journal)


@given(faulty())
@settings(max_examples=30)
def test_a_lost_ledger_is_rebuilt_from_the_targets_own_records(case):
    plan, faults = case
    world = World(plan, faults)
    engine = Engine(world, kill_at=40)
    try:
        engine.run(2 * 86400)
    except Killed:
        pass
    state = engine.state
    found = adopt(plan, {name: json.loads(json.dumps(record(plan, state, name))) for name in plan["targets"]}, world.now)
    assert found.status == s.PAUSED
    for name in plan["targets"]:
        before, after = state.targets[name], found.targets[name]
        assert after.previous == before.previous and after.attempt == before.attempt
        if before.state in s.TERMINAL or before.state in (s.SWITCHING, s.VERIFYING, s.ROLLING_BACK):
            assert after.state == before.state
        assert after.state not in (s.SOAKING, s.PREPULLED), "nobody watched since"
    stranger = adopt(plan, {name: {"plan": "sha256:0", "state": "succeeded"} for name in plan["targets"]}, world.now)
    assert all(stranger.targets[name] == Target() for name in plan["targets"])
