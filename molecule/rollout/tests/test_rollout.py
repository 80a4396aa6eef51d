"""Releases on two camera lines: what a new model has to prove, what becomes of one that does not, and who may stop it.

The tests of this file run in order; each begins and ends with a known model on both lines. Releases are made by the tests:
line-a is the canary.
"""
from __future__ import annotations

import json
import re
import shutil

import pytest
from camera_lines import LINE_A, LINE_B, NODE_B, SERVER, A, B, CameraLines, waves
from releases import REPORT
from scenario import lab, wait_until

LINES = CameraLines(__file__)
SCENARIO, R = LINES.scenario, LINES.releases
STEP = "Carry out the wave"
PLAN = "Plan the release, or take the plan of the rollout that has begun"
# Its image may be fetched already: that touches no line.
UNTOUCHED = ("planned", "prepulling", "prepulled")
ledger, rollout, order, journal, happened, row, states = R.ledger, R.rollout, R.order, R.journal, R.happened, R.row, R.states
running, kill, is_free, said = R.running, R.kill, R.is_free, R.next
deployment, asked_for, both, revisions, versions = LINES.deployment, LINES.asked_for, LINES.both, LINES.revisions, LINES.versions
digest, put, release, is_ready = LINES.digest, LINES.put, LINES.release, LINES.is_ready


@pytest.fixture(name="asked_for_approval", scope="module")
def _asked_for_approval():
    if both() != ("vision:1", "vision:1"):
        put("vision:1")
    return release("good", "vision:2", waves=waves(approval=True))


@pytest.fixture(name="held", scope="class")
def _held():
    """A release whose canary soaks for a minute."""
    put("vision:1")
    return release("held", "vision:2", waves=waves("60s"))


class TestAReleaseThatIsGood:
    """Each goes on where the one before has stopped."""

    NAME = "good"

    def test_check_mode_shows_the_plan_and_does_nothing(self, asked_for_approval):
        done = rollout(asked_for_approval, "--check")
        assert (done.failed, done.of(STEP)) == (set(), []), done.text
        assert "canary" in done.one(PLAN, "localhost")["text"]
        assert not ledger(self.NAME).exists()
        assert both() == ("vision:1", "vision:1")

    def test_the_canary_proves_itself_and_the_rest_waits_for_a_person(self, asked_for_approval):
        before = revisions()
        done = rollout(asked_for_approval)
        assert (done.code, done.failed) == (0, set()), done.text
        assert both() == ("vision:2", "vision:1"), done.text
        assert states(done)[A] == "succeeded" and states(done)[B] in UNTOUCHED, done.text
        gates = {gate["gate"]: gate["verdict"] for gate in row(done, A)["gates"]}
        assert gates == {"ready": "pass", "http": "pass", "golden": "pass", "latency": "pass"}, gates
        hash_ = done.one(PLAN, "localhost")["hash"]
        assert f"rollout_approve=rest -e rollout_approve_plan={hash_[:19]}" in said(done), said(done)
        assert revisions()[1] == before[1], "nobody touched the other line"

    def test_the_same_again_changes_nothing(self, asked_for_approval):
        before = versions()
        done = rollout(asked_for_approval)
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert versions() == before, "not even a record is written again"
        assert both() == ("vision:2", "vision:1")

    def test_an_approval_of_another_plan_is_refused(self, asked_for_approval):
        done = rollout(asked_for_approval, rollout_approve="rest", rollout_approve_plan="sha256:0123456789ab")
        assert done.failed == {"localhost"}
        assert "sha256:0123456789ab" in done.error("localhost") and "Look at that plan" in done.error("localhost")
        assert both() == ("vision:2", "vision:1")

    def test_an_approval_lets_the_rest_follow(self, asked_for_approval):
        hash_ = rollout(asked_for_approval, "--check").one(PLAN, "localhost")["hash"]
        done = rollout(asked_for_approval, rollout_approve="rest", rollout_approve_plan=hash_[:19])
        assert done.failed == set(), done.text
        assert both() == ("vision:2", "vision:2")
        assert set(states(done).values()) == {"succeeded"}
        assert done.one(REPORT, "localhost")["status"] == "done"
        assert "image: vision:2" in said(done)
        assert [event["by"] for event in happened(self.NAME, "approve")] == ["eva"]

    def test_the_workload_carries_the_record_of_it(self):
        record = json.loads(deployment(LINE_B)["metadata"]["annotations"]["edgeai.sites/rollout"])
        assert (record["state"], record["previous"]) == ("succeeded", digest("vision:1"))

    def test_a_rollout_that_is_done_stays_done(self, asked_for_approval):
        before = versions()
        done = rollout(asked_for_approval)
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert versions() == before


