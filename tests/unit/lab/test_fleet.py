"""Reading fleet.yml: names, addresses and the network, and a word for everything that cannot work."""

from pathlib import Path

import pytest
from edgelab import fleet
from edgelab.errors import LabError

PATH = Path("/inventory/fleet.yml")


def document(nodes, **more):
    return {"fleet": "demo", "sites": [{"name": "factory", "nodes": nodes}], **more}


def node(name="one", address="10.89.77.11", **more):
    return {"name": name, "address": address, "runtime": "k3s_agent", **more}


def test_hosts_network_and_gateway():
    found = fleet.parse(document([node(gpu="dgpu"), node("two", "10.89.77.12"), {"name": "not-in-the-lab"}]), PATH)
    assert [(host.name, host.address, host.gpu, host.site) for host in found.hosts] == [
        ("one", "10.89.77.11", "dgpu", "factory"),
        ("two", "10.89.77.12", "none", "factory"),
    ]
    assert (found.subnet, found.gateway, found.network) == ("10.89.77.0/24", "10.89.77.1", "edgelab-demo")
    assert found.directory == PATH.parent


def test_cloud_nodes_are_hosts_too():
    found = fleet.parse(document([node()], cloud={"nodes": [node("cloud1", "10.89.77.20")]}), PATH)
    assert [host.name for host in found.hosts] == ["one", "cloud1"]


@pytest.mark.parametrize(
    "data, word",
    [
        ([], "expected a mapping"),
        ({"sites": []}, "cannot name a lab"),
        ({"fleet": "Demo Fleet", "sites": []}, "cannot name a lab"),
        (document([]), "no node has an address"),
        (document([node("Hall_1")]), "not a host name"),
        (document([node("-one")]), "not a host name"),
        (document([node(), node()]), "name one is used by one and one"),
        (document([node(), node("two")]), "address 10.89.77.11 is used by one and two"),
        (document([node(address="10.89.77.300")]), "not an IPv4 address"),
        (document([node(address="8.8.8.8")]), "not private"),
        (document([node(address="127.0.0.5")]), "not private"),
        (document([node(address="10.89.77.1")]), "taken by the network itself"),
        (document([node(address="10.89.77.255")]), "taken by the network itself"),
        (document([node(), node("two", "10.89.78.12")]), "one /24, found 10.89.77.0/24, 10.89.78.0/24"),
    ],
)
def test_what_cannot_work_is_said(data, word):
    with pytest.raises(LabError, match=word.replace("/", ".")):
        fleet.parse(data, PATH)


def test_reading_a_directory(tmp_path):
    (tmp_path / "fleet.yml").write_text("fleet: demo\nsites: [{name: s, nodes: [{name: a, address: 10.1.2.3}]}]\n")
    assert fleet.load(tmp_path).hosts[0].name == "a"


@pytest.mark.parametrize("text, word", [(None, "no fleet.yml"), ("a: [", "not YAML")])
def test_a_file_that_cannot_be_read(tmp_path, text, word):
    if text:
        (tmp_path / "fleet.yml").write_text(text)
    with pytest.raises(LabError, match=word):
        fleet.load(tmp_path)
