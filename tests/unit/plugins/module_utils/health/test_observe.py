# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop, with eyes and voice that a test moves."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health import decide
from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import Limits
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import Eyes, Voice, observe

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


class Film(Eyes):
    """Shows one evidence after the other, a second each, and the last for ever."""

    def __init__(self, *frames):
        self.frames, self.seconds, self.asked = frames, 0, []

    def elapsed(self):
        return float(self.seconds)

    def evidence(self, probes):
        return dataclasses.replace(self.frames[min(self.seconds, len(self.frames) - 1)], probes=probes)

    def wait(self, seconds):
        assert seconds <= 1.0
        self.seconds += 1

    def follow(self):
        self.asked.append("follow")

    def explain(self):
        self.asked.append("explain")


class Echo(Voice):
    """Answers at once with what it was told, and remembers who was asked."""

    def __init__(self, **answer):
        self.answer, self.asked, self.probes = answer, [], {}

    def ask(self, target, pod, elapsed):
        self.asked.append((target.name, pod["metadata"]["name"]))
        self.probes = {target.name: c.probe(pod, at=elapsed, **self.answer)}

    def answers(self):
        return self.probes

    def log(self, target, pod, lines):
        return []


OLD_ONLY = c.evidence(pods=[c.pod("1", c.OLD)], replicasets=[c.replicaset("1")],
                      deployments=[c.deployment(observed=1, revision="1")])
LOADING = c.evidence(pods=[c.pod(ready=False)], deployments=[c.deployment(ready=0, available=0)])


def look(film, voice, deadline=10, grace=3):
    return observe(film, voice, [c.expected()], [], Limits(deadline=deadline, grace=grace))


def test_only_the_new_pod_is_ever_asked():
    voice = Echo()
    site, conclusion = look(Film(OLD_ONLY, OLD_ONLY, LOADING, c.evidence()), voice)
    assert conclusion == "healthy"
    assert voice.asked == [(c.TARGET, "vision-line-a-2-x")]
    assert site.targets[0].probe.latency_ms == 12.5


@pytest.mark.parametrize("frames, answer, conclusion, seconds", [
    ([c.evidence()], {"answer": c.WRONG}, "failed", 1),
    ([c.evidence()], {"health": {"status": "bad"}}, "failed", 4),
    ([c.evidence()], {"error": "no answer in time"}, "failed", 4),
    ([LOADING], {}, "deadline", 10),
    ([c.evidence(blind="gone")], {}, "failed", 3),
    ([c.evidence(blind="gone"), c.evidence(blind="gone"), c.evidence()], {}, "healthy", 3),
])
def test_it_always_ends(frames, answer, conclusion, seconds):
    film = Film(*frames)
    assert look(film, Echo(**answer))[1] == conclusion
    assert film.seconds == seconds


def test_a_pod_that_is_replaced_after_its_answer_has_to_answer_again():
    second = c.evidence(pods=[c.pod(suffix="y")])
    voice = Echo()
    film = Film(c.evidence(deployments=[c.deployment(), ]), second)
    # The first answer arrives together with the second pod.
    site, conclusion = look(film, voice)
    assert conclusion == "healthy"
    assert voice.asked[-1] == (c.TARGET, "vision-line-a-2-y")
    assert site.targets[0].probe.pod == "vision-line-a-2-y"


CREATING = c.evidence(pods=[c.pod(state={"waiting": {"reason": "ContainerCreating"}}, ready=False)],
                      deployments=[c.deployment(ready=0, available=0)])


@pytest.mark.parametrize("frames, answer, limits, asked", [
    ([c.evidence()], {}, {}, set()),
    ([c.evidence()], {"answer": c.WRONG}, {}, set()),
    ([c.evidence(deployments=[c.deployment(digest=c.OLD)])], {}, {}, set()),
    ([c.evidence()], {"error": "no answer in time"}, {}, {"follow"}),
    ([LOADING, c.evidence()], {}, {}, {"follow"}),
    ([OLD_ONLY, c.evidence()], {}, {}, {"follow"}),
    ([c.evidence(leases=[c.lease(ago=90)]), c.evidence()], {}, {}, {"follow"}),
    ([c.evidence(blind="gone"), c.evidence()], {}, {}, {"follow"}),
    ([c.evidence()], {}, {"settle": 2}, {"follow"}),
    ([CREATING, c.evidence()], {}, {}, {"follow", "explain"}),
])
def test_changes_and_events_are_asked_for_only_where_one_look_is_not_enough(frames, answer, limits, asked):
    film = Film(*frames)
    observe(film, Echo(**answer), [c.expected()], [], Limits(**{"deadline": 10, "grace": 3, **limits}))
    assert set(film.asked) == asked


class Silent(Echo):
    def ask(self, target, pod, elapsed):
        pass


def test_a_look_is_not_believed_for_ever():
    film = Film(c.evidence())
    assert look(film, Silent(), deadline=30)[1] == "deadline"
    assert len(film.asked) == 30 - decide.LOOK_FRESH_SECONDS, "from then on changes are followed"
