# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that K3s reads only when it starts: what its unit notes of them decides about restarts."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import paths
from ansible_collections.edgeai.sites.plugins.module_utils.started import Watched

_CONTAINERD = paths.AGENT + "/etc/containerd/"
_KUBELET = paths.AGENT + "/etc/kubelet.conf.d/"
_KUBELET_GENERATED = _KUBELET + "00-k3s-defaults.conf"


def watched(runtime: str) -> Watched:
    """The files of one kind of node (the binary is apart)."""
    unit = paths.unit_file(runtime)
    return Watched(paths.STARTED, paths.BINARY, {
        "config": [paths.CONFIG, paths.CONFIG + ".d/*.yaml", paths.CONFIG + ".d/*.yml"],
        "registries": [paths.REGISTRIES],
        "env": [paths.env_file(runtime)],
        "unit": [unit, unit + ".d/*.conf"],
        "containerd": [_CONTAINERD + "*.tmpl", _CONTAINERD + "config-v3.toml.d/*.toml"],
        "kubelet": [_KUBELET + "*.conf"],
    })


def ignored(path: str) -> bool:
    """Whether K3s itself writes this file at each start."""
    return path == _KUBELET_GENERATED
