# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in K3s is a package of its own, beside the collection; its data files are made here as the build makes them."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.tests.unit.standin.in_process import empty_cluster


@pytest.fixture
def objects(tmp_path):
    """An empty cluster in a scratch directory."""
    return empty_cluster(tmp_path / "db")
