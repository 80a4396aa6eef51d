# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the NVIDIA runtime is a reason to restart K3s."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import nvidia
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.nvidia import Found

RUNC = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n"
# As K3s 1.36 writes it when it finds the runtime.
WITH = RUNC + "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia']\n"
TEMPLATE = nvidia.TEMPLATES[1]


@pytest.mark.parametrize(("found", "reason", "warning"), [
    (Found(RUNC, 100, 0, ""), "", ""),
    (Found(WITH, 100, 50, ""), "", ""),
    (Found(RUNC, 100, 200, ""), "nvidia", ""),
    (Found(WITH, 100, 0, ""), "nvidia", ""),
    # An upgrade of the toolkit: K3s knows it by its path, which is the same.
    (Found(WITH, 100, 200, ""), "", ""),
    # K3s has not started yet.
    (Found("", 0, 200, ""), "", ""),
    # A restart would change nothing, so it must not come again with every run.
    (Found(RUNC, 200, 100, ""), "", "although it started later"),
    (Found(RUNC, 100, 200, TEMPLATE), "", TEMPLATE + " decides"),
    (Found(WITH, 100, 0, TEMPLATE), "", TEMPLATE + " decides"),
    (Found(WITH, 100, 50, TEMPLATE), "", ""),
])
def test_restart_reason(found, reason, warning):
    got_reason, got_warning = nvidia.restart_reason(found)
    assert got_reason == reason
    assert (warning in got_warning) and bool(warning) == bool(got_warning)


@pytest.mark.parametrize(("config", "installed", "refused"), [
    ({}, False, False), ({"default-runtime": "nvidia"}, True, False), ({"default-runtime": "nvidia"}, False, True),
    ({"default-runtime": "crun"}, False, False),
])
def test_default_runtime(config, installed, refused):
    assert bool(nvidia.default_runtime_problem(config, installed)) == refused
