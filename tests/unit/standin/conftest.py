# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in K3s is a package of its own, beside the collection; its data files are made here as the build makes them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).resolve().parents[3] / "lab" / "standin"
sys.path.insert(0, str(STANDIN))

import in_place


@pytest.fixture(scope="session", autouse=True)
def built_in_data():
    in_place.prepare()


@pytest.fixture
def objects(tmp_path):
    """An empty cluster in a scratch directory."""
    from k3s_standin.api.objects import Objects
    from k3s_standin.api.store import open_store
    return Objects(open_store(tmp_path / "db"))
