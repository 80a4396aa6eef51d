# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readiness state machine."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import ready
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.ready import FAILED, PROGRESSING, READY, Sample, Unit, Wanted

VERSION = "v1.36.5+k3s1"
WANTED = Wanted("n1", VERSION)
NOW = 1_790_000_000.0  # this node's clock at monotonic second 1000
RUNNING = Unit("active", "running", "success", 0, 900.0, 42)


def stamp(seconds, digits=6):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (".%06d" % moment.microsecond)[:digits + 1 if digits else 0] + "Z"


def lease(age, wall=NOW):
    return {"spec": {"renewTime": stamp(wall - age)}}


def node(status="True", version=VERSION, taints=(), heartbeat_age=300.0):
    return {
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"nodeInfo": {"kubeletVersion": version}, "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": status, "message": "why", "lastHeartbeatTime": stamp(NOW - heartbeat_age, 0)}]},
    }


def sample(**changes):
    base = Sample(at=1000.0, wall=NOW, unit=RUNNING, node=node(), lease=lease(5), pause_missing="")
    return base._replace(**changes)


def unit(**changes):
    return RUNNING._replace(**changes)


@pytest.mark.parametrize(("changes", "state", "stage"), [
    ({}, READY, "ready"),
    ({"pause_missing": None}, READY, "ready"),
    ({"node": node(heartbeat_age=290.0)}, READY, "ready"),  # an old heartbeat beside a fresh lease is healthy
    ({"lease": lease(39.0)}, READY, "ready"),
    ({"unit": unit(active="activating", sub="start")}, PROGRESSING, "unit"),
    ({"unit": unit(active="activating", sub="auto-restart")}, PROGRESSING, "unit"),
    ({"unit": unit(active="inactive", sub="dead")}, PROGRESSING, "unit"),
    ({"unit": unit(active="failed", sub="failed", result="start-limit-hit")}, FAILED, "unit"),
    ({"unit": unit(active="deactivating", sub="stop-sigterm")}, PROGRESSING, "unit"),
    ({"api_error": "connection refused"}, PROGRESSING, "api"),
    ({"node": None}, PROGRESSING, "node"),
    ({"node": node(status="False")}, PROGRESSING, "node"),
    ({"node": node(status="Unknown")}, PROGRESSING, "node"),
    ({"node": {"status": {}}}, PROGRESSING, "node"),
    ({"node": {}}, PROGRESSING, "node"),
    ({"node": node(version="v1.36.4+k3s1")}, PROGRESSING, "version"),
    ({"node": node(version="v1.36.5+k3s2")}, PROGRESSING, "version"),
    ({"lease": lease(41.0)}, PROGRESSING, "lease"),
    ({"lease": lease(101.0), "unit": unit(started=900.0)}, PROGRESSING, "lease"),
    ({"lease": lease(8.0), "unit": unit(started=995.0)}, PROGRESSING, "lease"),  # stale Ready after a restart
    ({"lease": lease(4.0), "unit": unit(started=995.0)}, READY, "ready"),
    ({"lease": lease(-30.0)}, PROGRESSING, "lease"),  # from the future: the clock was stepped
    ({"lease": None}, PROGRESSING, "lease"),
    ({"lease": {"spec": {"renewTime": "yesterday"}}}, PROGRESSING, "lease"),
    ({"lease": None, "node": node(heartbeat_age=5.0)}, READY, "ready"),  # first registration
    ({"lease": None, "node": node(heartbeat_age=5.0), "unit": unit(started=998.0)}, PROGRESSING, "lease"),
    ({"lease": lease(8.0), "node": node(heartbeat_age=1.0), "unit": unit(started=995.0)}, PROGRESSING, "lease"),
    ({"node": node(taints=["node.kubernetes.io/not-ready"])}, PROGRESSING, "taints"),
    ({"node": node(taints=["node.cloudprovider.kubernetes.io/uninitialized"])}, PROGRESSING, "taints"),
    ({"node": node(taints=["example.com/gpu-only"])}, READY, "ready"),
    ({"pause_missing": "rancher/mirrored-pause:3.10.2"}, PROGRESSING, "pause"),
])
def test_one_sample(changes, state, stage):
    verdict = ready.judge([sample(**changes)], WANTED)
    assert (verdict.state, verdict.stage) == (state, stage)
    assert bool(verdict.reason) is (state != READY)


