# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.report import status as st
from ansible_collections.edgeai.sites.plugins.module_utils.report import summary as s
from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.report.html import render_html
from ansible_collections.edgeai.sites.plugins.module_utils.report.junit import render_junit
from ansible_collections.edgeai.sites.plugins.module_utils.report.text import headline, render_markdown, render_text

NODE = {"name": "camera-a", "runtime": "k3s_agent", "arch": "amd64", "gpu": "none", "address": "192.0.2.12", "lines": ["a"]}
HOST = {"changed": 2, "bytes_sent": 68_100_000, "unreachable": None, "failures": []}
TARGET = {
    "name": "vision-line-a", "workload": "vision", "line": "line-a", "node": "camera-a", "image": "lab.example/vision:1",
    "digest": "sha256:" + "ab" * 32, "answer": "class 3", "latency_ms": 12.4, "verdict": "pass",
}
SEEN = {"name": "camera-a", "version": "v1.36.5+k3s1.standin", "ready": True}
PASS = {"check": "answer", "verdict": "pass", "found": "3", "wanted": "3", "remedy": "", "target": "vision-line-a"}


def record(**changes):
    base = {
        "schema": 1, "fleet": "demo", "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:01:00Z",
        "playbook": "site.yml", "check_mode": False, "sites": {"hall": [NODE]}, "hosts": {"camera-a": HOST},
        "steps": [{"name": "k3s", "seconds": 12.34}], "preflight": [],
        "health": {"hall": {"healthy": True, "targets": [TARGET], "nodes": [SEEN], "verdicts": [PASS]}},
    }
    return {**copy.deepcopy(base), **changes}


def failing(task="Start", message="it broke", deferred=False):
    return {"camera-a": {**HOST, "failures": [{"step": "k3s", "task": task, "message": message, "deferred": deferred}]}}


CLOUDCORE = {"check": "cloudcore.ca", "verdict": "fail", "found": "another CA", "wanted": "the CA in casecret", "remedy": "restart it"}


UNHEALTHY = {"hall": {"healthy": False, "targets": [], "nodes": [], "verdicts": [{**PASS, "verdict": "fail", "found": "4"}]}}
REFUSAL = [{"site": "hall", "host": "camera-a", "check": "disk", "verdict": "fail", "found": "1 GB", "wanted": "4 GB", "remedy": "free some"}]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, st.AS_WANTED, None),
        ({"health": {}}, st.NOT_CHECKED, "did not verify"),
        ({"hosts": failing()}, st.FAILED, "camera-a: Start: it broke"),
        ({"health": {}, "hosts": failing(deferred=True)}, st.DEFERRED, "it broke"),
        ({"cloudcore": {"hall": {"healthy": False, "verdicts": [CLOUDCORE]}}, "hosts": failing()}, st.NOT_AS_WANTED, "cloudcore.ca"),
        ({"health": {}, "hosts": failing()}, st.FAILED, "it broke"),
        ({"health": UNHEALTHY}, st.NOT_AS_WANTED, "found 4, wanted 3"),
        ({"health": {"hall": {"healthy": False, "targets": [], "nodes": [], "verdicts": []}}}, st.NOT_AS_WANTED, "no evidence"),
        ({"preflight": REFUSAL}, st.REFUSED, "free some"),
        ({"preflight": [{**REFUSAL[0], "verdict": "warn"}]}, st.AS_WANTED, None),
        ({"preflight": [{**REFUSAL[0], "site": "other"}]}, st.AS_WANTED, None),
        ({"hosts": {"camera-a": {**HOST, "unreachable": "timed out"}}, "preflight": REFUSAL}, st.UNREACHABLE, "timed out"),
    ],
)
def test_a_site_shows_the_worst_that_is_true(changes, status, reason):
    summary = s.summarise(record(**changes))
    assert summary.sites[0].status == status
    assert summary.good is (status not in st.BAD)
    assert any(reason in text for text in summary.sites[0].reasons) if reason else not summary.sites[0].reasons


@pytest.mark.parametrize(
    ("sites", "line"),
    [
        ({"hall": [NODE]}, "fleet demo: 1 site, as wanted"),
        ({"hall": [NODE], "two": []}, "fleet demo: 2 sites, 1 not checked, 1 as wanted"),
        ({"one": [], "two": []}, "fleet demo: 2 sites, all not checked"),
        ({}, "fleet demo: 0 sites, none"),
    ],
)
def test_headline(sites, line):
    assert headline(s.summarise(record(sites=sites))) == line