class TestALedgerThatIsLost:
    NAME = "good"

    def test_it_is_rebuilt_from_what_the_workloads_carry(self, asked_for_approval):
        before = revisions()
        shutil.rmtree(ledger(self.NAME))
        done = rollout(asked_for_approval, rollout_adopt=True)
        assert done.failed == {"localhost"}, "a person says whether to go on"
        assert set(states(done).values()) == {"succeeded"} and done.one(REPORT, "localhost")["status"] == "paused", done.text
        refused = rollout(asked_for_approval, rollout_adopt=True)
        assert refused.failed == {"localhost"} and "adopt is for one that was lost" in refused.error("localhost"), refused.text
        assert order(self.NAME, "resume").failed == set()
        done = rollout(asked_for_approval)
        assert (done.failed, done.one(REPORT, "localhost")["status"]) == (set(), "done"), done.text
        assert [number for number, was in zip(revisions(), before) if number != was] == [], "no line was touched"


@pytest.fixture(name="second_model", scope="module")
def _second_model():
    if both() != ("vision:2", "vision:2"):
        put("vision:2")


# One is well until it crashes after 20 s: only the soak sees that.
@pytest.mark.parametrize(("image", "gate", "soak"), [("vision:wrong", "golden", "4s"), ("vision:slow", "latency", "4s"), ("vision:crash", "ready", "30s")])
@pytest.mark.usefixtures("second_model")
class TestAReleaseThatIsNot:
    def test_it_goes_back_alone_and_no_other_line_gets_it(self, image, gate, soak):
        name = image.replace(":", "-")
        path = release(name, image, waves=waves(soak))
        before = revisions()
        done = rollout(path)
        assert done.failed == {"localhost"}, done.text
        assert both() == ("vision:2", "vision:2"), done.text
        assert states(done)[A] == "rolled_back" and states(done)[B] in UNTOUCHED, done.text
        assert gate in row(done, A)["reason"], row(done, A)
        assert revisions() == [before[0] + 2, before[1]], "there and back, and nobody else"
        assert done.one(REPORT, "localhost")["status"] == "paused"
        assert SCENARIO.play("edgeai.sites.verify", variables={
            "edge_workloads": [{**SCENARIO.fleet["workloads"][0], "image": "vision:2"}]}).failed == set()


class TestAControllerThatDies:
    @pytest.mark.parametrize("alone", [False, True], ids=["all of it", "without its children"])
    def test_in_the_middle_of_a_switch_the_next_one_goes_on(self, alone):
        put("vision:1")
        name = "resumed-alone" if alone else "resumed"
        path = release(name, "vision:2")
        before = revisions()
        with running(path) as first:
            wait_until(lambda: bool(happened(name, "switch_intent", A)) or first.poll() is not None and "it has ended", 120, "the switch of line-a")
            kill(first, alone)
        assert not happened(name, "verified", A)
        if alone:
            wait_until(lambda: is_free(name), 10, "the end of a step whose run is gone")
        done = rollout(path)
        assert done.failed == set(), done.text
        assert both() == ("vision:2", "vision:2")
        assert revisions() == [before[0] + 1, before[1] + 1], "each was switched once"
        tokens = [event["token"] for event in journal(name)]
        assert tokens == sorted(tokens) and len(set(tokens)) >= 2
        assert [event["seq"] for event in journal(name)] == list(range(1, len(tokens) + 1))


