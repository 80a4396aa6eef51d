# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an identity, for every kind of evidence."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import identity
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.certificate import Certificate
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.identity import Cloud, Found, Node

CA, OTHER = "ab" * 32, "cd" * 32
NOW, DAY = 1795000000.0, 86400.0
MACHINE, ANOTHER, UUID = "11" * 16, "22" * 16, "4c4c4544-0042"
CERTIFICATE = Certificate("system:node:edge1", NOW - DAY, NOW + 300 * DAY)
JOINED = Found(CA, CERTIFICATE, "", True, True, "edge1", MACHINE, UUID, True)
FRESH = Found(machine_id=MACHINE, system_uuid=UUID)
NODE = Node(MACHINE, UUID, "v1.32.10-kubeedge-v1.23.1", 5.0)
THERE = Cloud(node=NODE, ca_sha256=CA)
GONE = Cloud(ca_sha256=CA)
DOWN = Cloud(error="no route to host")
LOST = JOINED._replace(database=False, database_node="")


def node(**changes):
    return Cloud(node=NODE._replace(**changes), ca_sha256=CA)


@pytest.mark.parametrize(("host", "cloud", "action", "token", "forget", "start", "words"), [
    # as it should be
    (JOINED, THERE, "keep", False, False, "", "good for 300 days"),
    (JOINED, Cloud(node=NODE), "keep", False, False, "", "enrolled"),
    (JOINED._replace(active=False), THERE, "keep", False, False, "", "enrolled"),
    (JOINED, DOWN, "keep", False, False, "", "no route to host"),
    # the Node was deleted
    (JOINED, GONE, "keep", False, False, "registers at a start only", "its Node is gone"),
    (JOINED._replace(active=False), GONE, "keep", False, False, "", "enrolled"),
    # first join, also after one that was cut off
    (FRESH, GONE, "enrol", True, False, "enrols", "not enrolled yet"),
    (FRESH._replace(ca_sha256=CA), GONE, "enrol", True, True, "enrols", "not enrolled yet"),
    (FRESH._replace(ca_sha256=CA, unreadable="there is no certificate in it"), GONE, "enrol", True, True, "enrols", "cannot be read"),
    # certificates gone, database kept
    (JOINED._replace(certificate=None, ca_sha256="", key_fits=False), THERE, "enrol", True, False, "enrols", "not enrolled yet"),
    # enrol anew
    (JOINED, Cloud(node=NODE, ca_sha256=OTHER), "re_enrol", True, True, "anew", "has another CA: it has cdcdcdcdcdcd"),
    (JOINED, Cloud(ca_sha256=OTHER), "re_enrol", True, True, "anew", "another CA"),
    (JOINED._replace(certificate=CERTIFICATE._replace(not_after=NOW - 2 * DAY)), THERE, "re_enrol", True, True, "anew", "expired 2 days ago"),
    (JOINED._replace(key_fits=False), THERE, "re_enrol", True, True, "anew", "key does not fit"),
    (JOINED._replace(certificate=CERTIFICATE._replace(common_name="")), THERE, "re_enrol", True, True, "anew", "is for nobody"),
    # the database is lost
    (LOST, THERE, "delete_node_first", False, False, "made anew", "lost its database"),
    (FRESH, THERE, "delete_node_first", True, True, "made anew", "lost its database"),
    (LOST, Cloud(node=NODE, ca_sha256=OTHER), "delete_node_first", True, True, "made anew", "lost its database"),
    (LOST, GONE, "keep", False, False, "its Node was deleted", "its Node is gone"),
    # its own node may look alive: the crash loop renews the lease
    (LOST, node(silent_seconds=1.0), "delete_node_first", False, False, "made anew", "lost its database"),
    # installed anew: another machine-id, the same machine
    (FRESH, node(machine_id=ANOTHER, silent_seconds=3600.0), "delete_node_first", True, True, "made anew", "lost its database"),
    (FRESH, node(machine_id=ANOTHER, system_uuid=UUID.upper(), silent_seconds=None), "delete_node_first", True, True, "made anew", "lost"),
    # two hosts, one name
    (FRESH, node(machine_id=ANOTHER), "refuse", False, False, "", "taken by another machine (machine-id 22222222, here 11111111"),
    (FRESH, node(machine_id=ANOTHER, system_uuid="x", silent_seconds=3600.0), "refuse", False, False, "", "silent for 3600 s"),
    (JOINED, node(machine_id=ANOTHER, system_uuid="x", silent_seconds=None), "refuse", False, False, "", "silent for ever"),
    (FRESH, node(machine_id="", system_uuid=""), "delete_node_first", True, True, "made anew", "lost its database"),
    # another node lives here
    (JOINED._replace(certificate=CERTIFICATE._replace(common_name="system:node:other")), THERE, "refuse", False, False, "",
     "is the node other, and shall become edge1"),
    (FRESH._replace(database=True, database_node="other"), GONE, "refuse", False, False, "", "is the node other"),
    # the cloud cannot be asked
    (FRESH, DOWN, "wait", False, False, "", "not enrolled yet, and the cloud cannot be asked: no route"),
    (LOST, DOWN, "wait", False, False, "", "its database is lost, and the cloud"),
    (JOINED._replace(certificate=CERTIFICATE._replace(not_after=NOW - DAY)), DOWN, "wait", False, False, "", "expired 1 days ago, and"),
])
def test_decide(host, cloud, action, token, forget, start, words):
    decision = identity.decide(host, cloud, "edge1", NOW)
    assert (decision.action, decision.token) == (action, token), decision
    assert words in decision.reason
    if action in ("refuse", "wait"):
        assert decision.remedy and not decision.start
    else:
        assert bool(decision.start) == bool(start) and start in decision.start
        assert not decision.forget or decision.token, "what is forgotten has to be had anew"
        assert decision.forget is forget


def test_evidence_survives_the_way_over_the_wire():
    facts = {"ca_sha256": CA, "certificate": CERTIFICATE._asdict(), "unreadable": "", "key_fits": True, "database": True,
             "database_node": "edge1", "machine_id": MACHINE, "system_uuid": UUID, "active": True}
    assert identity.found(facts) == JOINED
    assert identity.found({"certificate": None}) == Found()
    assert (identity.expires(JOINED), identity.expires(FRESH)) == (CERTIFICATE.not_after, 0.0)


def test_a_node_in_the_words_that_count():
    document = {"status": {"nodeInfo": {"machineID": MACHINE, "systemUUID": UUID, "kubeletVersion": NODE.version}}}
    assert identity.from_api(document, 5.0) == NODE
    assert identity.from_api({}, None) == Node()
    assert identity.from_api(None, None) is None


@pytest.mark.parametrize(("keys", "name"), [
    (["default/pod/a", "null/node/edge1", "null/nodepatch/edge1"], "edge1"), (["default/pod/a", "null/nodepatch/edge1"], ""), ([], "")])
def test_the_node_of_a_database(keys, name):
    assert identity.database_node(keys) == name
