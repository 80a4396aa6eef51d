"""When CloudCore counts as up: each piece of evidence alone can spoil it."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_causes, cloud_secrets
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_health import (
    FAILED,
    WAITING,
    WELL,
    Running,
    Seen,
    Served,
    judge,
    message,
    public,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeedge.cloud_samples import Cloud

CLOUD = Cloud()
NAMES = ["192.0.2.41", "cloud1"]
FOUND = cloud_secrets.read(CLOUD.secrets)
ANSWER = Served("192.0.2.41", FOUND.ca.sha256, FOUND.certificate.sha256)
SEEN = Seen(Running(True, "1 of 1 pods ready"), FOUND, (ANSWER,))
NO_CRDS = "W1123 reflector.go:569] failed to list *v1alpha1.ObjectSync: the server could not find the requested resource"
TAKEN = "F1123 09:00:00.000000 1 server.go:1] listen tcp 0.0.0.0:10000: bind: address already in use"


def seen(**changes):
    return dataclasses.replace(SEEN, **changes)


def verdicts(found):
    return {row["check"]: row["verdict"] for row in judge(found, NAMES).rows}


def test_all_of_it_is_well():
    assert judge(SEEN, NAMES).state == WELL
    assert set(verdicts(SEEN).values()) == {"pass"}


def test_a_certificate_may_have_more_names():
    assert judge(SEEN, ["192.0.2.41"]).state == WELL


@pytest.mark.parametrize(
    ("changes", "names", "check", "words"),
    [
        ({"running": Running(False, "0 of 1 pods ready")}, NAMES, "running", "0 of 1 pods ready"),
        ({"found": cloud_secrets.Found()}, NAMES, "secrets", "none"),
        ({"found": dataclasses.replace(FOUND, token=False)}, NAMES, "secrets", "casecret, cloudcoresecret, wanted"),
        ({"found": dataclasses.replace(FOUND, certificate=None)}, NAMES, "secrets", "casecret, tokensecret"),
        ({"found": dataclasses.replace(FOUND, certificate_signed=False)}, NAMES, "names", "of another CA"),
        ({}, [*NAMES, "edge.example"], "names", "edge.example"),
        ({"token_problem": "the token expired 2 h ago"}, NAMES, "token", "expired 2 h ago"),
        ({"served": ()}, NAMES, "answer", "no address to ask"),
        ({"served": (Served("a", error="connection refused"),)}, NAMES, "answer[a]", "connection refused"),
        ({"served": (Served("a", "f" * 64),)}, NAMES, "answer[a]", "the CA ffffffffffff"),
        ({"served": (dataclasses.replace(ANSWER, certificate_sha256="0" * 64),)}, NAMES, "answer[192.0.2.41]",
         "the right CA with another certificate"),
        ({"served": (ANSWER, Served("b", "f" * 64))}, NAMES, "answer[b]", "the CA ffffffffffff"),
    ],
)
def test_each_alone_is_not_well(changes, names, check, words):
    verdict = judge(seen(**changes), names)
    assert verdict.state == WAITING
    assert verdict.reason.startswith("cloudcore.%s: " % check) and words in verdict.reason
    assert "Most likely" in message("cloud", verdict, seen(**changes), 9) or check in ("running", "token", "answer", "names", "secrets")


def test_an_address_that_only_edge_nodes_reach_is_a_warning():
    found = seen(served=(ANSWER, Served("203.0.113.9", error="no answer")))
    assert judge(found, NAMES).state == WELL
    assert verdicts(found)["cloudcore.answer[203.0.113.9]"] == "warn"


def test_behind_a_proxy_the_ca_is_enough():
    found = seen(served=(Served("a", error="no answer"), Served("pod x", FOUND.ca.sha256, proxy=True)))
    assert judge(found, NAMES).state == WELL
    assert judge(seen(served=(Served("pod x", "f" * 64, proxy=True),)), NAMES).state == WAITING


def test_a_decisive_line_ends_the_wait():
    down = Running(False, "0 of 1 pods ready", (NO_CRDS,))
    assert judge(seen(running=down), NAMES).state == WAITING
    assert judge(seen(running=dataclasses.replace(down, lines=(NO_CRDS, TAKEN))), NAMES).state == FAILED
    # What serves rightly is not spoilt by an old line.
    assert judge(seen(running=Running(True, "up", (TAKEN,))), NAMES).state == WELL


def test_the_message_explains_and_shows_the_lines():
    found = seen(running=Running(False, "0 of 1 pods ready", ("I1123 fine",) * 20 + (NO_CRDS,) * 5), found=cloud_secrets.Found())
    text = message("cloud", judge(found, NAMES), found, 120.4)
    assert text.startswith("cloud: CloudCore is not up after 120 s. cloudcore.running: found 0 of 1 pods ready")
    assert "the CRDs of KubeEdge are missing" in text and "(x5)" in text


def test_tokens_never_get_into_a_message():
    line = "panic: token %s credentials are in the wrong format" % CLOUD.token()
    found = seen(running=Running(False, "down", (line,)))
    text = message("cloud", judge(found, NAMES), found, 1)
    assert "credentials are in the wrong format" in text and CLOUD.token()[70:] not in text
    assert "********" in cloud_causes.mask(CLOUD.token().partition(".")[2])


def test_no_key_is_public():
    assert public(FOUND) == {"ca_sha256": CLOUD.sha256, "names": ["192.0.2.41", "cloud1"], "stream_expires": None}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (NO_CRDS, "no_crds"),
        (TAKEN, "port_taken"),
        ("F1 config.go:1] Both of ca and caKey should be specified!", "half_a_pair"),
        ('TLSStreamCertFile: Invalid value: "/x": TLSStreamCertFile not exist', "stream_files"),
        ('secrets is forbidden: User "system:serviceaccount:kubeedge:cloudcore" cannot list', "forbidden"),
        ("dial tcp 10.0.0.1:6443: connect: connection refused", "no_api"),
        ("ImagePullBackOff: Back-off pulling image", "image"),
        ("FailedScheduling: 0/1 nodes are available: 1 node(s) didn't have free ports", "no_node"),
        ("I1123 09:20:20.079900 server.go:70] Starting cloudhub websocket server on 0.0.0.0:10000", None),
    ],
)
def test_lines_that_say_why(line, name):
    assert [finding.cause.name for finding in cloud_causes.READER.findings([line])][:1] == ([name] if name else [])
