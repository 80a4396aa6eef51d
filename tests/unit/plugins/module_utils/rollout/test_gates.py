# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts of gates as tables: both sides of each threshold, and everything that is no data."""

from __future__ import annotations

import collections
import math
import random

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import gates
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import ERROR, FAIL, INCONCLUSIVE, PASS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.stats import fraction, percentile, psi, psi_of_chance, unseen_failure_percent


@pytest.mark.parametrize(("verdicts", "wanted"), [
    ([PASS, PASS], PASS), ([PASS, INCONCLUSIVE], INCONCLUSIVE), ([ERROR, INCONCLUSIVE], ERROR), ([FAIL, ERROR, PASS], FAIL), ([], INCONCLUSIVE),
    (["ok"], ERROR), ([PASS, None], ERROR),
])
def test_the_worst_counts(verdicts, wanted):
    assert gates.worst(verdicts) == wanted


CHECKS = {"checks": ["arch", "disk"]}


@pytest.mark.parametrize(("found", "verdict", "words"), [
    ({"arch": True, "disk": True}, PASS, "all given"), ({"arch": True, "disk": False}, FAIL, "not given: disk"),
    ({"arch": True}, INCONCLUSIVE, "not known: disk"), ({"arch": None, "disk": False}, FAIL, "not given: disk"), ({}, INCONCLUSIVE, "arch, disk"),
])
def test_preflight(found, verdict, words):
    reading = gates.judge_checks(CHECKS, found)
    assert reading.verdict == verdict and words in reading.found


HTTP = {"consecutive": 3, "expression": "ready"}


@pytest.mark.parametrize(("answers", "verdict"), [
    ([True] * 3, PASS), ([False, True, True, True], PASS), ([True, True], INCONCLUSIVE), ([True, True, True, False], INCONCLUSIVE),
    ([True, None, True, True], INCONCLUSIVE), ([False] * 3, FAIL), ([None] * 3, INCONCLUSIVE), ([], INCONCLUSIVE), ([False, False, None], INCONCLUSIVE),
])
def test_http(answers, verdict):
    reading = gates.judge_http(HTTP, answers)
    assert reading.verdict == verdict and reading.row()["gate"] == "http" and "3 answers in a row" in reading.wanted


GOLDEN = {"set": "s", "frames": 200, "min": 0.985, "max_drop": 0.005}


def golden(right, asked=200, before=200, of=200, name="s"):
    return {"set": name, "right": right, "asked": asked, "old_right": before, "old_asked": of}


@pytest.mark.parametrize(("result", "verdict"), [
    (golden(200), PASS), (golden(199), PASS), (golden(198), FAIL), (golden(197, before=198), PASS), (golden(196, before=190), FAIL),
    (golden(197, before=197), PASS), (golden(197, before=199), FAIL), (golden(197, before=198, of=199), FAIL), (golden(199, before=198, of=199), PASS),
    (golden(100, asked=199), FAIL), (golden(199, asked=199), INCONCLUSIVE), (golden(0, asked=4), FAIL), (golden(0, asked=3), INCONCLUSIVE),
    (golden(200, of=0, before=0), INCONCLUSIVE), (golden(201), ERROR), (golden(-1), ERROR), (golden(1.5), ERROR), (golden(True), ERROR),
    (golden(200, name="other"), INCONCLUSIVE), (None, INCONCLUSIVE), ({}, INCONCLUSIVE), (golden(200, before=201), INCONCLUSIVE),
])
def test_golden_frames(result, verdict):
    assert gates.judge_golden(GOLDEN, result).verdict == verdict


def test_golden_frames_without_a_model_before():
    gate = {**GOLDEN, "max_drop": 1}
    assert gates.judge_golden(gate, {"set": "s", "right": 197, "asked": 200}).verdict == PASS
    assert gates.judge_golden(gate, {"set": "s", "right": 196, "asked": 200}).verdict == FAIL
    assert gates.judge_golden({**gate, "frames": 4, "min": 1}, {"set": "s", "right": 3, "asked": 3}).verdict == INCONCLUSIVE
    # More frames than asked for: the share still has to be right.
    assert gates.judge_golden({**gate, "frames": 100}, {"set": "s", "right": 98, "asked": 100}).verdict == FAIL


LATENCY = {"p95_ms": 45, "samples": 20, "warmup": 2, "max_ratio": 1.5}
QUICK = [900.0, 800.0] + [30.0] * 20


