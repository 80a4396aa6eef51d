# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answer to a join attempt means."""

from __future__ import annotations


def problem(status: int, error: str, server_url: str) -> str | None:
    """Why joining ``server_url`` cannot work, or None. ``status``/``error`` are from the attempt (0 = no answer)."""
    if status == 200:
        return None
    if status == 0:
        return ("the server %s cannot be reached from this node (%s). Check that K3s runs there, that the address is "
                "right, and that nothing blocks TCP port 6443 between them" % (server_url, error))
    if status == 495:
        return ("the server %s has another CA than the one in the join token: it belongs to another cluster, or was "
                "installed anew. Check the address, or run the playbook for the server again" % server_url)
    if status in (401, 403):
        return ("the server %s refuses the join token (HTTP %d). Leave k3s_token to the playbook, which reads it from "
                "the server, or compare it with /var/lib/rancher/k3s/server/agent-token there" % (server_url, status))
    if status == 503:
        return "the server %s is still starting (HTTP 503)" % server_url
    return "the server %s answered HTTP %d, which no K3s server does. Check the address" % (server_url, status)


def may_heal(status: int) -> bool:
    """Whether trying again within seconds can help."""
    return status in (0, 502, 503, 504)
