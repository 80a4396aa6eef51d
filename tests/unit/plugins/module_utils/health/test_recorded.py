# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sequences of events as a K3s 1.36 sends them, judged after each one. Times are seconds after the update."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health.judge import judge_target

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

OLD_POD = dict(revision="1", digest=c.OLD, suffix="o", up=300)


def new_pod(**more):
    return c.pod(**dict(dict(revision="2", suffix="n", state={"waiting": {"reason": "ContainerCreating"}}, ready=False,
                             phase="Pending"), **more))


# An update with strategy Recreate: (seconds, what changed). A name alone is a deletion. The Deployment's status stays
# complete until the controller has seen the change, and again for an instant after that, while the old model serves.
COMPLETE = dict(replicas=1, updated=1, ready=1, available=1)
NOTHING = dict(replicas=0, updated=0, ready=0, available=0)
RECREATE = [
    (0.10, "deployments", c.deployment(generation=2, observed=1, revision="1", **COMPLETE)),
    (0.13, "deployments", c.deployment(generation=2, observed=2, revision="1", **{**COMPLETE, "updated": 0})),
    (0.14, "pods", c.pod(deleting=True, **OLD_POD)),
    (0.15, "deployments", c.deployment(generation=2, observed=2, revision="1", going=1, **NOTHING)),
    (0.30, "pods", c.pod(deleting=True, **dict(OLD_POD, ready=False, phase="Failed",
                                               state={"terminated": {"exitCode": 2, "reason": "Error"}}))),
    (0.31, "replicasets", c.replicaset("2")),
    (0.31, "deployments", c.deployment(revision="2", going=1, **NOTHING)),
    (0.31, "pods", new_pod(state={}, scheduled=False)),
    (0.35, "pods", new_pod()),
    (0.36, "deployments", c.deployment(revision="2", **{**NOTHING, "replicas": 1, "updated": 1})),
    (0.94, "pods", new_pod(phase="Running", state=None, up=0)),
    (1.50, "pods", c.pod(deleting=True, **OLD_POD)["metadata"]["name"]),
    (3.90, "deployments", c.deployment(revision="2", **COMPLETE)),
    (3.90, "pods", new_pod(phase="Running", state=None, up=4, ready=True)),
]


def kubernetes_core_predicate(deployment):
    """The rule that kubernetes.core's ``wait`` goes by: it never looks at updatedReplicas."""
    status = deployment["status"]
    return (deployment["spec"]["replicas"] == status.get("replicas", 0)
            and status.get("availableReplicas") == status.get("replicas")
            and status.get("observedGeneration") == deployment["metadata"]["generation"]
            and not status.get("unavailableReplicas"))


def replay(events):
    """Yield (seconds, evidence) after each event. Every pod that could be asked has answered all that is wanted."""
    now = c.evidence(deployments=[c.deployment(digest=c.OLD, generation=1, observed=1, revision="1")],
                     replicasets=[c.replicaset("1")], pods=[c.pod(**OLD_POD)], probes={})
    for seconds, kind, thing in events:
        objects = dict(getattr(now, kind))
        if isinstance(thing, str):
            del objects[thing]
        else:
            objects[thing["metadata"]["name"]] = thing
        now = dataclasses.replace(now, **{kind: objects})
        asked = [pod for pod in now.pods.values() if pod["status"].get("phase") == "Running"]
        for pod in asked or [None]:
            yield seconds, dataclasses.replace(now, probes={c.TARGET: c.probe(pod)} if pod else {})


def test_a_recreate_update_fools_the_plain_predicate_and_not_us():
    fooled, healthy = [], []
    for seconds, evidence in replay(RECREATE):
        old_serves = any(pod["metadata"]["name"].endswith("-o") and pod["status"]["phase"] == "Running"
                         for pod in evidence.pods.values())
        if old_serves and kubernetes_core_predicate(evidence.deployments[c.TARGET]):
            fooled.append(seconds)
        if judge_target(c.expected(), evidence).state == "healthy":
            assert not old_serves, "called healthy at +%.2f s while the old model served" % seconds
            healthy.append(seconds)
    assert fooled == [0.13, 0.14], "the recording no longer shows the instant that this test is about"
    assert healthy == [3.90]


@pytest.mark.parametrize("skipped", range(len(RECREATE) - 1))
def test_a_watch_that_lags_behind_never_makes_it_healthy_early(skipped):
    """Kinds are watched apart from each other, so any event may come late: leave out one, and the end must not differ
    for the better while the old model serves."""
    for seconds, evidence in replay(RECREATE[:skipped] + RECREATE[skipped + 1:]):
        if judge_target(c.expected(), evidence).state == "healthy":
            assert seconds == 3.90
            assert all(pod["metadata"]["name"].endswith("-n") or pod["status"]["phase"] == "Failed"
                       for pod in evidence.pods.values())


def crash(up, restarts, ready=True, ended=False):
    state = {"terminated": {"exitCode": 2, "reason": "Error"}} if ended else None
    last = {"exitCode": 2, "reason": "Error"} if restarts else None
    return c.pod(up=up, restarts=restarts, ready=ready, state=state, last=last)


# A process that dies at once while another one on the host answers its probes: Ready for moments, seven times over.
CRASHES = [crash(0.4, 0), crash(1.2, 0, False, True), crash(0.2, 1), crash(0.9, 1), crash(1, 1, False, True),
           c.pod(restarts=1, ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}},
                 last={"exitCode": 2, "reason": "Error"}),
           crash(0.1, 2, False), crash(0.5, 2), crash(0.9, 2), crash(1, 2, False, True)]


@pytest.mark.parametrize("number", range(len(CRASHES)))
def test_a_crash_loop_is_never_healthy_though_the_pod_reads_ready(number):
    assert judge_target(c.expected(), c.evidence(pods=[CRASHES[number]])).state in ("progressing", "failed")


def test_a_crash_loop_is_a_failure_throughout_from_its_second_crash_on():
    states = {judge_target(c.expected(), c.evidence(pods=[pod])).state for pod in CRASHES[4:]}
    assert states == {"failed"}
