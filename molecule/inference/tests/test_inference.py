"""Workloads on a real cluster: applied, updated, removed, refused; and a health check that is never fooled.

The tests of this file run in order and use the same site; the fixture `restored` puts back what a test changed.
"""
from __future__ import annotations

import copy
import json

import pytest
from scenario import Scenario, lab

SCENARIO = Scenario(__file__)
VISION, FUSION = "vision-line-a", "fusion-fusion"
SERVER, CAMERA = "inf-server", "inf-camera"
VERIFY = "Prove that the models of the site run, answer and are right"


def workloads(image="vision:1", **changes):
    """Return the fleet's workloads with the vision model changed."""
    result = copy.deepcopy(SCENARIO.fleet["workloads"])
    result[0].update(changes, image=image)
    return result


def digest(image):
    """Return the digest that the bundle has for name:version."""
    (found,) = [entry["image"]["digest"] for entry in SCENARIO.artifacts()
                if f"{entry['name']}:{entry['version']}" == image]
    return found


def converge(*arguments, **variables):
    """Apply and verify."""
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def apply(*arguments, **variables):
    return SCENARIO.play("edgeai.sites.inference", *arguments, variables=variables)


def verify(**variables):
    return SCENARIO.play("edgeai.sites.verify", variables=variables)


def health(done):
    """What the health check of a run returned."""
    return done.one(VERIFY, SERVER)


def target(done, name=VISION):
    return {entry["name"]: entry for entry in health(done)["targets"]}[name]


@pytest.fixture(name="kubectl", scope="module")
def _kubectl():
    """Ask the cluster on its server, past all that is tested here; returns parsed JSON."""
    server = SCENARIO.host(SERVER)

    def ask(*arguments):
        return json.loads(server.check_output("k3s kubectl -n edgeai " + " ".join(arguments)))

    return ask


@pytest.fixture(name="restored", scope="class")
def _restored():
    """Put the site back after a test, or after the last of a class."""
    yield
    again = converge()
    assert again.code == 0, again.text


def names(kubectl, kind="deployments"):
    return sorted(item["metadata"]["name"] for item in kubectl("get", kind, "-o", "json")["items"])


def test_each_line_has_its_model_by_digest(kubectl):
    assert names(kubectl) == [FUSION, VISION]
    pods = {pod["metadata"]["labels"]["edgeai.sites/target"]: pod for pod in kubectl("get", "pods", "-o", "json")["items"]}
    for name, node, image in ((VISION, CAMERA, "vision:1"), (FUSION, SERVER, "fusion:1")):
        assert pods[name]["spec"]["nodeName"] == node
        assert pods[name]["spec"]["containers"][0]["image"].endswith("@" + digest(image))
        assert pods[name]["status"]["containerStatuses"][0]["imageID"].endswith(digest(image))


def test_verify_proves_it_and_changes_nothing():
    verified = verify()
    assert (verified.code, verified.changed) == (0, {}), verified.text
    for name, node, image in ((VISION, CAMERA, "vision:1"), (FUSION, SERVER, "fusion:1")):
        found = target(verified, name)
        assert (found["node"], found["digest"], found["verdict"]) == (node, digest(image), "pass")
        assert found["health"]["status"] == "ok"
        assert found["latency_ms"] > 0
    assert {node["name"] for node in health(verified)["nodes"]} == {SERVER, CAMERA}
    assert {row["verdict"] for row in health(verified)["verdicts"]} == {"pass"}


def test_check_mode_predicts_an_update_and_makes_none(kubectl):
    before = kubectl("get", "deployments", "-o", "json")["items"]
    predicted = apply("--check", "--diff", edge_workloads=workloads("vision:2")[:1])
    assert predicted.code == 0, predicted.text
    assert predicted.changed == {SERVER: 2}, "one Deployment to change and one to remove"
    after = kubectl("get", "deployments", "-o", "json")["items"]
    assert [item["metadata"]["generation"] for item in after] == [item["metadata"]["generation"] for item in before]


