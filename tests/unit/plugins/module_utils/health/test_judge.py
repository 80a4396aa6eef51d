# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole judgement of a target: every case that must not read as healthy, and the one that must."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health.judge import judge_site, judge_target
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import ExpectedNode

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c

START_ERROR = {"exitCode": 128, "reason": "StartError", "message": "exec: no such file"}
EXIT_2 = {"exitCode": 2, "reason": "Error", "finishedAt": c.stamp(1)}
REBOOT = {"exitCode": 255, "reason": "Unknown"}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def event(reason, message, of="p-2-x"):
    return {"type": "Warning", "reason": reason, "message": message, "lastTimestamp": c.stamp(5),
            "involvedObject": {"uid": of}}


def one(**pod):
    """Evidence with the wanted pod changed and no probe yet."""
    return c.evidence(pods=[c.pod(**pod)], probes={})


CASES = {
    # name: (evidence, state, part of a reason)
    "all well": (c.evidence(), "healthy", None),
    "no Deployment": (c.evidence(deployments=[]), "absent", "no Deployment vision-line-a"),
    "the API is away": (c.evidence(blind="the API does not answer"), "unknown", "does not answer"),
    "scaled to nothing": (c.evidence(deployments=[c.deployment(spec={"replicas": 0}, replicas=0, updated=0, ready=0,
                                                               available=0)], pods=[]), "failed", "asks for 0 pods"),
    "paused": (c.evidence(deployments=[c.deployment(spec={"paused": True})]), "failed", "is paused"),
    "another image is asked for": (c.evidence(deployments=[c.deployment(digest=c.OLD)]), "failed", "asks for image"),
    "change not seen yet, status of before": (c.evidence(deployments=[c.deployment(observed=1)]), "progressing",
                                              "not been seen"),
    "status empty": (c.evidence(deployments=[c.deployment(observed=0, replicas=0, updated=0, ready=0, available=0)]),
                     "progressing", "not been seen"),
    "not updated": (c.evidence(deployments=[c.deployment(updated=0)]), "progressing", "0 updated"),
    "not available": (c.evidence(deployments=[c.deployment(available=0)]), "progressing", "0 available"),
    "one too many": (c.evidence(deployments=[c.deployment(replicas=2)]), "progressing", "2 pods"),
    "an old pod is terminating, says the count": (c.evidence(deployments=[c.deployment(going=1)]), "progressing",
                                                  "1 terminating"),
    "deadline of the rollout": (c.evidence(deployments=[c.deployment(
        available=0, Progressing=("False", "ProgressDeadlineExceeded", ""))]), "failed", "no progress"),
    "quota": (c.evidence(deployments=[c.deployment(available=0, ReplicaFailure=("True", "FailedCreate", "exceeded"))]),
              "failed", "refuses to make the pod: exceeded"),
    "no pod yet": (c.evidence(pods=[]), "progressing", "no pod of the wanted release"),
    "no ReplicaSet of this revision yet": (c.evidence(replicasets=[c.replicaset("1")]), "progressing",
                                           "still answers"),
    "old pod still ready": (c.evidence(pods=[c.pod(), c.pod("1", c.OLD, suffix="o")]), "progressing",
                            "the old model still answers (pod vision-line-a-1-o)"),
    "old pod terminating but ready": (c.evidence(pods=[c.pod(), c.pod("1", c.OLD, suffix="o", deleting=True)]),
                                      "progressing", "the old model still answers"),
    "old pod not ended": (c.evidence(pods=[c.pod(), c.pod("1", c.OLD, suffix="o", ready=False)]), "progressing",
                          "an old pod has not ended"),
    "old pod ended": (c.evidence(pods=[c.pod(), c.pod("1", c.OLD, suffix="o", ready=False, phase="Failed")]),
                      "healthy", None),
    "only the old pod, and it is fine": (c.evidence(pods=[c.pod("1", c.OLD)]), "progressing", "still answers"),
    "other digest in the container": (c.evidence(pods=[c.pod(digest=c.OLD)]), "failed",
                                      "the running container's image is " + c.OLD),
    "config digest only, reference says which": (c.evidence(pods=[c.pod(image_id="sha256:" + "c" * 64)]), "healthy",
                                                 None),
    "image id empty": (c.evidence(pods=[c.pod(image_id="")]), "progressing", "no container runs"),
    "wrong node": (c.evidence(pods=[c.pod(node="camera-b")]), "failed", "runs on node camera-b"),
    "unschedulable": (one(phase="Pending", scheduled=False, message="1 Insufficient nvidia.com/gpu"), "failed",
                      "no place: 1 Insufficient"),
    "image missing": (one(state=waiting("ErrImagePull", "no such host"), ready=False), "failed", "ErrImagePull"),
    "image missing, waiting to try again": (one(state=waiting("ImagePullBackOff", "x"), ready=False), "failed",
                                            "ImagePullBackOff"),
    "crash loop": (one(state=waiting("CrashLoopBackOff"), last=EXIT_2, restarts=1, ready=False), "failed",
                   "exit code 2"),
    "never ran, phase Running": (one(state=waiting("RunContainerError", "m"), last=START_ERROR, restarts=1,
                                     ready=False), "failed", "exec: no such file"),
    "ended": (one(state={"terminated": EXIT_2}, ready=False), "failed", "exit code 2"),
    "between two crashes": (one(up=1, last=EXIT_2, restarts=2, ready=False), "failed", "restarted 2 times"),
    "ready for a moment between two crashes": (one(up=1, last=EXIT_2, restarts=2), "failed", "restarted 2 times"),
    "one crash, not for long": (one(up=5, last=EXIT_2, restarts=1), "progressing", "watched for 20 s"),
    "one crash, long ago": (c.evidence(pods=[c.pod(up=25, last=EXIT_2, restarts=1)]), "healthy", None),
    "node rebooted": (c.evidence(pods=[c.pod(up=5, last=REBOOT, restarts=1)]), "healthy", None),
    "just started": (one(up=1), "progressing", "watched for 3 s"),
    "another process answers": (one(state=waiting("CrashLoopBackOff"), restarts=1), "failed", "another process"),
    "loading": (one(up=8, ready=False), "progressing", "not ready 8 s after"),
    "being created": (one(state=waiting("ContainerCreating"), ready=False, phase="Pending"), "progressing",
                      "being started"),
    "no pause image": (c.evidence(pods=[c.pod(state=waiting("ContainerCreating"), ready=False)], probes={}, events=[
        event("FailedCreatePodSandBox", 'failed to pull image "rancher/mirrored-pause:3.10.2"')]), "failed",
        "cannot make a pod"),
    "an event about another pod": (c.evidence(
        pods=[c.pod(state=waiting("ContainerCreating"), ready=False)], probes={},
        events=[event("FailedCreatePodSandBox", "x", of="other")]), "progressing", "being started"),
    "refused by the node": (c.evidence(pods=[c.pod(suffix=s, phase="Failed", state={}, ready=False,
                                                   reason="OutOfnvidia.com/gpu", message="used: 1") for s in "abc"],
                                       probes={}), "failed", "refused 3 pods: OutOfnvidia.com/gpu"),
    "node unknown": (c.evidence(nodes=[c.node(ready="Unknown")]), "unknown", "not been heard of"),
    "node unknown, pod crashed before": (c.evidence(nodes=[c.node(ready="Unknown")], pods=[
        c.pod(state=waiting("CrashLoopBackOff"), ready=False)], probes={}), "unknown", "not been heard of"),
    "node reads Ready, lease is old": (c.evidence(leases=[c.lease(ago=90)]), "unknown", "last heard of 90 s ago"),
    "lease just fresh": (c.evidence(leases=[c.lease(ago=39)]), "healthy", None),
    "lease just stale": (c.evidence(leases=[c.lease(ago=40)]), "unknown", "though it still reads Ready"),
    "lease in the future": (c.evidence(leases=[c.lease(ago=-60)]), "unknown", "or its clock is ahead"),
    "lease in the future, seen to move": (c.evidence(leases=[c.lease(ago=-60)], lease_ages={c.NODE: 3.0}), "healthy",
                                          None),
    "lease seen to move, then silence": (c.evidence(leases=[c.lease(ago=-60)], lease_ages={c.NODE: 41.0}), "unknown",
                                         "last heard of 41 s"),
    "no lease": (c.evidence(leases=[]), "unknown", "no lease time"),
    "no node": (c.evidence(nodes=[]), "failed", "not in the cluster"),
    "node not ready": (c.evidence(nodes=[c.node(ready=("False", "x", "cni not ready"))]), "progressing", "cni"),
    "node starting": (c.evidence(nodes=[c.node(taints=["node.cloudprovider.kubernetes.io/uninitialized"])]),
                      "progressing", "still starting"),
    "not asked yet": (c.evidence(probes={}), "progressing", "not asked yet"),
    "another container was asked": (c.evidence(probes={c.TARGET: c.probe(c.pod(restarts=1))}), "progressing",
                                    "not asked yet"),
    "another pod was asked": (c.evidence(probes={c.TARGET: c.probe(c.pod(suffix="z"))}), "progressing",
                              "not asked yet"),
    "does not answer": (c.evidence(probes={c.TARGET: c.probe(c.pod(), error="no answer in time")}), "failed",
                        "no answer in time"),
    "says it is not well": (c.evidence(probes={c.TARGET: c.probe(c.pod(), health={"status": "degraded"})}), "failed",
                            "degraded"),
    "health is text": (c.evidence(probes={c.TARGET: c.probe(c.pod(), health="ok")}), "failed", "/health answers"),
    "wrong answer": (c.evidence(probes={c.TARGET: c.probe(c.pod(), answer=c.WRONG)}), "failed",
                     "model vision answers"),
    "empty answer": (c.evidence(probes={c.TARGET: c.probe(c.pod(), answer={})}), "failed", "model vision answers"),
}


