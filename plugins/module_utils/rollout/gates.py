# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts of gates, from samples that others collected. No data is never a pass: too few, NaN or none is inconclusive.

pass < inconclusive < error < fail; the worst of several counts, and of none it is inconclusive. An inconclusive gate holds a
target or wave until it can be told, or until its time is over, which is a failure.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import CUMULATIVE
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.stats import fraction, percentile, psi, psi_of_chance

PASS = "pass"
INCONCLUSIVE = "inconclusive"
ERROR = "error"
FAIL = "fail"
VERDICTS = (PASS, INCONCLUSIVE, ERROR, FAIL)

# These judge a wave as a whole, once its targets have soaked; all others judge each target.
OF_A_WAVE = ("prometheus", "drift", "command")
_OPERATORS: Dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Reading:
    """What one gate found. ``wanted`` is the rule with its numbers."""

    gate: str
    verdict: str
    found: str
    wanted: str

    def row(self) -> Dict[str, str]:
        """Return {gate, verdict, found, wanted} for journals and reports."""
        return {"gate": self.gate, "verdict": self.verdict, "found": self.found, "wanted": self.wanted}


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of some verdicts; of none, and of what is no verdict, nothing is known."""
    return max((verdict if verdict in VERDICTS else ERROR for verdict in verdicts), key=VERDICTS.index, default=INCONCLUSIVE)


def wave_gates(plan: Dict[str, Any]) -> List[str]:
    """Return the gates of a plan that judge a wave as a whole."""
    return [kind for kind in OF_A_WAVE if plan["gates"].get(kind)]


def judge_checks(gate: Dict[str, Any], found: Dict[str, Optional[bool]]) -> Reading:
    """preflight. found: check -> True, False, or None when it cannot be told."""
    wanted = ", ".join(gate["checks"])
    failed = [check for check in gate["checks"] if found.get(check) is False]
    unknown = [check for check in gate["checks"] if found.get(check) is not True and check not in failed]
    if failed:
        return Reading("preflight", FAIL, "not given: " + ", ".join(failed), wanted)
    if unknown or not gate["checks"]:
        return Reading("preflight", INCONCLUSIVE, "not known: " + (", ".join(unknown) or "nothing was checked"), wanted)
    return Reading("preflight", PASS, "all given", wanted)


def judge_http(gate: Dict[str, Any], answers: Sequence[Optional[bool]]) -> Reading:
    """http. answers, oldest first: whether the document satisfied the expression; None when there was no answer."""
    wanted = f"{gate['consecutive']} answers in a row that satisfy {gate['expression']}"
    last = list(answers)[-gate["consecutive"]:]
    row = next((number for number, answer in enumerate(reversed(list(answers))) if answer is not True), len(answers))
    if len(last) == gate["consecutive"] and all(answer is True for answer in last):
        return Reading("http", PASS, f"{row} in a row", wanted)
    if len(last) == gate["consecutive"] and all(answer is False for answer in last):
        return Reading("http", FAIL, f"the last {len(last)} answers did not", wanted)
    return Reading("http", INCONCLUSIVE, f"{row} in a row of {len(answers)}", wanted)


def judge_golden(gate: Dict[str, Any], result: Optional[Dict[str, Any]]) -> Reading:
    """golden. result: {set, right, asked, old_right, old_asked}; the old counts are those of the model before, on the same frames.

    Exact fractions: a share of precisely ``min`` passes. A failed golden test is never repeated: a wrong answer does not pass.
    """
    wanted = f"{gate['min']} of {gate['frames']} frames right, at most {gate['max_drop']} less than the model before"
    if not result or result.get("set") != gate["set"]:
        return Reading("golden", INCONCLUSIVE, "no answers to this set of frames", wanted)
    right, asked = result.get("right", 0), result.get("asked", 0)
    if not _counts(right, asked):
        return Reading("golden", ERROR, f"found {right!r} right of {asked!r}", wanted)
    # Enough wrong answers to fail even if all that are left were right: nothing more has to be asked.
    if (asked - right) > gate["frames"] * (1 - fraction(gate["min"])):
        return Reading("golden", FAIL, f"{right} of {asked} right", wanted)
    if asked < gate["frames"]:
        return Reading("golden", INCONCLUSIVE, f"{asked} of {gate['frames']} frames asked", wanted)
    if right < fraction(gate["min"]) * asked:
        return Reading("golden", FAIL, f"{right} of {asked} right", wanted)
    before, of = result.get("old_right", 0), result.get("old_asked", 0)
    if gate["max_drop"] < 1:
        if not _counts(before, of) or not of:
            return Reading("golden", INCONCLUSIVE, f"{right} of {asked} right; the model before was not asked", wanted)
        # right/asked < before/of - max_drop, without a division
        if right * of < (before - fraction(gate["max_drop"]) * of) * asked:
            return Reading("golden", FAIL, f"{right} of {asked} right, before {before} of {of}", wanted)
    return Reading("golden", PASS, f"{right} of {asked} right" + (f", before {before} of {of}" if of else ""), wanted)


def judge_latency(gate: Dict[str, Any], samples: Sequence[float], before: Sequence[float] = ()) -> Reading:
    """latency in milliseconds, oldest first; the first ``warmup`` samples of each are dropped (first inferences are slow)."""
    wanted = f"p95 of {gate['samples']} at most {gate['p95_ms']} ms"
    wanted += f" and {gate['max_ratio']} times that before" if "max_ratio" in gate else ""
    warm, old = list(samples)[gate["warmup"]:], list(before)[gate["warmup"]:]
    if not all(_is_time(sample) for sample in [*warm, *old]):
        return Reading("latency", ERROR, "found samples that are no durations", wanted)
    if len(warm) < gate["samples"]:
        return Reading("latency", INCONCLUSIVE, f"{len(warm)} of {gate['samples']} samples", wanted)
    found = percentile(warm, 95)
    if found > gate["p95_ms"]:
        return Reading("latency", FAIL, f"p95 {found:g} ms", wanted)
    if "max_ratio" in gate:
        if len(old) < gate["samples"]:
            return Reading("latency", INCONCLUSIVE, f"p95 {found:g} ms; {len(old)} of {gate['samples']} samples of the model before", wanted)
        if found > percentile(old, 95) * gate["max_ratio"]:
            return Reading("latency", FAIL, f"p95 {found:g} ms, before {percentile(old, 95):g} ms", wanted)
    return Reading("latency", PASS, f"p95 {found:g} ms", wanted)


def judge_query(gate: Dict[str, Any], values: Sequence[Optional[float]]) -> Reading:
    """prometheus. values, oldest first, one for each interval; None for no data. An absent series is neither good nor bad."""
    wanted = f"{gate['query']} {gate['op']} {gate['value']:g} in {gate['count']} readings, at most {gate['max_failed']} not"
    read = [value for value in values if _is_number(value)]
    failed = sum(not _OPERATORS[gate["op"]](value, gate["value"]) for value in read)
    found = f"{len(read) - failed} of {len(read)} readings hold, {len(values) - len(read)} without data"
    if failed > gate["max_failed"]:
        return Reading("prometheus", FAIL, found, wanted)
    return Reading("prometheus", PASS if len(read) >= gate["count"] else INCONCLUSIVE, found, wanted)


def drift_rule(gate: Dict[str, Any]) -> str:
    """Return what the gate drift wants, in words."""
    return f"PSI of {gate['output']} at most {gate['max']} with {gate['samples']} samples of each"


def judge_drift(gate: Dict[str, Any], expected: Mapping[str, float], found: Mapping[str, float]) -> Reading:
    """drift of an output: histograms (counts by bin) of the old and of the new model.

    A sample in which chance alone may exceed ``max`` tells nothing, however large it is.
    """
    wanted = drift_rule(gate)
    if not all(_is_time(number) for number in [*expected.values(), *found.values()]):
        return Reading("drift", ERROR, "found counts that are no numbers", wanted)
    bins = sorted(name for name in {*expected, *found} if expected.get(name, 0) or found.get(name, 0))
    # Weighted counts are fractions whose sum is a whole number but for the last digit.
    first, second = (int(round(sum(counts.values()), 6)) for counts in (expected, found))
    if min(first, second) < max(1, gate["samples"]):
        return Reading("drift", INCONCLUSIVE, f"{first} and {second} samples", wanted)
    if gate["label"] == CUMULATIVE and set(expected) != set(found):
        return Reading("drift", ERROR, "the models count with other bounds, which cannot be compared", wanted)
    chance = psi_of_chance(len(bins), first, second)
    if chance > gate["max"]:
        return Reading("drift", INCONCLUSIVE, f"{first} and {second} samples in {len(bins)} bins: a PSI of {chance:.3f} may be chance", wanted)
    before, after = [expected.get(name, 0) for name in bins], [found.get(name, 0) for name in bins]
    value = psi(before, after)
    moved = sorted(zip(bins, before, after), key=lambda row: (-abs(row[2] / second - row[1] / first), row[0]))[:3]
    text = ", ".join(f"{name} {100 * old / first:.1f} % -> {100 * new / second:.1f} %" for name, old, new in moved)
    return Reading("drift", FAIL if value > gate["max"] else PASS, f"PSI {value:.3f} of {first} and {second} samples; most moved: {text}", wanted)


def judge_command(gate: Dict[str, Any], code: Optional[int], output: str = "") -> Reading:
    """command: exit code 0 passes, 75 (EX_TEMPFAIL of sysexits.h) asks to wait, None means that it gave none in time."""
    verdict = ERROR if code is None else {0: PASS, 75: INCONCLUSIVE}.get(code, FAIL)
    lines = output.strip().splitlines()
    text = "no answer in time" if code is None else f"exit code {code}" + (f": {lines[-1][:200]}" if lines else "")
    return Reading("command " + gate["name"], verdict, text, "exit code 0")


def _counts(part: Any, whole: Any) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in (part, whole)) and 0 <= part <= whole


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    return _is_number(value) and value >= 0
