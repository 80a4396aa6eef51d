# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster for the ledger of each test that wants one."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import cluster


@pytest.fixture(name="there")
def _there():
    with cluster() as made:
        yield made