@pytest.mark.parametrize("name", CASES)
def test_target(name):
    evidence, state, reason = CASES[name]
    judgement = judge_target(c.expected(), evidence)
    assert judgement.state == state, judgement.reasons
    if reason:
        assert reason in "; ".join(judgement.reasons)
    else:
        assert not judgement.reasons


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[1] in ("failed", "absent")])
def test_failures_say_what_to_do(name):
    judgement = judge_target(c.expected(), CASES[name][0])
    assert any(finding.remedy for finding in judgement.findings if finding.state == judgement.state)


@pytest.mark.parametrize("name", CASES)
def test_only_healthy_passes(name):
    evidence, state, _reason = CASES[name]
    verdicts = {finding.verdict()["verdict"] for finding in judge_target(c.expected(), evidence).findings}
    assert (verdicts == {"pass"}) == (state == "healthy")


@pytest.mark.parametrize("answer, final", [(c.WRONG, True), (c.RIGHT, False)])
def test_a_wrong_answer_is_final(answer, final):
    judgement = judge_target(c.expected(), c.evidence(probes={c.TARGET: c.probe(c.pod(), answer=answer)}))
    assert judgement.final is final


def test_one_wrong_answer_of_four_fails():
    mixed = dataclasses.replace(c.probe(c.pod()), answers=(c.RIGHT, c.WRONG, c.RIGHT, c.RIGHT))
    assert judge_target(c.expected(), c.evidence(probes={c.TARGET: mixed})).state == "failed"


