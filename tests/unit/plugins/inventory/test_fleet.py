"""What the plugin refuses, and the inventories of this repository."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import jmespath
import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible_collections.edgeai.sites.plugins.inventory import fleet as plugin
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.expand import expand
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import SMALL

ROOT = Path(__file__).resolve().parents[4]
FLEETS = sorted([*ROOT.glob("inventories/*/fleet.yml"), *ROOT.glob("molecule/*/inventory/fleet.yml")])


def test_factories_are_what_the_readme_says():
    layout = expand(yaml.safe_load((ROOT / "inventories/factories/fleet.yml").read_text()))
    nodes = {name: host for name, host in layout.hosts.items() if "cloud" not in host.groups}
    assert len(layout.groups["sites"].children) == 12
    assert len(nodes) == 200
    runtimes = Counter(host.variables["edge_runtime"] for host in nodes.values())
    assert runtimes["edgecore"] > 30 and runtimes["k3s_agent"] > 100
    kubeedge = {host.groups[0] for host in nodes.values() if "edgecore_nodes" in host.groups}
    assert len(kubeedge) == 3
    places = {layout.groups[site].variables["edge_cloudcore"]["place"] for site in kubeedge}
    assert places == {"cloud", "pune-motors"}
    assert {host.variables["edge_arch"] for host in nodes.values()} == {"amd64", "arm64", "arm"}
    assert {host.variables["edge_gpu"] for host in nodes.values()} == {"none", "dgpu", "tegra"}
    assert [name for name, host in layout.hosts.items() if "cloud" in host.groups]


def test_there_are_fleets_to_check():
    assert {path.parent.name for path in FLEETS} >= {"demo", "factories"}


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_fleets_of_this_repository_have_no_mistakes(path):
    plugin._refuse_mistakes(path)


def test_golden_answers_are_those_of_the_labs_models():
    """The lab builds no image whose models answer otherwise than golden.json says, so its file can be trusted here."""
    models = json.loads((ROOT / "lab/inference/golden.json").read_text(encoding="utf-8"))
    workloads = yaml.safe_load((ROOT / "inventories/demo/fleet.yml").read_text(encoding="utf-8"))["workloads"]
    assert workloads
    for workload in workloads:
        model, golden = models[workload["image"]], workload["golden"]
        assert golden["request"] == {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]}
        for off in (0, 1):
            answer = {"outputs": [{"name": model["output"], "data": [model["data"] + off]}]}
            assert jmespath.search(golden["expect"], answer) is (off == 0), workload["name"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "fleet.yml"
    path.write_text(SMALL.replace("small", "Small") % ", arch_: x, vars: {edge_site: x}", encoding="utf-8")
    with pytest.raises(AnsibleParserError) as raised:
        plugin._refuse_mistakes(path)
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{path} has 3 mistakes:"
    assert [line.split(": ")[1] for line in lines[1:]] == [
        "fleet",
        "sites[0].nodes[0].arch_",
        "sites[0].nodes[0].vars.edge_site",
    ]


def test_without_jsonschema_the_error_is_a_command(tmp_path, monkeypatch):
    monkeypatch.setattr(plugin, "Draft202012Validator", None)
    with pytest.raises(AnsibleParserError, match=r"python3 -m pip install 'jsonschema>=4.17'"):
        plugin._refuse_mistakes(tmp_path / "fleet.yml")


def test_a_file_encrypted_as_a_whole_is_refused(tmp_path):
    path = tmp_path / "fleet.yml"
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n", encoding="utf-8")
    with pytest.raises(AnsibleParserError, match="encrypt_string"):
        plugin._refuse_mistakes(path)


def test_a_bad_expression_is_found_before_anything_runs():
    assert plugin._expression_error("status == 'ok'") is None
    assert "jmespath" in plugin._expression_error("status = 'ok'")


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("fleet.yml", True),
        ("fleet.yaml", True),
        ("berlin.fleet.yml", True),
        ("hosts.yml", False),
        ("myfleet.yml", False),
        ("fleet.ini", False),
    ],
)
def test_file_names(tmp_path, name, mine):
    path = tmp_path / name
    path.write_text("x", encoding="utf-8")
    assert plugin.InventoryModule().verify_file(str(path)) is mine
