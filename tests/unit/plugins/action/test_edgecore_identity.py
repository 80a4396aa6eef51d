# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a decision and from what was found at CloudCore: go on, defer, or refuse."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.action.edgecore_identity import ActionModule
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reach
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.identity import Decision
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.reach import Seen

PORTS = {"https": 10002, "websocket": 10000, "quic": 10001}
GOOD, DOWN = Seen(ca_sha256="ab" * 32), Seen(https="connection refused", hub="connection refused")
PROXY = Seen(ca_sha256="ab" * 32, trust="unable to get local issuer certificate")


@pytest.mark.parametrize(("action", "seen", "error", "failed", "deferred", "words"), [
    ("keep", GOOD, "", False, False, ""),
    ("enrol", GOOD, "", False, False, ""),
    # a node that is enrolled goes on without its cloud
    ("keep", DOWN, "", False, False, "connection refused"),
    ("keep", GOOD, "no route to host", False, False, "no route to host"),
    ("keep", Seen(ca_sha256="ab" * 32, quic="silent"), "", False, False, ""),
    # one that has to join cannot
    ("enrol", DOWN, "", True, True, "Deferred: it would have to join (why)"),
    ("re_enrol", DOWN, "", True, True, "Deferred: it would have to join"),
    ("delete_node_first", DOWN, "", True, True, "Deferred: it would have to join"),
    ("wait", GOOD, "no route", True, True, "Deferred: why. what to do."),
    # what will not heal by waiting
    ("enrol", PROXY, "", True, False, "Refused, nothing was changed: it would have to join (why), and cannot"),
    ("keep", PROXY, "", True, False, "Refused, nothing was changed. 192.0.2.1 port 10002/tcp: unable to get local issuer"),
    ("refuse", GOOD, "", True, False, "Refused, nothing was changed: why. what to do."),
])
def test_conclude(action, seen, error, failed, deferred, words):
    result = {"out_of_reach": "", "deferred": False}
    transport = "quic" if seen.quic else "websocket"
    verdicts = reach.judge(seen, "192.0.2.1", PORTS, transport)
    ActionModule._conclude(result, Decision(action, "why", "what to do"), verdicts, seen, error)
    assert (result.get("failed", False), result["deferred"]) == (failed, deferred)
    assert words in result.get("msg", result["out_of_reach"])
