# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole course of a proof, with hands that only write down."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.prove import Hands, Orders, message, prove

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_site as g

ORDERS = Orders(proof_image={"amd64": "i@sha256:a", "arm64": "i@sha256:b"}, run="r", deadline=60, grace=5)


class Recorded(Hands):
    """Time goes on only in ``wait``. ``script``: {second: act(self)}; ``answers``: Job name's start -> (code, answer)."""

    def __init__(self, nodes=None, pods=(), script=None, answers=None, others=(), old=()):
        self.time, self.script = 0.0, dict(script or {})
        self.nodes, self.pods = [g.node()] if nodes is None else nodes, list(pods)
        self.answers = dict({"proof": (0, g.PASS), "free": (3, {"device": None})}, **(answers or {}))
        self.others, self.old, self.jobs, self.deleted, self.logs, self.calls = others, list(old), [], [], {}, []

    def elapsed(self):
        return self.time

    def evidence(self):
        return g.evidence(self.nodes, self.pods)

    def wait(self, seconds):
        self.time += seconds or 0.1
        for at in [at for at in self.script if at <= self.time]:
            self.script.pop(at)(self)

    def all_pods(self):
        return list(self.others)

    def start(self, job):
        name = job["metadata"]["name"]
        self.jobs.append(name)
        self.calls.append("start")
        code, answer = self.answers[name.partition("-")[0]]
        self.pods.append(g.proof_pod(name, code, node=job["spec"]["template"]["spec"]["nodeName"]))
        self.logs[name + "-x"] = g.log(answer)

    def log(self, pod):
        self.calls.append("log")
        return self.logs[pod["metadata"]["name"]]

    def stop(self, name):
        self.deleted.append(name)
        self.pods = [pod for pod in self.pods if not pod["metadata"]["name"].startswith(name)]

    def leftovers(self):
        return self.old


def said(results):
    return [(item["name"], item["proof"], item["isolation"], item["good"]) for item in (r.describe() for r in results)]