@pytest.mark.parametrize(("running", "proved", "state"), [
    ("v1.36.5+k3s-0123abcd", True, READY),
    ("v1.36.5+k3s-0123abcd", False, PROGRESSING),
    ("v1.36.4+k3s1", True, PROGRESSING),
])
def test_builds_from_source_need_the_word_of_the_binary(running, proved, state):
    wanted = WANTED._replace(version_proved=proved)
    assert ready.judge([sample(node=node(version=running))], wanted).state == state


def test_a_restart_wants_a_new_process():
    assert ready.judge([sample()], WANTED._replace(not_before=950.0)).stage == "unit"
    young = sample(unit=unit(started=960.0), lease=lease(5))
    assert ready.judge([young], WANTED._replace(not_before=950.0)).state == READY


def test_a_renewal_that_was_watched_counts_whatever_the_clock_says():
    first = sample(at=1000.0, lease={"spec": {"renewTime": "1970-01-01T00:00:10.000000Z"}})
    second = sample(at=1010.0, lease={"spec": {"renewTime": "1970-01-01T00:00:20.000000Z"}})
    assert ready.judge([first], WANTED).stage == "lease"
    assert ready.judge([first, second], WANTED).state == READY


def test_a_renewal_of_the_old_process_does_not_count():
    first = sample(at=989.0, lease=lease(200.0))
    second = sample(at=1000.0, lease=lease(100.0), unit=unit(started=995.0))
    assert ready.judge([first, second], WANTED).stage == "lease"


def test_a_hopeless_journal_ends_the_wait_but_not_a_node_that_is_up():
    waiting = sample(unit=unit(active="activating", sub="start"))
    assert ready.judge([waiting], WANTED, hopeless=True).state == FAILED
    assert ready.judge([sample()], WANTED, hopeless=True).state == READY


def test_a_crash_loop_ends_the_wait():
    def crashed(times):
        return sample(unit=unit(active="activating", sub="auto-restart", restarts=times))
    assert ready.judge([crashed(7), crashed(7 + ready.MAX_RESTARTS - 1)], WANTED).state == PROGRESSING
    verdict = ready.judge([crashed(7), crashed(7 + ready.MAX_RESTARTS)], WANTED)
    assert verdict.state == FAILED
    assert "4 times" in verdict.reason


def test_a_missing_pause_image_is_waited_for_but_not_for_ever():
    def missing(at):
        return sample(at=at, wall=NOW + at - 1000.0, lease=lease(0.0, NOW + at - 1000.0), pause_missing="pause:1")
    assert ready.judge([missing(1000.0), missing(1019.0)], WANTED).state == PROGRESSING
    verdict = ready.judge([missing(1000.0), missing(1020.0)], WANTED)
    assert (verdict.state, verdict.stage) == (FAILED, "pause")
    assert "pause:1" in verdict.reason


UNITS = st.builds(Unit, st.sampled_from(["active", "activating", "inactive", "failed"]),
                  st.sampled_from(["running", "start", "auto-restart", "dead"]), st.just("success"),
                  st.integers(0, 9), st.floats(0, 1000), st.just(42))
NODES = st.one_of(st.none(), st.builds(
    node, st.sampled_from(["True", "False", "Unknown"]), st.sampled_from([VERSION, "v1.36.4+k3s1"]),
    st.lists(st.sampled_from(sorted(ready.STARTUP_TAINTS) + ["x/y"]), max_size=2), st.floats(-100, 400)))
