# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads on a real cluster: applied, updated, removed, refused; and a health check that is never fooled.

Each test leaves the site as the scenario's converge made it.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = Path(__file__).resolve().parents[1]
FLEET = yaml.safe_load((SCENARIO / "inventory/fleet.yml").read_text())
BUNDLE = ROOT / ".lab/molecule/inference-bundle/bundle.json"
VISION, FUSION = "vision-line-a", "fusion-fusion"
SERVER, CAMERA = "inf-server", "inf-camera"
VERIFY = "Prove that the models of the site run, answer and are right"


def workloads(image="vision:1", **changes):
    """Return the fleet's workloads with the vision model changed."""
    result = copy.deepcopy(FLEET["workloads"])
    result[0].update(changes, image=image)
    return result


def digest(image):
    """Return the digest that the bundle has for name:version."""
    artifacts = json.loads(BUNDLE.read_text())["artifacts"]
    (found,) = [a["image"]["digest"] for a in artifacts if "%s:%s" % (a["name"], a["version"]) == image]
    return found


def run(*command, timeout=300):
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout,
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    )


class Play:
    """One run of a playbook with extra variables: return code, text, and what each task returned."""

    def __init__(self, playbook, *arguments, **variables):
        done = run("ansible-playbook", "-i", SCENARIO / "inventory", playbook, "-e", json.dumps(variables), *arguments)
        self.rc, self.text = done.returncode, done.stdout + done.stderr
        begin = re.search(r"^\{$", done.stdout, re.MULTILINE)
        assert begin, self.text
        document, unused = json.JSONDecoder().raw_decode(done.stdout[begin.start():])
        self.changed = sum(host["changed"] for host in document["stats"].values())
        self.results = {task["task"]["name"].split(" : ")[-1]: list(task["hosts"].values())
                        for play in document["plays"] for task in play["tasks"]}

    def health(self):
        (result,) = [result for result in self.results[VERIFY] if "targets" in result]
        return result

    def target(self, name=VISION):
        return {target["name"]: target for target in self.health()["targets"]}[name]


def converge(*arguments, **variables):
    return Play(SCENARIO / "converge.yml", *arguments, **variables)


def apply(*arguments, **variables):
    return Play("edgeai.sites.inference", *arguments, **variables)


@pytest.fixture(name="kubectl", scope="module")
def _kubectl():
    """Ask the cluster on its server, past all that is tested here; returns parsed JSON."""
    address = FLEET["sites"][0]["nodes"][0]["address"]
    keys = ROOT / ".lab/ssh"
    server = testinfra.get_host(
        f"ssh://root@{address}", ssh_identity_file=str(keys / "id_ed25519"),
        ssh_extra_args=f"-o UserKnownHostsFile={keys}/known_hosts -o StrictHostKeyChecking=yes",
    )

    def ask(*arguments):
        return json.loads(server.check_output("k3s kubectl -n edgeai " + " ".join(arguments)))

    return ask


@pytest.fixture(name="site")
def _site():
    """Put the site back after the test."""
    yield
    again = converge()
    assert again.rc == 0, again.text


def names(kubectl, kind="deployments"):
    return sorted(item["metadata"]["name"] for item in kubectl("get", kind, "-o", "json")["items"])


def test_each_line_has_its_model_by_digest(kubectl):
    assert names(kubectl) == [FUSION, VISION]
    pods = {pod["metadata"]["labels"]["edgeai.sites/target"]: pod for pod in kubectl("get", "pods", "-o", "json")["items"]}
    for target, node, image in ((VISION, CAMERA, "vision:1"), (FUSION, SERVER, "fusion:1")):
        assert pods[target]["spec"]["nodeName"] == node
        assert pods[target]["spec"]["containers"][0]["image"].endswith("@" + digest(image))
        assert pods[target]["status"]["containerStatuses"][0]["imageID"].endswith(digest(image))


def test_verify_proves_it_and_changes_nothing():
    verified = Play("edgeai.sites.verify")
    assert (verified.rc, verified.changed) == (0, 0), verified.text
    for name, node, image in ((VISION, CAMERA, "vision:1"), (FUSION, SERVER, "fusion:1")):
        target = verified.target(name)
        assert (target["node"], target["digest"], target["verdict"]) == (node, digest(image), "pass")
        assert target["health"]["status"] == "ok"
        assert target["latency_ms"] > 0
    assert {node["name"] for node in verified.health()["nodes"]} == {SERVER, CAMERA}
    assert {row["verdict"] for row in verified.health()["verdicts"]} == {"pass"}


