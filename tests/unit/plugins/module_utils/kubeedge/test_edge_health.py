# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an edge node is up: each sign that was green on a broken node, and what gives it away."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import health
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.health import FAILED, PROGRESSING, READY, Cloud, Local, Wanted
from ansible_collections.edgeai.sites.plugins.module_utils.units import Unit

DATA = Path(__file__).parent / "data"
NODE = json.loads((DATA / "node-ready.json").read_text(encoding="utf-8"))
LEASE = json.loads((DATA / "lease.json").read_text(encoding="utf-8"))
HEARTBEAT = health.seconds("2026-11-23T09:25:43Z")
RENEWED = health.seconds(LEASE["spec"]["renewTime"])
WALL = RENEWED + 5
# The process was started a second before the recorded heartbeat.
AT = 5000.0
STARTED = AT - (WALL - HEARTBEAT) - 1
UNIT = Unit("active", "running", "success", 0, STARTED, 42)
WANTED = Wanted("edge1", "v1.23.1")


def pod(name, uid=None, phase="Running", **metadata):
    return {"metadata": {"namespace": "default", "name": name, "uid": uid or name, **metadata}, "status": {"phase": phase}}


STATIC = pod("static", annotations={"kubernetes.io/config.source": "file"})
LOCAL = Local(AT, WALL, UNIT, pods=[pod("a"), STATIC], answers={"a": ""})
CLOUD = Cloud(node=NODE, lease=LEASE, pods=[pod("a")])


def unit(**changes):
    return LOCAL._replace(unit=UNIT._replace(**changes))


def cloud_with(**condition):
    node = copy.deepcopy(NODE)
    next(item for item in node["status"]["conditions"] if item["type"] == "Ready").update(condition)
    return CLOUD._replace(node=node)


def lease_at(moment):
    return CLOUD._replace(lease={"spec": {"renewTime": moment}})


@pytest.mark.parametrize(("local", "state", "stage", "words"), [
    (LOCAL, READY, "ready", ""),
    (unit(active=""), PROGRESSING, "unit", "absent"),
    (unit(active="failed", result="exit-code"), FAILED, "unit", "failed (result exit-code)"),
    (unit(active="activating", sub="auto-restart", restarts=3), PROGRESSING, "unit", "activating/auto-restart, restarted 3 times"),
    (unit(active="activating", sub="auto-restart", restarts=4), FAILED, "unit", "dies again and again"),
    (unit(active="activating", sub="auto-restart", restarts=4)._replace(restarts_before=1), PROGRESSING, "unit", "restarted 4 times"),
    # active, syncloop ok, and nothing was ever enrolled: port 10002 filtered
    (LOCAL._replace(enrolled="it has no server.crt"), PROGRESSING, "enrolled", "it has no server.crt"),
    # active for ever, syncloop ok: the CA was replaced
    (LOCAL._replace(x509=3), PROGRESSING, "hub", "3 certificate errors"),
    (LOCAL._replace(syncloop="HTTP 500"), PROGRESSING, "syncloop", "HTTP 500"),
    (LOCAL._replace(pods=None), PROGRESSING, "syncloop", "list of pods"),
    (LOCAL._replace(engine="containerd does not answer"), PROGRESSING, "engine", "containerd does not answer"),
    (LOCAL._replace(network="no network configuration"), PROGRESSING, "network", "no network"),
    # Ready in the cloud, and no pod starts
    (LOCAL._replace(pause="the pause image is missing"), PROGRESSING, "pause", "pause image"),
    (LOCAL._replace(sandbox_errors=2), PROGRESSING, "engine", "2 pods could not be started"),
    # the crash loop of a lost database: 28 s alive each time
    (unit(started=AT - 28), PROGRESSING, "stable", "runs for 28 s, wanted 60 s"),
])
def test_by_itself(local, state, stage, words):
    verdict = health.judge_local(local, WANTED)
    assert (verdict.state, verdict.stage) == (state, stage), verdict
    assert words in verdict.reason


def test_a_process_from_before_a_restart_does_not_count():
    verdict = health.judge_local(LOCAL, WANTED._replace(not_before=AT - 1))
    assert (verdict.state, verdict.stage) == (PROGRESSING, "unit")


def test_what_the_journal_calls_hopeless_ends_the_wait():
    broken = LOCAL._replace(enrolled="it has no server.crt")
    assert health.judge_local(broken, WANTED, hopeless=True).state == FAILED
    assert health.judge_local(LOCAL, WANTED, hopeless=True).state == READY, "an old line about something that has healed"


LOST = cloud_with(lastHeartbeatTime="2026-11-23T09:25:00Z")


