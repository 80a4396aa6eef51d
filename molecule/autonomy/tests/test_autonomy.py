"""Edge nodes without their cloud: models that answer on, come back after a kill and a reboot, and are the same afterwards.

The cloud's link is cut, so that the edge hosts can be asked all the time; the cloud is asked at its keyboard then.
"""
from __future__ import annotations

import json
import re
import time

import pytest
import yaml
from edge import EdgeSite, deployment
from scenario import ROOT, Scenario, lab, reboot, wait_until

SCENARIO = Scenario(__file__)
CLOUD, NORTH, SOUTH = "auto-cloud", "auto-edge1", "auto-edge2"
NODES = (NORTH, SOUTH)
SITE = EdgeSite(SCENARIO, CLOUD)
IDENTITY, START = "Hold the host's identity against the cloud's", "Start EdgeCore and wait until the node is up"


def ready_at_the_keyboard():
    """Names of the nodes that are Ready in the cloud's eyes, also while its link is cut."""
    items = json.loads(lab("console", CLOUD, "k3s", "kubectl", "get", "nodes", "-o", "json"))["items"]
    return {item["metadata"]["name"] for item in items
            if ("Ready", "True") in {(row["type"], row["status"]) for row in item["status"]["conditions"]}}


def restarts(name):
    return sum(status["restartCount"] for pod in SITE.pods(name).values() for status in pod["status"]["containerStatuses"])


@pytest.fixture(name="before", scope="module")
def _before():
    """The pods of both nodes before anything is cut."""
    SITE.deploy(*NODES)
    pods = {name: set(SITE.pods(name)) for name in NODES}
    assert all(len(uids) == 1 for uids in pods.values())
    return pods


@pytest.fixture(name="offline", scope="class")
def _offline(before):
    """No packet reaches the cloud or leaves it, until the tests of the class are done."""
    lab("cut", CLOUD)
    yield before
    lab("heal", CLOUD)


class TestWithoutTheCloud:
    def test_a_killed_container_comes_back(self, offline):
        assert len(offline) == 2
        (container,) = SITE.containers(NORTH)
        SCENARIO.host(NORTH).check_output(f"ctr --namespace k8s.io tasks kill --signal SIGKILL {container}")
        wait_until(lambda: SITE.containers(NORTH) not in ([], [container]), 60, "another container")
        SITE.wait_for_answer(NORTH, 60)

    def test_edgecore_restarts_and_its_pods_run_on(self, offline):
        assert len(offline) == 2
        containers = SITE.containers(NORTH)
        SCENARIO.host(NORTH).check_output("systemctl restart edgecore")
        wait_until(lambda: SCENARIO.host(NORTH).run("curl --silent --max-time 2 http://127.0.0.1:10350/healthz/syncloop").stdout == "ok", 60,
                   "EdgeCore after its restart")
        assert SITE.containers(NORTH) == containers
        assert SITE.answers(NORTH) is True

    def test_a_host_that_reboots_answers_again_within_a_minute(self, offline):
        assert len(offline) == 2
        containers = SITE.containers(SOUTH)
        reboot(SOUTH)
        SITE.wait_for_answer(SOUTH, 60)
        assert SITE.containers(SOUTH) != containers, "the containers of before the reboot are gone with it"

    def test_the_run_is_deferred_and_changes_nothing(self, offline):
        assert len(offline) == 2
        pids = [SCENARIO.host(name).check_output("systemctl show edgecore --property MainPID --value") for name in NODES]
        done = SCENARIO.play("converge.yml")
        assert done.failed == set(NODES) and done.changed == {}, done.text
        for name in NODES:
            assert done.one(IDENTITY, name)["decision"] == "keep"
            assert done.one(START, name)["deferred"] is True
            assert "the node is well by itself and goes on" in done.error(name)
        assert pids == [SCENARIO.host(name).check_output("systemctl show edgecore --property MainPID --value") for name in NODES]

    def test_the_cloud_takes_them_for_gone(self, offline):
        """Otherwise nothing was proved above. The last of its class: the cloud is asked at its keyboard."""
        assert len(offline) == 2
        wait_until(lambda: not (ready := ready_at_the_keyboard() & set(NODES)) or ready, 120, "nodes that the cloud takes for gone")


class TestWhenTheLinkIsBack:
    """Comes after the tests above: what they did to the nodes is what has to have no effect."""

    @pytest.mark.parametrize("name", NODES)
    def test_the_node_is_ready_again_within_three_minutes(self, name):
        wait_until(lambda: SITE.is_ready(name), 180, f"{name} after the link was mended")

    @pytest.mark.parametrize("name", NODES)
    def test_the_pods_are_the_same(self, before, name):
        assert set(SITE.pods(name)) == before[name]
        wait_until(lambda: restarts(name) > 0, 60, "the restarts that the cloud did not see")
        assert SITE.answers(name) is True

    def test_a_run_finds_nothing_to_do(self):
        done = SCENARIO.play("converge.yml")
        assert (done.failed, done.changed) == (set(), {}), done.text