@pytest.mark.usefixtures("site")
def test_an_update_is_healthy_only_when_the_new_model_answers(kubectl):
    """The health check begins while the old model serves, and returns with the new one and nothing else there."""
    updated = converge(edge_workloads=workloads("vision:2"))
    assert updated.rc == 0, updated.text
    assert updated.target()["digest"] == digest("vision:2")
    (pod,) = [pod for pod in kubectl("get", "pods", "-l", f"edgeai.sites/target={VISION}", "-o", "json")["items"]
              if pod["status"]["phase"] == "Running"]
    assert pod["metadata"]["name"] == updated.target()["pod"]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(digest("vision:2"))


@pytest.mark.usefixtures("site")
def test_check_mode_predicts_an_update_and_makes_none(kubectl):
    before = kubectl("get", "deployments", "-o", "json")["items"]
    predicted = apply("--check", "--diff", edge_workloads=workloads("vision:2")[:1])
    assert predicted.rc == 0, predicted.text
    assert predicted.changed == 2, "one Deployment to change and one to remove"
    after = kubectl("get", "deployments", "-o", "json")["items"]
    assert [item["metadata"]["generation"] for item in after] == [item["metadata"]["generation"] for item in before]


@pytest.mark.usefixtures("site")
def test_what_nothing_asks_for_is_removed(kubectl):
    assert apply(edge_workloads=workloads()[:1]).rc == 0
    assert names(kubectl) == [VISION]


def test_an_inventory_without_workloads_removes_nothing_and_is_not_healthy(kubectl):
    emptied = apply(edge_workloads=[])
    assert (emptied.rc, emptied.changed) == (0, 0), emptied.text
    assert names(kubectl) == [FUSION, VISION]
    verified = Play("edgeai.sites.verify", edge_workloads=[], inference_verify_grace=2)
    assert verified.rc != 0
    assert "no workload is bound to this site" in verified.health()["msg"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("image, more, words", [
    ("vision:wrong", {}, "model vision answers"),
    ("vision:slow", {}, "the image is not on the node"),
    ("vision:crash", {"inference_verify_settle": 30}, "it ended with exit code"),
])
def test_a_bad_model_fails_with_the_reason(image, more, words):
    bad = converge(edge_workloads=workloads(image), inference_verify_grace=5, inference_verify_deadline=120, **more)
    assert bad.rc != 0
    assert bad.health()["outcome"] == "failed", bad.health()["msg"]
    assert words in bad.health()["msg"]
    assert bad.target()["verdict"] == "fail"
    assert bad.target(FUSION)["verdict"] == "pass", "the other line has nothing to do with it"


@pytest.mark.parametrize("changes, words", [
    ({"runs_on": {"lines": ["line-b"]}}, "no line 'line-b' in the inventory; did you mean 'line-a'?"),
    ({"image": "vision:9"}, "vision:9"),
    ({"gpu": 1}, "node inf-camera has none"),
    ({"health": {"expression": "status =="}}, "not a JMESPath expression"),
    ({"prot": 1}, "did you mean 'port'?"),
])
def test_a_bad_workload_is_refused_before_anything_is_touched(kubectl, changes, words):
    before = [item["metadata"]["resourceVersion"] for item in kubectl("get", "deployments", "-o", "json")["items"]]
    refused = apply(edge_workloads=workloads(**changes))
    assert refused.rc != 0
    assert words in refused.text.replace("\\", "")
    assert before == [item["metadata"]["resourceVersion"]
                      for item in kubectl("get", "deployments", "-o", "json")["items"]]


@pytest.mark.usefixtures("site")
def test_a_password_in_the_environment_is_printed_nowhere():
    secret = "planted-secret-of-the-camera"
    applied = apply("-vvv", "--diff", edge_workloads=workloads(env={"CAMERA_URL": f"rtsp://user:{secret}@192.0.2.7"}))
    assert (applied.rc, applied.changed) == (0, 1)
    assert secret not in applied.text


@pytest.mark.usefixtures("site")
def test_a_node_that_cannot_be_reached_is_unknown_and_never_healthy():
    assert run(ROOT / "lab/lab", "cut", CAMERA).returncode == 0
    try:
        lost = Play("edgeai.sites.verify", inference_verify_grace=10, inference_verify_deadline=120)
    finally:
        assert run(ROOT / "lab/lab", "heal", CAMERA).returncode == 0
    assert lost.rc != 0
    assert lost.target()["verdict"] in ("inconclusive", "fail")
    assert lost.target(FUSION)["verdict"] == "pass"
