# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look-judge-ask loop of a health check. Whoever looks and asks is handed in, so that it runs on recordings too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Dict, Iterable, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import (
    Limits,
    Progress,
    advance,
    conclude,
    due_probes,
    has_to_follow,
    is_unexplained,
)
from ansible_collections.edgeai.sites.plugins.module_utils.health.judge import judge_site
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import (
    Evidence,
    ExpectedNode,
    ExpectedTarget,
    Object,
    Probe,
    SiteJudgement,
)

LONGEST_PAUSE_SECONDS = 1.0


class Eyes(ABC):
    """See the API: at least once, and from ``follow`` on every change. ``elapsed`` is in seconds since the start and never jumps."""

    @abstractmethod
    def elapsed(self) -> float:
        """Return how long this has been watching."""

    @abstractmethod
    def evidence(self, probes: Dict[str, Probe]) -> Evidence:
        """Return all that is known now, with these answers in it."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Return when something changed, or after ``seconds``."""

    @abstractmethod
    def follow(self) -> None:
        """See every change from now on. Doing it again does nothing."""

    @abstractmethod
    def explain(self) -> None:
        """See events, too, which tell why a pod does not start. Doing it again does nothing."""


class Voice(ABC):
    """Asks models. ``ask`` returns at once and does nothing for a target that is being asked already."""

    @abstractmethod
    def ask(self, target: ExpectedTarget, pod: Object, elapsed: float) -> None:
        """Ask the model of ``target`` that ``pod`` serves."""

    @abstractmethod
    def answers(self) -> Dict[str, Probe]:
        """Return the newest answer of each target, by its name."""

    @abstractmethod
    def log(self, target: ExpectedTarget, pod: Object, lines: int) -> List[str]:
        """Return the last lines that the pod's container wrote, of its last run if that has ended; empty if none."""


def observe(eyes: Eyes, voice: Voice, targets: Iterable[ExpectedTarget], nodes: Iterable[ExpectedNode],
            limits: Limits) -> Tuple[SiteJudgement, str]:
    """Judge at every change until there is a conclusion; return the last judgement and the conclusion.

    One look and the answers of the models are all that a site costs which is well; what is not, is followed.
    """
    expected = {target.name: target for target in targets}
    nodes = tuple(nodes)
    progress, looked = Progress(), eyes.elapsed()
    while True:
        site = judge_site(expected.values(), nodes, eyes.evidence(voice.answers()))
        elapsed = eyes.elapsed()
        progress = advance(progress, site, elapsed)
        conclusion = conclude(progress, site, elapsed, limits)
        if conclusion:
            return site, conclusion
        for target in due_probes(progress, site, elapsed, limits):
            voice.ask(expected[target.name], target.pod, elapsed)
        if is_unexplained(site):
            eyes.explain()
        if has_to_follow(site, elapsed - looked, limits):
            eyes.follow()
        eyes.wait(min(LONGEST_PAUSE_SECONDS, max(0.0, limits.deadline - elapsed)))
