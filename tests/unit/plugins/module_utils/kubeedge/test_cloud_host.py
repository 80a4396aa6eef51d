"""CloudCore as a service: files, the record of a start, reasons for a restart, refusals, and the way out."""

from __future__ import annotations

import fnmatch

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_host, cloud_removal

STREAM = {"streamCA.crt": "A", "stream.crt": "B", "stream.key": "C"}
FILES = cloud_host.wanted_files("x: 1\n", STREAM)


def test_what_is_secret_is_root_s_alone():
    modes = {item.path.rpartition("/")[2]: (item.mode, item.secret) for item in FILES}
    assert modes["cloudcore.yaml"][0] == 0o600 and modes["stream.key"] == (0o600, True)
    assert modes["cloudcore.service"] == (0o644, False)


def test_the_unit_notes_what_it_starts_with():
    text = next(item.text for item in FILES if item.path == cloud_host.UNIT_FILE)
    assert "%%s %%Y %%i" in text  # systemd takes one of two percent signs away
    assert "--config /etc/kubeedge/config/cloudcore.yaml" in text
    watched = [pattern for patterns in cloud_host.WATCHED.reasons.values() for pattern in patterns]
    assert all(any(fnmatch.fnmatchcase(item.path, pattern) for pattern in watched) for item in FILES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((True, True, "/k", ()), None),
        ((False, True, "/k", ()), "run the playbook artifacts"),
        ((True, False, "/k", ()), "/k is missing"),
        ((True, True, "/k", ("edgecore.service",)), "EdgeCore and CloudCore share paths"),
    ],
)
def test_refusals(arguments, words):
    found = cloud_host.check(*arguments)
    assert (found == []) if words is None else (len(found) == 1 and words in found[0])


def definition(name):
    return {"metadata": {"name": name}, "spec": {"group": name.partition(".")[2]}}


def test_it_leaves_in_order_and_its_roles_go_last():
    steps = cloud_removal.steps("kubeedge", [definition("devices.devices.kubeedge.io")])
    assert steps[0][0].endswith("/deployments/cloudcore")
    assert steps[1] == ["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devices.devices.kubeedge.io"]
    assert steps[2] == ["/api/v1/namespaces/kubeedge"]
    assert steps[3][-1].endswith("/clusterroles/cloudcore")


def test_nothing_is_removed_under_edge_nodes_or_somebodys_objects():
    assert cloud_removal.refusals([], []) == []
    nodes, things = cloud_removal.refusals(["e%d" % index for index in range(7)], ["devices/lamp"])
    assert "7 Nodes of EdgeCore" in nodes and "and 2 more" in nodes and "devices/lamp" in things


def test_what_cloudcore_writes_itself_is_nobodys():
    found = cloud_removal.of_people([definition("objectsyncs.reliablesyncs.kubeedge.io"), definition("rules.rules.kubeedge.io")])
    assert [item["metadata"]["name"] for item in found] == ["rules.rules.kubeedge.io"]
