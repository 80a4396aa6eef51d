"""What else goes wrong while a release is on its way: an API that answers errors, a full disk, a link that is cut, a window that ends.

Each test begins with vision:1 on both lines, and leaves hosts that are well.
"""
from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import contextmanager

import pytest
from camera_lines import LINE_A, LINE_B, NODE_B, SERVER, A, B, CameraLines
from releases import GATES, REPORT
from scenario import lab, wait_until

LINES = CameraLines(__file__)
R = LINES.releases
ALL = [{"name": "all", "percent": 100, "soak": "4s"}]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# What would say that something was tried again, put off, or taken back.
TROUBLE = ("pull_failed", "switch_failed", "expire", "defer", "drift", "stop", "rollback_intent", "skip")


@pytest.fixture(name="first_model", autouse=True)
def _first_model():
    if LINES.both() != ("vision:1", "vision:1"):
        LINES.put("vision:1")


def has_image(node, image):
    """Whether a node says that it has an image of the bundle."""
    names = [name for row in json.loads(LINES.kubectl(f"get node {node} -o json"))["status"]["images"] for name in row["names"]]
    return any(name.endswith("@" + LINES.digest(image)) for name in names)


def trouble(name):
    return [event for event in R.journal(name) if event["type"] in TROUBLE or event.get("verdict") == "fail"]


def ended(process):
    """For a wait: the run that was waited on has ended before its time."""
    return "the run has ended" if process.poll() is not None else False


@contextmanager
def storm(seconds=4.0, calm=3.0):
    """The site's API answers most requests with 500, then with 429 and Retry-After, burst after burst. Yields how often it began."""
    over, bursts = threading.Event(), []

    def blow():
        for status in itertools.cycle((500, 429)):
            lab("fault", SERVER, "set", "api-status", str(status))
            bursts.append(status)
            if over.wait(seconds):
                return
            lab("fault", SERVER, "set", "api-status", "0")
            if over.wait(calm):
                return

    lab("fault", SERVER, "set", "api-rate", "0.7")
    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield bursts
    finally:
        over.set()
        thread.join()
        lab("fault", SERVER, "clear")


class TestAnApiThatAnswersErrors:
    def test_each_line_is_switched_once_and_nothing_is_said_to_have_failed(self):
        path, before = LINES.release("storm", "vision:2"), LINES.revisions()
        with storm() as bursts, R.running(path) as run:
            wait_until(lambda: run.poll() is not None, 150, "the end of the rollout")
        done = R.rollout(path)
        assert len(bursts) > 2, "the rollout was done before it had to stand anything"
        assert done.failed == set(), done.text
        assert done.one(REPORT, "localhost")["status"] == "done" and R.states(done) == {A: "succeeded", B: "succeeded"}, done.text
        assert trouble("storm") == []
        assert LINES.both() == ("vision:2", "vision:2")
        assert [len(R.happened("storm", "switched", name)) for name in (A, B)] == [1, 1]
        assert LINES.revisions() == [before[0] + 1, before[1] + 1]


class TestADiskThatIsFull:
    """The image is not on the node of line b, and there is no room for it."""

    IMAGES = "/var/lib/rancher/k3s/agent/images"

    @pytest.fixture(name="without_the_image")
    def _without_the_image(self):
        """The node of line b forgets vision:2, as if it had never been there."""
        host = LINES.scenario.host(NODE_B)
        host.check_output(f"rm -f {self.IMAGES}/vision-2-*.tar && systemctl stop k3s-agent && rm -rf /var/lib/rancher/k3s/agent/containerd && "
                          "systemctl start k3s-agent")
        wait_until(lambda: has_image(NODE_B, "vision:1") and not has_image(NODE_B, "vision:2"), 60, "a node without the new image")
        wait_until(lambda: LINES.is_ready(NODE_B) and LINES.answer(LINE_B, LINES.pods(LINE_B)[-1]) == "1", 60, "the old model on that node")

    @pytest.mark.usefixtures("without_the_image")
    def test_its_line_keeps_the_old_model_until_there_is_room_and_the_other_goes_on(self):
        path = LINES.release("full", "vision:2", retries={"prepull": 1})
        lab("fault", NODE_B, "disk-full", self.IMAGES, "20")
        try:
            done = R.rollout(path)
            assert LINES.answer(LINE_B, LINES.pods(LINE_B)[-1]) == "1"
        finally:
            lab("fault", NODE_B, "clear")
        assert R.states(done) == {A: "succeeded", B: "failed"}, done.text
        assert LINES.both() == ("vision:2", "vision:1") and done.one(REPORT, "localhost")["status"] == "paused"
        for words in (f"vision:2 could not be brought to node {NODE_B}: not enough disk space below {self.IMAGES}", "MiB free",
                      "Wanted: 24 MiB for artifacts and 64 MiB in reserve", "Remedy: free space on this file system"):
            assert words in R.row(done, B)["reason"], R.row(done, B)
        assert "rollout_order=retry" in R.next(done) and R.happened("full", "switch_intent", B) == []
        assert R.order("full", "retry").failed == set() and R.order("full", "resume").failed == set()
        done = R.rollout(path)
        assert done.failed == set() and R.states(done) == {A: "succeeded", B: "succeeded"}, done.text
        assert [len(R.happened("full", "switched", name)) for name in (A, B)] == [1, 1]


def cut_at(name, kind, target, process, host):
    """Cut a host's link right after an event."""
    wait_until(lambda: bool(R.happened(name, kind, target)) or ended(process), 120, f"{kind} of {target}")
    lab("cut", host)