@pytest.mark.parametrize(("local", "cloud", "stage", "words"), [
    (LOCAL, CLOUD, "ready", ""),
    (LOCAL._replace(enrolled="no"), CLOUD, "enrolled", "no"),
    (LOCAL, Cloud(error="no route"), "cloud", "cannot be asked: no route"),
    (LOCAL, CLOUD._replace(node=None), "node", "edge1 is not registered"),
    (LOCAL, CLOUD._replace(node={}), "node", "no Ready condition"),
    (LOCAL, cloud_with(status="False", message="cni plugin not initialized"), "node", "cni plugin not initialized"),
    (LOCAL, cloud_with(status="Unknown", message=""), "node", "not Ready: EdgeReady"),
    # the crash loop again: it renews the lease, and only its heartbeat stands still
    (LOCAL, LOST, "heartbeat", "42 s older than this start"),
    (LOCAL, cloud_with(lastHeartbeatTime=None), "heartbeat", "missing"),
    (LOCAL, lease_at("2026-11-23T09:54:46.9Z"), "heartbeat", "renewed 65 s ago"),
    (LOCAL, lease_at("2026-11-23T09:59:46.9Z"), "heartbeat", "renewed -235 s ago"),
    (LOCAL, CLOUD._replace(lease=None), "heartbeat", "no lease"),
    # the cloud shows Running, the node has nothing: /pods has "items": null
    (LOCAL._replace(pods=[], answers={}), CLOUD, "pods", "the cloud says that default/a runs here, which this node does not know"),
    (LOCAL, CLOUD._replace(pods=[pod("a"), pod("b"), pod("c")]), "pods", "default/b, default/c run here"),
    (LOCAL._replace(pods=[pod("a"), pod("old")]), CLOUD, "pods", "this node runs default/old, which the cloud does not know"),
    (LOCAL._replace(pods=[pod("a", uid="u1")]), CLOUD, "pods", "does not know; this node runs"),
    (LOCAL._replace(answers={"a": "10.0.0.1:80: connection refused"}), CLOUD, "answer", "default/a: 10.0.0.1:80"),
    (LOCAL._replace(answers={"a": "refused", "x": ""}), CLOUD, "ready", ""),
    (LOCAL._replace(pods=[], answers={}), CLOUD._replace(pods=[]), "ready", ""),
    # what has ended, or is leaving, may be there or not
    (LOCAL, CLOUD._replace(pods=[pod("a"), pod("job", phase="Succeeded"), pod("old", deletionTimestamp="x")]), "ready", ""),
    (LOCAL._replace(pods=[pod("a"), pod("old")]), CLOUD._replace(pods=[pod("a"), pod("old", deletionTimestamp="x")]), "ready", ""),
])
def test_with_the_cloud(local, cloud, stage, words):
    verdict = health.judge(local, cloud, WANTED)
    assert (verdict.stage, words in verdict.reason) == (stage, True), verdict
    assert verdict.state == (READY if stage == "ready" else PROGRESSING)


@pytest.mark.parametrize(("version", "stage"), [("v1.23.1", "ready"), ("v1.23.1+standin", "ready"), ("v1.23.0", "version"), ("v1.23.10", "version")])
def test_the_version_in_the_suffix(version, stage):
    assert health.judge(LOCAL, CLOUD, WANTED._replace(version=version)).stage == stage


def test_a_node_that_registers_for_the_first_time_has_no_lease_yet():
    wall = HEARTBEAT + 9
    local = LOCAL._replace(wall=wall, unit=UNIT._replace(started=AT - 70), at=AT)
    fresh = cloud_with(lastHeartbeatTime="2026-11-23T09:25:43Z")._replace(lease=None)
    assert health.judge(local._replace(unit=UNIT._replace(started=AT - 9)), fresh, WANTED._replace(stable_seconds=5)).stage == "ready"


def container(port, protocol="TCP"):
    return {"containers": [{"ports": [{"containerPort": port, "protocol": protocol}]}]}


def ready(name, ip="10.244.0.2", spec=None, status="True"):
    return dict(pod(name), spec=spec or container(8080), status={"podIP": ip, "conditions": [{"type": "Ready", "status": status}]})


@pytest.mark.parametrize(("pods", "places"), [
    ([ready("a")], {"a": ("10.244.0.2", 8080)}), ([ready("a", status="False")], {}), ([ready("a", ip="")], {}),
    ([ready("a", spec={"containers": [{}]})], {}), ([ready("a", spec=container(53, "UDP"))], {}), ([dict(STATIC, **{"spec": container(1)})], {}),
    ([ready(str(number)) for number in range(9)], {str(number): ("10.244.0.2", 8080) for number in range(3)}),
])
def test_which_pods_are_asked(pods, places):
    assert health.probes(pods) == places


def test_a_look_survives_the_way_over_the_wire_without_what_pods_hold():
    secret = dict(pod("a", annotations={"kubernetes.io/config.source": "api", "x": "s3cret"}), spec={"containers": [{"env": "s3cret"}]})
    facts = health.to_facts(LOCAL._replace(pods=[secret, STATIC]))
    text = json.dumps(facts)
    assert "s3cret" not in text
    assert health.judge(health.from_facts(json.loads(text)), CLOUD, WANTED).state == READY
