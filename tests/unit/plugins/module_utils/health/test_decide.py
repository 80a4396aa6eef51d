# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to stop looking."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import (
    Limits,
    Progress,
    advance,
    conclude,
    due_probes,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    FAILED,
    HEALTHY,
    PROGRESSING,
    UNKNOWN,
    Finding,
    NodeJudgement,
    Probe,
    SiteJudgement,
    TargetJudgement,
)

LIMITS = Limits(deadline=100, grace=30)


def target(state, name="a", final=False, at=0.0, wanted=None):
    answered = Probe("p", "c", at)
    return TargetJudgement(name, (Finding("x", state, "f", "w", final=final),), pod={}, probe=answered,
                           probe_wanted=state != HEALTHY if wanted is None else wanted)


def node(state):
    return NodeJudgement("n", (Finding("x", state, "f", "w"),))


def run(looks, limits=LIMITS):
    """Feed (elapsed, parts…) and return the conclusion after each."""
    progress, result = Progress(), []
    for elapsed, *parts in looks:
        site = SiteJudgement(tuple(p for p in parts if isinstance(p, TargetJudgement)),
                             tuple(p for p in parts if isinstance(p, NodeJudgement)))
        progress = advance(progress, site, elapsed)
        result.append(conclude(progress, site, elapsed, limits))
    return result


@pytest.mark.parametrize("looks, conclusions", [
    ([(1, target(HEALTHY))], ["healthy"]),
    ([(1, target(HEALTHY), node(UNKNOWN))], [""]),
    ([(1, target(PROGRESSING)), (99, target(PROGRESSING)), (100, target(PROGRESSING))], ["", "", "deadline"]),
    ([(1, target(FAILED)), (30, target(FAILED)), (31, target(FAILED))], ["", "", "failed"]),
    ([(1, target(UNKNOWN)), (31, target(FAILED))], ["", "failed"]),
    ([(1, target(FAILED)), (20, target(PROGRESSING)), (31, target(FAILED)), (61, target(FAILED))],
     ["", "", "", "failed"]),
    ([(1, target(FAILED, final=True))], ["failed"]),
    ([(1, target(FAILED, final=True), target(PROGRESSING, "b"))], [""]),
    ([(1, target(FAILED, final=True), target(HEALTHY, "b"))], ["failed"]),
    ([(0, target(FAILED)), (30, target(FAILED), target(PROGRESSING, "b"))], ["", ""]),
    ([(0,)], ["failed"]),
    ([(0, node(HEALTHY))], ["failed"]),
    ([(0, node(PROGRESSING))], [""]),
    ([(100, target(HEALTHY, at=90.0))], ["healthy"]),
])
def test_conclusions(looks, conclusions):
    assert run(looks) == conclusions


def test_settling_asks_once_more_at_its_end():
    limits = Limits(deadline=100, grace=30, settle=20)
    assert run([(1, target(HEALTHY)), (20, target(HEALTHY)), (21, target(HEALTHY)), (22, target(HEALTHY, at=21))],
               limits) == ["", "", "", "healthy"]


def test_settling_starts_anew_after_a_bad_moment():
    limits = Limits(deadline=100, grace=30, settle=20)
    assert run([(1, target(HEALTHY)), (15, target(PROGRESSING)), (16, target(HEALTHY, at=15)),
                (22, target(HEALTHY, at=22)), (37, target(HEALTHY, at=37))], limits) == ["", "", "", "", "healthy"]


def test_an_old_answer_is_asked_for_again():
    site = SiteJudgement((target(HEALTHY, at=5),), ())
    assert conclude(advance(Progress(), site, 66), site, 66, LIMITS) == ""
    assert [due.name for due in due_probes(Progress(), site, 66, LIMITS)] == ["a"]
    assert not list(due_probes(Progress(), site, 64, LIMITS))


@pytest.mark.parametrize("of, elapsed, due", [
    (target(PROGRESSING, wanted=True, at=0), 1, False),
    (target(PROGRESSING, wanted=True, at=0), 2, True),
    (target(FAILED, wanted=True, at=0, final=True), 9, False),
    (target(FAILED, wanted=False, at=0), 9, False),
])
def test_who_is_asked_again(of, elapsed, due):
    assert bool(list(due_probes(Progress(), SiteJudgement((of,), ()), elapsed, LIMITS))) is due