# Kubernetes' own timers for a node that is silent and for its pods, 50 s and 300 s by default, made short by configuration.
# Half an hour is as many times their sum.
GRACE, EVICTION = 16, 6
OFFLINE = 1800 / (50 + 300) * (GRACE + EVICTION)


def control_pods():
    items = json.loads(SITE.kubectl("get pods -l app=control -o json"))["items"]
    return {pod["metadata"]["uid"]: pod["metadata"] for pod in items}


@pytest.fixture(name="short_timers", scope="class")
def _short_timers():
    config = yaml.safe_load((ROOT / "molecule/lab/group_vars/k3s_servers.yml").read_text(encoding="utf-8"))["k3s_config"]
    config["kube-controller-manager-arg"] = [f"node-monitor-grace-period={GRACE}s"]
    config["kube-apiserver-arg"] = [f"default-{taint}-toleration-seconds={EVICTION}" for taint in ("unreachable", "not-ready")]
    short = SCENARIO.play("edgeai.sites.k3s", variables={"k3s_config": config})
    assert short.failed == set(), short.text
    yield
    long = SCENARIO.play("edgeai.sites.k3s")
    assert long.failed == set(), long.text


class TestHalfAnHourOffline:
    def test_the_pods_of_the_node_are_the_same_and_others_would_not_be(self, before, short_timers):
        wait_until(lambda: all(SITE.is_ready(name) for name in NODES), 180, "the nodes after the restart of K3s")
        (uid,) = SITE.pods(NORTH)
        (image,) = [status["imageID"] for status in SITE.pods(NORTH)[uid]["status"]["containerStatuses"]]
        # The same model as a pod with what Kubernetes adds by itself: it shows that the time was long enough for an eviction.
        control = deployment(NORTH, image)
        control["metadata"]["name"] = "control"
        control["spec"]["selector"]["matchLabels"] = control["spec"]["template"]["metadata"]["labels"] = {"app": "control"}
        control["spec"]["template"]["spec"].pop("tolerations")
        # A name of its own: by it the containers of the workload are told from this one.
        control["spec"]["template"]["spec"]["containers"][0].update(name="control", ports=[{"containerPort": 8080}])
        SITE.kubectl("apply -f -", control)
        wait_until(lambda: len(control_pods()) == 1, 60, "the pod with Kubernetes' own tolerations")
        containers, (evicted,) = SITE.containers(NORTH), control_pods()
        lab("cut", NORTH)
        cut = time.monotonic()
        try:
            wait_until(lambda: "deletionTimestamp" in control_pods().get(evicted, {"deletionTimestamp": ""}), 120, "the eviction")
            wait_until(lambda: time.monotonic() - cut >= OFFLINE, OFFLINE, "the rest of half an hour")
            assert set(SITE.pods(NORTH)) == {uid}, "a pod of this collection is not evicted"
        finally:
            lab("heal", NORTH)
        wait_until(lambda: SITE.is_ready(NORTH), 180, "the node after the link was mended")
        assert set(SITE.pods(NORTH)) == {uid} and SITE.containers(NORTH) == containers
        assert SITE.answers(NORTH) is True
        SITE.kubectl("delete deployment control")


@pytest.fixture(name="wan_cut", scope="class")
def _wan_cut():
    """The north plant alone cannot reach the cloud."""
    address = next(node["address"] for node in SCENARIO.fleet["cloud"]["nodes"])
    host = SCENARIO.host(NORTH)
    host.check_output(f"nft 'add table inet wan; add chain inet wan out {{ type filter hook output priority 0; }}; "
                      f"add rule inet wan out ip daddr {address} drop'")
    yield
    host.check_output("nft delete table inet wan")


class TestOneSiteIsCut:
    def test_it_is_deferred_and_the_other_completes(self, wan_cut):
        done = SCENARIO.play("converge.yml")
        assert done.failed == {NORTH}, done.text
        assert "the node is well by itself and goes on" in done.error(NORTH)
        assert re.search(r"port 10002/tcp: no answer within \d+ s", done.error(NORTH))
        assert done.one(START, SOUTH)["node"]["name"] == SOUTH

    def test_the_report_says_so(self, wan_cut):
        SCENARIO.play("converge.yml")
        failures = SCENARIO.report()["hosts"][NORTH]["failures"]
        assert failures and all(failure["deferred"] for failure in failures)
        assert not SCENARIO.report()["hosts"][SOUTH]["failures"]