def test_the_same_image_with_other_settings_is_another_release():
    """A change of env alone keeps the digest: the pod of the former template must not pass for the new one."""
    site = c.evidence(deployments=[c.deployment(revision="3")],
                      replicasets=[c.replicaset("2"), c.replicaset("3")], pods=[c.pod("2", c.NEW)])
    assert judge_target(c.expected(), site).state == "progressing"


def test_lowering_any_count_never_improves():
    for key in ("replicas", "updated", "ready", "available"):
        assert judge_target(c.expected(), c.evidence(deployments=[c.deployment(**{key: 0})])).state != "healthy"


@pytest.mark.parametrize("targets, nodes, healthy", [
    ([c.expected()], [ExpectedNode(c.NODE, c.VERSION)], True),
    ([c.expected()], [], True),
    ([], [ExpectedNode(c.NODE, c.VERSION)], False),
    ([], [], False),
    ([c.expected()], [ExpectedNode(c.NODE, "v1.36.6+k3s1")], False),
    ([c.expected()], [ExpectedNode("camera-b")], False),
    ([c.expected(), c.expected(name="vision-line-b")], [], False),
])
def test_site_is_as_healthy_as_its_worst_part_and_nothing_is_not_healthy(targets, nodes, healthy):
    assert judge_site(targets, nodes, c.evidence()).healthy is healthy


def test_what_was_not_expected_is_a_warning():
    other = dict(c.deployment(name="vision-line-z"))
    foreign = c.deployment(name="theirs")
    foreign["metadata"]["labels"] = {"app": "theirs"}
    site = judge_site([c.expected()], [], c.evidence(deployments=[c.deployment(), other, foreign]))
    assert [(row["verdict"], row["target"]) for row in site.warnings] == [("warn", "vision-line-z")]
    assert site.healthy


@pytest.mark.parametrize("ahead, warned", [(-60.0, 1), (-3.0, 0), (45.0, 1)])
def test_a_wrong_clock_is_a_warning(ahead, warned):
    site = judge_site([], [ExpectedNode(c.NODE)], c.evidence(leases=[c.lease(ago=ahead + 3)], lease_ages={c.NODE: 3.0}))
    assert len([row for row in site.warnings if row["check"] == "node.clock"]) == warned


@pytest.mark.parametrize("pressure", ["DiskPressure", "MemoryPressure", "PIDPressure"])
def test_a_node_under_pressure_fails(pressure):
    site = judge_site([], [ExpectedNode(c.NODE)], c.evidence(nodes=[c.node(**{pressure: "True"})]))
    assert site.nodes[0].state == "failed"
    assert pressure in site.nodes[0].reasons[0]
