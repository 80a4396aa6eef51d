# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the models of a rollout are asked at each step, and what those before their switch answered. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import (
    Answers,
    Before,
    Exam,
    Holds,
    before,
    counter,
    full_exam,
    needs_before,
    readings,
    remembered,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import GoldenSet
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Question
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

# An expression that is true of every answer: the frames judge the new model, not the inventory's question.
ANY = "`true`"


class Asking:
    """Questions to the models of one plan. expected: target -> {health_path, request, expect} of the inventory."""

    def __init__(self, gates: Dict[str, Any], expected: Mapping[str, Dict[str, Any]], golden: Optional[GoldenSet], holds: Holds,
                 events: Iterable[Event]):
        self._gates = gates
        self._expected = expected
        self._golden = golden
        self._holds = holds
        # The newest of each target, with the digest that it is of.
        self._before: Dict[str, Tuple[str, Before]] = {}
        for event in events:
            old = remembered(event) if event.get("type") == "before" else None
            if old is not None:
                self._before[event["target"]] = event["digest"], old

    def wants_before(self, name: str, digest: str) -> bool:
        """Return whether a gate compares with this model, which was not asked yet."""
        return needs_before(self._gates) and digest != self._before.get(name, ("", None))[0]

    def look(self, name: str, digest: str, full: bool, after: int) -> Question:
        """Ask the old model before its switch: whether it is well, and, if ``full``, all that the new one will be asked."""
        asked, exam = self._expected[name], self._brief(name)
        if full:
            # The inventory's question comes first: a frame may be one that the old model is known to get wrong.
            exam = self._full(name)
            exam = replace(exam, requests=(asked["request"], *exam.requests))
        return Question(name, digest, asked["expect"], exam, after)

    def verify(self, name: str, digest: str, after: int) -> Question:
        """Ask the new model everything."""
        return Question(name, digest, ANY if "golden" in self._gates else self._expected[name]["expect"], self._full(name), after)

    def way_back(self, name: str, digest: str, after: int) -> Question:
        """Ask the old model whether it is well again."""
        return Question(name, digest, self._expected[name]["expect"], self._brief(name), after)

    def recount(self, name: str, digest: str, after: int) -> Question:
        """Ask the new model for its counts alone."""
        return Question(name, digest, ANY, replace(self._brief(name), counter=counter(self._gates)), after)

    def remember(self, name: str, digest: str, answers: Answers) -> Event:
        """Take in what a full look found, and return it for the journal."""
        own = replace(answers, answers=answers.answers[1:], times=answers.times[1:])
        return self._take(name, digest, before(self._gates, self._golden, own, self._holds))

    def adopt(self, name: str, row: Any) -> Optional[Event]:
        """Take in what a target's own record has, unless more is known, and return it for the journal."""
        old = remembered(row)
        return self._take(name, row["digest"], old) if old is not None and name not in self._before else None

    def record(self, name: str) -> Dict[str, Any]:
        """Return {before} for the record of a target; empty when its model before was not asked."""
        return {"before": self._before[name][1].row(self._before[name][0])} if name in self._before else {}

    def readings(self, name: str, previous: str, answers: Optional[Answers]) -> List[Reading]:
        """Return what the gates say of a new model's answers. previous: digest of the image that it would go back to."""
        return readings(self._gates, self._golden, answers, self._known(name, previous), self._holds)

    def counted_before(self, name: str, previous: str) -> Counted:
        """Return what the model before was counted for."""
        return self._known(name, previous).outputs or Counted(problem="its model before was not asked")

    def _known(self, name: str, previous: str) -> Before:
        # Of the image that it would go back to, and of no other.
        digest, old = self._before.get(name, ("", Before()))
        return old if digest == previous else Before()

    def _take(self, name: str, digest: str, old: Before) -> Event:
        self._before[name] = digest, old
        return {"type": "before", **old.row(digest)}

    def _full(self, name: str) -> Exam:
        return full_exam(self._gates, self._golden, self._expected[name]["health_path"], self._expected[name]["request"])

    def _brief(self, name: str) -> Exam:
        return Exam(self._expected[name]["health_path"], (self._expected[name]["request"],))