class TestTwoControllersAndOrders:
    NAME = "held"

    def test_the_second_does_nothing_and_an_order_reaches_the_first(self, held):
        with running(held) as first:
            wait_until(lambda: bool(happened(self.NAME, "switched", A)) or first.poll() is not None and "it has ended", 120, "the switch of line-a")
            second = rollout(held)
            assert second.failed == {"localhost"} and "is being run already" in second.error("localhost"), second.text
            paused = order(self.NAME, "pause", rollout_reason="the line is being cleaned")
            assert paused.failed == set(), paused.text
            wait_until(lambda: bool(happened(self.NAME, "pause")), 10, "the order in the journal")
            wait_until(lambda: first.poll() is not None, 120, "the first controller's end: nothing is under way any more")
            assert first.returncode != 0
        assert both() == ("vision:2", "vision:1"), "what was under way is finished, and nothing new is begun"
        text = R.said(self.NAME)
        assert "the line is being cleaned" in text and re.search(r"wave canary", text), text

    def test_resumed_it_ends(self, held):
        resumed = order(self.NAME, "resume")
        assert resumed.failed == set(), resumed.text
        done = rollout(held)
        assert done.failed == set(), done.text
        assert both() == ("vision:2", "vision:2")

    def test_an_order_that_nobody_can_follow_says_how_it_stands(self):
        late = order(self.NAME, "pause")
        assert late.failed == set(), "one that is over needs no pause"
        refused = order(self.NAME, "resume")
        assert refused.failed == {"localhost"} and "found the rollout done" in refused.error("localhost"), refused.text


class TestANodeThatIsGone:
    def test_it_is_deferred_and_catches_up(self):
        put("vision:1")
        path = release("deferred", "vision:2", waves=[{"name": "all", "percent": 100, "soak": "4s"}], timeouts={"lock": "20s"},
                       budgets={"max_deferred_percent": 100, "max_unavailable": {"site": 2, "line": 1}})
        lab("cut", NODE_B)
        try:
            wait_until(lambda: not is_ready(NODE_B), 120, "a node that is not Ready")
            done = rollout(path)
        finally:
            lab("heal", NODE_B)
        assert states(done) == {A: "succeeded", B: "deferred"}, done.text
        assert done.one(REPORT, "localhost")["status"] == "done_with_deferred"
        assert "rollout_order=catch_up" in said(done)
        assert both() == ("vision:2", "vision:1")
        wait_until(lambda: is_ready(NODE_B), 120, "the node after its link was mended")
        assert order("deferred", "catch_up").failed == set()
        done = rollout(path)
        assert done.failed == set(), done.text
        assert states(done) == {A: "succeeded", B: "succeeded"}
        assert both() == ("vision:2", "vision:2")


class TestSomebodyElse:
    def test_an_image_that_nobody_planned_pauses_it(self):
        put("vision:1")
        path = release("foreign", "vision:2", waves=waves("60s"))
        with running(path) as first:
            wait_until(lambda: bool(happened("foreign", "verified", A)) or first.poll() is not None and "it has ended", 120, "the soak of line-a")
            (container,) = deployment(LINE_A)["spec"]["template"]["spec"]["containers"]
            name = container["image"].partition("@")[0]
            change = {"spec": {"template": {"spec": {"containers": [{"name": container["name"], "image": f"{name}@{digest('vision:wrong')}"}]}}}}
            SCENARIO.host(SERVER).check_output(f"k3s kubectl -n edgeai patch deployment {LINE_A} -p '{json.dumps(change)}'")
            wait_until(lambda: first.poll() is not None, 120, "the end of the rollout")
        assert happened("foreign", "drift", A), journal("foreign")
        assert asked_for(LINE_A) == "vision:wrong", "what somebody else has done is not taken back"
        assert asked_for(LINE_B) == "vision:1"
