# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counters of outputs in Prometheus' text format: what is read of them, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import MAX_BINS, MAX_BYTES, Counted, Counter, count, counter_of, recall
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger import MAX_LINE

COUNTER = Counter("class", "edgeai_outputs_total", "bin", "/metrics")
SERIES = "edgeai_outputs_total{%s} %s"


def series(name, value=1, more='output="class"'):
    return SERIES % (f'{more}{"," if more else ""}bin="{name}"', value)


@pytest.mark.parametrize(("text", "bins"), [
    (series("good", 7), {"good": 7}),
    ("# HELP edgeai_outputs_total x\n# TYPE edgeai_outputs_total counter\n" + series("good", 7) + "\n" + series("dent", 0) + "\n", {"good": 7, "dent": 0}),
    # An output of another name is another one; a series without such a label is of this one.
    (series("good", 7) + "\n" + series("hot", 3, 'output="level"'), {"good": 7}), (series("good", 7, ""), {"good": 7}),
    # Cameras and versions are added up.
    (series("good", 7, 'camera="a"') + "\n" + series("good", 2, 'camera="b"'), {"good": 9}),
    # What counts nothing, other metrics, and lines of them that are no lines.
    (SERIES % ('output="class"', 9) + "\nedgeai_outputs_total 8\nedgeai_outputs_total_more{bin=\"x\"} 1\n{{{\nother{ 1\n" + series("good", 7), {"good": 7}),
    # A time, an example, spaces, a last comma, exponents, line ends of Windows, escapes, names of all countries.
    (series("good", "7 1700000000000"), {"good": 7}), (series("good", '7 # {trace_id="}"} 1.0'), {"good": 7}),
    ('edgeai_outputs_total{ bin = "good" , output="class" , } 7', {"good": 7}), (series("good", "1.2e+03"), {"good": 1200}),
    (series("good", "7\r"), {"good": 7}),
    (series(r"a \"b\" \\ c"), {'a "b" \\ c': 1}), (series("}, x=1"), {"}, x=1": 1}), (series("çizik"), {"çizik": 1}),
])
def test_what_is_counted(text, bins):
    assert count(text, COUNTER) == Counted(bins)


@pytest.mark.parametrize(("text", "words"), [
    ("", "/metrics has no series of edgeai_outputs_total with a label bin for output class"), (series("good", 1, 'output="level"'), "has no series"),
    *((series("good", value), "wanted a whole number") for value in ("", "NaN", "+Inf", "-1", "1.5", "1_0", "0x1", "1e999", "many", "1.2.3", "١")),
    (SERIES % ('bin="x', 1), "not in Prometheus' text format"), (SERIES % ("bin=x", 1), "text format"), ("edgeai_outputs_total{", "text format"),
    (SERIES % ('bin="x" output="class"', 1), "text format"),
    (series(""), "a bin whose name is empty"), (series("x" * 81), "longer than 80 bytes"), (series("\U0001F600" * 7), "longer than 80 bytes"),
    (series(r"a\nb"), "not printable"), (series("a\x1b[31m"), "not printable"),
    ("\n".join(series(number) for number in range(MAX_BINS + 1)), "more than 64 bins"), (series("good", 2 ** 53 + 2), "above 2^53"),
    ("x" * (MAX_BYTES + 1), "found 1048577 characters"),
    ("# TYPE edgeai_outputs_total gauge\n" + series("good", 7), "is a gauge; wanted a counter"),
])
def test_what_is_not(text, words):
    found = count(text, COUNTER)
    assert found.bins == {} and words in found.problem and len(found.problem) <= 200


BUCKET = 'confidence_bucket{le="%s"} %s'
HISTOGRAM = Counter("confidence", "confidence_bucket", "le", "/metrics")


@pytest.mark.parametrize(("buckets", "bins"), [
    ([("0.5", 3), ("0.9", 10), ("+Inf", 12)], {"0.5": 3, "0.9": 7, "+Inf": 2}),
    ([("+Inf", 12), ("10", 4), ("9", 4)], {"9": 4, "10": 0, "+Inf": 8}),
    ([("0.5", 3), ("0.9", 2)], "buckets that fall"), ([("low", 3)], "a bound that is no number"),
])
def test_buckets_of_a_histogram_count_alone(buckets, bins):
    found = count("\n".join(BUCKET % row for row in buckets), HISTOGRAM)
    assert found.bins == bins if isinstance(bins, dict) else bins in found.problem


def test_what_a_gate_reads():
    gate = {"output": "class", "max": 0.2, "samples": 500, "metric": "m", "label": "l", "path": "/p"}
    assert counter_of(gate) == Counter("class", "m", "l", "/p", 0) and counter_of({**gate, "port": 8002}).port == 8002


@given(st.text(alphabet='edgai_outputs{}"\\,= bin07.\n#TYPE', max_size=200), st.text(max_size=60))
def test_whatever_a_device_says_is_counts_or_a_problem_and_fits_into_a_journal(tail, name):
    for text in ("edgeai_outputs_total{" + tail, series(name, 7), tail):
        found = count(text, COUNTER)
        assert bool(found.bins) != bool(found.problem)
        assert recall(json.loads(json.dumps(found.row()))) == found


def test_the_largest_counts_fit_into_a_line_of_the_journal():
    found = count("\n".join(series(f"{number:02}" + "ş" * 13, 2 ** 53) for number in range(MAX_BINS)), COUNTER)
    assert len(found.bins) == MAX_BINS and len(json.dumps(found.row())) < MAX_LINE / 4


@pytest.mark.parametrize("row", [None, [], {}, {"bins": []}, {"bins": {"good": -1}}, {"bins": {"good": True}}, {"bins": {"good": 1.0}}, {"bins": {"": 1}},
                                 {"bins": {"a\n": 1}}, {"bins": {str(number): 1 for number in range(MAX_BINS + 1)}}, {"bins": {"good": 2 ** 54}}])
def test_what_are_no_counts_is_not_remembered(row):
    assert recall(row) == Counted(problem="its outputs were not counted")
