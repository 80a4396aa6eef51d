# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds other than Deployments, as tables: the numbers that are right, and each that reads right and is not."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.health.kinds import judge_daemonset, judge_job, judge_statefulset

DIGEST = "sha256:" + "d" * 64
GOOD_DAEMONSET = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3}
GOOD_STATEFULSET = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
                    "currentRevision": "b", "updateRevision": "b"}


def thing(status, spec=None, **meta):
    template = {"spec": {"containers": [{"image": "r/x@" + DIGEST}]}}
    return {"metadata": {"name": "t", "generation": 2, **meta}, "spec": {"template": template, **(spec or {})}, "status": status}


@pytest.mark.parametrize(("status", "state"), [
    ({}, "healthy"), ({"numberReady": 2}, "progressing"), ({"updatedNumberScheduled": 2}, "progressing"), ({"numberAvailable": 2}, "progressing"),
    ({"numberUnavailable": 1}, "progressing"), ({"numberMisscheduled": 1}, "progressing"), ({"observedGeneration": 1}, "progressing"),
    ({"observedGeneration": None}, "progressing"), ({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2,
                                                     "numberAvailable": 2}, "progressing"),
    ({"desiredNumberScheduled": 4, "updatedNumberScheduled": 4, "numberReady": 4, "numberAvailable": 4}, "progressing"),
    # A node that is away and tainted: the cluster wants none there, and its own numbers are complete.
    ({"desiredNumberScheduled": 0, "updatedNumberScheduled": 0, "numberReady": 0, "numberAvailable": 0}, "progressing"),
])
def test_daemonsets(status, state):
    assert judge_daemonset(thing({**GOOD_DAEMONSET, **status}), 3, DIGEST).state == state


def test_daemonsets_of_no_node_are_never_healthy():
    none = {key: 0 for key in GOOD_DAEMONSET}
    assert judge_daemonset(thing({**none, "observedGeneration": 2}), 0).state == "progressing"


def test_a_daemonset_that_waits_for_somebody_to_delete_its_pods():
    finding = judge_daemonset(thing(GOOD_DAEMONSET, {"updateStrategy": {"type": "OnDelete"}}), 3)
    assert finding.state == "failed" and finding.final


@pytest.mark.parametrize(("status", "spec", "state"), [
    ({}, {}, "healthy"), ({"updatedReplicas": 1}, {}, "progressing"), ({"readyReplicas": 1}, {}, "progressing"), ({"availableReplicas": 1}, {}, "progressing"),
    ({"replicas": 3}, {}, "progressing"), ({"currentRevision": "a"}, {}, "progressing"), ({"updateRevision": "", "currentRevision": ""}, {}, "progressing"),
    ({}, {"replicas": 3}, "failed"), ({}, {"updateStrategy": {"type": "OnDelete"}}, "failed"),
    ({}, {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}, "failed"),
    ({}, {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}, "healthy"), ({"observedGeneration": 1}, {}, "progressing"),
])
def test_statefulsets(status, spec, state):
    assert judge_statefulset(thing({**GOOD_STATEFULSET, **status}, {"replicas": 2, **spec}), 2, DIGEST).state == state


@pytest.mark.parametrize(("job", "state"), [
    (None, "absent"), ({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, "healthy"),
    ({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}, "failed"),
    ({"status": {"active": 1}}, "progressing"), ({"spec": {"suspend": True}}, "progressing"), ({"status": {"succeeded": 1}}, "progressing"),
    ({"status": {"conditions": [{"type": "Complete", "status": "False"}]}}, "progressing"),
])
def test_jobs(job, state):
    assert judge_job(job).state == state


@pytest.mark.parametrize("judge", [judge_daemonset, judge_statefulset])
def test_what_is_told_before_the_numbers(judge):
    good = GOOD_DAEMONSET if judge is judge_daemonset else GOOD_STATEFULSET
    assert judge(None, 2).state == "absent"
    assert judge(thing(good, {"replicas": 2}, deletionTimestamp="2026-01-01T00:00:00Z"), 2).state == "failed"
    wrong = judge(thing(good, {"replicas": 2}), 2, "sha256:" + "e" * 64)
    assert wrong.state == "failed" and wrong.final and "not for sha256:eee" in wrong.found
