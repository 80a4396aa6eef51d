# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports: who runs what and why, the formulas, and the formats that other programs read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import report, report_exports
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW, OLD
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, Rollout

GOLDEN = {"gate": "golden", "verdict": "fail", "found": "1 of 4", "wanted": "3 of 4"}


@pytest.fixture
def rollout():
    """A passed canary, a failed target, one that waits for its line."""
    made = Rollout()
    made.tell("start")
    made.until("succeeded", A)
    made.decide()
    made.until("verifying", B)
    made.prove(B, "fail", reason="3 of 4 frames | \x01 right", gates=[GOLDEN])
    made.look(C, lock=True)
    made.decide()
    return made


def test_the_summary(rollout):
    summary = report.summarise(rollout.plan, rollout.state, NOW + 7200)
    assert (summary["status"], summary["expect"], summary["counts"]) == ("paused", 3, {"planned": 1, "succeeded": 1, "failed": 1})
    assert [wave["numbers"] for wave in summary["waves"]] == ["1 of 1 well (wanted 1), 0 failed (may 0), 0 left out",
                                                              "0 of 2 well (wanted 2), 1 failed (may 0), 0 left out"]
    rows = {row["target"]: row for row in summary["targets"]}
    assert rows[A]["runs"] == NEW["amd64"] and rows[A]["from"] == OLD and rows[A]["wave"] == "canary"
    assert rows[B]["runs"] == "" and rows[B]["gates"] == [GOLDEN] and rows[C]["runs"] == OLD and rows[C]["blocked"] == "lock"


def test_what_runs_after_a_rollback(rollout):
    rollout.tell("rollback_intent", B, to=OLD)
    assert report.running(rollout.plan, rollout.state, B) == ""
    rollout.tell("rolled_back", B, verdict="pass", digest=OLD, seen=rollout.now)
    assert report.running(rollout.plan, rollout.state, B) == OLD
    rollout.tell("retry", targets=[B])
    assert report.running(rollout.plan, rollout.state, B) == OLD


RUNNING = [
    ("succeeded", True, "new"), ("soaking", True, "new"), ("already_current", False, "new"), ("rolled_back", True, "old"),
    ("planned", False, "old"), ("prepulled", False, "old"), ("deferred", False, "old"), ("canceled", False, "old"), ("rejected", False, "old"),
    ("failed", False, "old"), ("failed", True, ""), ("canceled", True, ""), ("switching", True, ""), ("verifying", True, ""), ("rolling_back", True, ""),
]


# Before anything was recorded, what was found there is what runs.
@pytest.mark.parametrize("known", ["previous", "found"])
@pytest.mark.parametrize(("state", "changed", "wanted"), RUNNING)
def test_what_runs_is_what_was_proved(state, changed, wanted, known):
    made = Rollout()
    made.state.targets[A] = made[A].__class__(state=state, changed=changed, **{known: OLD})
    assert report.running(made.plan, made.state, A) == {"new": made.plan["targets"][A]["digest"], "old": OLD, "": ""}[wanted]


def test_of_those_left_out_it_is_said_what_they_run():
    made = Rollout()
    made.plan["left_out"]["x"] = {"site": "north", "node": "n9", "line": "", "workload": "vision", "from": OLD, "state": "skipped", "reason": "sick"}
    made.state.targets["x"] = made[A].__class__(state="skipped", previous=OLD, reason="sick")
    row = next(row for row in report.summarise(made.plan, made.state, NOW)["targets"] if row["target"] == "x")
    assert row["runs"] == OLD and row["wave"] == "" and row["to"] == ""


def test_text_and_markdown(rollout):
    summary = report.summarise(rollout.plan, rollout.state, NOW + 7200)
    text = report.render_text(summary)
    assert text.startswith("release vision-2 on fleet test: paused after 2 h; 1 planned, 1 succeeded, 1 failed\n"
                           "  ! wave rest: 0 of 2 well (wanted 2), 1 failed (may 0), 0 left out\n"
                           "of 3 targets 1 run the new image, 1 run the old image, of 1 it is not known\n")
    assert "planned: its line is busy" in text and "not known" in text and "aaaaaaaaaaaa" in text and rollout.plan["hash"] in text
    assert f"  ! {B}: golden is fail: found 1 of 4, wanted 3 of 4\n" in text
    markdown = report.render_markdown(summary)
    assert "3 of 4 frames \\| \x01 right" in markdown and markdown.startswith("# release vision-2")
    rows = [line for line in markdown.splitlines() if line.startswith(("| north/", "| canary |", "| rest |"))]
    assert {line.count("|") - line.count("\\|") for line in rows[:2]} == {len(report.WAVE_HEAD) + 1}
    assert {line.count("|") - line.count("\\|") for line in rows[2:5]} == {len(report.TARGET_HEAD) + 1}
    assert f"| {B} | - | golden | fail | 1 of 4 | 3 of 4 |" in markdown


