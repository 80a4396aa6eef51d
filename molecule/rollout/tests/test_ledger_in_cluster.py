"""A rollout whose ledger is in the site's cluster, run as AWX runs it: in jobs that leave nothing behind on their controller."""
from __future__ import annotations

import json

import pytest
from camera_lines import LINE_A, CameraLines
from scenario import wait_until

LINES = CameraLines(__file__)
R = LINES.releases
NAME = "thrown-away"
JOB = {"awx_job_id": 7, "rollout_ledger_site": "test-factory"}


@pytest.fixture(name="first_model", autouse=True)
def _first_model():
    if LINES.both() != ("vision:1", "vision:1"):
        LINES.put("vision:1")


def elsewhere(number):
    """The state directory of a job: each has its own, and what another one had is gone."""
    return {**JOB, "edge_state_dir": str(LINES.scenario.state / f"job-{number}")}


def test_a_job_that_says_no_place_is_refused_before_anything_is_begun():
    before = LINES.versions()
    done = R.rollout(LINES.release(NAME, "vision:2"), awx_job_id=7)
    assert done.failed == {"localhost"}
    assert "Found job 7 of AWX and no place for the rollout's ledger" in done.text and "rollout_ledger_site to a K3s site" in done.text
    assert LINES.versions() == before


def test_a_job_that_is_thrown_away_is_followed_by_one_that_knows_what_it_did():
    path, before = LINES.release(NAME, "vision:2"), LINES.revisions()
    with R.running(path, **elsewhere(1)) as run:
        wait_until(lambda: LINES.asked_for(LINE_A) == "vision:2", 90, "the switch of the first line")
        R.kill(run)
    done = R.rollout(path, **elsewhere(2))
    assert done.failed == set(), done.text
    assert LINES.both() == ("vision:2", "vision:2")
    assert LINES.revisions() == [number + 1 for number in before], "each line was switched once, by one of the two"
    runs = R.row(done, f"test-factory/{LINE_A}")
    assert runs["state"] == "succeeded"
    head = json.loads(LINES.kubectl(f"get configmap rollout-{NAME} -o json"))
    assert head["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "edgeai.sites"
    assert not json.loads(LINES.kubectl(f"get lease rollout-{NAME} -o json"))["spec"].get("holderIdentity"), "it was let go of"
    assert not any((LINES.scenario.state / f"job-{number}" / "rollouts").exists() for number in (1, 2))
    versions = LINES.versions()
    assert R.rollout(path, **elsewhere(3)).failed == set()
    assert LINES.versions() == versions, "the third job sees that it is done"