def test_no_site_is_never_good():
    assert not s.summarise(record(sites={})).good


def test_worst_site_comes_first():
    sites = {"alpha": [{**NODE, "name": "one"}], "hall": [NODE], "zeta": [{**NODE, "name": "two"}]}
    summary = s.summarise(record(sites=sites, hosts={"camera-a": HOST, "two": {**HOST, "unreachable": "no route"}}))
    assert [site.name for site in summary.sites] == ["zeta", "alpha", "hall"]


@pytest.mark.parametrize(
    ("version", "engine"),
    [("v1.36.5+k3s1", "real"), ("v1.36.5+k3s1.standin", "stand-in"), ("", ""), ("v1.36.5-standin", "real")],
)
def test_engine_is_read_from_build_metadata(version, engine):
    assert s.engine_of(version) == engine


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (words.seconds, 0.42, "0.4 s"), (words.seconds, 75, "1 min 15 s"), (words.size, 512, "512 B"),
        (words.size, 68_100_000, "68.1 MB"), (words.size, 5_000_000_000_000, "5000.0 GB"),
        (words.digest, "sha256:" + "ab" * 32, "abababababab"), (words.digest, "", ""),
        (words.answer, TARGET, "class 3 in 12 ms"), (words.answer, {}, "-"), (words.answer, {"answer": 0, "latency_ms": None}, "0"),
        (words.answer, {"answer": {"outputs": [{"name": "class", "data": [3]}, {"name": "scores", "data": [0.1, 0.9]}]}}, "class 3"),
        (words.answer, {"answer": {"outputs": [{"name": "scores", "data": [0.1, 0.9]}]}}, "1 output"),
        (words.answer, {"answer": {"outputs": []}}, "0 outputs"),
    ],
)
def test_words(function, value, text):
    assert function(value) == text


@pytest.mark.parametrize("render", [render_text, render_markdown, render_html])
def test_formats_say_what_runs_and_which_engine(render):
    page = render(s.summarise(record()))
    for wanted in ("hall", "as wanted", "camera-a", "v1.36.5+k3s1.standin (stand-in)", "vision-line-a", "class 3 in 12 ms", "68.1 MB", "12.3 s"):
        assert wanted in page


def test_text_shows_reasons_and_warnings():
    page = render_text(s.summarise(record(health=UNHEALTHY, preflight=[{**REFUSAL[0], "verdict": "warn"}])))
    assert "! vision-line-a: answer: found 4, wanted 3" in page
    assert "~ mind disk (camera-a): 1 GB. free some" in page


@pytest.mark.parametrize("host, said", [({"version": ""}, True), ({"version": "v1"}, False), ({"version": "v1", "failures": [
    {"step": "edgecore", "task": "Join", "message": "no", "deferred": False}]}, True)])
def test_a_cloudcore_that_was_not_there_yet_is_no_news_when_the_node_has_joined_it(host, said):
    early = {**REFUSAL[0], "check": "cloudcore_hub", "verdict": "warn", "found": "connection refused"}
    page = render_text(s.summarise(record(preflight=[early], hosts={"camera-a": {**HOST, **host}})))
    assert ("connection refused" in page) == said


def test_the_same_words_for_many_nodes_are_said_once():
    rows = [{**REFUSAL[0], "host": name, "verdict": verdict, "found": found} for verdict in ("warn", "fail")
            for name, found in (("camera-a", "1 GB"), ("camera-b", "1 GB"))]
    page = render_text(s.summarise(record(preflight=rows)))
    assert page.count("free some") == 2
    assert "~ mind disk (camera-a, camera-b): 1 GB" in page
    assert "! camera-a, camera-b: disk: found 1 GB, wanted 4 GB" in page


@pytest.mark.parametrize(
    ("host", "seen", "state"),
    [
        (HOST, SEEN, "ready"), (HOST, {**SEEN, "ready": False}, "not ready"), (HOST, None, "not checked"),
        ({**HOST, "failures": [{"step": "k3s", "task": "t", "message": "m"}]}, None, "failed"),
        # verify runs once per site in the name of its server: its failure says nothing of that node
        ({**HOST, "failures": [{"step": "verify", "task": "t", "message": "m"}]}, SEEN, "ready"),
        ({**HOST, "unreachable": "gone"}, SEEN, "unreachable"),
    ],
)
def test_state_of_a_node(host, seen, state):
    health = {"hall": {"healthy": True, "targets": [], "nodes": [seen] if seen else [], "verdicts": []}}
    assert s.summarise(record(hosts={"camera-a": host}, health=health)).sites[0].nodes[0].state == state


