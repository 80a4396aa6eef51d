# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be begun: looks before acts, one pull at a time, windows, budgets and the order of waves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import admit, held
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW, OLD, plan
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import SITE, A, B, C, Rollout

# NOW is a Monday, 14:13:20 UTC.
OPEN = [{"days": ["mon"], "start": "14:00", "end": "14:16"}]


def started(windows=None, wan=0, **changes):
    rollout = Rollout(**changes)
    site = rollout.plan["sites"]["north"]
    site.update(switch=windows or [])
    if wan:
        for target in rollout.plan["targets"].values():
            target.update(pull_seconds=100)
    rollout.tell("start")
    return rollout


def second_wave(**changes):
    rollout = started(**changes)
    rollout.until("succeeded", A)
    rollout.decide()
    return rollout


def test_nothing_before_the_start_or_after_the_end():
    assert Rollout().acts() == []


def test_a_look_comes_first_then_a_pull():
    rollout = started()
    assert rollout.acts() == [("look", A)]
    rollout.look(A)
    (act,) = admit(rollout.plan, rollout.state, rollout.now)
    assert act == {"act": "pull", "target": A, "attempt": 1, "bytes": 100 << 20, "seconds": 0}
    rollout.later(59)
    assert rollout.acts() == [("pull", A)]
    rollout.later(1)
    assert rollout.acts() == [("look", A)]


def test_a_site_pulls_one_at_a_time_and_no_faster_than_its_share():
    rollout = started(wan=1)
    rollout.look(A)
    rollout.look(B)
    rollout.tell("pull_intent", A)
    assert rollout.acts() == []
    # It was quick; the link is for others too.
    rollout.later(40).tell("pulled", A)
    assert rollout.acts("pull") == [] and rollout[A].paced_until == NOW + 100
    rollout.later(59)
    assert rollout.acts("pull", "look") == [("look", A)]
    rollout.later(1)
    # The next one: of B and C the plan says who.
    rest = rollout.plan["waves"][1]["targets"]
    assert rollout.acts("look") == [("look", A), ("look", rest[0])]


def test_pulls_run_ahead_but_skip_who_does_not_answer():
    rollout = started()
    first, second = rollout.plan["waves"][1]["targets"]
    rollout.until("prepulled", A)
    rollout.look(first, online=False)
    assert rollout.acts("look", "pull") == [("look", second)]
    rollout.later(599)
    assert ("look", first) not in rollout.acts()
    rollout.later(1)
    assert ("look", first) in rollout.acts()


def test_who_is_offline_is_asked_each_minute_when_its_wave_is_on():
    rollout = started()
    rollout.look(A, online=False)
    assert rollout.acts("look") == [("look", rollout.plan["waves"][1]["targets"][0])]
    rollout.later(60)
    assert ("look", A) in rollout.acts()


def test_a_busy_line_is_fetched_for():
    rollout = started()
    rollout.look(A, lock=True)
    assert rollout.acts("pull") == [("pull", A)]


def test_a_pull_that_failed_waits():
    rollout = started()
    rollout.look(A)
    rollout.tell("pull_intent", A)
    rollout.tell("pull_failed", A)
    assert ("pull", A) not in rollout.acts() and ("look", A) not in rollout.acts()
    rollout.later(2)
    assert ("pull", A) in rollout.acts()


def test_windows_for_pulls():
    rollout = started(wan=1)
    rollout.plan["sites"]["north"]["prepull"] = OPEN
    rollout.look(A)
    assert rollout.acts("pull") == [("pull", A)]
    # 160 s are left of the window, a pull needs 100.
    rollout.later(61)
    rollout.look(A)
    assert rollout.acts("pull", "look") == []


def test_a_switch_needs_a_fresh_look_and_names_its_way_back():
    rollout = started()
    rollout.until("prepulled", A)
    (act,) = [act for act in admit(rollout.plan, rollout.state, rollout.now) if act["act"] == "switch"]
    assert act == {"act": "switch", "target": A, "attempt": 1, "from": OLD, "to": NEW["amd64"], "strategy": "replace"}
    rollout.later(60)
    assert rollout.acts("switch") == [] and ("look", A) in rollout.acts()
    rollout.look(A, lock=True)
    assert rollout.acts("switch") == [] and ("look", A) not in rollout.acts()
    rollout.later(60)
    assert ("look", A) in rollout.acts()


@pytest.mark.parametrize("status", s.FINISHED)
def test_nothing_is_begun_or_looked_at_when_it_is_over(status):
    rollout = started()
    rollout.until("verifying", A)
    assert rollout.acts("verify") == [("verify", A)]
    rollout.state = replace(rollout.state, status=status)
    assert rollout.acts() == []


def test_why_a_line_is_not_begun_is_said_only_where_it_is_so():
    rollout = second_wave(budgets={"max_unavailable": {"site": 2}})
    rollout.until("prepulled", B, C)
    assert held(rollout.plan, rollout.state, rollout.now) == {}
    rollout.tell("switch_intent", B, to=NEW["amd64"])
    assert held(rollout.plan, rollout.state, rollout.now) == {}, "one of two places is taken"
    rollout.tell("availability", A, available=False)
    assert held(rollout.plan, rollout.state, rollout.now) == {("room", "site north", 0): [C]}