def test_all_well_and_nothing_is_left():
    hands = Recorded()
    results = prove(hands, [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", "pass", "pass", True)]
    assert sorted(hands.deleted) == sorted(hands.jobs) and len(hands.jobs) == 2
    assert message("hall", results) == "site hall: 1 of 1 nodes offer their GPUs; proof: 1 pass"
    assert {row["check"]: row["verdict"] for row in results[0].verdicts()} == {
        "gpu.allocatable": "pass", "gpu.proof": "pass", "gpu.isolation": "pass"}


def test_all_jobs_start_before_any_is_read():
    hands = Recorded([g.node(), g.node("camera-b", gpus=2)])
    assert said(prove(hands, [g.DGPU, g.TEGRA], ORDERS)) == [("camera-a", "pass", "pass", True), ("camera-b", "pass", "pass", True)]
    assert hands.calls == ["start"] * 4 + ["log"] * 4


def test_it_waits_for_the_plugin_after_a_restart():
    hands = Recorded([g.node(gpus=0)], [g.plugin_pod()], script={20: lambda self: setattr(self, "nodes", [g.node()])})
    assert said(prove(hands, [g.DGPU], ORDERS))[0][1] == "pass"
    assert 20 <= hands.time < 22


def test_capacity_that_never_comes_ends_at_the_deadline():
    hands = Recorded([g.node(gpus=0)], [g.plugin_pod()])
    results = prove(hands, [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", "not run", "not run", False)]
    assert hands.jobs == [] and 60 <= hands.time < 62
    assert "camera-a: gpu.allocatable: found node camera-a offers 0" in message("hall", results)


def test_a_crash_loop_is_believed_after_the_grace():
    crash = g.plugin_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=4)
    hands = Recorded([g.node(gpus=0)], [crash])
    assert not prove(hands, [g.DGPU], ORDERS)[0].good
    assert 5 <= hands.time < 7


def test_one_bad_node_does_not_keep_the_other_from_its_proof():
    hands = Recorded([g.node()])
    assert said(prove(hands, [g.DGPU, g.TEGRA], ORDERS)) == [
        ("camera-a", "pass", "pass", True), ("camera-b", "not run", "not run", False)]


def test_held_devices_are_no_proof_and_no_failure():
    hands = Recorded(others=[g.holder()])
    results = prove(hands, [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", "in use", "pass", True)]
    assert "edgeai/vision-line-a-1" in results[0].describe()["evidence"]
    assert [name.partition("-")[0] for name in hands.jobs] == ["free"]


@pytest.mark.parametrize("answers, proof, isolation", [
    ({"proof": (3, {"device": None})}, "fail", "pass"),
    ({"free": (0, g.PASS)}, "pass", "fail"),
    ({"proof": (0, g.SIMULATED)}, "simulated", "pass"),
])
def test_what_the_jobs_say(answers, proof, isolation):
    results = prove(Recorded(answers=answers), [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", proof, isolation, "fail" not in (proof, isolation))]


class Refusing(Recorded):
    """A kubelet that refuses the first pods, for it offers what a dead plugin offered."""

    def __init__(self, times, **more):
        super().__init__(**more)
        self.times = times

    def start(self, job):
        super().start(job)
        if job["metadata"]["name"].startswith("proof") and self.times:
            self.times -= 1
            self.pods[-1] = g.proof_pod(job["metadata"]["name"], phase="Failed", reason="UnexpectedAdmissionError")
            self.refused()

    def refused(self):
        pass


def test_a_node_that_refuses_is_asked_again():
    hands = Refusing(2)
    assert said(prove(hands, [g.DGPU], ORDERS)) == [("camera-a", "pass", "pass", True)]
    assert len(hands.jobs) == len(set(hands.jobs)) == 6
    assert sorted(hands.deleted) == sorted(hands.jobs) and 4 <= hands.time < 7


def test_a_node_that_always_refuses_ends_at_the_deadline():
    hands = Refusing(999)
    results = prove(hands, [g.DGPU], ORDERS)
    assert "the node refused the pod" in message("hall", results)
    assert hands.time < 62 and sorted(hands.deleted) == sorted(hands.jobs)


def test_a_refusal_and_then_a_crashing_plugin_is_told_as_the_plugins_fault():
    class Crashing(Refusing):
        def refused(self):
            self.nodes = [g.node(gpus=0)]
            self.pods.append(g.plugin_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restarts=4))
    results = prove(Crashing(1), [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", "not run", "not run", False)]
    assert "does not stay up" in message("hall", results)


def test_a_kernel_that_hangs_ends_at_the_deadline():
    hands = Recorded(answers={"proof": (None, {})})
    results = prove(hands, [g.DGPU], ORDERS)
    assert said(results) == [("camera-a", "fail", "pass", False)]
    assert hands.time < 62 and sorted(hands.deleted) == sorted(hands.jobs)


def test_a_failure_in_the_middle_deletes_what_was_started():
    class Broken(Recorded):
        def start(self, job):
            super().start(job)
            if len(self.jobs) == 2:
                raise RuntimeError("link down")
    hands = Broken()
    with pytest.raises(RuntimeError):
        prove(hands, [g.DGPU], ORDERS)
    assert sorted(hands.deleted) == sorted(hands.jobs)


def test_what_a_dead_run_left_goes_first():
    hands = Recorded(pods=[g.proof_pod("proof-old")], old=["proof-old"])
    assert said(prove(hands, [g.DGPU], ORDERS))[0][1] == "pass"
    assert hands.deleted[0] == "proof-old"


def test_capacity_alone():
    hands = Recorded()
    results = prove(hands, [g.DGPU], Orders(prove=False))
    assert said(results) == [("camera-a", "not run", "not run", True)]
    assert hands.jobs == hands.deleted == []


def test_nothing_out_of_nothing():
    assert prove(Recorded(), [], ORDERS) == []
    assert "proves nothing" in message("hall", [])
