"""The inventory contract: groups and variables."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.expand import expand
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import DELETE, fleet


def members(layout, group):
    return [name for name, host in layout.hosts.items() if group in host.groups]


@pytest.mark.parametrize(
    ("group", "hosts"),
    [
        ("site_north_hall", ["n-server", "n-a"]),
        ("site_south", ["s-a"]),
        ("k3s_servers", ["n-server"]),
        ("k3s_agents", ["n-a"]),
        ("edgecore_nodes", ["s-a"]),
        ("gpu_nodes", ["n-a"]),
        ("cloud", ["c-1"]),
    ],
)
def test_groups(group, hosts):
    layout = expand(fleet())
    assert group in layout.groups
    assert members(layout, group) == hosts


def test_sites_has_the_sites_and_not_the_cloud():
    assert expand(fleet()).groups["sites"].children == ["site_north_hall", "site_south"]


def test_fixed_groups_exist_even_when_empty():
    layout = expand(fleet(("sites.1", DELETE), ("cloud", DELETE), ("sites.0.nodes.1.gpu", "none")))
    assert {"sites", "k3s_servers", "k3s_agents", "edgecore_nodes", "gpu_nodes", "cloud"} <= set(layout.groups)
    assert members(layout, "gpu_nodes") == members(layout, "edgecore_nodes") == members(layout, "cloud") == []


def test_host_variables():
    assert expand(fleet()).hosts["n-a"].variables == {
        "ansible_host": "192.0.2.12",
        "edge_runtime": "k3s_agent",
        "edge_arch": "arm64",
        "edge_gpu": "tegra",
        "edge_labels": {},
        "edge_lines": ["line-a"],
    }


def test_site_variables():
    variables = expand(fleet()).groups["site_north_hall"].variables
    nodes = variables.pop("edge_site_nodes")
    assert variables == {
        "edge_site": "north-hall",
        "edge_site_timezone": "Europe/Berlin",
        "edge_site_wan_mbit": 20,
        "edge_site_windows": [{"days": ["sat"], "start": "22:00", "end": "05:00"}],
        "edge_site_api": "https://192.0.2.11:6443",
        "edge_site_server": "n-server",
        "edge_site_speaker": "n-server",
    }
    assert nodes[1] == {
        "name": "n-a",
        "address": "192.0.2.12",
        "runtime": "k3s_agent",
        "arch": "arm64",
        "gpu": "tegra",
        "labels": {},
        "lines": ["line-a"],
    }
    assert [node["name"] for node in nodes] == ["n-server", "n-a"]


def test_fleet_variables_are_on_all():
    variables = expand(fleet(("vars", {"k3s_version": "v1"}))).groups["all"].variables
    assert variables["edge_fleet"] == "test"
    assert variables["k3s_version"] == "v1"
    assert [workload["name"] for workload in variables["edge_workloads"]] == ["vision"]


@pytest.mark.parametrize(
    ("changes", "group", "api"),
    [
        ([], "site_north_hall", "https://192.0.2.11:6443"),
        ([("sites.0.api", "https://vip:6443")], "site_north_hall", "https://vip:6443"),
        ([("sites.0.nodes.0.address", "2001:db8::11")], "site_north_hall", "https://[2001:db8::11]:6443"),
        ([], "site_south", "https://192.0.2.1:6443"),  # EdgeCore nodes: the cloud's
        ([("cloud", DELETE)], "site_south", None),
        ([], "cloud", "https://192.0.2.1:6443"),
        ([("cloud.api", DELETE), ("cloud.nodes.0.runtime", "k3s_server")], "cloud", "https://[2001:db8::1]:6443"),
    ],
)
def test_api(changes, group, api):
    assert expand(fleet(*changes)).groups[group].variables.get("edge_site_api") == api


def test_own_variables_win_where_that_is_allowed():
    layout = expand(fleet(("sites.0.nodes.1.vars", {"ansible_host": "jump.example"}), ("sites.0.vars", {"x": 1})))
    assert layout.hosts["n-a"].variables["ansible_host"] == "jump.example"
    assert layout.groups["site_north_hall"].variables["x"] == 1


def test_a_cloud_host_without_runtime_is_in_no_runtime_group():
    host = expand(fleet()).hosts["c-1"]
    assert host.groups == ["cloud"]
    assert "edge_runtime" not in host.variables


def test_values_are_passed_on_as_they_are():
    """A copy or a cast would lose the marks by which Ansible trusts templates and knows vaulted values."""
    secret = object()
    layout = expand(fleet(("vars", {"secret": secret}), ("sites.0.nodes.0.vars", {"secret": secret})))
    assert layout.groups["all"].variables["secret"] is secret
    assert layout.hosts["n-server"].variables["secret"] is secret
