# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is already on the host decides what may be done."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import identity
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.identity import Existing

OURS, OTHER = "ab" * 32, "cd" * 32
SERVER, AGENT = "k3s_server", "k3s_agent"
PASSWD = "%s,node,node,k3s:agent\nserver-secret,server,server,k3s:server\n"
FULL = "K10%s::server:server-secret" % OURS


@pytest.mark.parametrize(("existing", "runtime", "token", "expected"), [
    (Existing(), SERVER, "", None),
    (Existing(), AGENT, "K10%s::node:x" % OURS, None),
    (Existing(datastore=True, joined=True, server_token=FULL), SERVER, "", None),
    (Existing(datastore=True, server_token=FULL), SERVER, "server-secret", None),
    (Existing(datastore=True, server_token=FULL), SERVER, FULL, None),
    (Existing(datastore=True, passwd=PASSWD % "agent-secret"), SERVER, "server-secret", None),
    (Existing(datastore=True, server_token=FULL), SERVER, "another-secret", "differs from the token"),
    (Existing(datastore=True, passwd=PASSWD % "agent-secret"), SERVER, "agent-secret", "differs from the token"),
    (Existing(datastore=True), SERVER, "", "its token is gone"),
    (Existing(datastore=True), SERVER, "some-secret", None),
    (Existing(datastore=True, server_token="garbage:"), SERVER, "", "its token is gone"),
    (Existing(datastore=True, joined=True), AGENT, "K10%s::node:x" % OURS, "throw the cluster away"),
    (Existing(joined=True), SERVER, "", "agent of another server"),
    (Existing(other_unit=True), AGENT, "", "unit of the other kind"),
    (Existing(joined=True, ca_hashes=(OURS,)), AGENT, "K10%s::node:x" % OURS, None),
    (Existing(joined=True, ca_hashes=(OURS,)), AGENT, "", None),
    (Existing(joined=True, ca_hashes=(OURS,)), AGENT, "K10%s::node:x" % OTHER, "belongs to another cluster"),
])
def test_conflicts(existing, runtime, token, expected):
    problems = identity.conflicts(existing, runtime, token)
    assert (problems == []) if expected is None else any(expected in problem for problem in problems)


@pytest.mark.parametrize(("existing", "runtime", "token", "url", "expected"), [
    (Existing(), AGENT, "t", "u", True),
    (Existing(joined=True, config_token="t", config_server="u"), AGENT, "t", "u", False),
    (Existing(joined=True, config_token="old", config_server="u"), AGENT, "t", "u", True),
    (Existing(joined=True, config_token="t", config_server="old"), AGENT, "t", "u", True),
    (Existing(), AGENT, "", "u", False),
    (Existing(), SERVER, "t", "", False),
])
def test_must_verify_join(existing, runtime, token, url, expected):
    assert identity.must_verify_join(existing, runtime, token, url) is expected