SAMPLES = st.builds(Sample, at=st.floats(900, 1100), wall=st.just(NOW), unit=UNITS,
                    api_error=st.sampled_from(["", "", "refused"]), node=NODES,
                    lease=st.one_of(st.none(), st.builds(lease, st.floats(-100, 400))),
                    pause_missing=st.sampled_from([None, "", "pause:1"]))


@settings(max_examples=1000)
@given(st.lists(SAMPLES, min_size=1, max_size=4))
def test_ready_always_rests_on_evidence(samples):
    if ready.judge(samples, WANTED).state != READY:
        return
    last = samples[-1]
    started = last.wall - (last.at - last.unit.started)
    assert (last.unit.active, last.unit.sub, last.api_error) == ("active", "running", "")
    assert last.node["status"]["nodeInfo"]["kubeletVersion"] == VERSION
    assert last.node["status"]["conditions"][1]["status"] == "True"
    assert not ready.STARTUP_TAINTS & {taint["key"] for taint in last.node["spec"]["taints"]}
    assert last.pause_missing != "pause:1"
    renewed, heartbeat = ready.lease_time(last.lease), ready.heartbeat_time(last.node)
    watched = [ready.lease_time(one.lease) for one in samples if one.lease and one.at >= last.unit.started]
    if renewed is None:
        assert heartbeat >= started and last.wall - heartbeat <= ready.LEASE_MAX_AGE
    else:
        fresh = renewed >= started and last.wall - renewed <= ready.LEASE_MAX_AGE
        assert fresh or len(set(watched)) > 1


@pytest.mark.parametrize(("config", "image"), [
    ("[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = \"rancher/mirrored-pause:3.10.2\"\n",
     "rancher/mirrored-pause:3.10.2"),
    ("  sandbox_image = 'reg.example:5000/pause:1'\n", "reg.example:5000/pause:1"),
    ("version = 3\n", ""),
    ("", ""),
])
def test_sandbox_image(config, image):
    assert ready.sandbox_image(config) == image


@pytest.mark.parametrize(("names", "wanted", "found"), [
    (["docker.io/rancher/mirrored-pause:3.10.2"], "rancher/mirrored-pause:3.10.2", True),
    (["reg.example:5000/pause:1"], "reg.example:5000/pause:1", True),
    (["docker.io/library/pause:1"], "pause:1", True),
    (["docker.io/rancher/mirrored-pause:3.10.1"], "rancher/mirrored-pause:3.10.2", False),
    (["evil.example/rancher/mirrored-pause:3.10.2"], "rancher/mirrored-pause:3.10.2", False),
    ([], "pause:1", False),
])
def test_has_image(names, wanted, found):
    assert ready.has_image(names, wanted) is found


@pytest.mark.parametrize(("changes", "state", "stage"), [
    ({"node": None, "api_error": "not asked"}, READY, "serving"),
    ({"unit": unit(active="activating", sub="start")}, PROGRESSING, "unit"),
    ({"unit": unit(active="failed", sub="failed")}, FAILED, "unit"),
])
def test_a_server_that_serves_is_enough_for_agents(changes, state, stage):
    verdict = ready.judge([sample(**changes)], WANTED._replace(serving_only=True))
    assert (verdict.state, verdict.stage) == (state, stage)


@pytest.mark.parametrize(("heartbeat_age", "names"), [
    (300.0, []),            # written before K3s started, 100 s ago: seen to name images that were gone
    (90.0, []),             # 10 s after the start: the list may still be the predecessor's
    (5.0, ["pause:3.6"]),
])
def test_images_in_a_nodes_status_count_once_this_kubelet_has_counted_them(heartbeat_age, names):
    seen = node(heartbeat_age=heartbeat_age)
    seen["status"]["images"] = [{"names": ["pause:3.6"]}]
    assert ready.reported_images(sample(node=seen)) == names
