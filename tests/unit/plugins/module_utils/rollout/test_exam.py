# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a model is asked, what its answers prove, and golden sets that are refused."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import (
    Answers,
    Before,
    before,
    examine,
    frames_of,
    full_exam,
    needs_before,
    readings,
    remembered,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import MAX_BYTES, choose, digest_of, load_set

DRIFT = {"output": "class", "max": 0.2, "samples": 9, "metric": "edgeai_outputs_total", "label": "bin", "path": "/metrics"}
COUNTER = Counter("class", "edgeai_outputs_total", "bin", "/metrics")
FRAME = {"name": "f", "request": {"inputs": [{"name": "seed"}]}, "expect": "right"}


def data(count=4, **changes):
    frames = [dict(FRAME, name=f"frame {number}", request={"inputs": [{"name": "seed", "data": [number]}]}) for number in range(count)]
    return json.dumps({"format": "edgeai.sites/golden-set", "version": 1, "frames": frames, **changes}).encode()


def golden(count=4):
    return load_set(data(count), "set.json", lambda expression: None)


def gates(**changes):
    return {"golden": {"set": golden().digest, "frames": 4, "min": 1, "max_drop": 1, "warmup": 3},
            "latency": {"p95_ms": 100, "samples": 5, "warmup": 2}, "http": {"path": "/ready", "expression": "ready", "consecutive": 2}, **changes}


def holds(expression, document):
    return document.get(expression) is True


def refuse(expression):
    raise ValueError(f"no expression: {expression}")


class TestSets:
    def test_it_is_named_by_its_content(self):
        assert golden().digest == digest_of(data()) != digest_of(data(5))
        assert [frame.name for frame in golden().frames] == [f"frame {number}" for number in range(4)]

    @pytest.mark.parametrize(("content", "words"), [
        (b"{", "found no JSON"), (data(format="x"), "found no golden set"), (data(version=2), "found no golden set"), (b"[]", "found no golden set"),
        (data(0), "found no frames"), (data(frames=[{"name": "f"}]), "frame 1: wanted a mapping"),
        (data(frames=[dict(FRAME, request={})]), "request has no inputs"), (data(frames=[dict(FRAME, expect=3)]), "have to be text"),
        (data(frames=[FRAME, dict(FRAME, more=1)]), "frame 2"), (b" " * (MAX_BYTES + 1), "bytes; wanted"),
    ])
    def test_others_are_refused_with_what_was_found(self, content, words):
        with pytest.raises(RolloutError, match=words):
            load_set(content, "set.json", lambda expression: None)

    def test_an_expression_that_is_none_is_refused(self):
        with pytest.raises(RolloutError, match="frame 1: no expression: right"):
            load_set(data(), "set.json", refuse)

    def test_the_release_chooses_by_digest_and_asks_for_enough_frames(self):
        sets = [golden(5), golden(4)]
        assert choose(sets, {"set": golden().digest, "frames": 4}, "here").digest == golden().digest
        with pytest.raises(RolloutError, match="4 frames; the release asks 5"):
            choose(sets, {"set": golden().digest, "frames": 5}, "here")
        with pytest.raises(RolloutError, match="no set at all in here; the release wants the golden set sha256:0"):
            choose([], {"set": "sha256:0", "frames": 1}, "here")