def test_only_those_whose_turn_is_next_are_looked_at_again():
    rollout = second_wave(budgets={"max_unavailable": {"site": 1}})
    rollout.until("prepulled", B, C)
    first, second = rollout.plan["waves"][1]["targets"]
    rollout.later(60)
    assert rollout.acts("switch", "look") == [("look", first)], "one may be down, so that one is next"
    rollout.look(first)
    assert rollout.acts("switch", "look") == [("switch", first), ("look", second)]
    rollout.tell("switch_intent", first, to=NEW["amd64"])
    rollout.look(second)
    assert rollout.acts("switch", "look") == [], "the one before is under way, and who comes next is known"


def test_who_is_blocked_keeps_nobody_waiting():
    rollout = second_wave(budgets={"max_unavailable": {"site": 1}})
    rollout.until("prepulled", B, C)
    first, second = rollout.plan["waves"][1]["targets"]
    rollout.later(60)
    rollout.look(first, lock=True)
    assert rollout.acts("switch", "look") == [("look", second)]
    rollout.look(second)
    assert rollout.acts("switch", "look") == [("switch", second)]


def test_a_switch_has_to_end_in_its_window_and_so_has_the_way_back():
    rollout = started(windows=OPEN)
    rollout.until("prepulled", A)
    # 160 s are left; a switch takes 70, and 70 back.
    assert rollout.acts("switch") == [("switch", A)]
    rollout.later(20)
    assert rollout.acts("switch") == [("switch", A)]
    rollout.later(1)
    assert rollout.acts("switch", "look") == [("look", rollout.plan["waves"][1]["targets"][0])]


def test_budgets_are_counted_while_acts_are_handed_out():
    for budgets, number in (({"max_unavailable": {"site": 1}}, 1), ({"max_unavailable": {"site": 2}}, 2), ({"max_unavailable": {"site": 3, "fleet": 1}}, 1),
                            ({"max_unavailable": {"site": 3}, "concurrent_targets": 1}, 1),
                            ({"max_unavailable": {"site": 3}, "min_available": {"site": 2}}, 1)):
        rollout = second_wave(budgets=budgets)
        rollout.until("prepulled", B, C)
        assert len(rollout.acts("switch")) == number, budgets
    rollout = second_wave(budgets={"max_unavailable": {"site": 1}})
    rollout.until("prepulled", B, C)
    rollout.until("switching", B) if rollout[B].state == "planned" else rollout.tell("switch_intent", B, to=NEW["amd64"])
    assert rollout.acts("switch") == []
    rollout.tell("switched", B)
    assert rollout.acts() == [("verify", B)]
    rollout.prove(B)
    rollout.look(C)
    assert rollout.acts() == [("observe", B), ("switch", C)]
    # While it soaks, the one before fails by itself: nobody else may be taken down.
    rollout.tell("availability", A, available=False)
    assert rollout.acts() == [("observe", B)]


def test_sites_at_a_time():
    other = {**SITE, "name": "south", "nodes": [{**SITE["nodes"][0], "name": "s1"}]}
    rollout = Rollout()
    made = plan({"sites": [SITE, other]}, targets={"expect": 4}, waves=[{"name": "all", "percent": 100}],
                budgets={"max_unavailable": {"site": 3}, "concurrent_sites": 1, "concurrent_targets": 9})
    rollout.plan = made
    rollout.state = rollout.state.__class__(plan=made["hash"], waves=rollout.state.waves[:2], targets={name: rollout[A] for name in made["targets"]})
    rollout.tell("start")
    rollout.until("prepulled", *made["targets"])
    sites = {made["targets"][name]["site"] for _act, name in rollout.acts("switch")}
    assert len(sites) == 1
    made["budgets"]["concurrent_sites"] = 2
    assert len(rollout.acts("switch")) == 4


def test_what_is_under_way_is_finished_after_a_pause():
    rollout = started()
    rollout.until("verifying", A)
    rollout.tell("pause")
    assert rollout.acts() == [("verify", A)]
    rollout.prove(A, "fail")
    assert rollout.acts() == [("rollback", A)]
    rollout.tell("rollback_intent", A, to=OLD)
    assert rollout.acts() == [("verify_rollback", A)]


def test_what_serves_goes_back_within_windows_and_budgets_what_failed_at_once():
    rollout = second_wave(budgets={"max_unavailable": {"site": 1}})
    rollout.until("succeeded", B)
    rollout.until("verifying", C)
    rollout.prove(C, "fail")
    rollout.tell("rollback", scope="all")
    # The budget is used up by the one that failed.
    assert rollout.acts("rollback") == [("rollback", C)]
    rollout.tell("rollback_intent", C, to=OLD)
    rollout.tell("rolled_back", C, verdict="pass", digest=OLD, seen=rollout.now)
    assert rollout.acts("rollback") == [("rollback", B)]
    rollout.plan["sites"]["north"]["switch"] = [{"days": ["tue"], "start": "01:00", "end": "02:00"}]
    assert rollout.acts("rollback") == []
