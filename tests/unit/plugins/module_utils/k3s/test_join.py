# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answer to a join attempt means."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import join

URL = "https://10.0.0.1:6443"


@pytest.mark.parametrize(("status", "error", "expected", "heals"), [
    (0, "timed out", "cannot be reached from this node (timed out)", True),
    (495, "", "has another CA", False),
    (401, "", "refuses the join token (HTTP 401)", False),
    (403, "", "refuses the join token (HTTP 403)", False),
    (503, "", "still starting", True),
    (418, "", "answered HTTP 418", False),
])
def test_problem(status, error, expected, heals):
    problem = join.problem(status, error, URL)
    assert expected in problem
    assert URL in problem
    assert join.may_heal(status) is heals


def test_no_problem():
    assert join.problem(200, "", URL) is None
