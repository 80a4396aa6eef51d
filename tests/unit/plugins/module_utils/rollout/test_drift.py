# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate drift of a wave: each line against itself, and what is missing. The engine's part is in test_engine.py."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.drift import Drift, judge_workload, standardised
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, Rollout

GATE = {"output": "class", "max": 0.2, "samples": 100, "metric": "m", "label": "bin", "path": "/metrics"}


def unknown(_target):
    return Counted(problem="404")


def counted(good, scratch):
    return Counted({"good": good, "scratch": scratch})


def judged(**pairs):
    return judge_workload(GATE, "vision", pairs)


def test_a_line_is_compared_with_itself_and_not_with_how_long_others_ran():
    """Nothing has changed on either line; but A was counted for a day before, and B for minutes. Their sums differ by a PSI of 1.2."""
    reading = judged(a=(counted(9000, 1000), counted(450, 50)), b=(counted(100, 900), counted(50, 450)))
    assert reading.verdict == "pass" and "PSI 0.000" in reading.found


def test_a_change_on_one_of_two_lines_shows():
    reading = judged(a=(counted(9000, 1000), counted(450, 50)), b=(counted(900, 100), counted(50, 450)))
    assert reading.verdict == "fail" and "good 90.0 % -> 50.0 %" in reading.found


def test_the_size_of_weighted_counts_is_that_of_a_plain_sample_as_sure():
    assert sum(standardised([(counted(90, 10), counted(5, 5))]).values()) == pytest.approx(100)
    assert sum(standardised([(counted(90, 10), counted(5, 5)), (counted(50, 50), counted(10, 0))]).values()) == pytest.approx(200)
    # Half of what is expected rests on ten samples of the second line.
    assert sum(standardised([(counted(9000, 1000), counted(5, 5)), (counted(5, 5), counted(10, 0))]).values()) == pytest.approx(1 / (0.25 / 10000 + 0.25 / 10))
    assert standardised([]) == {}


@pytest.mark.parametrize(("pairs", "verdict", "words"), [
    ({"a": (counted(90, 9), counted(900, 90))}, "inconclusive", "99 and 990 samples"),
    ({"a": (counted(900, 90), counted(90, 9))}, "inconclusive", "990 and 99 samples"),
    # Those of several lines are added.
    ({"a": (counted(90, 9), counted(90, 9)), "b": (counted(90, 9), counted(90, 9))}, "pass", "of 198 and 198 samples"),
    # Whose old model was not counted is left out; whose new one was not may be the one that drifts.
    ({"a": (counted(90, 10), counted(90, 10)), "b": (Counted(problem="404"), counted(0, 900))}, "pass", "; without its model before: b: 404"),
    ({"a": (counted(90, 10), counted(90, 10)), "b": (counted(90, 10), Counted(problem="404"))}, "inconclusive", "b: 404"),
    ({"a": (counted(90, 10), counted(0, 0)), "b": (counted(90, 10), Counted(problem="404"))}, "inconclusive", "a: no output was counted (and 1 more)"),
    ({"a": (Counted(problem="404"), counted(90, 10))}, "inconclusive", "0 and 0 samples; without its model before: a: 404"),
])
def test_what_is_missing(pairs, verdict, words):
    reading = judged(**pairs)
    assert (reading.gate, reading.verdict) == ("drift vision", verdict) and words in reading.found


class TestAWave:
    def test_only_its_own_targets_that_run_the_new_model_count(self):
        rollout = Rollout(gates={"drift": {"output": "class", "max": 0.2}})
        rollout.tell("start")
        drift = Drift(rollout.plan, [])
        assert [(row.verdict, row.found) for row in drift.read(rollout.state, unknown)] == [("inconclusive", "no target of the wave was updated")]
        rollout.until("succeeded", A)
        for name in (A, B, C):
            drift.note({"type": "counted", "target": name, "seen": NOW, "outputs": counted(900, 100 if name == A else 9000).row()})
        (reading,) = drift.read(rollout.state, {A: counted(9000, 1000)}.get)
        assert reading.verdict == "pass" and "of 10000 and 1000 samples" in reading.found
        assert drift.due(rollout.state, NOW + 1) == ([A], NOW + 1)

    def test_without_the_gate_nothing_is_read(self):
        rollout = Rollout()
        assert Drift(rollout.plan, []).read(rollout.state, unknown) == []

    def test_each_is_counted_once_a_round_and_a_round_begins_each_minute(self):
        rollout = Rollout(gates={"drift": {"output": "class", "max": 0.2}})
        rollout.tell("start")
        rollout.until("succeeded", A)
        drift = Drift(rollout.plan, [{"type": "verified", "verdict": "pass", "target": A, "seen": NOW}])
        assert drift.due(rollout.state, NOW + 5) == ([A], NOW + 5)
        assert drift.due(rollout.state, NOW + 9) == ([A], NOW + 5), "it has not answered yet"
        drift.note({"type": "counted", "target": A, "seen": NOW + 7, "outputs": counted(1, 1).row()})
        assert drift.due(rollout.state, NOW + 64)[0] == [] and drift.due(rollout.state, NOW + 65) == ([A], NOW + 65)
