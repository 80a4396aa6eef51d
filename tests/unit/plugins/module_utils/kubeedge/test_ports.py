"""Ports: the table, and who needs which."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.cloudcore import PORTS
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.ports import (
    NAMES,
    TABLE,
    listening,
    service_ports,
    wanted_by_edge,
)

MOVED = dict(PORTS, https=30002, quic=30001)


def test_the_inventory_has_the_same_ports():
    assert {port.name: port.number for port in TABLE} == PORTS
    assert tuple(PORTS) == NAMES


def test_only_quic_is_udp_and_10002_is_not_quic():
    assert [port.name for port in TABLE if port.protocol == "UDP"] == ["quic"]
    assert next(port.name for port in TABLE if port.number == 10002) == "https"


@pytest.mark.parametrize(
    ("transport", "stream", "numbers"),
    [("websocket", False, [10000, 30002]), ("quic", False, [30001, 30002]), ("quic", True, [30001, 30002, 10004])],
)
def test_an_edge_node_needs_few(transport, stream, numbers):
    assert [port.number for port in wanted_by_edge(MOVED, transport, stream)] == numbers


@pytest.mark.parametrize(
    ("quic", "stream", "names"),
    [
        (False, False, ["websocket", "https"]),
        (True, False, ["websocket", "quic", "https"]),
        (True, True, list(NAMES)),
    ],
)
def test_cloudcore_listens_on_what_is_on(quic, stream, names):
    assert [port.name for port in listening(MOVED, quic, stream)] == names


def test_a_service_has_protocols():
    assert service_ports(listening(MOVED, True, False))[1] == {
        "name": "quic", "port": 30001, "targetPort": 30001, "protocol": "UDP"}
