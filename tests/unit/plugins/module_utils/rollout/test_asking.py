# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What models are asked at each step of a rollout, and what is remembered of those before."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.asking import ANY, Asking
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import ASKED, GOLDEN, holds
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, OLD
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A

DRIFT = {"output": "class", "max": 0.2, "samples": 9, "metric": "edgeai_outputs_total", "label": "bin", "path": "/metrics"}
GATES = {"golden": {"set": OLD, "frames": 4, "min": 1, "max_drop": 0.1}, "drift": DRIFT}
COUNTER = Counter("class", "edgeai_outputs_total", "bin", "/metrics")
FRESH = NEW["amd64"]
# The inventory's question is answered wrong, all four frames are answered right.
SAID = Answers("c", 7, answers=({},) + ({"right": True},) * 4, times=(900.0,) + (20.0,) * 4, outputs=Counted({"good": 7}))


def asking(gates=None, events=()):
    return Asking(GATES if gates is None else gates, {A: ASKED}, GOLDEN, holds, events)


def test_before_the_switch_the_inventorys_question_comes_first():
    question = asking().look(A, OLD, True, 5)
    assert question.exam.requests == (ASKED["request"], *(frame.request for frame in GOLDEN.frames)) and question.expect == ASKED["expect"]
    assert (question.digest, question.after, question.exam.counter) == (OLD, 5, COUNTER)
    assert asking().look(A, OLD, False, 5).exam.requests == (ASKED["request"],)


def test_frames_judge_the_new_model_and_the_inventorys_question_where_there_are_none():
    assert asking().verify(A, FRESH, 5).expect == ANY and len(asking().verify(A, FRESH, 5).exam.requests) == 4
    assert asking({}).verify(A, FRESH, 5).expect == ASKED["expect"]


@pytest.mark.parametrize(("ask", "counter"), [("way_back", None), ("recount", COUNTER)])
def test_other_questions_are_short(ask, counter):
    exam = getattr(asking(), ask)(A, OLD, 5).exam
    assert (exam.requests, exam.http_turns, exam.counter) == ((ASKED["request"],), 0, counter)


def test_a_model_before_is_asked_once_and_counts_for_its_own_image_alone():
    models = asking()
    assert models.wants_before(A, OLD) and not asking({}).wants_before(A, OLD)
    event = models.remember(A, OLD, SAID)
    assert (event["right"], event["asked"], event["times"], event["outputs"]["bins"]) == (4, 4, [20.0] * 4, {"good": 7})
    again = asking(events=[{**event, "target": A}, {"type": "before", "target": A, "digest": "damaged"}])
    for known in (models, again):
        assert not known.wants_before(A, OLD) and known.wants_before(A, FRESH)
        assert known.counted_before(A, OLD) == Counted({"good": 7}) and known.counted_before(A, FRESH).problem
        assert known.record(A)["before"]["digest"] == OLD


def test_a_record_is_taken_where_nothing_is_known():
    row = asking().remember(A, OLD, SAID)
    models = asking()
    assert models.adopt(A, None) is None and models.record(A) == {}
    assert models.adopt(A, row)["type"] == "before" and models.counted_before(A, OLD) == Counted({"good": 7})
    assert models.adopt(A, {**row, "digest": FRESH}) is None, "something is known already"
