# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulated fleets on loopback. Counts and verdicts decide these tests, and never how long something takes."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.health import decide, pods
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import watch
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import engine
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import site_hands

from ansible_collections.edgeai.sites.tests.scale.controller import simulator


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """What only takes time, with less of it."""
    for module, name, seconds in ((pods, "MIN_UPTIME_SECONDS", 0), (watch, "RETRY_SECONDS", 0.05), (watch, "LONGEST_RETRY_SECONDS", 0.4),
                                  (watch, "LATE_SECONDS", 0.5), (decide, "PROBE_AGAIN_SECONDS", 0.2), (site_hands, "AGAIN_SECONDS", 0.2),
                                  (engine, "AGAIN_SECONDS", 1)):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def fleet(tmp_path):
    """Return a function (sites, nodes, **options of a Site) that starts a fleet."""
    running = []

    def start(sites, nodes, **options):
        running.append(simulator.Fleet(tmp_path / f"fleet-{len(running)}", sites, nodes, **{"load_seconds": 0.2, **options}).__enter__())
        return running[-1]

    yield start
    for each in running:
        each.__exit__(None, None, None)