@pytest.mark.parametrize(("samples", "before", "verdict", "words"), [
    (QUICK, QUICK, PASS, "p95 30 ms"), (QUICK[:-1], QUICK, INCONCLUSIVE, "19 of 20 samples"), (QUICK, QUICK[:-1], INCONCLUSIVE, "19 of 20 samples of the"),
    ([1, 1] + [30] * 19 + [99], QUICK, PASS, "p95 30"), ([1, 1] + [30] * 18 + [99, 99], QUICK, FAIL, "p95 99"), ([1, 1] + [45] * 20, QUICK, PASS, "p95 45"),
    ([1, 1] + [45.1] * 20, QUICK, FAIL, "p95 45.1"), ([1, 1] + [45] * 20, [1, 1] + [29] * 20, FAIL, "before 29"), ([], [], INCONCLUSIVE, "0 of 20"),
    ([1, 1] + [math.nan] * 20, QUICK, ERROR, "no durations"), ([1, 1] + [-1.0] * 20, QUICK, ERROR, "no durations"), (QUICK, [1, 1,
                                                                                                                             None], ERROR, "no durations"),
    ([1, 1] + [0] * 20, QUICK, PASS, "p95 0"),
])
def test_latency(samples, before, verdict, words):
    reading = gates.judge_latency(LATENCY, samples, before)
    assert reading.verdict == verdict and words in reading.found


def test_latency_without_a_model_before():
    gate = {"p95_ms": 45, "samples": 2, "warmup": 0}
    assert gates.judge_latency(gate, [1, 2]).verdict == PASS


QUERY = {"query": "q", "op": "<", "value": 0.01, "count": 3, "max_failed": 1}


@pytest.mark.parametrize(("op", "values", "verdict"), [
    ("<", [0.0, 0.0, 0.0], PASS), ("<", [0.0, 0.0, 0.02], PASS), ("<", [0.0, 0.02, 0.02], FAIL), ("<", [0.0, 0.0],
                                                                                                  INCONCLUSIVE), ("<", [0.01, 0.01, 0.0], FAIL),
    ("<=", [0.01] * 3, PASS), (">", [0.01, 0.01, 0.02], FAIL), (">", [0.02] * 3, PASS), (">=", [0.01] * 3, PASS), ("<", [None] * 5, INCONCLUSIVE),
    ("<", [None, 0.0, 0.0, 0.0], PASS), ("<", [math.nan, 0.0, 0.0], INCONCLUSIVE), ("<", [True, 0.0, 0.0], INCONCLUSIVE), ("<", [], INCONCLUSIVE),
    ("<", ["0", 0.0, 0.0], INCONCLUSIVE),
])
def test_prometheus(op, values, verdict):
    reading = gates.judge_query({**QUERY, "op": op}, values)
    assert reading.verdict == verdict and "readings hold" in reading.found


DRIFT = {"output": "confidence", "max": 0.2, "samples": 100, "label": "bin"}


@pytest.mark.parametrize(("expected", "found", "verdict"), [
    ([50, 50], [50, 50], PASS), ([90, 10], [50, 50], FAIL), ([60, 40], [50, 50], PASS), ([50, 49], [50, 50], INCONCLUSIVE), ([50, 50], [50, 49], INCONCLUSIVE),
    ([50, 50], [50, 30, 20], FAIL), ([100, 0], [0, 100], FAIL), ([], [], INCONCLUSIVE), ([100], [100], PASS), ([33.4, 66.6], [50, 50], PASS),
    ([math.nan, 200], [100, 100], ERROR), ([100, 100], [math.inf, 100], ERROR), ([-1, 200], [100, 100], ERROR), ([0, 100], [0, 100], PASS),
    # Weighted counts are fractions: 0.1 is none that a computer can hold.
    ([0.1] * 1000, [1] * 1000, INCONCLUSIVE), ([1000], [99], INCONCLUSIVE),
])
def test_drift(expected, found, verdict):
    assert gates.judge_drift(DRIFT, histogram(expected), histogram(found)).verdict == verdict


def histogram(counts):
    return {f"bin {number}": count for number, count in enumerate(counts)}


def test_drift_says_how_many_and_what_moved_most():
    reading = gates.judge_drift(DRIFT, {"good": 900, "dent": 50, "stain": 30, "scratch": 20}, {"good": 450, "dent": 25, "stain": 15, "hole": 10})
    assert reading.found == ("PSI 0.135 of 1000 and 500 samples; most moved: hole 0.0 % -> 2.0 %, scratch 2.0 % -> 0.0 %, dent 5.0 % -> 5.0 %")
    assert reading.wanted == "PSI of confidence at most 0.2 with 100 samples of each"


