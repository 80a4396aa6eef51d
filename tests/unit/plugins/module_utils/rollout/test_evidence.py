# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a health check proves for a rollout, and what it does not."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import Finding, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.evidence import judge_ready, verified
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW


def judged(state, final=False, restarts=0):
    pod = {"metadata": {"name": "p", "uid": "u"}, "status": {"containerStatuses": [
        {"containerID": "containerd://1", "imageID": "r/x@" + NEW["amd64"], "state": {"running": {}}, "restartCount": restarts}]}}
    return TargetJudgement("t", (Finding("workload.rollout", state, "what was found", "x", final=final),), pod=pod)


@pytest.mark.parametrize(("judgement", "seen", "verdict"), [
    (judged("healthy"), NOW, "pass"), (judged("healthy"), NOW - 1, "inconclusive"), (judged("healthy"), NOW + 5, "pass"),
    (judged("progressing"), NOW, "inconclusive"), (judged("unknown"), NOW, "inconclusive"), (judged("failed"), NOW, "inconclusive"),
    (judged("failed", final=True), NOW, "fail"), (judged("failed", final=True), NOW - 1, "inconclusive"), (judged("absent", final=True), NOW, "fail"),
    (judged("absent"), NOW, "inconclusive"), (judged("healthy", restarts=1), NOW, "fail"), (TargetJudgement("t", ()), NOW, "inconclusive"),
])
def test_ready(judgement, seen, verdict):
    assert judge_ready(judgement, NEW["amd64"], seen, NOW).verdict == verdict


def test_restarts_that_were_there_before_are_allowed():
    assert judge_ready(judged("healthy", restarts=2), NEW["amd64"], NOW, NOW, restarts=2).verdict == "pass"


def test_restarts_of_the_image_before_are_not_counted():
    assert judge_ready(judged("progressing", restarts=3), NEW["arm64"], NOW, NOW).verdict == "inconclusive"


def test_the_event_for_the_journal():
    ready, golden = Reading("ready", "pass", "healthy", "x"), Reading("golden", "fail", "3 of 4 right", "4 of 4")
    event = verified("north/vision-n1", 2, judged("healthy"), [ready, golden], NOW, NOW + 3)
    assert event == {"type": "verified", "at": NOW + 3, "target": "north/vision-n1", "attempt": 2, "seen": NOW, "verdict": "fail", "digest": NEW["amd64"],
                     "container": "u/containerd://1", "gates": [ready.row(), golden.row()], "reason": "golden: 3 of 4 right"}
    nothing = verified("x", 1, TargetJudgement("t", ()), [], NOW, NOW)
    assert nothing["verdict"] == "inconclusive" and nothing["digest"] == nothing["container"] == nothing["reason"] == ""
    assert verified("x", 1, judged("healthy"), [ready], NOW, NOW)["reason"] == ""
