"""cloudcore.yaml as data, and the sizes in it."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_config import Settings, document, merge
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_size import node_limit, resources
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.ports import TABLE

PORTS = {port.name: port.number for port in TABLE}


def modules(**more):
    return document(Settings(addresses=["192.0.2.41"], ports=PORTS, **more))["modules"]


def test_what_the_certificate_will_carry():
    hub = modules(names=["cloud1"])["cloudHub"]
    assert (hub["advertiseAddress"], hub["dnsNames"]) == (["192.0.2.41"], ["cloud1"])


def test_no_file_competes_with_the_secrets():
    hub = modules()["cloudHub"]
    assert {hub[key] for key in ("tlsCAFile", "tlsCAKeyFile", "tlsCertFile", "tlsPrivateKeyFile")} == {""}


def test_websocket_stays_on_beside_quic():
    for quic in (False, True):
        hub = modules(quic=quic)["cloudHub"]
        assert (hub["websocket"]["enable"], hub["https"]["enable"], hub["quic"]["enable"]) == (True, True, quic)
        assert (hub["websocket"]["port"], hub["quic"]["port"], hub["https"]["port"]) == (10000, 10001, 10002)


def test_modules_that_matter():
    found = modules(stream=False)
    assert found["dynamicController"]["enable"] is True
    assert found["cloudStream"]["enable"] is False
    # A mode has to be there as soon as the block is.
    assert found["iptablesManager"] == {"enable": False, "mode": "internal"}


def test_own_keys_are_laid_over_and_change_nothing_else():
    found = modules(extra={"modules": {"cloudHub": {"keepaliveInterval": 60}, "router": {"enable": True}}})
    assert found["cloudHub"]["keepaliveInterval"] == 60
    assert found["cloudHub"]["advertiseAddress"] == ["192.0.2.41"]
    assert found["router"] == {"enable": True}


def test_merge_leaves_both_alone():
    base, extra = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}
    assert merge(base, extra) == {"a": {"b": 1, "d": 2}, "c": [2]}
    assert (base, extra) == ({"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]})


@pytest.mark.parametrize(("nodes", "limit"), [(0, 500), (400, 500), (401, 1000), (800, 1000), (4000, 5000)])
def test_there_is_always_room_for_a_quarter_more(nodes, limit):
    assert node_limit(nodes) == limit >= nodes * 1.25 - 1


def test_resources_grow_to_what_upstream_gives_a_thousand():
    assert resources(0)["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert resources(1000)["requests"]["memory"] == "503Mi" and resources(1000)["limits"] == {"memory": "1009Mi"}