def test_html_is_closed_escaped_and_asks_for_nothing():
    hostile = "<script>alert(1)</script>"
    page = render_html(s.summarise(record(hosts=failing(task=hostile, message=hostile))))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and "src=" not in page and "@import" not in page
    opened = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Balance().feed(page)
    assert opened == []


def test_markdown_keeps_its_table():
    page = render_markdown(s.summarise(record(hosts=failing(message="a | b\nc"))))
    assert "a \\| b c" in page


@pytest.mark.parametrize(
    ("changes", "tests", "failures", "errors"),
    [({}, 2, 0, 0), ({"health": UNHEALTHY}, 2, 2, 0), ({"health": {}}, 1, 0, 1), ({"preflight": REFUSAL}, 3, 2, 0)],
)
def test_junit_counts(changes, tests, failures, errors):
    suite = ET.fromstring(render_junit(s.summarise(record(**changes))).partition("\n")[2]).find("testsuite")
    assert [int(suite.get(key)) for key in ("tests", "failures", "errors")] == [tests, failures, errors]
    assert len(suite.findall("testcase")) == tests


def test_junit_survives_control_characters():
    ET.fromstring(render_junit(s.summarise(record(hosts=failing(message="\x1b[31mred\x00")))).partition("\n")[2])


GPU = {"name": "camera-a", "kind": "dgpu", "resource": "nvidia.com/gpu", "expected": 1, "allocatable": 1, "sharing": "none",
       "proof": "simulated", "isolation": "pass", "evidence": "simulated: NVIDIA L4 computed 1024 sums right", "good": True}
PROVEN = {"check": "gpu.proof", "verdict": "pass", "found": GPU["evidence"], "wanted": "x", "remedy": "", "host": "camera-a"}


def test_gpus_are_shown_with_what_proved_them():
    summary = s.summarise(record(gpu={"hall": {"healthy": True, "nodes": [GPU], "verdicts": [PROVEN]}}))
    assert summary.sites[0].status == st.AS_WANTED
    for text in (render_text(summary, 200), render_markdown(summary), render_html(summary)):
        assert "1 of 1" in text and "simulated" in text and "NVIDIA L4" in text
    assert "gpu.proof" in render_junit(summary)
    assert "offers" not in render_text(s.summarise(record()), 200)


def gpu_health(verdict="pass", check="gpu_errors"):
    rows = [{**PROVEN, "check": "gpu_present", "found": "NVIDIA L4"},
            {**PROVEN, "check": check, "verdict": verdict, "found": "Xid 79", "remedy": "check the seat"}]
    return {"camera-a": {"healthy": verdict != "fail", "gpu": "dgpu", "found": "dgpu: NVIDIA L4", "verdicts": rows},
            "of-another-site": {"healthy": False, "gpu": "dgpu", "found": "x", "verdicts": [{**rows[0], "verdict": "fail"}]}}


@pytest.mark.parametrize(("verdict", "word"), [
    ("pass", "pass"), ("warn", "warn: gpu_errors"), ("inconclusive", "inconclusive: gpu_errors")])
def test_the_health_of_a_gpu_stands_beside_its_proof(verdict, word):
    proof = {"hall": {"healthy": True, "nodes": [GPU], "verdicts": [PROVEN]}}
    summary = s.summarise(record(gpu=proof, gpu_health=gpu_health(verdict)))
    assert summary.sites[0].status == st.AS_WANTED and [node["health"] for node in summary.sites[0].gpus] == [word]
    for text in (render_text(summary, 200), render_markdown(summary), render_html(summary)):
        assert word in text and "1 of 1" in text and "of-another-site" not in text
    cases = [case.get("name") for case in ET.fromstring(render_junit(summary).partition("\n")[2]).iter("testcase")]
    assert {"gpu.proof", "gpu_present", "gpu_errors"} <= set(cases)


