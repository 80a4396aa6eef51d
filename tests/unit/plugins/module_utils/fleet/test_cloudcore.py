"""Where CloudCore of a site runs, what its edge nodes are told, and which settings are refused."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.cloudcore import PORTS
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.expand import expand
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import dotted, parse
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import check
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import PORTS as SCHEMA_PORTS
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import DELETE, ZONES, fleet

EDGE = ("sites.0.nodes.2", {"name": "n-e", "address": "192.0.2.13", "runtime": "edgecore", "arch": "arm64"})
SERVER = ("cloud.nodes.0.runtime", "k3s_server")
PLAIN = ("cloud.cloudcore", DELETE)
SECOND = ("cloud.nodes.1", {"name": "c-2", "address": "192.0.2.2", "arch": "amd64", "runtime": "k3s_server"})


def variables(group, *changes):
    return expand(fleet(*changes)).groups[group].variables


def findings_of(*changes):
    document, findings = parse(yaml.safe_dump(fleet(*changes), sort_keys=False))
    assert findings == []
    return [(dotted(finding.path), finding.message) for finding in check(document, ZONES)]


def test_the_schema_knows_the_same_ports():
    assert tuple(PORTS) == SCHEMA_PORTS


def test_edge_nodes_without_a_server_of_their_own_are_the_clouds():
    expected = {
        "place": "cloud",
        "server": "c-1",
        "shape": "cluster",
        "addresses": ["198.51.100.7"],
        "names": ["edge.example"],
        "ports": {**PORTS, "https": 30002},
    }
    assert variables("site_south")["edge_cloudcore"] == expected
    assert variables("cloud")["edge_cloudcore"] == expected


def test_a_site_with_a_server_runs_its_own():
    assert variables("site_north_hall", EDGE)["edge_cloudcore"] == {
        "place": "north-hall",
        "server": "n-server",
        "shape": "cluster",
        "addresses": ["192.0.2.11"],
        "names": [],
        "ports": PORTS,
    }


def test_a_fleet_without_edge_nodes_has_none():
    changes = [("sites.1", DELETE), PLAIN]
    for group in ("site_north_hall", "cloud"):
        assert not {"edge_cloudcore", "edge_site_transport"} & set(variables(group, *changes))


@pytest.mark.parametrize(
    ("changes", "addresses", "names"),
    [
        ([PLAIN, SERVER], ["2001:db8::1"], []),
        ([PLAIN, SERVER, ("cloud.nodes.0.address", "c-1.example"), SECOND], ["192.0.2.2"], ["c-1.example"]),
        ([("cloud.cloudcore", {"shape": "host"}), SERVER, SECOND], ["2001:db8::1"], []),
        ([("cloud.cloudcore", {"addresses": ["203.0.113.5"]}), SERVER, SECOND], ["203.0.113.5"], []),
    ],
)
def test_addresses_come_from_where_cloudcore_may_run(changes, addresses, names):
    cloudcore = variables("site_south", *changes)["edge_cloudcore"]
    assert (cloudcore["addresses"], cloudcore["names"]) == (addresses, names)


@pytest.mark.parametrize(
    ("group", "changes", "transport", "speaker"),
    [
        ("site_south", [], "quic", "s-a"),
        ("site_south", [("sites.1.transport", DELETE)], "websocket", "s-a"),
        ("site_north_hall", [EDGE], "websocket", "n-server"),
        ("site_north_hall", [], None, "n-server"),
        ("cloud", [], None, "c-1"),
        ("cloud", [SECOND], None, "c-2"),
    ],
)
def test_transport_and_speaker(group, changes, transport, speaker):
    found = variables(group, *changes)
    assert (found.get("edge_site_transport"), found.get("edge_site_speaker")) == (transport, speaker)


@pytest.mark.parametrize(
    "changes",
    [
        [EDGE],
        [EDGE, ("sites.0.cloudcore", {"shape": "host"}), ("sites.0.transport", "quic")],
        [("cloud.cloudcore.ports", {"quic": 10000})],  # UDP beside TCP
        [("cloud.cloudcore.ports", {"websocket": 10002, "https": 10000})],
        [PLAIN, SERVER],
        [("sites.1", DELETE), PLAIN],  # a cloud for other things
    ],
)
def test_fine(changes):
    assert findings_of(*changes) == []


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ([("cloud", DELETE)], "sites[1].nodes[0].runtime", "name a host under cloud.nodes"),
        ([("cloud.nodes", DELETE), PLAIN], "sites[1].nodes[0].runtime", "name a host under cloud.nodes"),
        ([("cloud.nodes", DELETE), ("sites.1", DELETE)], "cloud.cloudcore", "name one under cloud.nodes"),
        ([("sites.0.transport", "quic")], "sites[0].transport", "has no edgecore node"),
        ([("sites.0.cloudcore", {})], "sites[0].cloudcore", "nothing would join it"),
        ([("sites.1.cloudcore", {})], "sites[1].cloudcore", "move this key to cloud"),
        ([PLAIN], "cloud", "give cloudcore.addresses"),
        ([("cloud.cloudcore.addresses", DELETE)], "cloud.cloudcore", "give cloudcore.addresses"),
        ([PLAIN, SERVER, ("cloud.nodes.0.address", "c.example")], "cloud.nodes[0].address", "give cloudcore.addresses"),
        ([("cloud.cloudcore.shape", "host")], "cloud.cloudcore.shape", "needs a node with runtime k3s_server"),
        ([("cloud.cloudcore.addresses.0", "c.example")], "cloud.cloudcore.addresses[0]", "belongs into 'names'"),
        ([("cloud.cloudcore.addresses.0", "0.0.0.0")], "cloud.cloudcore.addresses[0]", "at which edge nodes reach"),
        ([("cloud.cloudcore.addresses.0", "::1")], "cloud.cloudcore.addresses[0]", "at which edge nodes reach"),
        ([("cloud.cloudcore.names.0", "198.51.100.7")], "cloud.cloudcore.names[0]", "belongs into 'addresses'"),
        ([("cloud.cloudcore.names.0", "10.0.0.256")], "cloud.cloudcore.names[0]", "wanted a DNS name"),
        ([("cloud.cloudcore.ports", {"https": 10000})], "cloud.cloudcore.ports.https", "both be TCP port 10000"),
        ([("cloud.cloudcore.ports", {"websocket": 10004})], "cloud.cloudcore.ports.websocket", "both be TCP port 10004"),
        ([EDGE, ("sites.0.cloudcore", {"addresses": ["x"]})], "sites[0].cloudcore.addresses[0]", "wanted an IP address"),
    ],
)
def test_refused(changes, path, words):
    findings = findings_of(*changes)
    assert [(where, words in message) for where, message in findings] == [(path, True)], findings
