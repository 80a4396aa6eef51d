# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Jobs, and what their logs prove."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuNode
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.proof import (
    holders,
    judge_in_use,
    judge_proof,
    outcome,
    proofs,
)

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_site as g

ASKS, FREE = proofs(g.DGPU, "lab.example/proof@sha256:a", "abc0", 120)


def test_the_job_that_asks():
    spec = ASKS.job["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 120)
    pod = spec["template"]["spec"]
    assert (pod["nodeName"], pod["runtimeClassName"], pod["restartPolicy"]) == ("camera-a", "nvidia", "Never")
    container, = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == container["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert "NVIDIA_VISIBLE_DEVICES" not in str(container["env"])


def test_the_job_that_does_not_ask_tries_the_environment_variable():
    pod = FREE.job["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert "nvidia.com/gpu" not in str(container["resources"])
    assert "runtimeClassName" not in pod
    assert container["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]


@pytest.mark.parametrize("proof", [ASKS, FREE], ids=["asks", "free"])
def test_both_meet_the_restricted_profile(proof):
    pod = proof.job["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("name", ["a" * 63, "node.with.dots", "x" * 35 + ".y"])
def test_names_fit_a_label(name):
    for proof in proofs(GpuNode(name, "dgpu"), "i", "abcdef12", 60):
        assert len(proof.name) <= 52 and "." not in proof.name and "--" not in proof.name


def test_an_engine_without_runtime_classes():
    assert "runtimeClassName" not in proofs(g.DGPU, "i", "r", 60, runtime_class="")[0].job["spec"]["template"]["spec"]


@pytest.mark.parametrize("proof, code, answer, state, told, words", [
    (ASKS, 0, g.PASS, "healthy", "pass", "NVIDIA L4 computed 1024 sums right"),
    (ASKS, 0, g.SIMULATED, "healthy", "simulated", "simulated: NVIDIA L4"),
    (ASKS, 3, {"device": None}, "failed", "fail", "sees none"),
    (ASKS, 0, {"device": None}, "failed", "fail", "sees none"),
    (ASKS, 1, dict(g.PASS, result="fail"), "failed", "fail", "exit code 1"),
    (ASKS, 0, dict(g.PASS, result="fail"), "failed", "fail", "exit code 0"),
    (ASKS, 0, {}, "failed", "fail", "exit code 0"),
    (ASKS, 1, g.PASS, "failed", "fail", "exit code 1"),
    (FREE, 3, {"device": None}, "healthy", "pass", "it sees none"),
    (FREE, 0, g.PASS, "failed", "fail", "did not ask sees NVIDIA L4"),
    (FREE, 0, g.SIMULATED, "failed", "fail", "did not ask sees NVIDIA L4"),
    (FREE, 3, {}, "failed", "fail", "exit code 3"),
    (FREE, 0, {"device": None}, "failed", "fail", "exit code 0"),
])
def test_what_a_log_proves(proof, code, answer, state, told, words):
    finding = judge_proof(proof, g.evidence(pods=[g.proof_pod(proof.name, code)]), g.log(answer))
    assert (finding.state, outcome(finding)) == (state, told)
    assert words in finding.found
    assert finding.state == "healthy" or finding.remedy


def test_an_end_without_a_word_proves_nothing():
    finding = judge_proof(ASKS, g.evidence(pods=[g.proof_pod(ASKS.name, 0)]), "")
    assert finding.state == "failed" and "it wrote nothing" in finding.found
    assert judge_proof(ASKS, g.evidence(pods=[g.proof_pod(ASKS.name, 0)]), None).state == "progressing"


def test_before_the_end():
    assert judge_proof(ASKS, g.evidence(), None).state == "progressing"
    finding = judge_proof(ASKS, g.evidence(pods=[g.proof_pod(ASKS.name)]), None)
    assert finding.state == "progressing" and "XID" in finding.remedy
    assert outcome(finding) == "fail", "not yet is no pass"


def test_a_kubelet_that_refuses():
    pod = g.proof_pod(ASKS.name, phase="Failed", reason="OutOfnvidia.com/gpu")
    finding = judge_proof(ASKS, g.evidence(pods=[pod]), "")
    assert finding.state == "failed" and "OutOfnvidia.com/gpu" in finding.found


@pytest.mark.parametrize("pods, expected", [
    ([], (0, [])),
    ([g.holder()], (1, ["edgeai/vision-line-a-1"])),
    ([g.holder(node="camera-b"), g.holder(phase="Succeeded")], (0, [])),
    ([g.holder(ready="False")], (1, ["edgeai/vision-line-a-1 (not ready)"])),
    ([g.holder(gpus="x")], (0, [])),
])
def test_who_holds_the_devices(pods, expected):
    assert holders(g.DGPU, pods) == expected


def test_a_full_node_is_told_not_waited_for():
    assert judge_in_use(g.DGPU, []) is None
    assert judge_in_use(GpuNode("camera-a", "dgpu", replicas=2, sharing="time-slicing"), [g.holder()]) is None
    assert judge_in_use(g.DGPU, [g.holder()]).state == "healthy"
    loading = judge_in_use(g.DGPU, [g.holder(ready="False")])
    assert loading.state == "healthy" and loading.found.endswith("(not ready)"), "a broken model must not stop what mends it"
    assert outcome(judge_in_use(g.DGPU, [g.holder()])) == "in use"
    assert outcome(None) == "not run"
