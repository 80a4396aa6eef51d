# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins for a containerd of the host."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd


@pytest.mark.parametrize("version, plugin", [(2, "io.containerd.grpc.v1.cri"), (3, "io.containerd.cri.v1.runtime")])
@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("systemd", [True, False])
def test_drop_in(version, plugin, default, systemd):
    text = containerd.drop_in(version, systemd, default)
    assert containerd.config_version(text) == version
    assert "[plugins.'%s'.containerd.runtimes.nvidia.options]" % plugin in text
    assert ('default_runtime_name = "nvidia"' in text) == default
    assert "SystemdCgroup = %s" % str(systemd).lower() in text
    assert containerd.has_runtime(text) and not containerd.has_runtime(text, "crun")


def test_other_versions_are_refused():
    with pytest.raises(ValueError, match="neither 2 nor 3"):
        containerd.drop_in(1, True, True)


@pytest.mark.parametrize("text, found", [
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia']\n", True),
    ('[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."nvidia"]\n', True),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]\n", True),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia-cdi']\n", False),
    ("# [plugins.x.containerd.runtimes.nvidia]\n", False),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n", False),
    ("", False),
])
def test_whether_a_configuration_knows_the_runtime(text, found):
    """As K3s 1.36 writes it (first case), as older ones did, and what only looks like it."""
    assert containerd.has_runtime(text) == found
    assert containerd.config_version(text) == 0
