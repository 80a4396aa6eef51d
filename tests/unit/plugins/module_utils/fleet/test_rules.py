"""Rules between keys, one table: a change to a valid fleet, where the finding is, what it says."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import dotted, parse
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import RESERVED_VARS, check
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import DELETE, ZONES, fleet

AGENT = "sites.0.nodes.1."
THIRD = "sites.0.nodes.2"


def node(name, last, runtime="k3s_agent", **more):
    return {"name": name, "address": f"192.0.2.{last}", "runtime": runtime, "arch": "amd64", **more}


def findings_of(data, zones=ZONES, expression_error=None):
    document, findings = parse(yaml.safe_dump(data, sort_keys=False))
    assert findings == []
    return check(document, zones, expression_error)


def test_a_valid_fleet_breaks_no_rule():
    assert findings_of(fleet()) == []


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ([("sites.1.name", "north-hall")], "sites[1].name", "site 'north-hall' is there already"),
        ([("sites.1.nodes.0.name", "n-a")], "sites[1].nodes[0].name", "already in site 'north-hall'"),
        ([("cloud.nodes.0.name", "n-a")], "cloud.nodes[0].name", "already in site 'north-hall'"),
        ([(AGENT + "address", "192.0.2.11")], "sites[0].nodes[1].address", "address '192.0.2.11' is there already"),
        ([("workloads.1", fleet()["workloads"][0])], "workloads[1].name", "workload 'vision' is there already"),
        ([("sites.1.name", "cloud")], "sites[1].name", "a name of the inventory itself"),
        ([("sites.1.nodes.0.name", "all")], "sites[1].nodes[0].name", "a name of the inventory itself"),
        ([("vars", {"edge_site": 1})], "vars.edge_site", "cannot be set in vars"),
        ([(AGENT + "vars", {"edge_arch": 1})], "sites[0].nodes[1].vars.edge_arch", "cannot be set in vars"),
        ([("cloud.vars", {"edge_site": 1})], "cloud.vars.edge_site", "cannot be set in vars"),
        ([(AGENT + "address", "10.0.0.256")], "sites[0].nodes[1].address", "wanted an IPv4 or IPv6 address"),
        ([(AGENT + "address", "a host")], "sites[0].nodes[1].address", "wanted an IPv4 or IPv6 address"),
        ([("sites.0.timezone", "Europe/Berln")], "sites[0].timezone", "Did you mean 'Europe/Berlin'?"),
        ([("sites.0.timezone", "CEST")], "sites[0].timezone", "wanted an IANA time zone"),
        ([("sites.0.windows.0.end", "22:00")], "sites[0].windows[0].end", "it is empty"),
        ([("sites.0.nodes.0", DELETE)], "sites[0].nodes", "no k3s_server"),
        ([(THIRD, node("n-2", 13, "k3s_server"))], "sites[0].nodes[2].runtime", "2 servers, which are worse than 1"),
        (
            [(f"sites.0.nodes.{i}", node(f"n-{i}", 20 + i, "k3s_server")) for i in (2, 3, 4)],
            "sites[0].nodes[4].runtime",
            "4 servers",
        ),
        ([(THIRD, node("n-b", 13, gpu="dgpu", lines=["line-a"]))], "sites[0].nodes[2].lines", "wired to node 'n-a'"),
        ([("cloud.nodes.0.runtime", "edgecore")], "cloud.nodes[0].runtime", "belongs to a site"),
        (
            [("workloads.0.runs_on.lines", ["line-b"]), (THIRD, node("n-b", 13, gpu="dgpu", lines=["line-c"]))],
            "workloads[0].runs_on.lines[0]",
            "no node of the fleet has the line 'line-b'. Did you mean",
        ),
        (
            [("workloads.0.runs_on", {"nodes": ["n-a", "nobody"]})],
            "workloads[0].runs_on.nodes[1]",
            "no node of the fleet has the node 'nobody'",
        ),
        (
            [("workloads.0.runs_on", {"labels": {"duty": "gates"}})],
            "workloads[0].runs_on.labels",
            "would run nowhere",
        ),
        ([(AGENT + "gpu", "none")], "workloads[0].gpu", "node 'n-a', which has gpu: none"),
        (
            [(AGENT + "lines", ["line-a", "b"]), ("workloads.1", {"name": "vision-line", "runs_on": {"lines": ["a"]}})]
            + [(THIRD, node("n-b", 13, lines=["a"]))],
            "workloads[1].name",
            "Deployment 'vision-line-a' in site 'north-hall' is also one of workload 'vision'",
        ),
        (
            [("workloads.0.name", "v" * 60)],
            "workloads[0].name",
            "has 67 characters",
        ),
    ],
)
def test_a_broken_rule_is_named_where_it_is(changes, path, words):
    findings = findings_of(fleet(*changes))
    assert [(dotted(finding.path), words in finding.message) for finding in findings] == [(path, True)], findings


def test_three_servers_are_fine():
    changes = [(f"sites.0.nodes.{i}", node(f"n-{i}", 20 + i, "k3s_server")) for i in (2, 3)]
    assert findings_of(fleet(*changes)) == []


def test_a_line_name_may_return_in_another_site():
    assert findings_of(fleet(("sites.1.nodes.0.lines", ["line-a"]), ("workloads.0.gpu", 0))) == []


def test_a_controller_without_time_zones_is_told_what_to_install():
    (finding,) = findings_of(fleet(), zones=frozenset())
    assert "install tzdata" in finding.message


def test_expressions_are_judged_by_the_callers_compiler():
    findings = findings_of(fleet(), expression_error=lambda text: "no" if "status" in text else None)
    assert [dotted(finding.path) for finding in findings] == ["workloads[0].health.expression"]


@pytest.mark.parametrize("data", [[], "x", 7, {"sites": 3, "workloads": "x", "cloud": []}, {"sites": [None, {"nodes": [1]}]}])
def test_data_of_any_shape_is_survived(data):
    findings_of(data)


def test_every_wrong_type_in_every_place_is_survived():
    """The schema speaks about these; the rules must only not fall over them."""
    for path in _paths(fleet()):
        for value in (None, 7, "x", [], {}, [None], [{}]):
            findings_of(fleet((path, value)))


def _paths(data, prefix=""):
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, part in steps:
        yield f"{prefix}{step}"
        yield from _paths(part, f"{prefix}{step}.")


def test_reserved_variables_are_those_that_the_plugin_sets():
    from ansible_collections.edgeai.sites.plugins.module_utils.fleet.expand import expand

    layout = expand(fleet())
    parts = list(layout.groups.values()) + list(layout.hosts.values())
    assert {name for part in parts for name in part.variables} - {"ansible_host"} == set(RESERVED_VARS)