class TestExams:
    def test_it_asks_each_frame_and_as_often_as_latency_needs(self):
        exam = full_exam(gates(), golden(), "/health", {"inputs": ["known"]})
        assert len(exam.requests) == 7 and exam.requests[4] == exam.requests[0] == golden().frames[0].request
        assert (exam.warm_ups, exam.http_path, exam.http_turns) == (3, "/ready", 2)

    def test_without_frames_it_asks_what_the_inventory_asks(self):
        exam = full_exam({}, None, "/health", {"inputs": ["known"]})
        assert exam.requests == ({"inputs": ["known"]},) and (exam.warm_ups, exam.http_turns) == (1, 0)

    def test_only_as_many_frames_as_the_gate_says(self):
        assert len(frames_of(gates(golden={"frames": 2}), golden())) == 2 and frames_of({}, golden()) == () and frames_of(gates(), None) == ()

    def test_the_order_of_the_questions_and_the_times(self):
        asked, ticks = [], iter(range(100))
        exam = full_exam(gates(), golden(), "/health", {})
        answers = examine(exam, lambda path: asked.append(path) or {"ready": True}, lambda request: asked.append(request) or {"right": True},
                          asked.append, lambda: next(ticks), "c1", 7)
        assert asked[:3] == ["/health", "/ready", "/ready"] and asked[3:6] == [exam.requests[0]] * 3 and asked[6:] == list(exam.requests)
        assert answers.times == (1000.0,) * 7 and (answers.container, answers.at, len(answers.answers)) == ("c1", 7, 7)
        assert answers.outputs is None

    def test_outputs_are_read_before_anything_is_asked_of_the_model(self):
        asked = []

        def read(counter):
            asked.append(counter)
            return 'edgeai_outputs_total{output="class",bin="good"} 7\n'
        exam = full_exam(gates(drift=DRIFT), golden(), "/health", {})
        answers = examine(exam, asked.append, asked.append, read, lambda: 0.0, "c1", 7)
        assert asked[:2] == ["/health", COUNTER] and answers.outputs == Counted({"good": 7})
        old = before(gates(drift=DRIFT), golden(), answers, lambda expression, document: True)
        assert old.outputs == Counted({"good": 7})

    @pytest.mark.parametrize("error", [OSError("answered 404"), KeyError(), ValueError("x" * 999)])
    def test_a_counter_that_cannot_be_read_ends_no_exam(self, error):
        def read(counter):
            raise error
        answers = examine(full_exam(gates(drift=DRIFT), golden(), "/health", {}), lambda path: {}, lambda request: {}, read, lambda: 0.0, "c1", 7)
        assert len(answers.answers) == 7 and answers.outputs.bins == {} and 0 < len(answers.outputs.problem) <= 200

    @pytest.mark.parametrize(("wanted", "needed"), [
        ({}, False), ({"golden": {"max_drop": 0.1}}, True), ({"golden": {"max_drop": 1}}, False), ({"latency": {"max_ratio": 1.2}}, True),
        ({"latency": {"p95_ms": 9}}, False), ({"drift": DRIFT}, True)])
    def test_who_needs_the_model_before(self, wanted, needed):
        assert needs_before(wanted) is needed


class TestReadings:
    WELL = Answers("c", 7, http=({"ready": True},) * 2, answers=({"right": True},) * 7, times=(20.0,) * 7)

    def verdicts(self, answers, old=Before(), **changes):
        return {reading.gate: reading.verdict for reading in readings(gates(**changes), golden(), answers, old, holds)}

    def test_a_model_that_is_well(self):
        assert self.verdicts(self.WELL) == {"http": "pass", "golden": "pass", "latency": "pass"}

    @pytest.mark.parametrize("answers", [None, Answers("c", 7, error="connection refused", http=({"ready": True},) * 2)])
    def test_without_answers_nothing_is_known(self, answers):
        assert set(self.verdicts(answers).values()) == {"inconclusive"}

    def test_one_wrong_frame_fails_and_an_answer_beyond_the_frames_counts_nothing(self):
        one = Answers("c", 7, http=({"ready": True},) * 2, answers=({"right": True},) * 3 + ({},) + ({"right": True},) * 3, times=(20.0,) * 7)
        assert self.verdicts(one)["golden"] == "fail"
        beyond = Answers("c", 7, http=({"ready": True},) * 2, answers=({"right": True},) * 4 + ({},) * 3, times=(20.0,) * 7)
        assert self.verdicts(beyond)["golden"] == "pass"

    def test_the_model_before_counts(self):
        answers = Answers("c", 7, answers=({"right": True},) * 7)
        old = before(gates(), golden(), answers, holds)
        assert (old.right, old.asked) == (4, 4)
        three = Answers("c", 7, http=({"ready": True},) * 2, answers=({"right": True},) * 3 + ({},) * 4, times=(20.0,) * 7)
        loose = {"set": golden().digest, "frames": 4, "min": 0.5, "max_drop": 0.1}
        assert self.verdicts(three, old, golden=loose)["golden"] == "fail"
        assert self.verdicts(three, Before(3, 4), golden=loose)["golden"] == "pass"
        assert self.verdicts(three, golden=loose)["golden"] == "inconclusive", "the model before was not asked"


@pytest.mark.parametrize("row", [None, [], {}, {"digest": 1, "right": 1, "asked": 1, "times": []}, {"digest": "x", "right": True, "asked": 1, "times": []},
                                 {"digest": "x", "right": 1, "times": []}, {"digest": "x", "right": 1, "asked": 1, "times": ["fast"]},
                                 {"digest": "x", "right": 1, "asked": 1, "times": 3}])
def test_what_is_no_memory_of_a_model_is_none(row):
    assert remembered(row) is None


@pytest.mark.parametrize("old", [Before(3, 4, (1, 2.5)), Before(3, 4, (1, 2.5), Counted({"good": 7})), Before(outputs=Counted(problem="why"))])
def test_a_model_before_is_remembered(old):
    row = json.loads(json.dumps(old.row("x")))
    assert remembered(row) == old and row["digest"] == "x"