def test_an_inventory_without_workloads_removes_nothing_and_is_not_healthy(kubectl):
    emptied = apply(edge_workloads=[])
    assert (emptied.code, emptied.changed) == (0, {}), emptied.text
    assert names(kubectl) == [FUSION, VISION]
    verified = verify(edge_workloads=[], inference_verify_grace=2)
    assert verified.code != 0
    assert "no workload is bound to this site" in health(verified)["msg"]


@pytest.mark.parametrize("changes, words", [
    ([{"runs_on": {"lines": ["line-b"]}}, {"image": "vision:9"}, {"gpu": 1}],
     ["no line 'line-b' in the inventory; did you mean 'line-a'?", "'vision:9' is not in the bundle", "node inf-camera has none"]),
    ([{"health": {"expression": "status =="}}], ["not a JMESPath expression"]),
    ([{"prot": 1}], ["did you mean 'port'?"]),
])
def test_bad_workloads_are_refused_before_anything_is_touched(kubectl, changes, words):
    before = [item["metadata"]["resourceVersion"] for item in kubectl("get", "deployments", "-o", "json")["items"]]
    wrong = [workloads(name=f"vision-{number}", **change)[0] for number, change in enumerate(changes)]
    refused = apply(edge_workloads=wrong)
    assert refused.code != 0
    text = refused.text.replace("\\", "")
    assert [expected for expected in words if expected not in text] == [], text
    assert before == [item["metadata"]["resourceVersion"]
                      for item in kubectl("get", "deployments", "-o", "json")["items"]]


@pytest.mark.usefixtures("restored")
class TestChanges:
    """Each begins with what the one before has left."""

    def test_an_update_is_healthy_only_when_the_new_model_answers(self, kubectl):
        """The health check begins while the old model serves, and returns with the new one and nothing else there."""
        updated = converge(edge_workloads=workloads("vision:2"))
        assert updated.code == 0, updated.text
        assert target(updated)["digest"] == digest("vision:2")
        (pod,) = [pod for pod in kubectl("get", "pods", "-l", f"edgeai.sites/target={VISION}", "-o", "json")["items"]
                  if pod["status"]["phase"] == "Running"]
        assert pod["metadata"]["name"] == target(updated)["pod"]
        assert pod["status"]["containerStatuses"][0]["imageID"].endswith(digest("vision:2"))

    def test_a_password_in_the_environment_is_printed_nowhere(self):
        secret = "planted-secret-of-the-camera"
        applied = apply("-vvv", "--diff", edge_workloads=workloads(env={"CAMERA_URL": f"rtsp://user:{secret}@192.0.2.7"}))
        assert (applied.code, applied.changed) == (0, {SERVER: 1})
        assert secret not in applied.text

    def test_what_nothing_asks_for_is_removed(self, kubectl):
        assert apply(edge_workloads=workloads()[:1]).code == 0
        assert names(kubectl) == [VISION]


@pytest.mark.usefixtures("restored")
class TestFailures:
    """One after the other on the camera's node, which each finds within reach."""

    def test_a_node_that_cannot_be_reached_is_unknown_and_never_healthy(self):
        lab("cut", CAMERA)
        try:
            # Shorter than the cluster takes to notice: what the API says meanwhile is old and looks healthy.
            lost = verify(inference_verify_grace=5, inference_verify_deadline=12)
        finally:
            lab("heal", CAMERA)
        assert lost.code != 0
        assert target(lost)["verdict"] in ("inconclusive", "fail")
        assert target(lost, FUSION)["verdict"] == "pass"

    @pytest.mark.parametrize("image, more, words", [
        ("vision:wrong", {}, "model vision answers"),
        ("vision:slow", {}, "the image is not on the node"),
        ("vision:crash", {"inference_verify_settle": 30}, "it ended with exit code"),
    ])
    def test_a_bad_model_fails_with_the_reason(self, image, more, words):
        bad = converge(edge_workloads=workloads(image), inference_verify_grace=5, inference_verify_deadline=120, **more)
        assert bad.code != 0
        assert health(bad)["outcome"] == "failed", health(bad)["msg"]
        assert words in health(bad)["msg"]
        assert target(bad)["verdict"] == "fail"
        assert target(bad, FUSION)["verdict"] == "pass", "the other line has nothing to do with it"