def test_a_wave_says_by_which_rules_it_is_judged(rollout):
    canary, rest = report.summarise(rollout.plan, rollout.state, NOW)["waves"]
    assert [rule["holds"] for rule in canary["rules"]] == [True, True, True, True]
    assert rest["rules"] == [{"rule": "failed 1 <= 0", "holds": False}, {"rule": "left out 0 * 100 <= 10 * 2", "holds": True},
                             {"rule": "well 0 >= max(1, 2 - 0 - 0) = 2", "holds": False}, {"rule": "on their way 1 = 0", "holds": False}]


def test_after_the_end_no_time_goes_on():
    made = Rollout()
    made.tell("start")
    made.later(600).tell("abort")
    made.decide()
    assert made.state.status == "aborted"
    first, later = (report.summarise(made.plan, made.state, made.now + after) for after in (0, 86400))
    assert first == later and first["seconds"] == 600 and first["counts"] == {"canceled": 3}
    assert report.headline(later).startswith("release vision-2 on fleet test: aborted after 10 min; 3 canceled")


def test_one_that_was_not_started():
    made = Rollout()
    summary = report.summarise(made.plan, made.state, NOW)
    assert summary["seconds"] == 0 and summary["runs"] == {"new": 0, "old": 0, "not known": 3}
    assert "of 3 targets 0 run the new image, of 3 it is not known" in report.render_text(summary)


@pytest.mark.parametrize("state, verdict", [("succeeded", "pass"), ("already_current", "pass"), ("rolled_back", "fail"), ("rejected", "fail"),
                                            ("rollback_failed", "error"), ("planned", "inconclusive"), ("deferred", "inconclusive")])
def test_verdicts_of_targets(state, verdict):
    made = Rollout()
    made.state.targets[A] = made[A].__class__(state=state)
    assert next(row for row in report.summarise(made.plan, made.state, NOW)["targets"] if row["target"] == A)["verdict"] == verdict


def test_junit(rollout):
    root = ET.fromstring(report_exports.render_junit(report.summarise(rollout.plan, rollout.state, NOW)))
    canary, rest = root.findall("testsuite")
    assert canary.attrib == {"name": "canary", "tests": "1", "failures": "0", "errors": "0", "skipped": "0"}
    assert rest.attrib == {"name": "rest", "tests": "2", "failures": "1", "errors": "1", "skipped": "0"}
    failure = rest.find("testcase/failure")
    assert failure.attrib["message"] == "failed: 3 of 4 frames | ? right" and failure.text == "golden: fail: found 1 of 4, wanted 3 of 4"


def test_metrics(rollout):
    summary = report.summarise(rollout.plan, rollout.state, NOW)
    lines = report_exports.render_metrics({**summary, "fleet": 'a"b\\c'}).splitlines()
    assert 'edgeai_rollout_targets{release="vision-2",fleet="a\\"b\\\\c",state="failed"} 1' in lines
    assert 'edgeai_rollout_targets{release="vision-2",fleet="a\\"b\\\\c",state="deferred"} 0' in lines
    assert 'edgeai_rollout_status{release="vision-2",fleet="a\\"b\\\\c",status="paused"} 1' in lines
    assert 'edgeai_rollout_status{release="vision-2",fleet="a\\"b\\\\c",status="running"} 0' in lines
    assert 'edgeai_rollout_wave_passed{release="vision-2",fleet="a\\"b\\\\c",wave="canary"} 1' in lines
    assert 'edgeai_rollout_running_targets{release="vision-2",fleet="a\\"b\\\\c",image="unknown"} 1' in lines
    assert [line for line in lines if not line.startswith("#")][-1].endswith(f" {NOW}")
