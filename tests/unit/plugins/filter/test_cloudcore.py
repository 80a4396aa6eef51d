"""The filters of CloudCore as templates call them."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.filter.cloudcore import FilterModule

F = FilterModule().filters()
CLOUDCORE = {"place": "cloud", "server": "c", "shape": "cluster", "addresses": ["192.0.2.41"], "names": ["cloud1"],
             "ports": {"https": 30002}}


@pytest.fixture
def crds(tmp_path):
    paths = []
    for name in ("objectsyncs", "clusterobjectsyncs"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump_all([
            {"kind": "CustomResourceDefinition", "metadata": {"name": name + ".reliablesyncs.kubeedge.io"}}, None]))
        paths.append(str(path))
    return paths


def test_the_configuration_is_yaml_and_the_same_each_time():
    text = F["cloudcore_config"](CLOUDCORE, nodes="3", quic=True)
    assert text == F["cloudcore_config"](CLOUDCORE, nodes=3, quic=True)
    hub = yaml.safe_load(text)["modules"]["cloudHub"]
    assert (hub["https"]["port"], hub["websocket"]["port"], hub["quic"]["enable"]) == (30002, 10000, True)


def test_a_cluster_gets_a_deployment_and_a_host_only_what_it_needs(crds):
    kinds = [item["kind"] for item in F["cloudcore_objects"](CLOUDCORE, crds, "x", image="i")]
    assert kinds[:2] == ["CustomResourceDefinition"] * 2 and kinds[-1] == "Deployment"
    host = [item["kind"] for item in F["cloudcore_objects"](dict(CLOUDCORE, shape="host"), crds, "x")]
    assert host == kinds[:-4]


def test_a_bundle_without_them_is_told_in_ansibles_words(crds, tmp_path):
    with pytest.raises(AnsibleFilterError, match="hangs without a word"):
        F["cloudcore_objects"](CLOUDCORE, crds[:1], "x")
    (tmp_path / "bad").write_text("{")
    with pytest.raises(AnsibleFilterError, match="is no YAML"):
        F["cloudcore_objects"](CLOUDCORE, [str(tmp_path / "bad")], "x")


def test_edge_nodes_are_those_that_join_here():
    hosts = [
        {"inventory_hostname": "e1", "edge_cloudcore": CLOUDCORE, "edge_labels": {"a": "b"}, "edge_site_transport": "quic"},
        {"inventory_hostname": "e2", "edge_cloudcore": dict(CLOUDCORE, place="hall")},
        {"inventory_hostname": "x"},
    ]
    assert F["cloudcore_nodes"](hosts, "cloud") == [{"name": "e1", "labels": {"a": "b"}, "transport": "quic"}]
    assert F["cloudcore_nodes"](hosts, "hall") == [{"name": "e2", "labels": {}, "transport": "websocket"}]


def test_edgemesh_needs_the_dynamic_controller():
    off = {"modules": {"dynamicController": {"enable": False}}}
    assert "dynamicController" in F["cloudcore_config"](CLOUDCORE, extra=off)
    assert F["cloudcore_config"](CLOUDCORE, edgemesh=True) == F["cloudcore_config"](CLOUDCORE)
    with pytest.raises(AnsibleFilterError, match="edgemesh_state: absent"):
        F["cloudcore_config"](CLOUDCORE, extra=off, edgemesh=True)


def test_edgemesh_without_a_relay_is_told_in_ansibles_words():
    with pytest.raises(AnsibleFilterError, match="edgemesh_relays has 0 entries"):
        F["edgemesh_objects"]([], [], {"schema": 1, "artifacts": []})
