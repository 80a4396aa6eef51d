# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people order, what they are told while it runs, and what they do next."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.narrate import narrate, standing
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.next_step import next_step
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.order import event_of, outcome
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Memory, Site, run
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, Rollout, small_plan

PLAN = small_plan()


def order(kind, **more):
    return {"order": kind, "by": "eva", "reason": "", "wave": None, "plan": "", "hours": 24, "mode": "hold", "targets": [], **more}


class TestOrders:
    def test_an_approval_names_its_plan(self):
        event = event_of(PLAN, order("approve", wave="rest", plan=PLAN["hash"][:19], hours=2), NOW)
        assert event == {"type": "approve", "at": NOW, "by": "eva", "wave": 1, "plan": PLAN["hash"], "until": NOW + 7200}

    @pytest.mark.parametrize(("given", "words"), [
        ({"wave": "rest", "plan": "sha256:0123456789ab"}, "found an approval of plan sha256:0123456789ab"),
        ({"wave": "rest", "plan": PLAN["hash"][:18]}, "12 digits are enough"), ({"wave": "rest"}, "none named"),
        ({"wave": "rset", "plan": PLAN["hash"]}, "no wave rset; wanted one of canary, rest"),
    ])
    def test_of_another_plan_or_wave_it_is_refused(self, given, words):
        with pytest.raises(RolloutError, match=words):
            event_of(PLAN, order("approve", **given), NOW)

    def test_the_others(self):
        assert event_of(PLAN, order("pause", reason="cleaning"), NOW) == {"type": "pause", "at": NOW, "by": "eva", "reason": "cleaning"}
        assert event_of(PLAN, order("abort", mode="rollback"), NOW)["mode"] == "rollback"
        assert event_of(PLAN, order("rollback"), NOW)["scope"] == "all"
        assert event_of(PLAN, order("retry", targets=[A]), NOW)["targets"] == [A] and "targets" not in event_of(PLAN, order("retry"), NOW)
        with pytest.raises(RolloutError, match="no target x/y; wanted names such as"):
            event_of(PLAN, order("retry", targets=["x/y"]), NOW)

    @pytest.mark.parametrize(("before", "kind", "words"), [
        ([], "start", ""), (["start"], "start", ""), (["start"], "pause", ""), (["start", "pause"], "pause", ""), (["start"], "resume", ""),
        (["start", "pause"], "resume", ""), ([], "resume", "found the rollout ready, in which resume does nothing"),
        (["start", "abort"], "abort", ""), (["start", "abort"], "pause", "found the rollout aborting"), (["start", "abort"], "retry", "retry does nothing"),
        ([], "status", ""),
    ])
    def test_what_came_of_it(self, before, kind, words):
        rollout = Rollout()
        for earlier in before:
            rollout.tell(earlier, by="eva")
        was = rollout.state
        state = reduce(rollout.plan, was, event_of(rollout.plan, order(kind), NOW + 60))
        assert words in outcome(kind, was, state, rollout.plan) and bool(words) == bool(outcome(kind, was, state, rollout.plan))


class Telling(Memory):
    """A ledger that keeps what is told of each event."""

    def __init__(self, plan):
        super().__init__(plan)
        self.told = []

    def append(self, event):
        was = self.state
        state = super().append(event)
        self.told += narrate(self.plan, was, state, event)
        return state


