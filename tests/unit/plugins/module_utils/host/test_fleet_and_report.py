from __future__ import annotations

import copy

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host.fleet import judge_fleet
from ansible_collections.edgeai.sites.plugins.module_utils.host.report import assess


@pytest.fixture
def fleet(server):
    """Two sites: plant-a with a server and an agent of its cluster, plant-b with a server."""
    evidence, intent = server

    def member(node, site, runtime, address, authority):
        probe = {"evidence": copy.deepcopy(evidence), "intent": dict(intent, node=node, node_name=node, site=site, runtime=runtime,
                                                                     address=address, server_addresses=[], server_url="")}
        probe["intent"]["site_server"] = f"{site}-server"
        probe["evidence"]["machine"]["machine_id"] = f"id-of-{node}"
        probe["evidence"]["network"]["addresses"] = [address]
        probe["evidence"]["k3s"].update(ca_sha256=authority, node_name=node)
        if runtime == "k3s_agent":
            probe["evidence"]["k3s"].update(role="agent", units={"k3s-agent.service": "edgeai"}, agent_data=True)
        return probe

    return {
        "plant-a-server": member("plant-a-server", "plant-a", "k3s_server", "192.0.2.11", "aa" * 32),
        "cam-a": member("cam-a", "plant-a", "k3s_agent", "192.0.2.12", "aa" * 32),
        "plant-b-server": member("plant-b-server", "plant-b", "k3s_server", "192.0.2.11", "bb" * 32),
    }


def sites_of(fleet):
    return {host: probe["intent"]["site"] for host, probe in fleet.items()}


def test_a_good_fleet_has_no_finding_and_may_share_private_addresses(fleet):
    assert judge_fleet(fleet) == {}
    result = assess(fleet, sites_of(fleet))
    assert (result["sites_ready"], result["sites_refused"]) == (["plant-a", "plant-b"], [])
    assert {row["verdict"] for row in result["verdicts"]} == {"pass"}
    assert result["text"].startswith("3 hosts at 2 sites looked at: fit")


@pytest.mark.parametrize(("change", "check", "hosts"), [
    (lambda fleet: fleet["cam-a"]["evidence"]["machine"].update(machine_id="id-of-plant-b-server"), "machine_id",
     ["cam-a", "plant-b-server"]),
    (lambda fleet: fleet["cam-a"]["intent"].update(node_name="Plant-B-server"), "node_name", ["cam-a", "plant-b-server"]),
    (lambda fleet: fleet["cam-a"]["intent"].update(address="192.0.2.11"), "address", ["cam-a", "plant-a-server"]),
    (lambda fleet: fleet["cam-a"]["evidence"]["k3s"].update(ca_sha256="cc" * 32), "cluster_identity", ["cam-a"]),
    (lambda fleet: fleet["plant-a-server"]["evidence"]["k3s"].update(ca_sha256=""), "cluster_identity", ["cam-a"]),
])
def test_what_only_a_second_host_shows(fleet, change, check, hosts):
    change(fleet)
    found = judge_fleet(fleet)
    assert sorted(found) == hosts
    assert all(entry["check"] == check and entry["verdict"] == "fail" and entry["remedy"] for host in hosts for entry in found[host])


def test_a_missing_machine_id_is_no_duplicate(fleet):
    for probe in fleet.values():
        probe["evidence"]["machine"]["machine_id"] = ""
    assert judge_fleet(fleet) == {}


def test_an_agent_alone_in_the_run_is_not_judged_by_an_absent_server(fleet):
    assert judge_fleet({"cam-a": fleet["cam-a"]}) == {}


def test_one_bad_host_refuses_its_site_and_no_other(fleet):
    fleet["cam-a"]["evidence"]["memory"]["total_bytes"] = 64 * 1024 * 1024
    result = assess(fleet, sites_of(fleet))
    assert (result["sites_ready"], result["sites_refused"]) == (["plant-b"], ["plant-a"])
    lines = result["text"].splitlines()
    assert lines[0] == "3 hosts at 2 sites looked at: 1 of 2 sites refused, the others go on. Nothing was changed at the refused ones."
    assert [line.split()[0] for line in lines if line and line[0].isalpha()] == ["REFUSED", "READY"]
    assert "  FAIL     memory: cam-a" in lines


def test_warnings_refuse_nothing(fleet):
    fleet["cam-a"]["evidence"]["iptables"]["version"] = "1.8.2"
    result = assess(fleet, sites_of(fleet))
    assert result["sites_refused"] == []
    assert "warn     iptables: cam-a" in result["text"]


@pytest.mark.parametrize(("result", "check", "word"), [
    ({"unreachable": True, "msg": "ssh: connect to host 192.0.2.12 port 22: No route to host"}, "reachable", "No route to host"),
    ({"failed": True, "msg": "The module interpreter '/usr/bin/python3' was not found."}, "probe", "interpreter"),
    ({}, "probe", "did not run"),
    ({"evidence": {}}, "probe", "did not run"),
])
def test_a_host_without_evidence_is_an_error(fleet, result, check, word):
    sites = sites_of(fleet)
    fleet["cam-a"] = result
    report = assess(fleet, sites)
    rows = [row for row in report["verdicts"] if row["host"] == "cam-a"]
    assert [(row["check"], row["verdict"], row["site"]) for row in rows] == [(check, "error", "plant-a")]
    assert word in rows[0]["found"] and rows[0]["remedy"]
    assert report["sites_refused"] == ["plant-a"]
    assert f"ERROR    {check}: cam-a" in report["text"]


def test_a_host_that_was_never_asked_is_in_the_report(fleet):
    sites = dict(sites_of(fleet), **{"cam-b": "plant-b"})
    report = assess(fleet, sites)
    assert report["sites_refused"] == ["plant-b"]


def test_no_host_is_no_success():
    report = assess({}, {})
    assert "nothing may go on" in report["text"]
    assert report["sites_ready"] == []


def test_every_finding_is_printed_with_its_remedy_within_the_width(fleet):
    fleet["cam-a"]["evidence"]["cgroup"] = {"version": 1, "controllers": ["memory"]}
    report = assess(fleet, sites_of(fleet))
    assert max(len(line) for line in report["text"].splitlines()) <= 110
    flat = " ".join(report["text"].split())
    for row in report["verdicts"]:
        if row["verdict"] != "pass":
            assert " ".join(row["remedy"].split()) in flat


def test_the_same_finding_on_many_hosts_is_said_once(fleet):
    for host in ("plant-a-server", "cam-a"):
        fleet[host]["evidence"]["iptables"]["version"] = "1.8.2"
    text = assess(fleet, sites_of(fleet))["text"]
    assert text.count("prefer-bundled-bin") == 1
    assert "warn     iptables: cam-a, plant-a-server" in text
