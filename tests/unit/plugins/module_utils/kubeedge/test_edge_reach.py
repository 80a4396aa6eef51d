# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edge node finds at its CloudCore."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reach
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.reach import Seen

CA, OTHER = "ab" * 32, "cd" * 32
PORTS = {"https": 10002, "websocket": 10000, "quic": 10001}
GOOD = Seen(ca_sha256=CA)


@pytest.mark.parametrize(("seen", "transport", "ca", "verdicts", "words", "later"), [
    (GOOD, "websocket", CA, ["pass", "pass"], "", False),
    (GOOD, "websocket", "", ["pass", "pass"], "", False),
    (GOOD._replace(quic="answer"), "quic", CA, ["pass", "pass"], "", False),
    (Seen(https="connection refused", hub="connection refused"), "websocket", CA, ["fail", "fail"], "run the cloudcore step", True),
    (Seen(https="no answer within 5 s"), "websocket", CA, ["fail", "pass"], "open 10002/tcp", True),
    (Seen(https="name or service not known"), "websocket", CA, ["fail", "pass"], "The name is not known here", True),
    (GOOD._replace(hub="no answer within 5 s"), "websocket", CA, ["pass", "fail"], "open 10000/tcp", True),
    # a proxy that speaks HTTP
    (Seen(trust="/ca.crt answered 404: it is not CloudCore"), "websocket", CA, ["fail", "pass"], "Pass TCP 10002 through", False),
    # a proxy that ends TLS: it gives CloudCore's CA, behind a certificate of its own
    (GOOD._replace(trust="unable to get local issuer certificate"), "websocket", CA, ["fail", "pass"], "ends TLS and begins it anew", False),
    (GOOD._replace(trust="IP address mismatch, certificate is not valid for '192.0.2.1'"), "websocket", CA, ["fail", "pass"],
     "Give CloudCore the name or address cloud.example.org", False),
    (GOOD._replace(trust="certificate is not yet valid"), "websocket", CA, ["fail", "pass"], "Set the clocks", False),
    (GOOD, "websocket", OTHER, ["fail", "pass"], "Another CloudCore answers there", False),
    (GOOD._replace(quic="refused"), "quic", CA, ["pass", "fail"], "transport: websocket", True),
    (GOOD._replace(quic="silent"), "quic", CA, ["pass", "inconclusive"], "A firewall drops UDP 10001", True),
])
def test_judge(seen, transport, ca, verdicts, words, later):
    found = reach.judge(seen, "cloud.example.org", PORTS, transport, ca)
    assert [verdict["verdict"] for verdict in found] == verdicts
    assert words in " ".join(verdict["remedy"] for verdict in found)
    assert all(verdict["found"].startswith("cloud.example.org port 1000") for verdict in found)
    assert reach.unreachable(seen) is later


def test_evidence_from_the_wire():
    assert reach.seen({"https": "", "ca_sha256": CA, "trust": "", "hub": "", "client": None, "quic": ""}) == GOOD


def test_a_quic_packet_is_large_enough_and_of_no_version():
    """RFC 9000: a server answers only to 1200 bytes or more (14.1), and with a version negotiation to unknown ones (6.1)."""
    packet = reach.quic_packet(b"12345678")
    assert len(packet) == 1200
    assert packet[0] & 0xC0 == 0xC0 and all(byte & 0x0F == 0x0A for byte in packet[1:5]), "a version reserved to force this answer"
    assert packet[5] == 8 and packet[6:14] == b"12345678" and packet[14] == 8


@pytest.mark.parametrize(("answer", "good"), [
    (b"\x80\x00\x00\x00\x00\x08abcdefgh", True), (b"\xc0\x00\x00\x00\x01\x08abcdefgh", False), (b"\x40\x00\x00\x00\x00\x08abc", False), (b"", False)])
def test_the_answer_to_it(answer, good):
    assert reach.is_quic(answer) is good
