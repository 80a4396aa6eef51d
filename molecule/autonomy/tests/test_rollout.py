"""Releases on models of EdgeCore nodes: nodes ask their own models, since the cloud has no way to them."""
from __future__ import annotations

import json

import pytest
from edge import EdgeSite
from releases import REPORT, Releases
from scenario import Scenario, lab, wait_until

SCENARIO = Scenario(__file__)
CLOUD, NORTH, SOUTH = "auto-cloud", "auto-edge1", "auto-edge2"
A, B = "north-plant/vision-auto-edge1", "south-plant/vision-auto-edge2"
R = Releases(SCENARIO, expect=2)
SITE = EdgeSite(SCENARIO, CLOUD)
WAVES = [{"name": "canary", "pick": {"per": "class"}, "soak": "4s"}, {"name": "rest", "percent": 100, "soak": "4s"}]


def asked_for(target):
    site, _slash, name = target.partition("/")
    return R.asked_for(json.loads(SITE.kubectl(f"-n edgeai-{site} get deployment {name} -o json")))


def version_on(node):
    """What the model that runs on a node says of itself, there."""
    host = SCENARIO.host(node)
    pods = json.loads(host.check_output("curl --silent --fail --max-time 5 http://127.0.0.1:10350/pods"))["items"]
    (address,) = [pod["status"]["podIP"] for pod in pods if pod["metadata"]["namespace"].startswith("edgeai-")]
    return json.loads(host.check_output(f"curl --silent --fail --max-time 5 http://{address}:8080/health"))["model"]["version"]


@pytest.fixture(name="first_model", scope="module", autouse=True)
def _first_model():
    """What tests before these have left is gone, and model 1 runs on both nodes."""
    SITE.kubectl("-n default delete deployments --all --wait")
    done = SCENARIO.play("edgeai.sites.inference")
    assert done.failed == set(), done.text
    verified = SCENARIO.play("edgeai.sites.verify")
    assert verified.failed == set(), verified.text
    assert (asked_for(A), asked_for(B)) == ("vision:1", "vision:1")


def test_a_wrong_model_is_found_out_on_the_canary_and_goes_back():
    done = R.rollout(R.write("edge-wrong", "vision:wrong", waves=WAVES))
    assert done.failed == {"localhost"}, done.text
    states = R.states(done)
    assert sorted(states.values())[-1] == "rolled_back" and "succeeded" not in states.values(), done.text
    (canary,) = [row for row in done.one(REPORT, "localhost")["report"]["targets"] if row["state"] == "rolled_back"]
    assert "golden" in canary["reason"], canary
    assert (asked_for(A), asked_for(B)) == ("vision:1", "vision:1")
    assert (version_on(NORTH), version_on(SOUTH)) == ("1", "1")


def test_a_node_that_is_away_is_deferred_and_a_good_model_proves_itself_on_the_other():
    path = R.write("edge-good", "vision:2", waves=[{"name": "all", "percent": 100, "soak": "4s"}],
                   budgets={"max_deferred_percent": 100}, timeouts={"lock": "20s"})
    lab("cut", SOUTH)
    try:
        wait_until(lambda: not SITE.is_ready(SOUTH), 180, "a node that is not Ready")
        done = R.rollout(path)
    finally:
        lab("heal", SOUTH)
    assert R.states(done) == {A: "succeeded", B: "deferred"}, done.text
    assert {gate["gate"]: gate["verdict"] for gate in R.row(done, A)["gates"]} == {
        "ready": "pass", "http": "pass", "golden": "pass", "latency": "pass"}
    assert (asked_for(A), asked_for(B)) == ("vision:2", "vision:1")
    assert (version_on(NORTH), version_on(SOUTH)) == ("2", "1"), "the line that is away is not without a model"


def test_when_it_is_back_it_catches_up_through_the_same_gates():
    wait_until(lambda: SITE.is_ready(SOUTH), 180, "the node after its link was mended")
    assert R.order("edge-good", "catch_up").failed == set()
    done = R.rollout(R.directory / "edge-good.yml")
    assert done.failed == set(), done.text
    assert R.states(done) == {A: "succeeded", B: "succeeded"}, done.text
    assert version_on(SOUTH) == "2"