def test_health_without_a_proof_is_shown_too():
    summary = s.summarise(record(gpu_health=gpu_health()))
    line = next(line for line in render_text(summary, 200).splitlines() if "dgpu: NVIDIA L4" in line)
    assert line.split()[:6] == ["camera-a", "dgpu", "-", "-", "-", "pass"]
    assert "<td class=quiet>-</td>" in render_html(summary)


def test_gpus_are_in_the_order_of_their_nodes():
    found = {name: {**gpu_health()["camera-a"]} for name in ("camera-b", "camera-a")}
    nodes = [NODE, {**NODE, "name": "camera-b"}]
    proof = {"hall": {"healthy": True, "nodes": [{**GPU, "name": "outside the limit"}], "verdicts": []}}
    site = s.summarise(record(sites={"hall": nodes}, hosts={}, gpu_health=found, gpu=proof)).sites[0]
    assert [row["name"] for row in site.gpus] == ["camera-a", "camera-b", "outside the limit"]


def test_a_gpu_that_is_not_healthy_makes_the_site_not_as_wanted():
    site = s.summarise(record(gpu_health=gpu_health("fail"))).sites[0]
    assert (site.status, site.gpus[0]["health"]) == (st.NOT_AS_WANTED, "fail: gpu_errors")
    assert site.reasons == ("camera-a: gpu_errors: found Xid 79, wanted x. check the seat",)
    both = s.summarise(record(gpu_health=gpu_health("fail"), health=UNHEALTHY)).sites[0]
    assert len(both.reasons) == 2 and "Xid 79" in both.reasons[0] and "found 4" in both.reasons[1]


def test_a_gpu_that_is_not_proven_makes_the_site_not_as_wanted():
    bad = {**PROVEN, "verdict": "fail", "found": "it sees none"}
    gpu = {"hall": {"healthy": False, "nodes": [{**GPU, "proof": "fail", "good": False}], "verdicts": [bad]}}
    site = s.summarise(record(gpu=gpu, health={}, hosts=failing())).sites[0]
    assert site.status == st.NOT_AS_WANTED
    assert site.reasons == ("camera-a: gpu.proof: found it sees none, wanted x",)


@pytest.mark.parametrize(("cloudcore", "hosts", "status"), [
    ({"healthy": True, "verdicts": []}, {}, st.AS_WANTED),
    ({"healthy": False, "verdicts": [CLOUDCORE]}, {}, st.NOT_AS_WANTED),
    (None, {}, st.NOT_CHECKED),
    (None, {"central": {**HOST, "unreachable": "timed out"}}, st.UNREACHABLE),
])
def test_the_cloud_is_as_wanted_when_cloudcore_is_proven(cloudcore, hosts, status):
    central = {**NODE, "name": "central", "runtime": "k3s_server"}
    assert "0 sites and the cloud" in headline(s.summarise(record(sites={"cloud": [central]})))
    found = s.summarise(record(sites={"cloud": [central]}, health={}, hosts=hosts, cloudcore={"cloud": cloudcore} if cloudcore else {}))
    assert found.sites[0].status == status


def test_an_edge_node_shows_the_end_of_its_certificate():
    later = {"camera-a": {**HOST, "version": "v1.32.10-kubeedge-v1.23.1", "certificate_expires": 1767225660 + 30.5 * 86400}}
    found = s.summarise(record(hosts=later, health={}))
    node = found.sites[0].nodes[0]
    assert (node.certificate_days, node.version, node.state) == (30, "v1.32.10-kubeedge-v1.23.1", "up")
    assert "30 days left" in render_text(found) and "30 days left" in render_html(found)
    gone = {"camera-a": {**HOST, "certificate_expires": 1767225660 - 86400.0}}
    assert "expired 1 day ago" in render_markdown(s.summarise(record(hosts=gone)))
    assert "certificate" not in render_text(s.summarise(record()))


def test_what_failed_everywhere_in_the_same_words_is_said_once():
    broken = failing()["camera-a"]
    found = s.summarise(record(sites={"hall": [NODE, {**NODE, "name": "camera-b"}]}, hosts={"camera-a": broken, "camera-b": broken}))
    assert found.sites[0].reasons == ("camera-a, camera-b: Start: it broke",)


def test_a_deferred_node_is_not_called_failed():
    found = s.summarise(record(hosts=failing(deferred=True), health={}))
    assert found.sites[0].nodes[0].state == "deferred" and not found.good