class TestNarration:
    def told(self, **faults):
        plan = small_plan(gates={"golden": {"set": "sha256:" + "0" * 64, "frames": 4, "min": 1}})
        ledger = Telling(plan)
        run(plan, Site(plan, **faults), ledger)
        return "\n".join(ledger.told)

    def test_a_good_one(self):
        text = self.told()
        for words in ("rollout running", "wave canary begins with 1 targets", f"{A}: switching to vision:2 sha256:aaaaaaaaaaaa on n1",
                      f"{A}: soaking (ready healthy; golden 4 of 4 right)", "wave canary has passed", "rollout done"):
            assert words in text, (words, text)
        assert all(line[2] == line[5] == ":" for line in text.splitlines())

    def test_one_that_goes_back(self):
        text = self.told(n1="wrong")
        for words in (f"{A}: failed: golden: 0 of 4 right", "rollout paused: wave canary", f"{A}: rolling back to sha256:000000000000 on n1",
                      f"{A}: rolled back", "wave canary has failed"):
            assert words in text, (words, text)

    def test_the_gates_of_a_wave(self):
        plan = small_plan(gates={"command": [{"name": "line-stopped", "argv": ["true"], "timeout": "1m"}]})
        ledger = Telling(plan)
        run(plan, Site(plan), ledger, watch_wave=lambda _plan, _state: [Reading("command line-stopped", "pass", "exit code 0", "exit code 0")])
        assert [line.split("  ", 1)[1] for line in ledger.told if "its gates" in line] == [
            "wave canary: its gates say pass", "wave rest: its gates say pass"]

    def test_what_stands_while_nothing_changes(self):
        rollout = Rollout()
        rollout.tell("start")
        rollout.until("soaking", A)
        assert standing(rollout.plan, rollout.state, rollout.now + 60) == "wave canary: 0 of 1 done, 0 failed, 1 soaking (4 min left)"
        rollout.look(B, lock=True, reason="locked: cleaning")
        rollout.later(600).prove(A)
        rollout.decide()
        assert f"1 lock: {B}" in standing(rollout.plan, rollout.state, rollout.now)

    def test_what_is_not_begun_and_why(self):
        rollout = Rollout(budgets={"max_unavailable": {"site": 1}})
        rollout.tell("start")
        rollout.until("prepulled", A)
        rollout.look(B, healthy=True, online=False)
        assert self.waits(rollout).endswith(f"1 not begun, no more of site north may be down: {A}"), self.waits(rollout)
        rollout.look(B)
        assert "not begun" not in self.waits(rollout)
        rollout.plan["sites"]["north"]["switch"] = [{"days": ["tue"], "start": "22:00", "end": "23:00"}]
        assert self.waits(rollout).endswith(f"1 not begun, the window of site north opens for it Wed 2026-09-23 00:00: {A}"), self.waits(rollout)
        rollout.look(A, lock=True, reason="locked: cleaning")
        assert f"1 lock: {A}" in self.waits(rollout) and "opens for it" in self.waits(rollout)
        rollout.plan["sites"]["north"]["switch"] = [{"days": ["tue"], "start": "22:00", "end": "22:01"}]
        assert f"does not open for it in the rollout's time: {A}" in self.waits(rollout)

    def test_a_fetch_that_failed_says_when_it_is_tried_again(self):
        rollout = Rollout()
        rollout.tell("start")
        rollout.look(A)
        rollout.tell("pull_intent", A)
        rollout.tell("pull_failed", A, reason="no room")
        assert self.waits(rollout).endswith(f"1 not begun, tried again at 16:13:22: {A}"), self.waits(rollout)

    @staticmethod
    def waits(rollout):
        return standing(rollout.plan, rollout.state, rollout.now, "Europe/Berlin")

    def test_a_line_that_cannot_be_seen_is_not_said_to_be_dark(self):
        rollout = Rollout()
        rollout.tell("start")
        rollout.until("succeeded", A)
        was, event = rollout.state, {"type": "availability", "at": rollout.now, "target": A, "available": False, "reason": "the API does not answer"}
        (line,) = narrate(rollout.plan, was, reduce(rollout.plan, was, event), event)
        assert line.endswith(f"{A}: is not seen to serve: the API does not answer")


class TestWhatComesNext:
    def said(self, kubeconfig="", site="", **step):
        return next_step(PLAN, step, {"ledger": "/ledger", "kubeconfig": kubeconfig, "site": site}, "r.yml", ["inventories/demo"])

    @pytest.mark.parametrize(("where", "run", "order"), [
        ({}, "-i inventories/demo playbooks/rollout.yml -e release=r.yml", "playbooks/rollout_control.yml -e rollout_ledger=/ledger"),
        ({"kubeconfig": "/k"}, "-i inventories/demo playbooks/rollout.yml -e release=r.yml -e rollout_ledger=/ledger -e rollout_ledger_kubeconfig=/k",
         "playbooks/rollout_control.yml -e rollout_ledger=/ledger -e rollout_ledger_kubeconfig=/k"),
        ({"kubeconfig": "/k", "site": "cloud"}, "-i inventories/demo playbooks/rollout.yml -e release=r.yml -e rollout_ledger_site=cloud",
         "-i inventories/demo playbooks/rollout_control.yml -e release=r.yml -e rollout_ledger_site=cloud")])
    def test_commands_name_the_ledger(self, where, run, order):
        lines = [line.strip() for line in self.said(status=s.DONE_WITH_DEFERRED, **where).splitlines()]
        assert lines[1:] == [f"ansible-playbook {order} -e rollout_order=catch_up", f"ansible-playbook {run}"]

    def test_a_person_is_waited_for(self):
        text = self.said(status=s.RUNNING, waiting="approval", at_wave="rest")
        assert text.splitlines()[1].strip() == ("ansible-playbook -i inventories/demo playbooks/rollout.yml -e release=r.yml -e rollout_approve=rest "
                                                f"-e rollout_approve_plan={PLAN['hash'][:19]}")

    def test_one_whose_time_was_over_says_how_it_stands(self):
        text = self.said(status=s.RUNNING, standing="wave rest: 0 of 2 done")
        assert text.splitlines()[0] == "It is not over (wave rest: 0 of 2 done), and goes on with the same command:"

    @pytest.mark.parametrize(("status", "words"), [
        (s.DONE, "image: vision:2"), (s.DONE_WITH_DEFERRED, "rollout_order=catch_up"),
        (s.PAUSED, "rollout_order=retry  # has what has failed tried again, once it is resumed"), (s.PAUSED, "too many"),
        (s.ABORTED, "is not taken up again"), (s.RUNNING, "goes on with the same command")])
    def test_each_end_has_its_command(self, status, words):
        assert words in self.said(status=status, reason="too many")