class TestALinkThatIsCutDuringASwitch:
    """The site's API takes the new image, but nobody hears of it: neither the controller nor the node. Its slowness makes room for the cut."""

    # Three questions to a model are enough where each takes seconds.
    PLAIN = {"preflight": GATES["preflight"], "ready": {"timeout": "90s"}}

    def cut(self, name, seconds, **changes):
        """Carry out a release whose first switch loses its link for a while; returns what line a answered meanwhile."""
        path, (old,) = LINES.release(name, "vision:2", gates=self.PLAIN, **changes), LINES.pods(LINE_A)
        lab("fault", SERVER, "set", "api-delay", "4")
        try:
            with R.running(path) as run:
                cut_at(name, "switch_intent", A, run, SERVER)
                until, heard = time.monotonic() + seconds, []
                while time.monotonic() < until:
                    heard.append(LINES.answer(LINE_A, old))
                    time.sleep(1)
                lab("fault", SERVER, "clear")
                lab("heal", SERVER)
                wait_until(lambda: run.poll() is not None, 150, "the end of the rollout")
        finally:
            lab("heal", SERVER)
            lab("fault", SERVER, "clear")
        return R.rollout(path), set(heard)

    def test_when_it_is_back_the_switch_is_seen_and_not_done_again(self):
        before = LINES.revisions()
        done, heard = self.cut("unheard", 20)
        assert heard == {"1"}, "the line has not been without a model"
        assert done.failed == set() and R.states(done) == {A: "succeeded", B: "succeeded"}, R.said("unheard")
        assert trouble("unheard") == [] and [len(R.happened("unheard", "switched", name)) for name in (A, B)] == [1, 1]
        assert LINES.revisions() == [before[0] + 1, before[1] + 1]

    def test_when_it_stays_away_for_too_long_the_line_goes_back(self):
        done, heard = self.cut("away", 30, timeouts={"switch": "15s"})
        assert heard == {"1"}
        assert done.failed == {"localhost"} and R.states(done)[A] == "rolled_back" and R.happened("away", "switch_intent", B) == [], R.said("away")
        reason = R.row(done, A)["reason"]
        assert "after switching began" in reason and "does not answer" in reason, reason
        assert LINES.both() == ("vision:1", "vision:1")
        (pod,) = LINES.pods(LINE_A)
        assert LINES.answer(LINE_A, pod) == "1"


class TestAWindowThatEnds:
    """Line b is busy until the window is over; its time of day is that of the site, UTC."""

    def test_what_is_under_way_ends_and_the_rest_goes_on_when_it_opens(self):
        # Windows are told in minutes. A switch and its way back have to fit in: 2 * (2 + 5 + 2 + 2) s.
        close = (int(time.time()) + 55 + 59) // 60 * 60
        opens = close + 60
        hours = [time.strftime("%H:%M", time.gmtime(at)) for at in (close, opens)]
        path = LINES.release("window", "vision:2", waves=ALL, seconds={"stop": 2, "ready": 2, "golden": 2}, windows={
            "switch": "always", "deny": [{"days": list(DAYS), "start": hours[0], "end": hours[1]}]},
            timeouts={"lock": "10m"})
        LINES.kubectl(f"annotate deployment {LINE_B} edgeai.sites/lock='eva: cleans the lens'")
        try:
            with R.running(path) as run:
                wait_until(lambda: bool(R.happened("window", "switched", A)) or ended(run), 90, "the switch of line a")
                wait_until(lambda: time.time() > close - 20, 90, "the end of the window")
                LINES.kubectl(f"annotate deployment {LINE_B} edgeai.sites/lock-")
                wait_until(lambda: run.poll() is not None, 150, "the end of the rollout")
        finally:
            LINES.kubectl(f"annotate deployment {LINE_B} edgeai.sites/lock-")
        text = R.said("window")
        assert f"1 not begun, the window of site test-factory opens for it {time.strftime('%a %Y-%m-%d %H:%M', time.gmtime(opens))}: {B}" in text, text
        (begun,) = R.happened("window", "switch_intent", B)
        assert begun["at"] >= opens and not trouble("window"), text
        assert R.states(R.rollout(path)) == {A: "succeeded", B: "succeeded"}


class TestAnOldPodThatStillAnswers:
    def test_it_proves_nothing_for_the_new_one(self):
        """The new pod is ready for some seconds before the old one ends."""
        surge = {"minReadySeconds": 12, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
        as_before = {"minReadySeconds": 0, "strategy": {"type": "Recreate", "rollingUpdate": None}}
        LINES.kubectl(f"patch deployment {LINE_A} -p '{json.dumps({'spec': surge})}'")
        (old,) = LINES.pods(LINE_A)
        path, both_ready = LINES.release("surge", "vision:2"), []
        try:
            with R.running(path) as run:
                while not R.happened("surge", "verified", A):
                    assert run.poll() is None, R.said("surge")
                    ready = [pod["metadata"]["name"] for pod in LINES.pods(LINE_A) if is_ready(pod)]
                    both_ready.append(len(ready) == 2 and LINES.answer(LINE_A, old) == "1")
                wait_until(lambda: run.poll() is not None, 120, "the end of the rollout")
            (new,) = LINES.pods(LINE_A)
        finally:
            LINES.kubectl(f"patch deployment {LINE_A} -p '{json.dumps({'spec': as_before})}'")
        assert any(both_ready), "the new pod was never ready beside the old one that answers"
        found = {event["container"] for event in R.happened("surge", "verified", A)}
        assert found == {f"{new['metadata']['uid']}/{new['status']['containerStatuses'][0]['containerID']}"}, "all evidence is of the new container"
        assert LINES.releases.states(R.rollout(path)) == {A: "succeeded", B: "succeeded"}


def is_ready(pod):
    return any(row["type"] == "Ready" and row["status"] == "True" for row in pod["status"].get("conditions", []))