def test_a_sample_in_which_chance_may_break_the_rule_tells_nothing():
    few, many = [10] * 20, [100] * 20
    reading = gates.judge_drift(DRIFT, histogram(few), histogram(few))
    assert reading.verdict == INCONCLUSIVE and "200 and 200 samples in 20 bins" in reading.found and "may be chance" in reading.found
    assert gates.judge_drift(DRIFT, histogram(many), histogram(many)).verdict == PASS


def test_bounds_that_differ_are_no_drift():
    gate = {**DRIFT, "label": "le"}
    assert gates.judge_drift(gate, {"0.5": 100, "+Inf": 0}, {"0.5": 100, "+Inf": 0}).verdict == PASS
    assert gates.judge_drift(gate, {"0.5": 100, "+Inf": 0}, {"0.6": 100, "+Inf": 0}).verdict == ERROR


@pytest.mark.parametrize(("code", "output", "verdict", "words"), [
    (0, "", PASS, "exit code 0"), (75, "line runs", INCONCLUSIVE, "line runs"), (1, "a\nthe last\n", FAIL,
                                                                                 "exit code 1: the last"), (None, "", ERROR, "no answer"),
    (-9, "", FAIL, "exit code -9"),
])
def test_command(code, output, verdict, words):
    reading = gates.judge_command({"name": "plc"}, code, output)
    assert reading.verdict == verdict and words in reading.found and reading.gate == "command plc"


def test_which_gates_judge_a_wave():
    assert gates.wave_gates({"gates": {"ready": {}, "drift": {"max": 1}, "prometheus": []}}) == ["drift"]
    assert gates.wave_gates({"gates": {"command": [1], "prometheus": [1]}}) == ["prometheus", "command"]


def test_what_a_canary_can_prove():
    assert [unseen_failure_percent(passed) for passed in (0, 1, 3, 10, 30, 59, 60)] == [100, 95, 63, 25, 9, 4, 4]


@pytest.mark.parametrize(("samples", "percent", "found"), [
    ([5], 95, 5), ([1, 2], 50, 1), ([1, 2], 51, 2), ([3, 1, 2, 4], 75, 3), (list(range(1, 101)), 95, 95), (list(range(1, 101)), 100, 100), ([1, 2], 0, 1),
])
def test_percentiles_are_samples(samples, percent, found):
    assert percentile(samples, percent) == found


def test_stability_index():
    assert psi([10, 10], [10, 10]) == 0
    assert psi([100, 100], [200, 200]) == pytest.approx(0, abs=1e-12)
    # By hand: shares 10.5/21 against 5.5/21 and 10.5/21 against 15.5/21.
    assert psi([10, 10], [5, 15]) == pytest.approx((5.5 - 10.5) / 21 * math.log(5.5 / 10.5) + (15.5 - 10.5) / 21 * math.log(15.5 / 10.5))
    assert psi([100, 0], [0, 100]) > 5
    for bins in (([], []), ([1], [1, 2])):
        with pytest.raises(ValueError, match="bins"):
            psi(*bins)


@pytest.mark.parametrize(("shares", "first", "second"), [([0.25] * 4, 500, 500), ([0.9, 0.05, 0.03, 0.02], 2000, 500), ([0.1] * 10, 500, 5000)])
def test_what_the_index_is_by_chance(shares, first, second):
    """Two samples of one distribution: the mean and the 95 % quantile of their index, in a simulation."""
    dice, bins = random.Random(7), len(shares)

    def sample(size):
        drawn = collections.Counter(dice.choices(range(bins), shares, k=size))
        return [drawn[number] for number in range(bins)]
    found = [psi(sample(first), sample(second)) for _time in range(600)]
    mean = (bins - 1) * (1 / first + 1 / second)
    assert sum(found) / len(found) == pytest.approx(mean, rel=0.12)
    assert 0.02 < sum(value > psi_of_chance(bins, first, second) for value in found) / len(found) < 0.09


@pytest.mark.parametrize(("bins", "quantile"), [(1, 0), (2, 3.841), (4, 7.815), (11, 18.307), (64, 82.529)])
def test_its_quantile_is_that_of_chi_squared(bins, quantile):
    assert psi_of_chance(bins, 2, 2) == pytest.approx(quantile, rel=0.03)


def test_decimals_as_they_were_written():
    assert fraction(0.985) * 1000 == 985 and fraction(1) == 1
