"""The server that will run CloudCore: versions and ports."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import cloud, verdicts

WANTED = {"version": "v1.23.1", "unsupported": False, "ports": [10000, 10002]}


def entry(port, **more):
    return dict({"port": port, "address": "::"}, **more)


@pytest.mark.parametrize(
    ("wanted", "kubernetes", "verdict", "remedy"),
    [
        (WANTED, "v1.31.4+k3s1", "pass", ""),
        (WANTED, "", "pass", ""),
        (WANTED, "v1.36.5+k3s1", "fail", "KubeEdge 1.23 with Kubernetes 1.36 is outside"),
        (dict(WANTED, unsupported=True), "v1.36.5+k3s1", "pass", ""),
        (dict(WANTED, version="v1.23.0", unsupported=True), "v1.31.4+k3s1", "fail", "security fixes"),
    ],
)
def test_versions_are_judged_before_k3s_is_there(wanted, kubernetes, verdict, remedy):
    (found,) = cloud.versions({}, {"cloudcore_server": wanted, "k3s_version": kubernetes})
    assert found["verdict"] == verdict and remedy in found["remedy"]


@pytest.mark.parametrize(
    ("sockets", "verdict", "words"),
    [
        ([], "pass", "free"),
        ([entry(80, pid=1)], "pass", "free"),
        ([entry(10002, pid=7, unit="cloudcore.service")], "pass", "free"),
        ([entry(10002, pid=7, process="cloudcore")], "pass", "free"),
        ([entry(10002, pid=7, process="nginx")], "fail", "port 10002 on :: is taken by nginx (pid 7)"),
        ([entry(10000)], "fail", "could not be seen"),
    ],
)
def test_ports_are_free_or_its_own(sockets, verdict, words):
    (found,) = cloud.ports({"ports": sockets}, {"cloudcore_server": WANTED})
    assert found["verdict"] == verdict and words in found["found"]


def test_other_hosts_get_no_verdict(server):
    evidence, intent = server
    assert not [one for one in verdicts.judge(evidence, intent) if one["check"].startswith("cloudcore_")]
